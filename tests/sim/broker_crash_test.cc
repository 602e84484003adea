// What the broker acknowledged is kept, tried with commands of all types: a seeded workload of
// several clients on a broker whose journal and snapshots lie on the model disk. The process ends
// inside any call of the disk, by kill -9 or with the power; then it begins again, several times
// over, with the newest snapshot and the journal after it. After each start:
// - the keyspace is what it was at the end of some turn: all of its frames from the first to that
//   one, nothing twice, nothing by half, no transaction cut in two;
// - that turn is not before any that a client was told of, as far as the policy of that moment
//   promised it (after kill -9: whatever the policy);
// - an ID of a stream that was told is not given again;
// - what a compacted partition knows of its keys is what its records say (LogicalContentOf).
// In many seeds streams or lists lie on the disk in part.
// And while the broker runs: nothing changes the keyspace that is not in the journal, and once the
// disk has done its work nobody waits for it.
//
// All seeds together must have ended processes in each of the steps that are named below.
//
// RUNNEL_SIM_SEEDS=n runs so many seeds, RUNNEL_SIM_SEED=n runs that one alone and tells what
// happens in it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/text.h"
#include "broker/commands/broker_families.h"
#include "broker/testing.h"
#include "effects/batch.h"
#include "fmt/format.h"
#include "server/storage.h"
#include "tests/sim/crash_client.h"
#include "tests/sim/crash_workload.h"
#include "tests/sim/logical_content.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/seeds.h"
#include "tests/sim/stepped_worker.h"
#include "tests/support/quote.h"

namespace runnel {
namespace {

using journal::Journal;
using journal::SyncPolicy;
using sim::Crash;
using sim::CrashClient;
using test::Argv;
using test::Reply;

constexpr uint64_t kDefaultSeeds = 10000;
constexpr uint64_t kLives = 4;
constexpr uint64_t kStepsPerLife = 80;
constexpr uint64_t kStepsWhenFailed = 10;
constexpr size_t kClients = 5;
constexpr ColdSizes kColdSizes = {
    .run_bytes = 200, .write_bytes = 600, .file_bytes = 1000, .least_cache = 1};
// Only the keeper of the IDs works in this database.
constexpr const char* kIdsDatabase = "2";

// In which keys the two differ, and how.
std::string Difference(const KeyspaceContent& expected, const KeyspaceContent& found) {
  const auto show = [](const KeyspaceContent& content, const auto& key) -> std::string {
    const auto at = content.find(key);
    if (at == content.end()) return "nothing";
    return "type " + std::to_string(static_cast<int>(at->second.type)) + " expiry " +
           std::to_string(at->second.expire_at_ms) + " " + Quote(at->second.payload);
  };
  std::set<KeyspaceContent::key_type> keys;
  for (const auto* content : {&expected, &found}) {
    for (const auto& [key, value] : *content) {
      keys.insert(key);
    }
  }
  std::string text;
  for (const auto& key : keys) {
    if (show(expected, key) == show(found, key)) continue;
    text += "\nkey " + key.second + " of database " + std::to_string(key.first) +
            "\n  expected: " + show(expected, key) + "\n  found:    " + show(found, key);
  }
  return text;
}

std::string ToText(const Argv& command) {
  std::string text;
  for (const std::string& word : command) {
    text += (text.empty() ? "" : " ") + test::QuoteIfNeeded(word);
  }
  return text;
}
using test::ToText;

// The steps in which processes must have ended, by the call of the disk (see NameOf).
constexpr const char* kSteps[] = {
    // The start: whose directory it is, what lies in it.
    "lock .", "list snapshots", "open snapshots/#.snap", "read snapshots/#.snap",
    "remove snapshots/#.snap.tmp", "list streams", "list journal", "open journal/#.log",
    "read journal/#.log",
    // What was written after the last sync, and its sync.
    "write journal/#.log", "sync journal/#.log",
    // The next segment: made under another name, then there.
    "make directory journal", "create journal/next.tmp", "resize journal/next.tmp",
    "write journal/next.tmp", "sync journal/next.tmp", "rename journal/#.log",
    "sync directory journal",
    // Which journal it is and what of it must be there.
    "create journal/identity.tmp", "rename journal/identity", "create journal.note.tmp",
    "write journal.note.tmp", "sync journal.note.tmp", "rename journal.note", "read journal.note",
    // What is cut off is copied first.
    "create journal/cut.tmp", "rename journal/cut-#-#.tail",
    // A sync fails.
    "create journal/sync-failed", "open journal/sync-failed",
    // A snapshot, the files of entries that it names, and what it makes needless.
    "make directory snapshots", "create snapshots/#.snap.tmp", "write snapshots/#.snap.tmp",
    "sync snapshots/#.snap.tmp", "sync streams/#-#.seg", "sync directory streams",
    "rename snapshots/#.snap", "sync directory snapshots", "remove snapshots/#.snap",
    "remove journal/#.log",
    // Entries go to the disk, come back, and are not needed any more.
    "make directory streams", "create streams/#-#.seg", "write streams/#-#.seg",
    "open streams/#-#.seg", "read streams/#-#.seg", "remove streams/#-#.seg"};

// The call without the numbers in the file's name, of which there may be several.
std::string NameOf(const std::string& call) {
  std::string name;
  for (const char c : call) {
    const bool number = c >= '0' && c <= '9';
    if (!number) {
      name += c;
    } else if (!name.ends_with('#')) {
      name += '#';
    }
  }
  return name;
}

class Simulation {
 public:
  // `crashes` counts the calls of the disk in which the process ended.
  Simulation(uint64_t seed, std::map<std::string, uint64_t>* crashes)
      : random_(seed), disk_(seed ^ 0x5eed), workload_(seed ^ 0xc0de), crashes_(crashes) {
    workload_.long_streams = Chance(50);
    workload_.long_lists = Chance(5);
    workload_.compacted_topic = Chance(workload_.long_streams ? 8 : 20);
    states_[0] = {};
  }
  ~Simulation() { Drop(); }

