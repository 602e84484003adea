// The broker's own rules, with real commands on a real keyspace but without sockets: which session
// is served when, what a transaction sees, when replies leave, and how a session ends.

#include "broker/broker.h"

#include <gtest/gtest.h>

#include "broker/commands/broker_families.h"
#include "broker/testing.h"
#include "data/hash/hash.h"
#include "data/string_object.h"

namespace runnel {
namespace {

using testing::BrokerHarness;

class BrokerTest : public ::testing::Test {
 protected:
  BrokerTest() {
    for (const auto family : {ConnectionCommands(), ClientCommands(), PubSubCommands(),
                              TransactionCommands(), IntrospectionCommands()}) {
      harness_.broker.commands().Add(family);
    }
  }

  BrokerHarness harness_;
};

TEST_F(BrokerTest, WaitersAreServedOldestFirst) {
  auto a = harness_.Connect(), b = harness_.Connect(), pusher = harness_.Connect();
  a->Request({"BLPOP", "q", "0"});
  b->Request({"BLPOP", "q", "0"});
  EXPECT_EQ(pusher->Ask({"RPUSH", "q", "1", "2", "3"}), ":3\r\n");
  EXPECT_EQ(a->Received(), "*2\r\n$1\r\nq\r\n$1\r\n1\r\n");
  EXPECT_EQ(b->Received(), "*2\r\n$1\r\nq\r\n$1\r\n2\r\n");
  EXPECT_EQ(pusher->Ask({"LLEN", "q"}), ":1\r\n");
}

TEST_F(BrokerTest, AChainOfMovesEndsBeforeThePushersNextCommand) {
  auto a = harness_.Connect(), b = harness_.Connect(), c = harness_.Connect(),
       pusher = harness_.Connect();
  a->Request({"BLMOVE", "a", "b", "LEFT", "RIGHT", "0"});
  b->Request({"BLMOVE", "b", "c", "LEFT", "RIGHT", "0"});
  c->Request({"BLPOP", "c", "0"});
  pusher->Request({"RPUSH", "a", "x"});
  pusher->Request({"EXISTS", "a", "b", "c"});
  EXPECT_EQ(pusher->Received(), ":1\r\n:0\r\n");
  EXPECT_EQ(c->Received(), "*2\r\n$1\r\nc\r\n$1\r\nx\r\n");
}

TEST_F(BrokerTest, RepliesMayLeaveBeforeTheTurnEnds) {
  auto client = harness_.Connect(), other = harness_.Connect();
  client->Request({"PING", "1"});
  other->Request({"PING", "2"});
  EXPECT_GT(client->session().output.pending.size(), 0u);
  harness_.broker.ReleaseEarly(client->session());
  EXPECT_TRUE(client->session().output.pending.empty());
  EXPECT_GT(other->session().output.pending.size(), 0u);
  client->Request({"PING", "3"});
  EXPECT_EQ(client->Received(), "$1\r\n1\r\n$1\r\n3\r\n");
  EXPECT_EQ(other->Received(), "$1\r\n2\r\n");
  // One that ends with its replies ends now.
  client->Request({"QUIT"});
  harness_.broker.ReleaseEarly(client->session());
  EXPECT_FALSE(client->open());
}

TEST_F(BrokerTest, ServingWaitsForTheEndOfATransaction) {
  auto waiter = harness_.Connect(), writer = harness_.Connect();
  waiter->Request({"BLPOP", "q", "0"});
  writer->Request({"MULTI"});
  writer->Request({"RPUSH", "q", "x"});
  writer->Request({"DEL", "q"});
  EXPECT_EQ(writer->Ask({"EXEC"}), "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:1\r\n");
  EXPECT_EQ(waiter->Received(), "");
  EXPECT_TRUE(waiter->session().blocked());
}

TEST_F(BrokerTest, KeyOrderOfTheCallWinsWhenSeveralAreReady) {
  auto waiter = harness_.Connect(), writer = harness_.Connect();
  waiter->Request({"BLPOP", "k1", "k2", "0"});
  for (const char* key : {"k2", "k1"}) {
    if (*key == 'k' && key[1] == '2') writer->Request({"MULTI"});
    writer->Request({"RPUSH", key, key});
  }
  writer->Request({"EXEC"});
  EXPECT_EQ(waiter->Received(), "*2\r\n$2\r\nk1\r\n$2\r\nk1\r\n");
}

TEST_F(BrokerTest, ATimeoutAnswersAndTheNextRequestRuns) {
  auto waiter = harness_.Connect();
  waiter->Request({"BLPOP", "q", "0.05"});
  waiter->Request({"PING"});
  EXPECT_EQ(waiter->Received(), "");
  EXPECT_EQ(harness_.broker.NextTimerMs(), 50);
  harness_.Advance(49);
  EXPECT_EQ(waiter->Received(), "");
  harness_.Advance(1);
  EXPECT_EQ(waiter->Received(), "*-1\r\n+PONG\r\n");
}

TEST_F(BrokerTest, ASessionThatEndsIsServedNothing) {
  auto gone = harness_.Connect(), stays = harness_.Connect(), pusher = harness_.Connect();
  gone->Request({"BLPOP", "q", "0"});
  stays->Request({"BLPOP", "q", "0"});
  gone->CloseNow();
  pusher->Request({"RPUSH", "q", "x"});
  EXPECT_EQ(stays->Received(), "*2\r\n$1\r\nq\r\n$1\r\nx\r\n");
}

TEST_F(BrokerTest, AKilledSessionIsServedNothingInTheSameTurn) {
  auto victim = harness_.Connect(), pusher = harness_.Connect();
  victim->Request({"BLPOP", "q", "0"});
  const std::string id = std::to_string(victim->session().id);
  pusher->Request({"CLIENT", "KILL", "ID", id});
  pusher->Request({"RPUSH", "q", "x"});
  EXPECT_EQ(pusher->Received(), ":1\r\n:1\r\n");
  EXPECT_FALSE(victim->open());
  EXPECT_EQ(pusher->Ask({"LLEN", "q"}), ":1\r\n");
}

TEST_F(BrokerTest, AWatchedKeyThatExpiresBreaksTheTransaction) {
  auto client = harness_.Connect();
  client->Ask({"SET", "k", "v", "PX", "100"});
  client->Ask({"WATCH", "k"});
  client->Ask({"MULTI"});
  client->Ask({"PING"});
  harness_.clock.Advance(100);
  harness_.broker.UpdateTime();
  EXPECT_EQ(client->Ask({"EXEC"}), "*-1\r\n");
}

TEST_F(BrokerTest, AFlushWakesGroupReadersAndCountsItsKeysAsChanges) {
  auto reader = harness_.Connect();
  auto other = harness_.Connect();
  other->Run("XGROUP CREATE s g $ MKSTREAM");
  other->Run("MSET a 1 b 2");
  EXPECT_EQ(reader->Run("XREADGROUP GROUP g c BLOCK 0 STREAMS s >"), "");
  const uint64_t changes = harness_.broker.log().changes();
  EXPECT_EQ(other->Run("FLUSHALL ASYNC"), "+OK");
  EXPECT_EQ(harness_.broker.log().changes(), changes + 3);
  EXPECT_EQ(reader->Lines().substr(0, 1), "-");
}

TEST_F(BrokerTest, ARefusedCommandMakesExecDiscardAll) {
  auto client = harness_.Connect();
  client->Ask({"MULTI"});
  client->Ask({"SET", "k", "v"});
  EXPECT_EQ(client->Ask({"NOSUCH", "x"}),
            "-ERR unknown command 'NOSUCH', with args beginning with: 'x' \r\n");
  EXPECT_EQ(client->Ask({"EXEC"}),
            "-EXECABORT Transaction discarded because of previous errors.\r\n");
  EXPECT_EQ(client->Ask({"EXISTS", "k"}), ":0\r\n");
}

TEST_F(BrokerTest, AMessageToOneselfComesBehindTheReply) {
  auto client = harness_.Connect();
  client->Ask({"HELLO", "3"});
  client->Ask({"SUBSCRIBE", "c"});
  EXPECT_EQ(client->Ask({"PUBLISH", "c", "m"}),
            ":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n");
}

TEST_F(BrokerTest, ASubscriberThatDoesNotReadIsClosedAndNotRemembered) {
  harness_.settings.output_pubsub = {200'000, 0, 0};
  auto slow = harness_.Connect(), publisher = harness_.Connect();
  slow->Ask({"SUBSCRIBE", "c"});
  slow->stuck = true;
  const std::string message(70'000, 'm');
  int delivered = 0;
  while (publisher->Ask({"PUBLISH", "c", message}) == ":1\r\n") {
    delivered++;
    ASSERT_LT(delivered, 10);
  }
  EXPECT_EQ(delivered, 3);
  EXPECT_FALSE(slow->open());
  EXPECT_EQ(harness_.broker.stats().output_buffer_limit_closes, 1u);
}

TEST_F(BrokerTest, TheSoftLimitForgetsAnOverrunThatIsOver) {
  harness_.settings.output_pubsub = {0, 100'000, 60};
  auto subscriber = harness_.Connect(), publisher = harness_.Connect();
  subscriber->Run("SUBSCRIBE c");
  subscriber->stuck = true;
  const std::string message(150'000, 'm');
  publisher->Ask({"PUBLISH", "c", message});
  EXPECT_EQ(subscriber->Received().size(), 150'000u + 35);
  harness_.Advance(100);
  harness_.Advance(3'600'000);
  publisher->Ask({"PUBLISH", "c", message});
  publisher->Ask({"PUBLISH", "c", message});
  EXPECT_TRUE(subscriber->open());
  // The wall clock may be set.
  harness_.clock.unix_us += 3'600'000'000;
  harness_.Advance(59'000);
  EXPECT_TRUE(subscriber->open());
  harness_.Advance(2000);
  EXPECT_FALSE(subscriber->open());
}

// Each turn's message is a rope of its own.
TEST_F(BrokerTest, AReceiverThatDoesNotReadTakesMemoryForItsBytesOnly) {
  constexpr int kMessages = 5000;
  auto subscriber = harness_.Connect(), monitor = harness_.Connect(),
       publisher = harness_.Connect();
  subscriber->Run("SUBSCRIBE c");
  monitor->Run("MONITOR");
  subscriber->stuck = monitor->stuck = true;
  for (int i = 0; i < kMessages; i++) {
    publisher->Ask({"PUBLISH", "c", "abc"});
  }
  for (BrokerHarness::Client* client : {subscriber.get(), monitor.get()}) {
    const Session& session = client->session();
    EXPECT_GE(session.unsent_bytes(), size_t{kMessages} * 30);
    EXPECT_LE(session.unsent_memory(), 2 * session.unsent_bytes());
  }
}

TEST_F(BrokerTest, ALargeMessageLeavesNoMemory) {
  std::vector<std::unique_ptr<BrokerHarness::Client>> subscribers;
  for (int i = 0; i < 10; i++) {
    subscribers.push_back(harness_.Connect());
    subscribers.back()->Run("SUBSCRIBE c");
  }
  auto publisher = harness_.Connect();
  const std::string message(5'000'000, 'm');
  EXPECT_EQ(publisher->Ask({"PUBLISH", "c", message}), ":10\r\n");
  for (const auto& subscriber : subscribers) {
    EXPECT_NE(subscriber->Received().find(message), std::string::npos);
  }
  EXPECT_LT(harness_.broker.pubsub().SpareBytes(), 50'000u);
}

TEST_F(BrokerTest, PausedWritesWaitAndGoOnInOrder) {
  auto admin = harness_.Connect(), writer = harness_.Connect();
  EXPECT_EQ(admin->Ask({"CLIENT", "PAUSE", "1000", "WRITE"}), "+OK\r\n");
  writer->Request({"GET", "k"});
  writer->Request({"SET", "k", "1"});
  writer->Request({"GET", "k"});
  EXPECT_EQ(writer->Received(), "$-1\r\n");
  harness_.Advance(999);
  EXPECT_EQ(writer->Received(), "");
  harness_.Advance(1);
  EXPECT_EQ(writer->Received(), "+OK\r\n$1\r\n1\r\n");
}

TEST_F(BrokerTest, DuringAPauseKeysThatAreOverReadAsAbsentAndStay) {
  auto admin = harness_.Connect(), reader = harness_.Connect(), watcher = harness_.Connect();
  reader->Run("SET k v PX 100");
  watcher->Run("WATCH k");
  admin->Run("CLIENT PAUSE 10000 WRITE");
  harness_.Advance(200);
  EXPECT_EQ(reader->Run("GET k"), "$-1");
  EXPECT_EQ(reader->Run("EXISTS k"), ":0");
  EXPECT_EQ(reader->Run("RANDOMKEY"), "$-1");
  EXPECT_EQ(harness_.keyspace.size(0), 1u);
  EXPECT_EQ(harness_.broker.stats().expired_keys, 0u);
  // It is gone as far as anybody can see, so a transaction that relies on it is broken.
  watcher->Run("MULTI");
  EXPECT_EQ(watcher->Run("EXEC"), "*-1");
  admin->Run("CLIENT UNPAUSE");
  harness_.Advance(1);
  EXPECT_EQ(harness_.keyspace.size(0), 0u);
  EXPECT_EQ(harness_.broker.stats().expired_keys, 1u);
}

TEST_F(BrokerTest, WhoIsPutOffIsNotIdle) {
  harness_.settings.timeout_s = 1;
  auto admin = harness_.Connect(), writer = harness_.Connect();
  admin->Run("CLIENT PAUSE 5000 WRITE");
  EXPECT_EQ(writer->Run("SET k v"), "");
  for (int i = 0; i < 4; i++) {
    harness_.Advance(1000);
  }
  EXPECT_TRUE(writer->open());
  harness_.Advance(1000);
  EXPECT_EQ(writer->Lines(), "+OK");
  EXPECT_FALSE(admin->open());
}

TEST_F(BrokerTest, WhoHasJustBeenServedIsNotIdle) {
  harness_.settings.timeout_s = 1;
  auto popper = harness_.Connect(), late = harness_.Connect();
  popper->Run("BLPOP q 0");
  late->Run("BLPOP nothing 3");
  harness_.Advance(3000);
  auto pusher = harness_.Connect();
  pusher->Run("RPUSH q a");
  EXPECT_EQ(popper->Lines(), "*2 $1 q $1 a");
  EXPECT_EQ(late->Lines(), "*-1");
  harness_.Advance(900);
  EXPECT_TRUE(popper->open());
  EXPECT_TRUE(late->open());
  harness_.Advance(200);
  EXPECT_FALSE(popper->open());
  EXPECT_FALSE(late->open());
}

// Nobody leaves a trace in a long pause in which clients come and go.
TEST_F(BrokerTest, WhoEndsDuringAPauseIsForgotten) {
  auto admin = harness_.Connect();
  admin->Run("CLIENT PAUSE 5000");
  for (int i = 0; i < 1000; i++) {
    auto client = harness_.Connect();
    client->Request({"PING"});
    EXPECT_EQ(harness_.broker.pause().count(), 1u);
  }
  EXPECT_EQ(harness_.broker.pause().count(), 0u);
  EXPECT_TRUE(harness_.broker.pause().put_off().empty());
}

TEST_F(BrokerTest, WhatTheServerHoldsNoClientLetsGo) {
  auto client = harness_.Connect(), writer = harness_.Connect(), claimer = harness_.Connect();
  client->Run("SET k v PX 500");
  client->Run("XGROUP CREATE s g 0 MKSTREAM");
  client->Run("XADD s 1-1 f v");
  client->Run("XREADGROUP GROUP g other STREAMS s >");
  EXPECT_EQ(claimer->Run("XREADGROUP GROUP g c BLOCK 0 CLAIM 1000 STREAMS s >"), "");
  Broker& broker = harness_.broker;
  broker.HoldWrites(HoldReason::kHandOver, true);
  broker.HoldWrites(HoldReason::kShutdown, true);
  EXPECT_EQ(writer->Run("SET other v"), "");
  EXPECT_EQ(client->Run("CLIENT UNPAUSE"), "+OK");
  EXPECT_EQ(client->Run("GET other"), "$-1");
  const uint64_t changes = broker.log().changes();
  harness_.Advance(2000);
  // Nothing is taken away, though time has passed for all of it.
  EXPECT_EQ(client->Run("GET k"), "$-1");
  EXPECT_NE(harness_.keyspace.Find(KeyRef(0, "k")), nullptr);
  EXPECT_EQ(claimer->Lines(), "");
  EXPECT_EQ(broker.log().changes(), changes);
  // CLIENT PAUSE is another pause.
  client->Run("CLIENT PAUSE 100 WRITE");
  harness_.Advance(200);
  EXPECT_EQ(writer->Lines(), "");
  broker.HoldWrites(HoldReason::kHandOver, false);
  harness_.Advance(1);
  EXPECT_EQ(writer->Lines(), "");
  broker.HoldWrites(HoldReason::kShutdown, false);
  harness_.Advance(1);
  EXPECT_EQ(writer->Lines(), "+OK");
  EXPECT_NE(claimer->Lines(), "");
  EXPECT_EQ(broker.pause().kind(), PauseKind::kNone);
}

TEST_F(BrokerTest, WithoutAPasswordNobodyIsAskedForIt) {
  harness_.settings.requirepass = "secret";
  auto client = harness_.Connect();
  EXPECT_EQ(client->Run("PING"), "-NOAUTH Authentication required.");
  harness_.settings.requirepass.clear();
  EXPECT_EQ(client->Run("PING"), "+PONG");
  EXPECT_NE(client->Run("HELLO 2").substr(0, 1), "-");
}

TEST_F(BrokerTest, MutedRepliesLeaveMessagesThrough) {
  auto client = harness_.Connect(), publisher = harness_.Connect();
  client->Ask({"HELLO", "3"});
  client->Ask({"SUBSCRIBE", "c"});
  EXPECT_EQ(client->Ask({"CLIENT", "REPLY", "OFF"}), "");
  EXPECT_EQ(client->Ask({"PING"}), "");
  publisher->Ask({"PUBLISH", "c", "m"});
  EXPECT_EQ(client->Received(), ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n");
  EXPECT_EQ(client->Ask({"CLIENT", "REPLY", "ON"}), "+OK\r\n");
  client->Request({"CLIENT", "REPLY", "SKIP"});
  client->Request({"PING"});
  EXPECT_EQ(client->Ask({"PING"}), "+PONG\r\n");
}

TEST_F(BrokerTest, MemoryAboveTheLimitRefusesGrowthAndChangesNothing) {
  auto client = harness_.Connect();
  client->Ask({"RPUSH", "q", "a"});
  harness_.settings.maxmemory = 1;
  const std::string oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
  EXPECT_EQ(client->Ask({"RPUSH", "q", "b"}), oom);
  EXPECT_EQ(client->Ask({"LPOP", "q"}), "$1\r\na\r\n");
  EXPECT_EQ(client->Ask({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(client->Ask({"RPUSH", "q", "b"}), oom);
  EXPECT_EQ(client->Ask({"EXEC"}),
            "-EXECABORT Transaction discarded because of previous errors.\r\n");
  EXPECT_EQ(client->Ask({"EXISTS", "q"}), ":0\r\n");
}

TEST_F(BrokerTest, WhileMemoryIsBeingFreedGrowthWaits) {
  auto client = harness_.Connect();
  harness_.settings.maxmemory = 1;
  harness_.broker.SetFreeing(true);
  EXPECT_EQ(client->Ask({"RPUSH", "q", "a"}), "");
  client->Request({"LLEN", "q"});
  harness_.broker.SetFreeing(true);
  EXPECT_EQ(client->Received(), "");
  harness_.settings.maxmemory = 1'000'000'000;
  harness_.broker.SetFreeing(true);
  EXPECT_EQ(client->Received(), ":1\r\n:1\r\n");
  harness_.settings.maxmemory = 1;
  EXPECT_EQ(client->Ask({"RPUSH", "q", "b"}), "");
  harness_.broker.SetFreeing(false);
  EXPECT_EQ(client->Received(), "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
}

TEST_F(BrokerTest, KeysExpireThoughNobodyAsksForThem) {
  auto client = harness_.Connect();
  for (int i = 0; i < 1000; i++) {
    client->Ask({"SET", "k" + std::to_string(i), "v", "PX", std::to_string(100 + i)});
  }
  harness_.Advance(599);
  EXPECT_EQ(harness_.keyspace.size(0), 500u);
  harness_.Advance(1000);
  EXPECT_EQ(harness_.keyspace.size(0), 0u);
  EXPECT_EQ(harness_.broker.stats().expired_keys, 1000u);
}

TEST_F(BrokerTest, FieldsExpireThoughNobodyAsksForThem) {
  harness_.settings.notify_classes = kNotifyKeyevent | kNotifyHash | kNotifyGeneric;
  auto client = harness_.Connect(), listener = harness_.Connect();
  client->Run("HSET h a 1 b 2 c 3");
  client->Run("HPEXPIRE h 100 FIELDS 1 a");
  client->Run("HPEXPIRE h 300 FIELDS 2 b c");
  listener->Run("PSUBSCRIBE *");
  harness_.Advance(99);
  EXPECT_EQ(client->Run("HLEN h"), ":3");
  harness_.Advance(101);
  EXPECT_EQ(harness_.keyspace.Find(KeyRef(0, "h"))->As<Hash>()->size(), 2u);
  EXPECT_EQ(listener->Lines(), "*4 $8 pmessage $1 * $23 __keyevent@0__:hexpired $1 h");
  EXPECT_EQ(harness_.broker.stats().expired_fields, 1u);
  harness_.Advance(200);
  EXPECT_EQ(harness_.keyspace.Find(KeyRef(0, "h")), nullptr);
  EXPECT_EQ(listener->Lines(),
            "*4 $8 pmessage $1 * $23 __keyevent@0__:hexpired $1 h "
            "*4 $8 pmessage $1 * $18 __keyevent@0__:del $1 h");
  EXPECT_EQ(harness_.broker.stats().expired_fields, 3u);
}

// The effect names the fields that go, so those of long names go a few at a time.
TEST_F(BrokerTest, LongFieldsExpireInParts) {
  auto client = harness_.Connect();
  constexpr size_t kFields = 20;
  constexpr size_t kBytes = 100'000;
  std::vector<std::string> set = {"HSET", "h", "stays", "1"};
  std::vector<std::string> expire = {"HPEXPIRE", "h", "100", "FIELDS", std::to_string(kFields)};
  for (size_t i = 0; i < kFields; i++) {
    const std::string name = std::string(kBytes, 'n') + std::to_string(i);
    set.insert(set.end(), {name, "1"});
    expire.push_back(name);
  }
  client->Ask(set);
  client->Ask(expire);
  harness_.settings.notify_classes = kNotifyKeyevent | kNotifyHash;
  auto listener = harness_.Connect();
  listener->Run("PSUBSCRIBE *");
  harness_.Advance(10'000);
  EXPECT_EQ(client->Run("HLEN h"), ":1");
  EXPECT_EQ(harness_.broker.stats().expired_fields, kFields);
  const std::string lines = listener->Lines();
  size_t effects = 0;
  for (size_t at = 0; (at = lines.find("hexpired", at)) != std::string::npos; at++) {
    effects++;
  }
  constexpr size_t kFieldsOfAnEffect = 3;  // with 256 KiB of names they are enough
  EXPECT_EQ(effects, (kFields + kFieldsOfAnEffect - 1) / kFieldsOfAnEffect);
}

TEST_F(BrokerTest, DuringAPauseFieldsThatAreOverReadAsAbsentAndStay) {
  auto admin = harness_.Connect(), reader = harness_.Connect();
  reader->Run("HSET h a 1 b 2");
  reader->Run("HPEXPIRE h 100 FIELDS 1 a");
  admin->Run("CLIENT PAUSE 10000 WRITE");
  harness_.Advance(200);
  EXPECT_EQ(reader->Run("HGETALL h"), "*2 $1 b $1 2");
  EXPECT_EQ(harness_.keyspace.Find(KeyRef(0, "h"))->As<Hash>()->size(), 2u);
  admin->Run("CLIENT UNPAUSE");
  harness_.Advance(1);
  EXPECT_EQ(harness_.keyspace.Find(KeyRef(0, "h"))->As<Hash>()->size(), 1u);
}

// The loop goes on with its other work between slices of the removal.
TEST_F(BrokerTest, ManyFieldsThatExpireAtOnceGoInSlices) {
  constexpr size_t kFields = 600'000;
  auto hash = std::make_unique<Hash>();
  hash->Set("stays", "v");
  for (size_t i = 0; i < kFields; i++) {
    const std::string name = "f" + std::to_string(i);
    hash->Set(name, "v");
    hash->SetExpiry(name, harness_.broker.clock().now_ms() + 10);
  }
  harness_.keyspace.Put(KeyRef(0, "h"), std::move(hash));
  const auto left = [&] { return harness_.keyspace.Find(KeyRef(0, "h"))->As<Hash>()->size(); };
  harness_.Advance(20);
  EXPECT_LE(left(), kFields);
  EXPECT_GT(left(), kFields / 2);
  while (left() > 1) {
    const size_t before = left();
    ASSERT_EQ(harness_.broker.NextTimerMs(), 0);
    harness_.broker.RunTimers();
    harness_.broker.EndTurn();
    ASSERT_LT(left(), before);
  }
}

// The loop goes on with its other work between slices of the removal.
TEST_F(BrokerTest, ManyKeysThatExpireAtOnceGoInSlices) {
  constexpr size_t kKeys = 20000;
  constexpr size_t kMostInATurn = 5000;
  for (size_t i = 0; i < kKeys; i++) {
    const std::string name = "k" + std::to_string(i);
    harness_.keyspace.Put(KeyRef(0, name), std::make_unique<StringObject>("v"));
    harness_.keyspace.SetExpiry(KeyRef(0, name), harness_.broker.clock().now_ms() + 10);
  }
  harness_.Advance(20);
  size_t left = harness_.keyspace.size(0);
  EXPECT_GE(left, kKeys - kMostInATurn);
  while (left > 0) {
    ASSERT_EQ(harness_.broker.NextTimerMs(), 0);
    harness_.broker.RunTimers();
    harness_.broker.EndTurn();
    EXPECT_GE(harness_.keyspace.size(0) + kMostInATurn, left);
    ASSERT_LT(harness_.keyspace.size(0), left);
    left = harness_.keyspace.size(0);
  }
  harness_.broker.RunTimers();
  EXPECT_EQ(harness_.broker.NextTimerMs(), -1);
}

TEST_F(BrokerTest, EntriesGoInTimeThoughNobodyAdds) {
  auto client = harness_.Connect();
  for (const char* key : {"s", "t", "u"}) {
    client->Ask({"XADD", key, "*", "f", "v"});
    client->Ask({"XCFGSET", key, "RETENTION-MS", "1000"});
  }
  client->Ask({"XCFGSET", "u", "RETENTION-MS", "0"});
  client->Run("RENAME s renamed");
  client->Run("COPY renamed copied");
  harness_.Advance(600);
  client->Ask({"XADD", "t", "*", "f", "w"});
  harness_.Advance(401);
  EXPECT_EQ(client->Run("XLEN renamed"), ":0");
  EXPECT_EQ(client->Run("XLEN copied"), ":0");
  EXPECT_EQ(client->Run("XLEN t"), ":1");
  EXPECT_EQ(client->Run("XLEN u"), ":1");
  // Of a stream that is gone nothing is left to look at.
  client->Run("DEL renamed");
  client->Run("SET t x");
  client->Run("FLUSHALL");
  harness_.Advance(2000);
  EXPECT_EQ(harness_.keyspace.NextDue(0, INT64_MAX), nullptr);
}

// A stream is looked at when its oldest entry is too old, and not before.
TEST_F(BrokerTest, IdleStreamsCostNothing) {
  constexpr uint64_t kStreams = 1000;
  constexpr int64_t kHourMs = 3'600'000;
  auto client = harness_.Connect();
  const int64_t now_ms = harness_.clock.UnixMicros() / 1000;
  for (uint64_t i = 0; i < kStreams; i++) {
    const std::string key = "s" + std::to_string(i);
    client->Ask({"XADD", key, std::to_string(now_ms + static_cast<int64_t>(i)), "f", "v"});
    client->Ask({"XCFGSET", key, "RETENTION-MS", std::to_string(kHourMs)});
    client->Ask({"XADD", "bounded" + key, "*", "f", "v"});
    client->Ask({"XCFGSET", "bounded" + key, "RETENTION-ENTRIES", "5"});
  }
  const auto looks = [&] { return harness_.broker.stats().retention_looks; };
  for (int i = 0; i < 20; i++) {
    harness_.Advance(100);
  }
  EXPECT_EQ(looks(), 0u);
  harness_.Advance(kHourMs - 2000);
  EXPECT_EQ(looks(), 0u);
  harness_.Advance(100);
  EXPECT_EQ(looks(), 100u);
  EXPECT_EQ(client->Run("XLEN s99"), ":0");
  EXPECT_EQ(client->Run("XLEN s100"), ":1");
  // When the clock goes back, so does what is due.
  harness_.clock.unix_us -= 1'000'000;
  harness_.Advance(500);
  EXPECT_EQ(looks(), 100u);
  harness_.Advance(1500);
  EXPECT_EQ(looks(), kStreams);
  EXPECT_EQ(client->Run("XLEN s999"), ":0");
  harness_.Advance(kHourMs);
  EXPECT_EQ(looks(), kStreams);
  EXPECT_EQ(client->Run("XLEN boundeds7"), ":1");
}

TEST_F(BrokerTest, EveryStreamHasItsTurn) {
  auto client = harness_.Connect();
  for (int i = 0; i < 2500; i++) {
    const std::string key = "s" + std::to_string(i);
    client->Ask({"XADD", key, "*", "f", "v"});
    client->Ask({"XCFGSET", key, "RETENTION-MS", "1"});
  }
  for (int i = 0; i < 6; i++) {
    harness_.Advance(100);
  }
  for (int i = 0; i < 2500; i++) {
    ASSERT_EQ(client->Run("XLEN s" + std::to_string(i)), ":0");
  }
}

// --- While what was kept is loaded ---

constexpr const char* kIsLoading = "-LOADING Redis is loading the dataset in memory\r\n";

TEST_F(BrokerTest, WhileItLoadsOnlyCommandsThatMayAreRun) {
  harness_.broker.set_loading(true);
  auto client = harness_.Connect(), subscriber = harness_.Connect();
  for (const char* line : {"PING", "GET k", "SET k v", "BLPOP q 0", "DBSIZE", "FLUSHALL", "KEYS *",
                           "XADD s * f v", "EXISTS k"}) {
    EXPECT_EQ(client->Run(line) + "\r\n", kIsLoading) << line;
  }
  EXPECT_EQ(client->Run("ECHO hi"), "$2 hi");
  EXPECT_EQ(client->Run("SELECT 1"), "+OK");
  EXPECT_EQ(client->Run("WATCH k"), "+OK");
  EXPECT_EQ(subscriber->Run("SUBSCRIBE c"), "*3 $9 subscribe $1 c :1");
  EXPECT_EQ(client->Run("PUBLISH c m"), ":1");
  EXPECT_EQ(subscriber->Lines(), "*3 $7 message $1 c $1 m");
  // What is no command is still said to be none.
  EXPECT_EQ(client->Run("GET"), "-ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(harness_.broker.stats().errors.at("LOADING"), 9u);

  harness_.broker.set_loading(false);
  EXPECT_EQ(client->Run("SET k v"), "+OK");
}

TEST_F(BrokerTest, ATransactionIsBrokenByACommandThatLoadingRefuses) {
  harness_.broker.set_loading(true);
  auto client = harness_.Connect();
  EXPECT_EQ(client->Run("MULTI"), "+OK");
  EXPECT_EQ(client->Run("ECHO x"), "+QUEUED");
  EXPECT_EQ(client->Run("EXEC"), "*1 $1 x");
  EXPECT_EQ(client->Run("MULTI"), "+OK");
  EXPECT_EQ(client->Run("GET k") + "\r\n", kIsLoading);
  EXPECT_EQ(client->Run("ECHO x"), "+QUEUED");
  harness_.broker.set_loading(false);
  EXPECT_EQ(client->Run("EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
}

TEST_F(BrokerTest, APasswordIsAskedForBeforeAnythingIsSaidOfLoading) {
  harness_.settings.requirepass = "secret";
  harness_.broker.set_loading(true);
  auto client = harness_.Connect();
  EXPECT_EQ(client->Run("GET k"), "-NOAUTH Authentication required.");
  EXPECT_EQ(client->Run("AUTH secret"), "+OK");
  EXPECT_EQ(client->Run("GET k") + "\r\n", kIsLoading);
}

// Keys that come while it loads are no news, and those whose time is over stay until the end.
TEST_F(BrokerTest, LoadingIsNoChange) {
  harness_.settings.notify_classes = kNotifyKeyevent | kNotifyExpired;
  harness_.broker.set_loading(true);
  auto watcher = harness_.Connect(), listener = harness_.Connect();
  watcher->Run("WATCH k");
  listener->Run("PSUBSCRIBE *");
  const KeyRef key(0, "k");
  harness_.keyspace.Put(key, std::make_unique<StringObject>("v"));
  harness_.keyspace.SetExpiry(key, harness_.broker.clock().now_ms() + 10);
  harness_.Advance(1000);
  EXPECT_NE(harness_.keyspace.Find(key), nullptr);
  EXPECT_EQ(listener->Lines(), "");
  EXPECT_EQ(harness_.broker.log().changes(), 0u);
  watcher->Run("MULTI");
  EXPECT_EQ(watcher->Run("EXEC"), "*0");
  // Nor does a look at the key remove it: what is still to come may refer to it.
  watcher->Run("WATCH k");
  EXPECT_NE(harness_.keyspace.Find(key), nullptr);
  EXPECT_EQ(harness_.broker.stats().expired_keys, 0u);

  harness_.broker.set_loading(false);
  harness_.Advance(1000);
  EXPECT_EQ(harness_.keyspace.Find(key), nullptr);
  EXPECT_EQ(listener->Lines(), "*4 $8 pmessage $1 * $22 __keyevent@0__:expired $1 k");
}

}  // namespace
}  // namespace runnel
