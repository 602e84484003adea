#pragma once

#include <deque>
#include <functional>
#include <string>

#include "base/position.h"
#include "broker/broker.h"
#include "broker/transport.h"
#include "tests/sim/model_disk.h"
#include "tests/support/reply.h"
#include "tests/support/resp_client.h"

namespace runnel::sim {

using test::Argv;

// A client of a broker on a model disk. It sends requests without waiting for replies, and knows of
// each reply that reached it how far the journal went when the reply was made: so far it relies on
// what it was told. Bytes that would be sent after the end of the process never arrive.
class CrashClient final : public Transport {
 public:
  // Both outlive the client.
  CrashClient(Broker& broker, const ModelDisk& disk)
      : broker_(broker), disk_(disk), session_(&broker.Connect(this)) {}
  ~CrashClient() override { CloseNow(); }

  bool open() const { return session_ != nullptr; }
  // A command of it waits for a key, or for the disk.
  bool blocked() const { return session_ != nullptr && session_->blocked(); }
  // Requests without a reply.
  size_t unanswered() const { return asked_.size(); }

  void Request(Argv args);
  // After each turn: what was answered in it depends on the journal up to `end`.
  void NoteTurn(Position end);
  // Calls told(command, reply, position) for each reply that has arrived. False if what has arrived
  // is not one whole reply for each request.
  using Told =
      std::function<void(const Argv& command, const test::Reply& reply, Position position)>;
  [[nodiscard]] bool Receive(const Told& told);

  // Transport
  void Send(Rope&& bytes) override;
  void CloseAfterSending() override { CloseNow(); }
  void CloseNow() override;
  void Continue() override;
  size_t unsent_bytes() const override { return 0; }
  size_t unsent_memory() const override { return 0; }
  size_t input_bytes() const override { return 0; }
  size_t input_memory() const override { return 0; }
  int fd() const override { return -1; }
  const std::string& peer() const override { return name_; }
  const std::string& local() const override { return name_; }
  bool is_unix() const override { return false; }

 private:
  Broker& broker_;
  const ModelDisk& disk_;
  Session* session_;
  std::deque<Argv> waiting_;   // not yet given to the broker
  std::deque<Argv> asked_;     // given to it, not answered: each has exactly one reply
  std::deque<Position> made_;  // of the first ones of asked_: what their replies depend on
  std::string received_;
  std::string name_ = "127.0.0.1:1";
};

}  // namespace runnel::sim
