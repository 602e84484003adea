// Servers that follow a server which follows another one, and servers that follow each other.
#include <fmt/format.h>

#include "tests/process/replication_servers.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ChainsTest : public ReplicationTest {
 protected:
  static bool Says(RespClient& client, std::string_view text) {
    return Eventually(
        [&] { return InfoField(client, "replication_error").find(text) != std::string::npos; });
  }
};

TEST_F(ChainsTest, AFollowerServesFollowers) {
  const auto leader = Start();
  const auto middle = Start(Following(leader->port()));
  const auto on_leader = leader->Connect();
  const auto on_middle = middle->Connect();
  Ask(*on_leader, "SET k 1");
  WaitUntilEqual(*on_leader, *on_middle);
  const auto last = Start(Following(middle->port()));
  const auto on_last = last->Connect();
  Ask(*on_leader, "SET k 2");
  WaitUntilEqual(*on_leader, *on_last);
  EXPECT_EQ(Ask(*on_last, "GET k"), "\"2\"");
  WaitUntilInSync(*on_middle);
  // It is never in the in-sync set, and no Sentinel promotes it.
  EXPECT_EQ(InfoField(*on_last, "slave_priority"), "0");
  EXPECT_EQ(InfoField(*on_leader, "in_sync_replicas"), "2");
  EXPECT_EQ(InfoField(*on_leader, "connected_slaves"), "1");
  EXPECT_EQ(InfoField(*on_middle, "role"), "slave");
  EXPECT_EQ(InfoField(*on_middle, "connected_slaves"), "1");
  EXPECT_THAT(InfoField(*on_middle, "slave0"),
              StartsWith(fmt::format("ip=127.0.0.1,port={},state=online,", last->port())));
  EXPECT_THAT(InfoField(*on_middle, "slave0"), HasSubstr("in_sync=0"));
  EXPECT_THAT(Ask(*on_middle, "ROLE"), StartsWith("[\"slave\", "));
  EXPECT_THAT(Ask(*on_middle, "CLIENT LIST TYPE replica"),
              HasSubstr(fmt::format("laddr=127.0.0.1:{}", middle->port())));
  EXPECT_THAT(Ask(*on_last, "WAIT 1 0"), HasSubstr("ERR WAIT cannot be used with replica"));
  EXPECT_THAT(Ask(*on_middle, "WAIT 1 0"), HasSubstr("ERR WAIT cannot be used with replica"));
  // The one in the middle is promoted: its follower goes on, and joins the set.
  leader->Kill();
  EXPECT_TRUE(Eventually([&] { return InfoField(*on_middle, "master_link_status") == "down"; }));
  EXPECT_EQ(Ask(*on_middle, "REPLICAOF NO ONE"), "+OK");
  EXPECT_TRUE(Eventually([&] { return InfoField(*on_middle, "role") == "master"; }));
  EXPECT_EQ(Ask(*on_middle, "SET k 3"), "+OK");
  WaitUntilEqual(*on_middle, *on_last);
  EXPECT_EQ(Ask(*on_last, "GET k"), "\"3\"");
  WaitUntilInSync(*on_last);
  EXPECT_EQ(InfoNumber(*on_last, "replication_dropped_bytes"), 0);
}

// The one in the middle has no journal from the beginning any more.
TEST_F(ChainsTest, AFullSyncComesFromTheOneInTheMiddle) {
  const Argv small = {"--journal-segment-bytes", "65536", "--snapshots-kept", "1"};
  const auto leader = Start(small);
  Argv following = Following(leader->port());
  following.insert(following.end(), small.begin(), small.end());
  const auto middle = Start(following);
  const auto on_leader = leader->Connect();
  const auto on_middle = middle->Connect();
  for (int i = 0; i < 2000; i++) {
    Ask(*on_leader, fmt::format("RPUSH l{} {}", i % 7, std::string(200, 'x')));
  }
  WaitUntilEqual(*on_leader, *on_middle);
  EXPECT_EQ(Ask(*on_middle, "SAVE"), "+OK");
  EXPECT_TRUE(Eventually([&] {
    return InfoNumber(*on_middle, "repl_backlog_first_byte_offset") > 0;
  })) << Ask(*on_middle, "INFO replication");
  const auto last = Start(Following(middle->port()));
  const auto on_last = last->Connect();
  WaitUntilEqual(*on_leader, *on_last);
  for (int i = 0; i < 7; i++) {
    EXPECT_EQ(Ask(*on_last, fmt::format("LLEN l{}", i)),
              Ask(*on_leader, fmt::format("LLEN l{}", i)));
  }
  EXPECT_GT(InfoNumber(*on_last, "repl_backlog_first_byte_offset"), 0);
}

