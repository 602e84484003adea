// What one connection may do to the server and to others, and how it ends: with a real broker, and
// streams whose peer is the test.

#include "net/connection.h"

#include <gtest/gtest.h>

#include "base/numbers.h"
#include "fmt/format.h"
#include "net/testing.h"

namespace runnel {
namespace {

using testing::NetworkHarness;
using testing::Peer;

constexpr size_t kMegabyte = 1024 * 1024;
// Of the smallest ones that one connection may execute: a round of the harness touches two turns.
constexpr uint64_t kMostPerRound = 8000;

std::string Request(const std::vector<std::string_view>& args) {
  std::string bytes = fmt::format("*{}\r\n", args.size());
  for (const std::string_view arg : args) {
    bytes += fmt::format("${}\r\n", arg.size());
    bytes += arg;
    bytes += "\r\n";
  }
  return bytes;
}

std::string Times(int count, std::string_view bytes) {
  std::string all;
  all.reserve(static_cast<size_t>(count) * bytes.size());
  for (int i = 0; i < count; i++) {
    all += bytes;
  }
  return all;
}

class ConnectionTest : public ::testing::Test {
 protected:
  // A string of so many bytes.
  void Set(std::string_view key, size_t bytes) {
    const std::string value(bytes, 'v');
    EXPECT_EQ(harness_.Ask(*harness_.Connect(), Request({"SET", key, value})), "+OK\r\n");
  }