  // Stops early when something was wrong.
  void Run() {
    for (uint64_t life = 0; life < kLives && !::testing::Test::HasFailure(); life++) {
      // In the start, in the first turns, or when there are snapshots and cold files.
      constexpr uint64_t kMostCalls[] = {20, 150, 150, 400};
      if (Chance(80)) disk_.StopAt(disk_.calls() + 1 + random_.Below(kMostCalls[random_.Below(4)]));
      if (Start()) Live();
      End();
    }
    // Once more without a crash: all must be usable to its end.
    if (::testing::Test::HasFailure()) return;
    EXPECT_TRUE(Start()) << "without any fault";
  }

 private:
  bool Chance(uint64_t percent) { return random_.Below(100) < percent; }
  SyncPolicy Policy() {
    constexpr SyncPolicy kPolicies[] = {SyncPolicy::kAlways, SyncPolicy::kAlways,
                                        SyncPolicy::kEverySecond, SyncPolicy::kNo};
    return kPolicies[random_.Below(4)];
  }
  template <class... Args>
  void Tell(fmt::format_string<Args...> format, Args&&... args) const {
    if (!tells_) return;
    fmt::print(stderr, format, std::forward<Args>(args)...);
    if (journal() != nullptr) {
      fmt::print(stderr, "  [appended {} written {} durable {}{}{}]", journal()->appended(),
                 journal()->written(), journal()->durable(), journal()->failed() ? " failed" : "",
                 disk_.stopped() ? " stopped" : "");
    }
    fmt::print(stderr, "\n");
  }
  bool failed() const { return ::testing::Test::HasFailure(); }

  // --- The beginning of a life ---

  // Whether the broker runs. What it recovered has been compared.
  bool Start() {
    harness_ = std::make_unique<testing::BrokerHarness>();
    for (const auto family : {ConnectionCommands(), TransactionCommands(), FunctionCommands(),
                              IntrospectionCommands()}) {
      harness_->broker.commands().Add(family);
    }
    SetOptions();
    SetClock();
    harness_->broker.set_loading(true);
    const Status recovered = Recover();
    harness_->broker.set_loading(false);
    if (!recovered.ok()) {
      EXPECT_TRUE(disk_.stopped()) << "recovery stopped: " << recovered.message();
      failed_starts_++;
      return false;
    }
    Compare();
    if (failed()) return false;
    harness_->broker.KeepIn(journal());
    harness_->broker.UseCold(storage_->cold());
    clients_.resize(kClients);
    in_transaction_.resize(kClients);
    for (size_t i = 0; i < kClients; i++) {
      Connect(i);
    }
    // Without groups most commands about groups would only fail.
    for (const char* stream : {"s1", "s2", "s3", "t1", "t2"}) {
      clients_[1]->Request({"XGROUP", "CREATE", stream, "g1", "0", "MKSTREAM"});
    }
    if (workload_.compacted_topic) clients_[1]->Request(workload_.CreateCompactedTopic());
    return true;
  }

