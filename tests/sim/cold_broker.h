#pragma once

#include <memory>
#include <string>

#include "broker/commands/broker_families.h"
#include "broker/testing.h"
#include "tests/sim/cold_fixture.h"

namespace runnel::sim {

using runnel::testing::BrokerHarness;

// A broker whose streams go to a model disk.
class ColdBroker {
 public:
  explicit ColdBroker(uint64_t seed, uint64_t stream_memory = 20'000,
                      const ColdSizes& sizes = ColdWorld::kSizes)
      : disk(seed) {
    settings.stream_memory = stream_memory;
    store = std::make_unique<ColdStore>(disk, "streams", writer, reader, writer,
                                        harness.keyspace.hot_blocks(), settings, sizes);
    CHECK(store->Open().ok());
    harness.broker.UseCold(store.get());
    harness.broker.commands().Add(TransactionCommands());
    harness.broker.commands().Add(ClientCommands());
    harness.broker.commands().Add(ConnectionCommands());
    harness.broker.commands().Add(ScriptCommands());
    harness.broker.commands().Add(FunctionCommands());
    harness.broker.commands().Add(PubSubCommands());
    harness.broker.commands().Add(IntrospectionCommands());
  }
  ~ColdBroker() {
    harness.broker.UseCold(nullptr);
    harness.keyspace.Clear();
    store.reset();
  }

  std::unique_ptr<BrokerHarness::Client> Connect() { return harness.Connect(); }
  // Lets the helpers finish what they have begun and what follows from it.
  void Settle() {
    do {
      harness.broker.EndTurn();
      writer.Drain();
      reader.Drain();
      harness.broker.EndTurn();
    } while (!writer.idle() || !reader.idle());
  }
  // The reply, whenever it comes.
  std::string Ask(BrokerHarness::Client& client, const std::string& line) {
    std::string reply = client.Run(line);
    while (client.session().parked()) {
      CHECK(reply.empty());
      reader.Step();
      reply = client.Lines();
    }
    return reply;
  }
  void Fill(BrokerHarness::Client& client, const std::string& key, int entries) {
    for (int i = 1; i <= entries; i++) {
      client.Run("XADD " + key + " " + std::to_string(i) + " n " + std::to_string(i) +
                 " padding the-quick-brown-fox-jumps-over-the-lazy-dog-again-and-again-and-again");
    }
    Settle();
  }

  ModelDisk disk;
  SteppedWorker writer;
  SteppedWorker reader;
  ColdSettings settings;
  BrokerHarness harness;
  std::unique_ptr<ColdStore> store;
};

}  // namespace runnel::sim