  NetworkHarness harness_;
};

// --- Input ---

TEST_F(ConnectionTest, ARequestOfVeryManyArgumentsIsTakenAndLeavesNoMemory) {
  constexpr int kItems = 300'000;
  const auto client = harness_.Connect();
  std::string bytes = fmt::format("*{}\r\n$5\r\nRPUSH\r\n$1\r\nq\r\n", kItems + 2);
  for (int i = 0; i < kItems; i++) {
    bytes += fmt::format("$6\r\n{:06}\r\n", i);
  }
  EXPECT_EQ(harness_.Ask(*client, bytes), fmt::format(":{}\r\n", kItems));
  EXPECT_EQ(harness_.Ask(*client, "LINDEX q 123456\r\n"), "$6\r\n123456\r\n");
  EXPECT_EQ(harness_.Ask(*client, "LINDEX q -1\r\n"), "$6\r\n299999\r\n");
  const Transport& transport = *harness_.session(1).transport;
  EXPECT_EQ(transport.input_memory(), 0u);
  EXPECT_LT(transport.request_memory(), 5000u);
}

TEST_F(ConnectionTest, AWaitingSessionIsReadFromUpToAMegabyte) {
  constexpr int kRequests = 1'000'000;
  const std::string request = Request({"INCR", "n"});
  const auto client = harness_.Connect();
  client->Write("BLPOP q 0\r\n");
  client->Write(Times(kRequests, request));
  harness_.Settle();
  EXPECT_FALSE(client->stream->reading());
  EXPECT_GE(client->inbox.size(), kRequests * request.size() - kMegabyte - 64 * 1024);
  const Transport& transport = *harness_.session(1).transport;
  EXPECT_GE(transport.input_bytes(), kMegabyte);
  EXPECT_LE(transport.input_memory(), 3 * kMegabyte);

  EXPECT_EQ(harness_.Ask(*harness_.Connect(), "RPUSH q x\r\n"), ":1\r\n");
  harness_.Settle();
  EXPECT_TRUE(client->inbox.empty());
  EXPECT_TRUE(client->received.ends_with(fmt::format(":{}\r\n", kRequests)));
  EXPECT_EQ(transport.input_memory(), 0u);
}

TEST_F(ConnectionTest, AClientThatIsPutOffIsReadFromUpToAMegabyte) {
  const auto client = harness_.Connect();
  EXPECT_EQ(harness_.Ask(*harness_.Connect(), "CLIENT PAUSE 10000 WRITE\r\n"), "+OK\r\n");
  const std::string value(100'000, 'v');
  client->Write(Times(100, Request({"RPUSH", "q", value})));
  harness_.Settle();
  EXPECT_GE(client->inbox.size(), 8 * kMegabyte);
  harness_.Advance(11'000);
  harness_.Settle();
  EXPECT_TRUE(client->received.ends_with(":100\r\n"));
}

TEST_F(ConnectionTest, OnlySoMuchIsExecutedInOneTurn) {
  constexpr int kRequests = 500'000;
  const auto busy = harness_.Connect(), other = harness_.Connect();
  busy->Write(Times(kRequests, "PING\r\n"));
  uint64_t before = harness_.commands();
  while (busy->received.size() < size_t{7} * kRequests) {
    other->received.clear();
    other->Write("PING\r\n");
    harness_.Round();
    EXPECT_EQ(other->received, "+PONG\r\n");
    EXPECT_LE(harness_.commands() - before, kMostPerRound);
    before = harness_.commands();
  }
  EXPECT_EQ(busy->received.size(), size_t{7} * kRequests);
}

TEST_F(ConnectionTest, NorOfWhatHasWaitedBehindABlockedCommand) {
  const auto busy = harness_.Connect(), other = harness_.Connect();
  busy->Write("BLPOP q 0\r\n");
  busy->Write(Times(150'000, "PING\r\n"));
  harness_.Settle();
  other->Write("RPUSH q x\r\n");
  uint64_t before = harness_.commands();
  do {
    harness_.Round();
    EXPECT_LE(harness_.commands() - before, kMostPerRound);
  } while (std::exchange(before, harness_.commands()) != harness_.commands());
  EXPECT_EQ(Times(150'000, "+PONG\r\n"),
            busy->received.substr(std::string_view("*2\r\n$1\r\nq\r\n$1\r\nx\r\n").size()));
}

TEST_F(ConnectionTest, LargeRepliesCountInTheBudget) {
  Set("k", 1'000'000);
  const auto client = harness_.Connect();
  client->room = 0;
  client->Write(Times(200, "GET k\r\n"));
  harness_.core.settings.client_output_memory = 1 << 30;
  size_t before = 0;
  for (int i = 0; i < 100; i++) {
    harness_.Round();
    const size_t unsent = harness_.session(2).unsent_bytes();
    EXPECT_LE(unsent - before, 11 * kMegabyte);  // of 200
    before = unsent;
  }
  EXPECT_GT(before, 190'000'000u);
}

TEST_F(ConnectionTest, TheQueryBufferLimitIsExact) {
  harness_.core.settings.client_query_buffer_limit = kMegabyte;
  const std::string head = "*2\r\n$4\r\nECHO\r\n";
  for (const size_t extra : {size_t{0}, size_t{1}, kMegabyte / 2}) {
    const auto client = harness_.Connect();
    const size_t overhead = head.size() + std::string_view("$1000000\r\n\r\n").size();
    const std::string argument(kMegabyte + extra - overhead, 'x');
    client->Write(head + fmt::format("${}\r\n{}\r\n", argument.size(), argument));
    const uint64_t before = harness_.commands();
    harness_.Settle();
    EXPECT_EQ(client->closed, extra > 0) << extra;
    EXPECT_EQ(harness_.commands() - before, extra > 0 ? 0u : 1u) << extra;
  }
  EXPECT_EQ(harness_.core.broker.stats().query_buffer_limit_closes, 2u);
}

// --- Output ---

TEST_F(ConnectionTest, AClientMayWriteAllRequestsBeforeItReads) {
  constexpr int kRequests = 1'000'000;
  const auto client = harness_.Connect();
  client->room = 0;
  client->Write(Times(kRequests, "PING\r\n"));
  harness_.Settle();
  EXPECT_TRUE(client->inbox.empty());
  EXPECT_EQ(client->received, "");
  EXPECT_LE(harness_.session(1).unsent_memory(), size_t{7} * kRequests * 2);
  EXPECT_GE(harness_.network.unsent_memory(), size_t{7} * kRequests);
  client->room = SIZE_MAX;
  harness_.Settle();
  EXPECT_EQ(client->received, Times(kRequests, "+PONG\r\n"));
  EXPECT_EQ(harness_.network.unsent_memory(), 0u);
}

TEST_F(ConnectionTest, WithoutMemoryForOutputTheClientHasToReadFirst) {
  harness_.core.settings.client_output_memory = 0;
  Set("k", 100'000);
  const auto client = harness_.Connect();
  client->room = 0;
  client->Write(Times(1000, "GET k\r\n"));
  harness_.Settle();
  EXPECT_LE(harness_.session(2).unsent_bytes(), kMegabyte + 200'000);
  EXPECT_FALSE(client->stream->reading());
  // It goes on as far as the client reads.
  client->room = 10 * kMegabyte;
  harness_.Settle();
  EXPECT_EQ(client->received.size(), 10 * kMegabyte);
  EXPECT_LE(harness_.session(2).unsent_bytes(), kMegabyte + 200'000);
  client->room = SIZE_MAX;
  harness_.Settle();
  EXPECT_EQ(client->received.size(), size_t{1000} * 100'011);
}

TEST_F(ConnectionTest, TheLargestHoldersAreHeldBackAndOthersGoOn) {
  constexpr size_t kLimit = 16 * kMegabyte;
  harness_.core.settings.client_output_memory = kLimit;
  Set("k", 100'000);
  const auto greedy = harness_.Connect(), honest = harness_.Connect();
  greedy->room = honest->room = 0;
  greedy->Write(Times(1000, "GET k\r\n"));
  harness_.Settle();
  EXPECT_GE(harness_.session(2).unsent_memory(), kLimit / 2);
  EXPECT_LE(harness_.session(2).unsent_memory(), kLimit / 2 + 2 * kMegabyte);
  honest->Write(Times(500'000, "PING\r\n"));
  harness_.Settle();
  EXPECT_TRUE(honest->inbox.empty());
  // All together stay below the limit, but for a megabyte each.
  std::vector<std::shared_ptr<Peer>> more;
  for (int i = 0; i < 5; i++) {
    more.push_back(harness_.Connect());
    more.back()->room = 0;
    more.back()->Write(Times(1000, "GET k\r\n"));
  }
  harness_.Settle();
  EXPECT_LE(harness_.network.unsent_memory(), kLimit + 7 * 2 * kMegabyte);
  // When some read, or go, the others go on.
  const size_t before = harness_.session(4).unsent_bytes();
  greedy->Break();
  for (size_t i = 1; i < more.size(); i++) {
    more[i]->Break();
  }
  honest->room = SIZE_MAX;
  harness_.Advance(500);
  harness_.Settle();
  EXPECT_TRUE(greedy->closed);
  EXPECT_EQ(honest->received, Times(500'000, "+PONG\r\n"));
  EXPECT_GT(harness_.session(4).unsent_bytes(), before);
}

TEST_F(ConnectionTest, MaxmemoryLeavesRoomForOthersThanThoseWhoDoNotRead) {
  harness_.core.settings.maxmemory = 40 * kMegabyte;
  Set("k", 100'000);
  const auto client = harness_.Connect();
  client->room = 0;
  client->Write(Times(1000, "GET k\r\n"));
  harness_.Settle();
  EXPECT_LE(harness_.network.unsent_memory(), 7 * kMegabyte);
}

TEST_F(ConnectionTest, WhoIsHeldBackAndReadsNothingForAMinuteIsClosed) {
  harness_.core.settings.client_output_memory = 0;
  Set("k", 100'000);
  const auto stuck = harness_.Connect(), slow = harness_.Connect(), idle = harness_.Connect();
  stuck->room = slow->room = 0;
  stuck->Write(Times(100, "GET k\r\n"));
  slow->Write(Times(100, "GET k\r\n"));
  harness_.Settle();
  for (int i = 0; i < 5; i++) {
    harness_.Advance(30'000);
    slow->room += 1;
    EXPECT_EQ(stuck->closed, i >= 2) << i;
  }
  EXPECT_FALSE(slow->closed);
  EXPECT_FALSE(idle->closed);
  EXPECT_EQ(harness_.core.broker.stats().output_buffer_limit_closes, 1u);
}

TEST_F(ConnectionTest, ALongReplyIsSentInPartsAndOthersAreServedBetween) {
  constexpr size_t kBytes = 20 * kMegabyte;
  Set("k", kBytes);
  const auto reader = harness_.Connect(), other = harness_.Connect();
  reader->Write("GET k\r\n");
  size_t before = 0;
  int rounds = 0;
  for (; reader->received.size() < kBytes; rounds++) {
    ASSERT_LT(rounds, 1000);
    other->received.clear();
    other->Write("PING\r\n");
    EXPECT_EQ(harness_.Round(), true);
    EXPECT_EQ(other->received, "+PONG\r\n");
    EXPECT_LE(reader->received.size() - before, 600 * 1024u);
    before = reader->received.size();
  }
  EXPECT_GE(rounds, 30);
  harness_.Settle();
  EXPECT_EQ(reader->received.size(), kBytes + std::string_view("$20971520\r\n\r\n").size());
}

TEST_F(ConnectionTest, AReceiverThatReadsSlowlyGetsEverythingInOrder) {
  const auto subscriber = harness_.Connect();
  EXPECT_NE(harness_.Ask(*subscriber, "SUBSCRIBE c\r\n"), "");
  subscriber->received.clear();
  subscriber->room = 0;
  const auto publisher = harness_.Connect();
  std::string expected;
  for (int i = 0; i < 3000; i++) {
    const std::string message = fmt::format("{}", i);
    publisher->Write(Request({"PUBLISH", "c", message}));
    expected += Request({"message", "c", message});
    if (i % 7 == 0) subscriber->room += static_cast<size_t>(i % 50);
    harness_.Round();
    EXPECT_LE(harness_.session(1).unsent_memory(), 2 * expected.size() + 40'000);
  }
  subscriber->room = SIZE_MAX;
  harness_.Settle();
  EXPECT_EQ(subscriber->received, expected);
}

// --- The end ---

TEST_F(ConnectionTest, APeerThatHasEndedGetsItsReplies) {
  const auto client = harness_.Connect();
  client->Write(Times(200'000, "PING\r\n"));
  client->End();
  harness_.Settle();
  EXPECT_EQ(client->received.size(), 1'400'000u);
  EXPECT_TRUE(client->closed);
}

TEST_F(ConnectionTest, APeerThatHasEndedAndIsHeldBackGetsItsReplies) {
  harness_.core.settings.client_output_memory = 0;
  Set("k", 100'000);
  const auto client = harness_.Connect();
  client->room = 0;
  client->Write(Times(100, "GET k\r\n"));
  client->End();
  harness_.Settle();
  EXPECT_FALSE(client->closed);
  client->room = SIZE_MAX;
  harness_.Settle();
  EXPECT_EQ(client->received.size(), size_t{100} * 100'011);
  EXPECT_TRUE(client->closed);
}

TEST_F(ConnectionTest, APeerThatHasEndedAndQuitsGetsItsReplies) {
  const auto client = harness_.Connect();
  client->room = 1000;
  client->Write(Times(100'000, "PING\r\n") + "QUIT\r\n");
  client->End();
  harness_.Settle();
  EXPECT_FALSE(client->closed);
  client->room = SIZE_MAX;
  harness_.Settle();
  EXPECT_EQ(client->received.size(), 700'000u + std::string_view("+OK\r\n").size());
  EXPECT_TRUE(client->closed);
}

TEST_F(ConnectionTest, APeerThatHasEndedAndIsPutOffGetsItsReplies) {
  const auto client = harness_.Connect();
  EXPECT_EQ(harness_.Ask(*harness_.Connect(), "CLIENT PAUSE 5000 WRITE\r\n"), "+OK\r\n");
  client->Write("RPUSH q a\r\nRPUSH q b\r\nPING\r\n");
  client->End();
  harness_.Settle();
  EXPECT_FALSE(client->closed);
  harness_.Advance(6000);
  harness_.Settle();
  EXPECT_EQ(client->received, ":1\r\n:2\r\n+PONG\r\n");
  EXPECT_TRUE(client->closed);
}

TEST_F(ConnectionTest, APeerThatHasEndedWaitsForNothing) {
  const auto client = harness_.Connect();
  client->Write("BLPOP q 0\r\nPING\r\n");
  client->End();
  harness_.Settle();
  EXPECT_TRUE(client->closed);
  const auto other = harness_.Connect();
  EXPECT_EQ(harness_.Ask(*other, "RPUSH q x\r\n"), ":1\r\n");
  EXPECT_EQ(harness_.Ask(*other, "LLEN q\r\n"), ":1\r\n");
}

// Though there is input that is not read, and reading would tell of the end.
TEST_F(ConnectionTest, APeerThatHasEndedBehindMuchInputWaitsForNothing) {
  for (const bool breaks : {false, true}) {
    const auto client = harness_.Connect();
    client->Write("BLPOP q 0\r\n");
    client->Write(Times(1'000'000, "PING\r\n"));
    harness_.Settle();
    EXPECT_FALSE(client->stream->reading());
    harness_.Advance(1000);
    EXPECT_FALSE(client->closed);
    breaks ? client->Break() : client->End();
    harness_.Advance(200);
    harness_.Settle();
    EXPECT_TRUE(client->closed);
  }
  EXPECT_EQ(harness_.core.broker.waiting().blocked(), 0u);
}

TEST_F(ConnectionTest, OneThatEndsItselfExecutesNothingMore) {
  for (const char* end : {"QUIT\r\n", "CLIENT KILL ID {} SKIPME no\r\n", "*1\r\n:bad\r\n"}) {
    const auto client = harness_.Connect();
    const uint64_t id = harness_.core.broker.sessions().last_id();
    client->Write("PING\r\n");
    client->Write(fmt::format(fmt::runtime(end), id));
    client->Write("INCR n\r\n");
    harness_.Settle();
    EXPECT_TRUE(client->closed) << end;
    EXPECT_TRUE(client->received.starts_with("+PONG\r\n")) << end;
  }
  EXPECT_EQ(harness_.Ask(*harness_.Connect(), "EXISTS n\r\n"), ":0\r\n");
}

TEST_F(ConnectionTest, OneThatIsKilledWhileItIsHeldBackGoes) {
  harness_.core.settings.client_output_memory = 0;
  Set("k", 100'000);
  const auto client = harness_.Connect();
  client->room = 0;
  client->Write(Times(100, "GET k\r\n"));
  harness_.Settle();
  EXPECT_EQ(harness_.Ask(*harness_.Connect(), "CLIENT KILL ID 2\r\n"), ":1\r\n");
  EXPECT_TRUE(client->closed);
  EXPECT_EQ(harness_.network.unsent_memory(), 0u);
}

TEST_F(ConnectionTest, ABrokenConnectionEndsInEveryState) {
  harness_.core.settings.client_output_memory = 0;
  Set("k", 2'000'000);
  const std::string states[] = {"",
                                "PING\r\n",
                                "*2\r\n$4\r\nECHO\r\n$100",
                                "BLPOP q 0\r\nPING\r\n",
                                "SUBSCRIBE c\r\n",
                                "GET k\r\nGET k\r\nGET k\r\n",
                                "MULTI\r\nPING\r\n",
                                Times(100'000, "PING\r\n")};
  for (const size_t room : {SIZE_MAX, size_t{0}}) {
    for (const std::string& state : states) {
      const auto client = harness_.Connect();
      client->room = room;
      client->Write(state);
      harness_.Round();
      client->Break();
      harness_.Settle();
      EXPECT_TRUE(client->closed) << state.substr(0, 50);
    }
  }
  EXPECT_EQ(harness_.network.unsent_memory(), 0u);
}

}  // namespace
}  // namespace runnel