  // Small blocks, so that streams have several.
  void SetOptions() {
    DataOptions& options = harness_->settings.data;
    options.stream_node_max_entries = static_cast<uint32_t>(2 + random_.Below(5));
    options.stream_node_max_bytes = static_cast<uint32_t>(50 + random_.Below(300));
    options.stream_idmp_max_size = static_cast<uint32_t>(1 + random_.Below(4));
    options.stream_idmp_duration_s = static_cast<uint32_t>(1 + random_.Below(3));
    constexpr uint64_t kStreamMemory[] = {0, 1, 500, 2000};
    harness_->settings.cold.stream_memory = kStreamMemory[random_.Below(4)];
    options_.dir = ".";
    options_.journal_segment_bytes = (1500 + random_.Below(3000)) * (workload_.long_lists ? 20 : 1);
    options_.appendfsync = Policy();
  }

  // Time went on meanwhile, or somebody has set the clock back.
  void SetClock() {
    const int64_t ms = static_cast<int64_t>(random_.Below(2000));
    harness_->clock.unix_us = unix_us_ + (Chance(30) ? -ms : ms) * 1000;
    harness_->broker.UpdateTime();
  }

  Status Recover() {
    storage_ = std::make_unique<Storage>(disk_, harness_->clock,
                                         Storage::Workers{log_thread_, helper_, snapshot_thread_,
                                                          cold_writer_, cold_reader_, cold_writer_},
                                         options_, harness_->settings.cold, harness_->keyspace,
                                         kColdSizes);
    if (Status opened = storage_->Open(); !opened.ok()) return opened;
    // In pieces that end in the middle of frames.
    for (;;) {
      const auto all = storage_->LoadSome(1 + random_.Below(10));
      if (!all.ok()) return all.status();
      if (*all) break;
    }
    Tell("the snapshot at {} was loaded", storage_->found().snapshot_position);
    return {};
  }

  Journal* journal() const { return storage_ == nullptr ? nullptr : storage_->journal(); }
  snapshot::Snapshotter& snapshotter() const { return storage_->snapshotter(); }
  // Of what memory and files hold. Streams may be read from files for that.
  KeyspaceContent Content() {
    const sim::ModelDisk::Aside aside(&disk_);
    return sim::LogicalContentOf(harness_->keyspace);
  }

  void Compare() {
    // The start has added a frame of its own, without records.
    const Position end = journal()->appended() - journal::kFrameHeaderBytes;
    Tell("start: {} is owed", owed_);
    EXPECT_GE(end, owed_) << "something that was promised is missing";
    const KeyspaceContent found = Content();
    // So have starts that failed after that.
    auto expected = states_.find(end);
    for (uint64_t i = 1; i <= failed_starts_; i++) {
      if (expected != states_.end() && found == expected->second) break;
      const auto before = states_.find(end - i * journal::kFrameHeaderBytes);
      if (before != states_.end()) expected = before;
    }
    failed_starts_ = 0;
    ASSERT_TRUE(expected != states_.end()) << "no turn ended at " << end;
    EXPECT_TRUE(found == expected->second)
        << "the state at " << end << Difference(expected->second, found);
    states_ = {{journal()->appended(), found}};
    // What was not promised may be lost, and its IDs may be given to others.
    std::erase_if(told_ids_, [end](const auto& told) { return told.second > end; });
    ids_from_ = 0;
    owed_ = owed_to_power_ = strict_from_ = journal()->appended();
  }

  // --- A life ---

  void Live() {
    uint64_t steps = kStepsPerLife;
    while (steps > 0 && !disk_.stopped() && !failed()) {
      Step();
      // A journal that has failed stays so.
      steps = std::min(steps - 1, journal()->failed() ? kStepsWhenFailed : kStepsPerLife);
    }
    if (!disk_.stopped() && Chance(50)) Settle();
    if (!disk_.stopped() && Chance(30)) Close();
  }

