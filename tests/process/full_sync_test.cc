// Followers that need journal which their leader has removed: they fetch a snapshot of it first.
#include "tests/process/full_sync_servers.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST_F(FullSyncTest, AnEmptyFollowerFetchesASnapshot) {
  const auto leader = Start(Small());
  const auto writer = leader->Connect();
  Fill(*writer, "first", 500);
  RemoveJournal(*leader, *writer);
  TempDir dir;
  auto follower = Start(Small(Following(leader->port())), dir.string());
  auto reader = follower->Connect();
  Fill(*writer, "meanwhile", 100);
  WaitUntilEqual(*writer, *reader);
  CompareData(*writer, *reader);
  EXPECT_GE(InfoNumber(*writer, "sync_full"), 1);
  Fill(*writer, "later", 100);
  WaitUntilEqual(*writer, *reader);
  CompareData(*writer, *reader);
  WaitUntilInSync(*reader);
  // What it has it has for good.
  follower->Kill();
  Fill(*writer, "away", 10);
  follower = Start(Small(Following(leader->port())), dir.string());
  reader = follower->Connect();
  WaitUntilEqual(*writer, *reader);
  CompareData(*writer, *reader);
  CompareJournals(*leader, *follower, InfoNumber(*writer, "master_repl_offset"));
}

// Its old state is served until the new one is there; then it is loaded while its clients stay.
TEST_F(FullSyncTest, AFollowerThatWasAwayForTooLongFetchesASnapshot) {
  const auto leader = Start(Small());
  const auto writer = leader->Connect();
  Fill(*writer, "first", 100);
  TempDir dir;
  auto follower = Start(Small(Following(leader->port())), dir.string());
  {
    const auto reader = follower->Connect();
    WaitUntilEqual(*writer, *reader);
  }
  follower->Stop();
  for (int i = 0; i < 3; i++)
    RemoveJournal(*leader, *writer);
  Ask(*writer, "DEL list");
  follower = Start(Small(Following(leader->port())), dir.string());
  const auto reader = follower->Connect();
  WaitUntilEqual(*writer, *reader);
  EXPECT_GE(InfoNumber(*writer, "sync_full"), 2);
  EXPECT_EQ(Ask(*reader, "EXISTS list"), "0");
  CompareData(*writer, *reader);
  EXPECT_EQ(Ask(*reader, "SAVE"), "+OK");
}

TEST_F(FullSyncTest, KillsMeanwhileHarmNobody) {
  const auto leader = Start(Small());
  const auto writer = leader->Connect();
  Fill(*writer, "first", 3000);
  RemoveJournal(*leader, *writer);
  TempDir dir;
  for (int round = 0; round < 6; round++) {
    const auto follower = Start(Small(Following(leader->port())), dir.string());
    const auto reader = follower->Connect();
    EXPECT_TRUE(Eventually([&] {
      const std::string info = Ask(*reader, "INFO replication");
      return info.find("master_sync_in_progress:1") != std::string::npos ||
             info.find("master_link_status:up") != std::string::npos;
    }));
    Fill(*writer, fmt::format("round-{}", round), 50);
    if (round % 2 == 0) {
      EXPECT_EQ(Ask(*writer, "SAVE"), "+OK");
    }
    follower->Kill();
  }
  const auto follower = Start(Small(Following(leader->port())), dir.string());
  const auto reader = follower->Connect();
  WaitUntilEqual(*writer, *reader);
  CompareData(*writer, *reader);
}

TEST_F(FullSyncTest, ALeaderThatEndsMeanwhileIsAskedAgain) {
  TempDir leads;
  auto leader = Start(Small(), leads.string());
  const int port = leader->port();
  auto writer = leader->Connect();
  Fill(*writer, "first", 2000);
  RemoveJournal(*leader, *writer);
  const auto follower = Start(Small(Following(port)));
  for (int round = 0; round < 3; round++) {
    leader->Kill();
    leader = Start(Small(), leads.string(), port);
  }
  writer = leader->Connect();
  const auto reader = follower->Connect();
  WaitUntilEqual(*writer, *reader);
  CompareData(*writer, *reader);
}

}  // namespace
}  // namespace runnel::test
