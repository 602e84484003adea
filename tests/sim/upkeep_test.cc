// Retention is kept by an index of times: it must know every stream whose time has come, whatever
// has happened to it. Random commands, a clock that jumps, and a walk over all keys that knows.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/log.h"
#include "data/testing.h"
#include "tests/sim/cold_broker.h"
#include "tests/sim/seeds.h"

namespace runnel::sim {
namespace {

class Retained {
 public:
  explicit Retained(uint64_t seed) : random_(seed), world_(seed) {
    client_ = world_.Connect();
    other_ = world_.Connect();
  }
  ~Retained() { keyspace().EndCapture(); }

  void Step() {
    Command();
    if (OneIn(3)) world_.writer.Step();
    ExpectAllDueKnown();
    if (OneIn(4)) Pass();
  }
  uint64_t trimmed() const { return trimmed_; }
  uint64_t cold_due() const { return cold_due_; }

 private:
  Keyspace& keyspace() { return world_.harness.keyspace; }
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t bound) { return Below(bound) == 0; }
  std::string Number(uint64_t bound) { return std::to_string(Below(bound)); }
  std::string Key() { return "s" + Number(4); }
  int64_t NowMs() const { return world_.harness.clock.unix_us / 1000; }
  std::string RecentId() {
    return std::to_string(NowMs() - static_cast<int64_t>(Below(3000))) + "-" + Number(2);
  }
  std::string Padding() { return std::string(1 + Below(300), 'x'); }
  std::string Bound() {
    const char* kBounds[] = {"0", "1", "300", "2000", "100000"};
    return kBounds[Below(5)];
  }
  std::string Ask(const std::string& line) { return world_.Ask(*client_, line); }

  void Command() {
    switch (Below(40)) {
      case 0:
        Ask("XCFGSET " + Key() + " RETENTION-MS " + Bound());
        break;
      case 1:
        Ask("XCFGSET " + Key() + " RETENTION-ENTRIES " + (OneIn(2) ? "0" : Bound()));
        break;
      case 2:
        Ask("XCFGSET " + Key() + " RETENTION-BYTES " + (OneIn(2) ? "0" : "20000"));
        break;
      case 3:
        Ask("XTRIM " + Key() + " MAXLEN " + Number(200));
        break;
      case 4:
        Ask("XTRIM " + Key() + " MINID " + RecentId());
        break;
      case 5:
        Ask("COPY " + Key() + " " + Key() + " REPLACE");
        break;
      case 6:
        Ask("RENAME " + Key() + " " + Key());
        break;
      case 7:
        Ask(OneIn(2) ? "SWAPDB 0 1" : "MOVE " + Key() + " 1");
        break;
      case 8:
        if (OneIn(10)) Ask(OneIn(2) ? "FLUSHDB" : "FLUSHALL");
        break;
      case 9:
        if (OneIn(4)) Ask(OneIn(2) ? "DEL " + Key() : "SET " + Key() + " x");
        break;
      case 10:
        if (OneIn(4)) Ask("XSETID " + Key() + " " + std::to_string(NowMs() + 5) + "-0");
        break;
      case 11:
        Ask("TOPIC CREATE t NX PARTITIONS 2 RETENTION-MS " + Bound());
        break;
      case 12:
        Ask("TOPIC ALTER t RETENTION-MS " + Bound());
        break;
      case 13:
        Ask("TOPIC ALTER t RETENTION-ENTRIES " + Bound());
        break;
      case 14:
        if (OneIn(6)) Ask("DEL t");
        break;
      case 15:
        Restore();
        break;
      case 16:
        Capture();
        break;
      case 17:
      case 18:
      case 19:
        for (uint64_t i = 1 + Below(20); i > 0; i--) {
          Ask("TADD t/" + Number(2) + " * f " + Padding());
        }
        break;
      case 20:
      case 21:
      case 22:
      case 23:
        Ask("XDEL " + Key() + " " + RecentId() + " " + RecentId() + " " + RecentId());
        break;
      case 24:
        DeleteFirst();
        break;
      case 25:
        Ask("MULTI");
        Ask("XADD s0 * f " + Padding());
        Ask("XCFGSET s0 RETENTION-MS 300");
        Ask("XADD s1 * f " + Padding());
        Ask("EXEC");
        break;
      default: {
        const std::string key = Key();
        for (uint64_t i = 1 + Below(30); i > 0; i--) {
          Ask("XADD " + key + (OneIn(20) ? " MAXLEN ~ 150" : "") + " * f " + Padding());
          if (OneIn(4)) Move(static_cast<int64_t>(Below(20)));
        }
      }
    }
  }
  void DeleteFirst() {
    const std::string key = Key();
    const std::string reply = Ask("XRANGE " + key + " - + COUNT 3");
    // *n *2 $size id ...
    for (size_t at = reply.find("*2 $"); at != std::string::npos; at = reply.find("*2 $", at + 1)) {
      const size_t id = reply.find(' ', at + 3) + 1;
      if (OneIn(2)) Ask("XDEL " + key + " " + reply.substr(id, reply.find(' ', id) - id));
    }
  }
  void Restore() {
    std::string reply = client_->Ask({"DUMP", Key()});
    while (client_->session().parked()) {
      world_.reader.Step();
      reply = client_->Received();
    }
    const size_t begin = reply.find("\r\n") + 2;
    if (reply.size() < begin + 2) return;
    client_->Ask({"RESTORE", Key(), "0", reply.substr(begin, reply.size() - begin - 2), "REPLACE"});
  }
  void Capture() {
    if (keyspace().capturing()) {
      if (OneIn(2)) return keyspace().EndCapture();
      keyspace().CaptureSome(2);
      return;
    }
    capture_ = std::make_unique<HeldCapture>();
    keyspace().BeginCapture(capture_.get());
  }