  void Step() {
    // Or few snapshots would name files, and few would get far.
    if (harness_->keyspace.hot_blocks().cold_entries() > 0 && Chance(15)) return TakeSnapshot();
    if (snapshotter().busy() && Chance(20))
      return Chance(50) ? snapshot_thread_.Step() : cold_writer_.Step();
    const uint64_t dice = random_.Below(100);
    if (dice < 52) {
      Turn();
    } else if (dice < 55) {
      cold_writer_.Step();
    } else if (dice < 58) {
      cold_reader_.Step();
    } else if (dice < 71) {
      log_thread_.Step();
    } else if (dice < 78) {
      helper_.Step();
    } else if (dice < 82) {
      snapshot_thread_.Step();
    } else if (dice < 89) {
      LetTimePass(static_cast<int64_t>(random_.Below(150)));
    } else if (dice < 91) {
      ChangePolicy();
    } else if (dice < 93) {
      disk_.set_capacity(disk_.used() + (Chance(50) ? random_.Below(3000) : 1'000'000));
    } else if (dice < 94) {
      const int error = Chance(30) ? EIO : ENOSPC;
      disk_.FailCalls(disk_.calls() + 1 + random_.Below(10), 1, error);
      Tell("a call will fail: {}", std::strerror(error));
      broken_ = true;
    } else if (dice < 98) {
      TakeSnapshot();
    } else {
      Connect(1 + random_.Below(kClients - 1));
    }
    owed_to_power_ = std::max(owed_to_power_, journal()->durable());
  }

  void Turn() {
    if (Chance(30)) harness_->clock.Advance(static_cast<int64_t>(random_.Below(4)));
    harness_->broker.UpdateTime();
    for (uint64_t asking = 1 + random_.Below(3); asking > 0; asking--) {
      const size_t client = random_.Below(kClients);
      if (clients_[client]->blocked() && !Chance(10)) continue;
      for (uint64_t requests = 1 + random_.Below(3); requests > 0; requests--) {
        if (client == 0) {
          AskForId();
        } else {
          Ask(client);
        }
      }
    }
    harness_->broker.EndTurn();
    EndTurn();
  }

  void LetTimePass(int64_t ms) {
    Tell("{} ms pass", ms);
    harness_->Advance(ms);
    EndTurn();
  }

  void Ask(size_t client) {
    const uint64_t dice = random_.Below(100);
    Argv command;
    if (in_transaction_[client] && dice < 30) {
      command = {dice < 3 ? "DISCARD" : "EXEC"};
      in_transaction_[client] = false;
    } else if (!in_transaction_[client] && dice < 8) {
      command = {"MULTI"};
      in_transaction_[client] = true;
    } else if (!in_transaction_[client] && dice < 12) {
      command = {"WATCH", workload_.AnyKey()};
    } else if (dice < 34 && dice >= 32) {
      command = {"SELECT", Chance(80) ? "0" : "1"};
    } else {
      command = workload_.Next(Chance(30));
    }
    if (EqualsIgnoreCase(command[0], "FLUSHALL")) {
      // The keeper's IDs may be given again; so it must be known when this is executed: now.
      const bool now = !in_transaction_[client] && !clients_[client]->blocked();
      if (!now) command[0] = "FLUSHDB";
      flushed_all_ |= now;
    }
    Tell("{} asks {}", client, ToText(command));
    clients_[client]->Request(std::move(command));
  }

  // The keeper only adds to one stream and trims it.
  void AskForId() {
    const uint64_t dice = random_.Below(100);
    if (dice < 70) return clients_[0]->Request({"XADD", "ids", "*", "f", "v"});
    if (dice < 80) return clients_[0]->Request({"XADD", "ids", "MAXLEN", "3", "*", "f", "v"});
    if (dice < 90) return clients_[0]->Request({"XTRIM", "ids", "MAXLEN", Chance(50) ? "0" : "2"});
    clients_[0]->Request({"WAITAOF", "1", "0", Chance(50) ? "0" : "100"});
  }

  void Connect(size_t client) {
    clients_[client] = std::make_unique<CrashClient>(harness_->broker, disk_);
    in_transaction_[client] = false;
    if (client != 0) return;
    clients_[0]->Request({"SELECT", kIdsDatabase});
    last_add_ = 0;
  }

  // The policy counts from the next flush on. What was safe under the one before stays so, though
  // it may not be durable.
  void ChangePolicy() {
    strict_from_ = std::max(strict_from_, journal()->safe());
    journal()->set_sync_policy(Policy());
    Tell("policy {}", static_cast<int>(journal()->sync_policy()));
  }

