// The broker and its journal: when replies leave, what commands hear when the disk fails. On the
// model disk, with a thread that syncs when it is told to.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "broker/commands/broker_families.h"
#include "broker/testing.h"
#include "effects/batch.h"
#include "effects/bounds.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/stepped_worker.h"

namespace runnel {
namespace {

using journal::Journal;
using journal::SyncPolicy;
using sim::Crash;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class BrokerJournalTest : public ::testing::Test {
 protected:
  using Client = testing::BrokerHarness::Client;

  BrokerJournalTest() { SetLogLevel(LogLevel::kNothing); }
  ~BrokerJournalTest() override {
    clients_.clear();
    harness_.reset();
    SetLogLevel(LogLevel::kVerbose);
  }

  void Start(SyncPolicy policy, uint64_t segment_bytes = 100'000) {
    clients_.clear();
    harness_.reset();
    journal_.reset();
    harness_ = std::make_unique<testing::BrokerHarness>(settings_, host_);
    for (const auto family :
         {ConnectionCommands(), ClientCommands(), PubSubCommands(), TransactionCommands(),
          ScriptCommands(), FunctionCommands(), IntrospectionCommands()}) {
      harness_->broker.commands().Add(family);
    }
    auto journal =
        Journal::Open(&disk_, &log_thread_, &helper_, {"j", segment_bytes, policy, 0},
                      [this](const journal::Frame& frame) {
                        Status status;
                        EXPECT_TRUE(Batch::ForEach(frame.payload, [&](const Record& record) {
                          if (status.ok()) status = Replay(record, harness_->keyspace);
                        }));
                        return status;
                      });
    ASSERT_TRUE(journal.ok()) << journal.message();
    journal_ = std::move(*journal);
    harness_->broker.KeepIn(journal_.get());
  }
  void Restart(SyncPolicy policy, Crash crash) {
    clients_.clear();
    harness_.reset();
    journal_.reset();
    log_thread_ = {};
    helper_ = {};
    disk_.Restart(crash);
    Start(policy);
  }
  Client& Connect() { return *clients_.emplace_back(harness_->Connect()); }
  // The loop has nothing more to do.
  void Rest() {
    while (journal_->gathering())
      harness_->broker.EndTurn();
  }
  // The disk has done what it was given.
  void Sync() {
    Rest();
    log_thread_.Drain();
    helper_.Drain();
  }

  // Followers that are this far.
  struct Host final : BrokerHost {
    std::vector<Position> FollowerPositions(bool of_synced) const override {
      return of_synced ? synced : written;
    }
    bool LeaderIsLost() const override { return leader_is_lost; }
    std::vector<Position> written;
    std::vector<Position> synced;
    bool leader_is_lost = false;
  };

  Settings settings_;
  Host host_;
  sim::ModelDisk disk_{7};
  sim::SteppedWorker log_thread_;
  sim::SteppedWorker helper_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<testing::BrokerHarness> harness_;
  std::vector<std::unique_ptr<Client>> clients_;
};

// The effects of a transaction are one frame, which has a limit: a command that begins after it
// changes nothing.
TEST_F(BrokerJournalTest, ATransactionThatWritesTooMuchChangesNothingMore) {
  Start(SyncPolicy::kAlways);
  settings_.data.most_change_bytes = 1000;
  Client& client = Connect();
  const std::string value(600, 'v');
  client.Run("MULTI");
  for (const char* key : {"a", "b", "c"}) {
    EXPECT_EQ(client.Run("SET " + std::string(key) + " " + value), "+QUEUED");
  }
  client.Run("EXISTS a b c");
  client.Run("EXEC");
  Sync();
  harness_->broker.EndTurn();
  EXPECT_THAT(client.Lines(), ::testing::MatchesRegex(
                                  "\\*4 \\+OK \\+OK -ERR the transaction has written 12[0-9][0-9] "
                                  "bytes of changes, the limit is 1000 :2"));
  client.Run("SET c " + value);
  Sync();
  harness_->broker.EndTurn();
  EXPECT_EQ(client.Lines(), "+OK");
}

// What no command does is cut into frames too: keys with long names that expire at once.
TEST_F(BrokerJournalTest, WhatExpiresAtOnceIsCutIntoFrames) {
  constexpr size_t kNameBytes = 1 << 20;
  constexpr size_t kKeys = kCutFrameBytes / kNameBytes + 10;
  Start(SyncPolicy::kNo);
  Client& client = Connect();
  for (size_t i = 0; i < kKeys; i++) {
    std::string name = std::to_string(i);
    name.resize(kNameBytes, 'k');
    client.Request({"SET", std::move(name), "v", "PX", "5000"});
    client.Lines();
  }
  ASSERT_EQ(harness_->keyspace.size(0), kKeys);
  harness_->clock.Advance(6000);
  harness_->broker.RunCron();
  EXPECT_EQ(harness_->keyspace.size(0), 0u);
  EXPECT_LT(harness_->broker.log().batch().size(), kCutFrameBytes);
}

TEST_F(BrokerJournalTest, UnderAlwaysAReplyWaitsForTheDisk) {
  Start(SyncPolicy::kAlways);
  Client& client = Connect();
  EXPECT_EQ(client.Run("LPUSH q a"), "");
  // Later commands wait for it, also those that change nothing.
  EXPECT_EQ(client.Run("PING"), "");
  Sync();
  EXPECT_EQ(client.Lines(), ":1 +PONG");
  EXPECT_EQ(client.Run("PING"), "+PONG");
}

TEST_F(BrokerJournalTest, OneSyncReleasesAllThatGathered) {
  Start(SyncPolicy::kAlways);
  Client& first = Connect();
  Client& second = Connect();
  EXPECT_EQ(first.Run("LPUSH q a"), "");
  Rest();
  log_thread_.Step();  // the disk works: what comes now is for the next time
  EXPECT_EQ(first.Run("LPUSH q b"), "");
  EXPECT_EQ(second.Run("LPUSH q c"), "");
  log_thread_.Step();
  EXPECT_EQ(first.Lines(), ":1");
  EXPECT_EQ(second.Lines(), "");
  Sync();
  EXPECT_EQ(first.Lines(), ":2");
  EXPECT_EQ(second.Lines(), ":3");
}

TEST_F(BrokerJournalTest, AReadOfAnothersChangeWaitsAsLong) {
  Start(SyncPolicy::kAlways);
  Client& writer = Connect();
  Client& reader = Connect();
  Client& subscriber = Connect();
  EXPECT_EQ(subscriber.Run("SUBSCRIBE c"), "*3 $9 subscribe $1 c :1");
  EXPECT_EQ(writer.Run("SET k v"), "");
  EXPECT_EQ(reader.Run("GET k"), "");
  EXPECT_EQ(reader.Run("PUBLISH c it-is-set"), "");
  EXPECT_EQ(subscriber.Lines(), "");
  Sync();
  EXPECT_EQ(reader.Lines(), "$1 v :1");
  EXPECT_EQ(subscriber.Lines(), "*3 $7 message $1 c $9 it-is-set");
}

TEST_F(BrokerJournalTest, UnderEverySecondAReplyWaitsForTheSystemOnly) {
  Start(SyncPolicy::kEverySecond);
  Client& client = Connect();
  EXPECT_EQ(client.Run("LPUSH q a"), ":1");
  EXPECT_LT(journal_->durable(), journal_->written());
  Restart(SyncPolicy::kEverySecond, Crash::kProcess);
  EXPECT_EQ(Connect().Run("LRANGE q 0 -1"), "*1 $1 a");
}

TEST_F(BrokerJournalTest, ATransactionIsKeptWholeOrNotAtAll) {
  Start(SyncPolicy::kAlways);
  Client& client = Connect();
  client.Run("SET a 1");
  client.Run("MULTI");
  client.Run("SET a 2");
  client.Run("LPUSH q x");
  client.Run("EXEC");
  Sync();
  EXPECT_THAT(client.Lines(), HasSubstr("*2 +OK :1"));
  Restart(SyncPolicy::kAlways, Crash::kPowerWorst);
  EXPECT_EQ(Connect().Run("GET a"), "$1 2");
  EXPECT_EQ(Connect().Run("LLEN q"), ":1");
}

// Its reply waits for its changes, however deep they were made; and they are one frame.
TEST_F(BrokerJournalTest, AScriptIsKeptWholeOrNotAtAll) {
  Start(SyncPolicy::kAlways);
  Client& client = Connect();
  const auto eval = [&client] {
    client.Request({"EVAL",
                    "for i = 1, 10 do redis.call('rpush', 'q', i) end "
                    "redis.call('incr', 'a') return redis.call('lpush', 'a', 1)",
                    "0"});
    return client.Lines();
  };
  EXPECT_EQ(eval(), "");
  Sync();
  EXPECT_THAT(client.Lines(), StartsWith("-WRONGTYPE "));
  client.Run("MULTI");
  eval();
  EXPECT_EQ(client.Run("EXEC"), "");
  // Neither did the disk get it all.
  Restart(SyncPolicy::kAlways, Crash::kPowerWorst);
  Client& after = Connect();
  EXPECT_EQ(after.Run("GET a"), "$1 1");
  EXPECT_EQ(after.Run("LLEN q"), ":10");
  // It is the effects that are kept, not the script.
  EXPECT_EQ(after.Run("EVALSHA " + std::string(40, 'a') + " 0"),
            "-NOSCRIPT No matching script. Please use EVAL.");
}

TEST_F(BrokerJournalTest, AScriptThatWritesTooMuchIsStopped) {
  Start(SyncPolicy::kNo);
  settings_.data.most_change_bytes = 1000;
  Client& client = Connect();
  client.Request({"EVAL",
                  "local v = string.rep('v', 600) "
                  "for i = 1, 9 do redis.call('set', 'k' .. i, v) end",
                  "0"});
  EXPECT_THAT(client.Lines(), StartsWith("-ERR the transaction has written 12"));
  EXPECT_EQ(client.Run("DBSIZE"), ":2");
}

TEST_F(BrokerJournalTest, ASessionThatEndsMeanwhileIsForgotten) {
  Start(SyncPolicy::kAlways);
  Client& gone = Connect();
  Client& stays = Connect();
  gone.Run("SET a 1");
  stays.Run("SET b 1");
  gone.CloseNow();
  Sync();
  EXPECT_EQ(stays.Lines(), "+OK");
}

TEST_F(BrokerJournalTest, WaitAofTellsWhenTheChangeIsOnTheDisk) {
  Start(SyncPolicy::kEverySecond);
  Client& client = Connect();
  Client& other = Connect();
  EXPECT_EQ(other.Run("SET a 1"), "+OK");
  // Somebody else's change is not waited for, and without any there is nothing to wait for.
  EXPECT_EQ(client.Run("WAITAOF 1 0 0"), "*2 :1 :0");
  EXPECT_EQ(client.Run("SET b 1"), "+OK");
  EXPECT_EQ(client.Run("WAITAOF 0 0 0"), "*2 :0 :0");
  EXPECT_EQ(client.Run("WAITAOF 1 0 0"), "");
  Sync();  // it did not wait for the half second
  client.Lines();
  EXPECT_EQ(client.Run("WAITAOF 0 0 0"), "*2 :1 :0");
  Restart(SyncPolicy::kEverySecond, Crash::kPowerWorst);
  EXPECT_EQ(Connect().Run("GET b"), "$1 1");
}

TEST_F(BrokerJournalTest, WaitAofInTheTurnOfTheChangeCountsIt) {
  Start(SyncPolicy::kNo);
  Client& client = Connect();
  client.Request({"SET", "b", "1"});
  client.Request({"WAITAOF", "1", "0", "0"});
  EXPECT_EQ(client.Lines(), "+OK");
  Sync();
  EXPECT_EQ(client.Lines(), "*2 :1 :0");
}

TEST_F(BrokerJournalTest, WaitAofGivesUpInTime) {
  Start(SyncPolicy::kEverySecond);
  Client& client = Connect();
  client.Run("SET b 1");
  EXPECT_EQ(client.Run("WAITAOF 1 0 50"), "");
  harness_->Advance(49);
  EXPECT_EQ(client.Lines(), "");
  harness_->Advance(1);
  EXPECT_EQ(client.Lines(), "*2 :0 :0");
  // Nor does a transaction wait.
  client.Run("MULTI");
  client.Run("WAITAOF 1 0 0");
  EXPECT_EQ(client.Run("EXEC"), "*1 *2 :0 :0");
}

TEST_F(BrokerJournalTest, WaitCountsFollowersThatHaveTheLastChange) {
  Start(SyncPolicy::kEverySecond);
  Client& client = Connect();
  Client& other = Connect();
  host_.written = {0, 0};
  // It has changed nothing: whoever follows has all that it made.
  EXPECT_EQ(client.Run("WAIT 2 0"), ":2");
  EXPECT_EQ(client.Run("WAIT 3 10"), "");
  harness_->Advance(10);
  EXPECT_EQ(client.Lines(), ":2");
  EXPECT_EQ(client.Run("SET a 1"), "+OK");
  const Position end = journal_->written();
  EXPECT_EQ(other.Run("SET b 1"), "+OK");
  EXPECT_EQ(client.Run("WAIT 0 0"), ":0");
  EXPECT_EQ(client.Run("WAIT 1 0"), "");
  EXPECT_EQ(other.Run("WAIT 2 0"), "");
  EXPECT_GT(harness_->broker.waiting().awaited_of_followers(), end);
  host_.written = {end, end};
  EXPECT_EQ(client.Lines(), ":2");
  EXPECT_EQ(other.Lines(), "");
  host_.written = {journal_->written(), end};
  EXPECT_EQ(other.Lines(), "");
  host_.written = {journal_->written(), journal_->written()};
  EXPECT_EQ(other.Lines(), ":2");
  EXPECT_EQ(harness_->broker.waiting().awaited_of_followers(), 0u);
  // Written together with the change.
  client.Request({"SET", "a", "2"});
  client.Request({"WAIT", "1", "0"});
  EXPECT_EQ(client.Lines(), "+OK");
  host_.written = {journal_->written()};
  EXPECT_EQ(client.Lines(), ":1");
  client.Run("MULTI");
  client.Run("WAIT 9 0");
  EXPECT_EQ(client.Run("EXEC"), "*1 :1");
}

TEST_F(BrokerJournalTest, WaitAofCountsFollowersThatHaveSynced) {
  Start(SyncPolicy::kEverySecond);
  Client& client = Connect();
  EXPECT_EQ(client.Run("SET a 1"), "+OK");
  const Position end = journal_->written();
  host_.written = {end, end};
  EXPECT_EQ(client.Run("WAITAOF 0 0 0"), "*2 :0 :0");
  EXPECT_EQ(client.Run("WAITAOF 0 1 0"), "");
  host_.synced = {end, 0};
  EXPECT_EQ(client.Lines(), "*2 :0 :1");
  // First this server, then a second follower.
  EXPECT_EQ(client.Run("WAITAOF 1 2 0"), "");
  Sync();
  EXPECT_EQ(client.Lines(), "");
  EXPECT_EQ(harness_->broker.waiting().awaited_of_followers(), client.session().output.last_change);
  host_.synced = {end, end};
  EXPECT_EQ(client.Lines(), "*2 :1 :2");
  // First the followers, then this server.
  EXPECT_EQ(client.Run("SET a 2"), "+OK");
  host_.synced = {journal_->written(), journal_->written()};
  EXPECT_EQ(client.Run("WAITAOF 1 2 0"), "");
  Sync();
  EXPECT_EQ(client.Lines(), "*2 :1 :2");
  host_.synced = {};
  EXPECT_EQ(client.Run("WAITAOF 1 1 30"), "");
  harness_->Advance(30);
  EXPECT_EQ(client.Lines(), "*2 :1 :0");
}

TEST_F(BrokerJournalTest, AWaitForFollowersThatIsUnblockedTellsHowManyThereAre) {
  Start(SyncPolicy::kEverySecond);
  Client& client = Connect();
  Client& other = Connect();
  other.Run("SET a 1");
  client.Run("SET a 1");
  host_.written = {journal_->written()};
  const std::string id = std::to_string(client.session().id);
  EXPECT_EQ(client.Run("WAIT 2 0"), "");
  EXPECT_EQ(other.Run("CLIENT UNBLOCK " + id), ":1");
  EXPECT_EQ(other.Run("CLIENT UNBLOCK " + id), ":0");
  EXPECT_EQ(harness_->broker.NextTimerMs(), 0);
  harness_->broker.RunTimers();
  EXPECT_EQ(client.Lines(), ":1");
  EXPECT_EQ(client.Run("WAITAOF 0 2 0"), "");
  EXPECT_EQ(other.Run("CLIENT UNBLOCK " + id), ":1");
  harness_->broker.RunTimers();
  EXPECT_EQ(client.Lines(), "*2 :0 :0");
  EXPECT_EQ(client.Run("WAIT 2 0"), "");
  EXPECT_EQ(other.Run("CLIENT UNBLOCK " + id + " ERROR"), ":1");
  EXPECT_EQ(client.Lines(), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
}

TEST_F(BrokerJournalTest, WhoWaitsForFollowersHearsThatTheJournalHasFailed) {
  Start(SyncPolicy::kEverySecond);
  Client& client = Connect();
  EXPECT_EQ(client.Run("SET a 1"), "+OK");
  EXPECT_EQ(client.Run("WAIT 1 0"), "");
  disk_.FailCalls(disk_.calls() + 1, 1, EIO);
  harness_->Advance(1000);
  Sync();
  EXPECT_EQ(client.Lines(), ":0");
  EXPECT_EQ(client.Run("WAIT 1 0"), ":0");
}

TEST_F(BrokerJournalTest, AFollowerDoesNotWaitForFollowers) {
  Start(SyncPolicy::kEverySecond);
  Client& client = Connect();
  Client& waiting = Connect();
  waiting.Run("SET a 1");
  EXPECT_EQ(waiting.Run("WAIT 1 0"), "");
  harness_->broker.Follow();
  EXPECT_THAT(waiting.Lines(), StartsWith("-UNBLOCKED force unblock"));
  EXPECT_THAT(client.Run("WAIT x 0"),
              StartsWith("-ERR WAIT cannot be used with replica instances. "));
  EXPECT_THAT(client.Run("WAITAOF x 0 0"), StartsWith("-ERR value is not an integer"));
  EXPECT_THAT(client.Run("WAITAOF 0 0 0"),
              StartsWith("-ERR WAITAOF cannot be used with replica instances. "));
}

TEST_F(BrokerJournalTest, OnAFollowerScriptsOnlyRead) {
  Start(SyncPolicy::kNo);
  Client& client = Connect();
  client.Run("SET a 1");
  harness_->broker.Follow();
  const auto eval = [&client](const char* script) {
    client.Request({"EVAL", script, "0"});
    return client.Lines();
  };
  const char* const get = "return redis.call('get', 'a')";
  EXPECT_EQ(eval(get), "$1 1");
  EXPECT_THAT(eval("return redis.call('set', 'a', 2)"),
              StartsWith("-READONLY You can't write against a read only replica. script: "));
  EXPECT_EQ(eval("#!lua\nreturn 1"), "-READONLY You can't write against a read only replica.");
  EXPECT_EQ(eval("#!lua flags=no-writes\nreturn redis.call('get', 'a')"), "$1 1");
  settings_.replica_serve_stale_data = false;
  EXPECT_EQ(eval(get), "$1 1");
  host_.leader_is_lost = true;
  const std::string lost =
      "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
  EXPECT_EQ(eval(get), lost);
  EXPECT_EQ(eval("#!lua flags=no-writes\nreturn 1"), lost);
  EXPECT_THAT(eval("#!lua flags=no-writes,allow-stale\nreturn redis.call('get', 'a')"),
              StartsWith("-ERR Can not execute the command on a stale replica script: "));
  EXPECT_EQ(eval("#!lua flags=no-writes,allow-stale\nreturn #redis.call('time')"), ":2");
}

TEST_F(BrokerJournalTest, FunctionsOnAFollower) {
  Start(SyncPolicy::kNo);
  Client& client = Connect();
  client.Run("SET a 1");
  client.Request({"FUNCTION", "LOAD",
                  "#!lua name=l\n"
                  "local function get(keys) return redis.call('get', keys[1]) end\n"
                  "redis.register_function('plain', get)\n"
                  "redis.register_function{function_name='reads', callback=get, "
                  "flags={'no-writes'}}\n"
                  "redis.register_function{function_name='stale', callback=function() return 1 "
                  "end, flags={'no-writes', 'allow-stale'}}"});
  EXPECT_EQ(client.Lines(), "$1 l");
  harness_->broker.Follow();
  EXPECT_EQ(client.Run("FCALL plain 1 a"),
            "-READONLY You can't write against a read only replica.");
  EXPECT_EQ(client.Run("FCALL_RO reads 1 a"), "$1 1");
  EXPECT_EQ(client.Run("FUNCTION DELETE l"),
            "-READONLY You can't write against a read only replica.");
  settings_.replica_serve_stale_data = false;
  host_.leader_is_lost = true;
  const std::string lost =
      "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
  EXPECT_EQ(client.Run("FCALL_RO reads 1 a"), lost);
  EXPECT_EQ(client.Run("FCALL stale 0"), ":1");
}

// After a journal that takes no more, libraries are as they were.
TEST_F(BrokerJournalTest, ALibraryThatMayNotBeKeptIsNotThere) {
  settings_.data.most_change_bytes = 200;
  Start(SyncPolicy::kNo);
  Client& client = Connect();
  const auto load = [&](const std::string& rest) {
    client.Request({"FUNCTION", "LOAD",
                    "#!lua name=l\nredis.register_function('f', function() return 1 end)" + rest});
    return client.Lines();
  };
  EXPECT_THAT(load(" --" + std::string(200, 'x')), HasSubstr("changes to the journal"));
  EXPECT_EQ(client.Run("FCALL f 0"), "-ERR Function not found");
  client.Run("MULTI");
  client.Run("SET k " + std::string(300, 'x'));
  load("");
  EXPECT_THAT(client.Run("EXEC"), HasSubstr("+OK -ERR "));
  EXPECT_EQ(client.Run("FCALL f 0"), "-ERR Function not found");
  EXPECT_EQ(load(""), "$1 l");
  EXPECT_EQ(client.Run("FCALL f 0"), ":1");
  Restart(SyncPolicy::kNo, Crash::kProcess);
  EXPECT_EQ(Connect().Run("FCALL f 0"), ":1");
}

TEST_F(BrokerJournalTest, WhenASyncFailsWhoeverWaitsForItIsCutOff) {
  Start(SyncPolicy::kAlways);
  Client& writer = Connect();
  Client& reader = Connect();
  Client& idle = Connect();
  Client& waiting = Connect();
  EXPECT_EQ(waiting.Run("BLPOP nothing 0"), "");
  disk_.FailCalls(disk_.calls() + 2, 1, EIO);
  EXPECT_EQ(writer.Run("SET a 1"), "");
  EXPECT_EQ(reader.Run("GET a"), "");
  Sync();
  EXPECT_EQ(idle.Lines(), "");
  EXPECT_EQ(idle.Run("PING"),
            "-MISCONF Errors writing to the journal: model disk: j/next.tmp: Input/output error");
  EXPECT_FALSE(writer.open());
  EXPECT_FALSE(reader.open());
  EXPECT_TRUE(waiting.open());
  EXPECT_TRUE(journal_->failed());
  EXPECT_THAT(idle.Run("SET a 2"), StartsWith("-MISCONF Errors writing to the journal: "));
  EXPECT_THAT(idle.Run("LPUSH nothing x"), StartsWith("-MISCONF "));
  EXPECT_THAT(idle.Run("GET a"), StartsWith("-MISCONF The journal has failed"));
  EXPECT_THAT(idle.Run("WAITAOF 1 0 0"), "*2 :1 :0");  // it changed nothing
  idle.Run("MULTI");
  EXPECT_THAT(idle.Run("SET a 2"), StartsWith("-MISCONF "));
  EXPECT_THAT(idle.Run("EXEC"), StartsWith("-EXECABORT "));
  EXPECT_EQ(idle.Run("PUBLISH c m"), ":0");
}

TEST_F(BrokerJournalTest, WhatWasPromisedIsStillShownWhenTheJournalHasFailed) {
  Start(SyncPolicy::kEverySecond);
  Client& client = Connect();
  EXPECT_EQ(client.Run("SET a 1"), "+OK");
  disk_.FailCalls(disk_.calls() + 1, 1, EIO);
  harness_->Advance(1000);
  Sync();
  EXPECT_THAT(client.Run("SET a 2"), StartsWith("-MISCONF "));
  EXPECT_EQ(client.Run("GET a"), "$1 1");
}

TEST_F(BrokerJournalTest, ThoseWhoWaitForTheDiskHearThatItWasInVain) {
  Start(SyncPolicy::kEverySecond);
  Client& client = Connect();
  EXPECT_EQ(client.Run("SET a 1"), "+OK");
  EXPECT_EQ(client.Run("WAITAOF 1 0 0"), "");
  disk_.FailCalls(disk_.calls() + 1, 1, EIO);
  Sync();
  EXPECT_EQ(client.Lines(), "*2 :0 :0");
}

TEST_F(BrokerJournalTest, WhoWaitsForAClaimGetsNothingFromAJournalThatHasFailed) {
  Start(SyncPolicy::kNo);
  Client& client = Connect();
  client.Run("XGROUP CREATE s g 0 MKSTREAM");
  client.Run("XADD s 1-1 f v");
  client.Run("XREADGROUP GROUP g a STREAMS s >");
  Client& waiting = Connect();
  EXPECT_EQ(waiting.Run("XREADGROUP GROUP g b BLOCK 0 CLAIM 500 STREAMS s >"), "");
  disk_.FailCalls(disk_.calls() + 1, 1, EIO);
  EXPECT_EQ(client.Run("SET a 1"), "");
  EXPECT_TRUE(journal_->failed());
  harness_->Advance(500);
  EXPECT_THAT(waiting.Lines(), StartsWith("-MISCONF Errors writing to the journal: "));
  EXPECT_THAT(waiting.Run("XLEN s"), StartsWith("-MISCONF "));
}

TEST_F(BrokerJournalTest, AFullDiskRefusesChangesAndHeals) {
  Start(SyncPolicy::kAlways, 2000);
  Client& client = Connect();
  disk_.set_capacity(disk_.used());
  const std::string value(100, 'x');
  int taken = 0;
  std::string reply;
  for (; taken < 20; taken++) {
    client.Request({"RPUSH", "q", value});
    reply = client.Lines();
    Sync();
    reply += client.Lines();
    if (reply.starts_with("-")) break;
    EXPECT_EQ(reply, ":" + std::to_string(taken + 1));
  }
  EXPECT_THAT(reply, StartsWith("-MISCONF Errors writing to the journal: "));
  EXPECT_THAT(reply, HasSubstr("No space left on device"));
  EXPECT_EQ(client.Run("LLEN q"), ":" + std::to_string(taken));
  disk_.set_capacity(1'000'000);
  harness_->Advance(1000);
  Sync();
  harness_->Advance(1000);
  client.Request({"RPUSH", "q", value});
  client.Lines();
  Sync();
  EXPECT_EQ(client.Lines(), ":" + std::to_string(taken + 1));
  Restart(SyncPolicy::kAlways, Crash::kPowerWorst);
  EXPECT_EQ(Connect().Run("LLEN q"), ":" + std::to_string(taken + 1));
}

// What the disk has no room for is refused before it is done; everybody is answered.
TEST_F(BrokerJournalTest, AValueWithoutRoomIsRefusedAndNobodyHangs) {
  disk_.set_capacity(150'000);
  Start(SyncPolicy::kAlways, 100'000);
  Client& client = Connect();
  Client& other = Connect();
  const auto set = [&](size_t bytes) {
    client.Request({"SET", "k", std::string(bytes, 'x')});
    std::string reply = client.Lines();
    Sync();
    return reply + client.Lines();
  };
  EXPECT_THAT(set(140'000), StartsWith("-MISCONF Errors writing to the journal: "));
  EXPECT_EQ(client.Run("EXISTS k"), ":0");
  EXPECT_EQ(other.Run("PING"), "+PONG");
  EXPECT_EQ(journal_->appended(), 0u);
  EXPECT_TRUE(journal_->status().ok());
  EXPECT_EQ(set(50'000), "+OK");
  // A transaction is what its queue is.
  EXPECT_EQ(client.Run("MULTI"), "+OK");
  EXPECT_EQ(set(25'000), "+QUEUED");
  EXPECT_EQ(set(25'000), "+QUEUED");
  EXPECT_THAT(set(25'000), StartsWith("-MISCONF "));
  EXPECT_THAT(client.Run("EXEC"), StartsWith("-EXECABORT"));
  EXPECT_EQ(client.Run("STRLEN k"), ":50000");
  // When there is room, it is found.
  disk_.set_capacity(1'000'000);
  harness_->Advance(1000);
  Sync();
  harness_->Advance(1000);
  EXPECT_EQ(set(140'000), "+OK");
  Restart(SyncPolicy::kAlways, Crash::kPowerWorst);
  EXPECT_EQ(Connect().Run("STRLEN k"), ":140000");
}

TEST_F(BrokerJournalTest, OnAFullDiskRemovingGoesOn) {
  disk_.set_capacity(101'000);
  Start(SyncPolicy::kAlways, 100'000);
  Client& client = Connect();
  const auto run = [&](const std::vector<std::string>& command) {
    client.Request(command);
    std::string reply = client.Lines();
    Sync();
    return reply + client.Lines();
  };
  int taken = 0;
  for (const size_t bytes : {size_t{1000}, size_t{1}}) {
    while (run({"RPUSH", "q", std::string(bytes, 'x')}).starts_with(":")) {
      taken++;
    }
  }
  EXPECT_GT(taken, 50);
  EXPECT_FALSE(journal_->status().ok());
  EXPECT_FALSE(journal_->failed());
  // More than the smallest change of those that were refused.
  for (int i = 0; i < 50; i++) {
    EXPECT_THAT(run({"LPOP", "q"}), StartsWith("$")) << i;
    EXPECT_THAT(run({"RPUSH", "q", "x"}), StartsWith("-MISCONF ")) << i;
  }
  EXPECT_EQ(run({"EXPIRE", "q", "1000"}), ":1");
  EXPECT_EQ(run({"DEL", "q"}), ":1");
  EXPECT_EQ(run({"PING"}), "+PONG");
  EXPECT_EQ(journal_->written(), journal_->appended()) << "nothing had to wait for room";
}

TEST_F(BrokerJournalTest, KeysDoNotExpireIntoAFullDisk) {
  Start(SyncPolicy::kAlways, 1500);
  Client& client = Connect();
  client.Run("SET k v PX 5000");
  Sync();
  EXPECT_EQ(client.Lines(), "+OK");
  disk_.set_capacity(disk_.used());
  for (const size_t bytes : {size_t{100}, size_t{1}}) {
    for (int i = 0; i < 20 && journal_->status().ok(); i++) {
      client.Request({"RPUSH", "q", std::string(bytes, 'x')});
      client.Lines();
      Sync();
      client.Lines();
    }
  }
  ASSERT_FALSE(journal_->status().ok());
  const Position end = journal_->appended();
  harness_->Advance(6000);
  EXPECT_EQ(journal_->appended(), end);
  EXPECT_EQ(harness_->keyspace.size(0), 2u);
  // Nor because somebody looks at them.
  EXPECT_EQ(client.Run("GET k"), "$-1");
  EXPECT_EQ(client.Run("EXISTS k"), ":0");
  Sync();
  EXPECT_EQ(journal_->appended(), end);
  EXPECT_EQ(harness_->keyspace.size(0), 2u);
}

}  // namespace
}  // namespace runnel