  // The time, as far as upkeep is not told.
  void Move(int64_t ms) {
    world_.harness.clock.Advance(ms);
    world_.harness.broker.RunTimers();
  }
  void Pass() {
    const bool paused = OneIn(8);
    if (paused) other_->Run("CLIENT PAUSE 1000000 WRITE");
    if (OneIn(10)) world_.harness.clock.unix_us -= static_cast<int64_t>(Below(1000)) * 1000;
    const uint64_t before = Entries();
    const int64_t ms = static_cast<int64_t>(OneIn(10) ? Below(3000) : Below(100));
    world_.harness.Advance(ms);
    while (world_.harness.broker.NextTimerMs() == 0) {
      world_.harness.broker.RunTimers();
      world_.harness.broker.EndTurn();
    }
    ExpectAllDueKnown();
    if (paused) {
      EXPECT_EQ(Entries(), before);
      other_->Run("CLIENT UNPAUSE");
      return;
    }
    trimmed_ += before - Entries();
    ForEachStream([&](uint32_t, const KeyEntry& entry, const Stream& stream) {
      EXPECT_EQ(stream.PlanRetention(NowMs()), 0u) << entry.name();
      EXPECT_GT(stream.noted_due(), NowMs()) << entry.name();
    });
  }

  template <class Visit>
  void ForEachStream(Visit visit) {
    for (uint32_t slot = 0; slot < keyspace().slots(); slot++) {
      const uint32_t db = Keyspace::DatabaseAt(slot);
      keyspace().table(db).ForEach([&](const KeyEntry* entry) {
        if (const Stream* stream = entry->As<Stream>()) visit(db, *entry, *stream);
      });
    }
  }
  uint64_t Entries() {
    uint64_t sum = 0;
    ForEachStream([&](uint32_t, const KeyEntry&, const Stream& stream) { sum += stream.length(); });
    return sum;
  }
  // What the walk finds at some time, now and later, the index knows of.
  void ExpectAllDueKnown() {
    for (const int64_t later : {int64_t{0}, int64_t{1}, int64_t{50}, int64_t{500}}) {
      const int64_t now_ms = NowMs() + later;
      std::vector<bool> due(keyspace().slots());
      ForEachStream([&](uint32_t db, const KeyEntry& entry, const Stream& stream) {
        const size_t slot = 2 * size_t{DatabaseOf(db)} + (IsCompanion(db) ? 1 : 0);
        if (stream.noted_due() <= now_ms) due[slot] = true;
        if (stream.PlanRetention(now_ms) == 0) return;
        if (stream.has_cold()) cold_due_++;
        EXPECT_LE(stream.noted_due(), now_ms) << entry.name();
      });
      for (uint32_t slot = 0; slot < keyspace().slots(); slot++) {
        EXPECT_EQ(keyspace().NextDue(Keyspace::DatabaseAt(slot), now_ms) != nullptr, due[slot]);
      }
    }
  }

  std::mt19937_64 random_;
  ColdBroker world_;
  std::unique_ptr<BrokerHarness::Client> client_;
  std::unique_ptr<BrokerHarness::Client> other_;
  std::unique_ptr<HeldCapture> capture_;
  uint64_t trimmed_ = 0;
  uint64_t cold_due_ = 0;
};

TEST(UpkeepTest, NothingThatIsDueIsForgotten) {
  uint64_t trimmed = 0;
  uint64_t cold_due = 0;
  SetLogLevel(LogLevel::kNothing);
  ForEachSeed(10, [&](uint64_t seed) {
    Retained retained(seed);
    for (int step = 0; step < 1500 && !::testing::Test::HasFailure(); step++) {
      retained.Step();
    }
    trimmed += retained.trimmed();
    cold_due += retained.cold_due();
  });
  SetLogLevel(LogLevel::kVerbose);
  EXPECT_GT(trimmed, 10'000u);
  EXPECT_GT(cold_due, 100u);
}

}  // namespace
}  // namespace runnel::sim