  // As the server does: at the end of a turn, when the keyspace is what the journal holds.
  void TakeSnapshot() {
    if (snapshotter().busy() || journal()->failed() || !harness_->broker.log().sealed()) return;
    const Position position = journal()->appended();
    Tell("a snapshot begins");
    // Many of its steps are rare otherwise.
    const bool cold = harness_->keyspace.hot_blocks().cold_entries() > 0;
    if (Chance(cold ? 60 : 30)) disk_.StopAt(disk_.calls() + 1 + random_.Below(cold ? 25 : 60));
    snapshotter().Begin({position, journal()->epoch(), harness_->clock.UnixMicros() / 1000, 0},
                        [this, position](const Status& status, const snapshot::SnapshotTotals&) {
                          Tell("the snapshot at {} has ended: {}", position, status.message());
                          if (!status.ok()) return;
                          owed_ = std::max(owed_, position);
                          owed_to_power_ = std::max(owed_to_power_, position);
                          journal()->RemoveBefore(position);
                        });
  }

  // Everything has room and the disk does what it was given: nobody waits for it any more.
  void Settle() {
    disk_.set_capacity(disk_.used() + 1'000'000);
    // A round gives the journal one segment, reads the next piece for a command that passes over a
    // long value, or answers one command for which others wait.
    constexpr int kMostRounds = 1000;
    for (int i = 0; i < 2 || (i < kMostRounds && SomebodyWaitsForTheDisk()); i++) {
      LetTimePass(1000);
      helper_.Drain();
      log_thread_.Drain();
      snapshot_thread_.Drain();
      cold_writer_.Drain();
      cold_reader_.Drain();
      LetTimePass(0);
    }
    if (disk_.stopped()) return;
    EXPECT_FALSE(SomebodyWaitsForTheDisk());
    owed_to_power_ = std::max(owed_to_power_, journal()->durable());
  }

  bool SomebodyWaitsForTheDisk() const {
    return std::any_of(clients_.begin(), clients_.end(), [](const auto& client) {
      return client->unanswered() > (client->blocked() ? 1 : 0);
    });
  }

  void Close() {
    clients_.clear();
    const Status closed = journal()->Close(harness_->clock.SteadyMicros());
    states_.emplace(journal()->appended(), Content());
    if (closed.ok()) owed_to_power_ = owed_ = journal()->appended();
  }

  // --- What must be there after the next start ---

  void EndTurn() {
    if (snapshotter().busy()) snapshotter().Step(1 + random_.Below(30));
    const Position end = journal()->appended();
    KeyspaceContent content = Content();
    const auto last = std::prev(states_.end());
    if (end != last->first) {
      states_.emplace(end, std::move(content));
    } else if (!journal()->failed()) {
      EXPECT_TRUE(content == last->second)
          << "changed, and not in the journal" << Difference(last->second, content);
    }
    if (std::exchange(flushed_all_, false)) {
      ids_from_ = end;
      told_ids_.clear();
    }
    for (size_t i = 0; i < kClients; i++) {
      clients_[i]->NoteTurn(end);
      EXPECT_TRUE(clients_[i]->Receive([&](const Argv& command, const Reply& reply, Position at) {
        Tell("{} is told, of {}: {} -> {}", i, at, ToText(command), ToText(reply));
        if (i == 0) LearnId(command, reply, at);
        workload_.Learn(command, reply);
        if (RestsOnState(command, reply)) Owe(at);
      })) << "not one reply for each request";
      if (!clients_[i]->open()) Connect(i);
    }
    // What the look at the content has brought into memory goes, or no command would ever miss it.
    if (Chance(70)) storage_->cold()->EndTurn(harness_->clock.SteadyMicros() / 1000);
  }

  // Whether the reply tells something of the keyspace. After the journal has failed most do not:
  // they say that nothing is done.
  bool RestsOnState(const Argv& command, const Reply& reply) const {
    if (!journal()->failed()) return true;
    return command[0] != "WAITAOF" && HasValue(reply);
  }

  static bool HasValue(const Reply& reply) {
    return reply.kind == Reply::Kind::kInteger || reply.kind == Reply::Kind::kBulk ||
           std::any_of(reply.items.begin(), reply.items.end(), HasValue);
  }