TEST_F(ChainsTest, ServersInARingSaySo) {
  const auto a = Start();
  const auto b = Start(Following(a->port()));
  const auto c = Start(Following(b->port()));
  const auto on_a = a->Connect();
  const auto on_b = b->Connect();
  const auto on_c = c->Connect();
  Ask(*on_a, "SET k v");
  WaitUntilEqual(*on_a, *on_b);
  WaitUntilEqual(*on_a, *on_c);
  EXPECT_EQ(Ask(*on_a, Follow(*c)), "+OK");
  EXPECT_TRUE(Says(*on_a, "3 servers follow each other in a ring"))
      << Ask(*on_a, "INFO replication");
  EXPECT_TRUE(Says(*on_b, "3 servers follow each other in a ring"))
      << Ask(*on_b, "INFO replication");
  EXPECT_TRUE(Says(*on_c, "3 servers follow each other in a ring"))
      << Ask(*on_c, "INFO replication");
  EXPECT_THAT(InfoField(*on_a, "replication_error"),
              HasSubstr("REPLICAOF NO ONE makes one of them"));
  EXPECT_EQ(Ask(*on_a, "GET k"), "\"v\"");
  // They try again at most every two seconds.
  const int64_t before = InfoNumber(*on_a, "total_connections_received");
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*on_a, "total_connections_received") > before; }));
  EXPECT_LT(InfoNumber(*on_a, "total_connections_received"), before + 5);
  EXPECT_EQ(Ask(*on_a, "REPLICAOF NO ONE"), "+OK");
  EXPECT_TRUE(Eventually([&] { return Ask(*on_a, "SET k w") == "+OK"; }));
  WaitUntilEqual(*on_a, *on_c);
  EXPECT_EQ(Ask(*on_c, "GET k"), "\"w\"");
}

// A person's word stands: nobody leads until a person says so.
TEST_F(ChainsTest, TwoServersThatWereToldToFollowEachOtherSaySo) {
  const auto a = Start();
  const auto b = Start();
  const auto on_a = a->Connect();
  const auto on_b = b->Connect();
  Ask(*on_a, "SET k v");
  EXPECT_EQ(Ask(*on_b, Follow(*a)), "+OK");
  WaitUntilEqual(*on_a, *on_b);
  EXPECT_EQ(Ask(*on_a, Follow(*b)), "+OK");
  EXPECT_TRUE(Says(*on_a, "2 servers follow each other in a ring"))
      << Ask(*on_a, "INFO replication");
  EXPECT_TRUE(Says(*on_b, "2 servers follow each other in a ring"))
      << Ask(*on_b, "INFO replication");
  EXPECT_EQ(InfoField(*on_a, "role"), "slave");
  EXPECT_EQ(InfoField(*on_b, "role"), "slave");
}

// The new leader is killed right after it took over, and its configuration still has the old one:
// the two would follow each other for ever.
TEST_F(ChainsTest, TwoServersThatFollowEachOtherAfterAHandOverFindALeader) {
  TempDir dir;
  const auto a = Start();
  const auto on_a = a->Connect();
  auto b = Start(Following(a->port()), dir.string());
  const int port = b->port();
  auto on_b = b->Connect();
  Ask(*on_a, "SET k 1");
  WaitUntilEqual(*on_a, *on_b);
  WaitUntilInSync(*on_b);
  EXPECT_EQ(Ask(*on_a, "FAILOVER"), "+OK");
  EXPECT_TRUE(Eventually([&] { return InfoField(*on_b, "role") == "master"; }));
  EXPECT_EQ(Ask(*on_b, "SET k 2"), "+OK");
  // Its record is on the disk then, without the one that led before. A server that ends earlier
  // does not know any more who has led in the last epoch of its journal, and a person has to say.
  EXPECT_TRUE(Eventually([&] {
    return InfoNumber(*on_b, "in_sync_replicas") == 1 ||
           InfoField(*on_a, "master_link_status") == "up";
  })) << Ask(*on_b, "INFO replication");
  b->Kill();
  b = Start(Following(a->port()), dir.string(), port);
  on_b = b->Connect();
  EXPECT_TRUE(Eventually([&] {
    return InfoField(*on_a, "role") == "master" || InfoField(*on_b, "role") == "master";
  })) << Ask(*on_a, "INFO replication")
      << Ask(*on_b, "INFO replication");
  EXPECT_TRUE(Eventually([&] {
    return InfoField(*on_a, "master_link_status") == "up" ||
           InfoField(*on_b, "master_link_status") == "up";
  })) << Ask(*on_a, "INFO replication")
      << Ask(*on_b, "INFO replication");
  EXPECT_EQ(Ask(*on_b, "GET k"), "\"2\"");
  EXPECT_TRUE(Eventually([&] { return Ask(*on_a, "GET k") == "\"2\""; }));
}

}  // namespace
}  // namespace runnel::test