  void Owe(Position position) {
    owed_ = std::max(owed_, position);
    const bool strict = journal()->sync_policy() == SyncPolicy::kAlways && position > strict_from_;
    if (strict) owed_to_power_ = std::max(owed_to_power_, position);
  }

  void LearnId(const Argv& command, const Reply& reply, Position position) {
    if (command[0] == "XADD" && reply.kind == Reply::Kind::kBulk) {
      last_add_ = position;
      if (position <= ids_from_) return;
      EXPECT_TRUE(told_ids_.emplace(reply.text, position).second)
          << reply.text << " was given twice";
    }
    if (command[0] == "WAITAOF" && reply.items.size() == 2 && reply.items[0].integer == 1) {
      owed_to_power_ = std::max(owed_to_power_, last_add_);
    }
  }

  // --- The end of a life ---

  void End() {
    constexpr Crash kCrashes[] = {Crash::kProcess, Crash::kPower, Crash::kPower,
                                  Crash::kPowerWorst};
    Crash crash = kCrashes[random_.Below(4)];
    // The one thing that is not made good: to die between a failed sync and the note about it.
    if (broken_ && disk_.stopped() && crash == Crash::kProcess) crash = Crash::kPower;
    broken_ = false;
    unix_us_ = harness_->clock.unix_us;
    // What only kill -9 had spared may also go in a later life that does not get so far as to open
    // the journal.
    if (crash != Crash::kProcess) owed_ = owed_to_power_;
    Tell("end by {}: {} is owed", crash == Crash::kProcess ? "kill -9" : "power", owed_);
    Drop();
    if (!disk_.stopped_in().empty()) (*crashes_)[NameOf(disk_.stopped_in())]++;
    disk_.Restart(crash);
  }

  void Drop() {
    disk_.StopNow();
    clients_.clear();
    if (harness_ != nullptr) {
      harness_->broker.KeepIn(nullptr);
      harness_->broker.UseCold(nullptr);
      for (uint32_t db = 0; db < harness_->keyspace.databases(); db++) {
        harness_->keyspace.Flush(db);
      }
    }
    storage_.reset();
    harness_.reset();
    log_thread_ = {};
    helper_ = {};
    snapshot_thread_ = {};
    cold_writer_ = {};
    cold_reader_ = {};
  }

  Random random_;
  sim::ModelDisk disk_;
  sim::CrashWorkload workload_;
  sim::SteppedWorker log_thread_;
  sim::SteppedWorker helper_;
  sim::SteppedWorker snapshot_thread_;
  sim::SteppedWorker cold_writer_;
  sim::SteppedWorker cold_reader_;
  ServerOptions options_;
  std::unique_ptr<testing::BrokerHarness> harness_;
  std::unique_ptr<Storage> storage_;
  std::vector<std::unique_ptr<CrashClient>> clients_;
  std::vector<bool> in_transaction_;
  int64_t unix_us_ = testing::ManualClock().unix_us;

  // The keyspace by the end of the journal, after each turn since the one that the last start
  // found.
  std::map<Position, KeyspaceContent> states_;
  uint64_t failed_starts_ = 0;
  Position owed_ = 0;           // the next start must find this much
  Position owed_to_power_ = 0;  // also after a power cut
  Position strict_from_ = 0;    // replies about changes after this wait for the disk, if they do
  std::map<std::string, Position> told_ids_;  // with what the reply depended on
  bool flushed_all_ = false;                  // in this turn
  Position ids_from_ = 0;                     // IDs up to here may be given again
  Position last_add_ = 0;  // of the keeper: what the last reply to an XADD depends on
  bool broken_ = false;    // a sync may have failed
  std::map<std::string, uint64_t>* const crashes_;
  const bool tells_ = sim::OneSeedOnly();
};

TEST(BrokerCrashTest, EverySeedKeepsWhatWasAcknowledged) {
  SetLogLevel(LogLevel::kNothing);
  std::map<std::string, uint64_t> crashes;
  sim::ForEachSeed(kDefaultSeeds, [&](uint64_t seed) { Simulation(seed, &crashes).Run(); });
  SetLogLevel(LogLevel::kVerbose);
  if (HasFailure() || sim::OneSeedOnly() || sim::Seeds(kDefaultSeeds) < kDefaultSeeds) return;
  for (const char* step : kSteps) {
    EXPECT_GT(crashes[step], 0u) << "no process ended in: " << step;
  }
}

}  // namespace
}  // namespace runnel
