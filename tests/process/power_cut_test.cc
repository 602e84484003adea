// A power cut, as far as a process can have one: the note of the journal names another run of the
// machine, and the end of the journal is gone.
#include <fmt/format.h>

#include <algorithm>

#include "env/posix/posix_disk.h"
#include "journal/note.h"
#include "journal/segment.h"
#include "tests/process/replication_servers.h"

namespace runnel::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const Argv kAllOfTwo = {"--acks", "all", "--min-insync-replicas", "2"};

class PowerCutTest : public ReplicationTest {
 protected:
  void StartBoth() {
    leader_ = Start(kAllOfTwo, leads_.string());
    follower_ = Start(FollowingLeader(), follows_.string());
    WaitUntilInSync(*follower_->Connect());
    on_leader_ = leader_->Connect();
    Ask(*on_leader_, "SET before 1");
    end_ = InfoNumber(*on_leader_, "master_repl_offset");
    EXPECT_EQ(Ask(*on_leader_, "SET after 2"), "+OK");
  }
  Argv FollowingLeader() const {
    Argv args = Following(leader_->port());
    args.insert(args.end(), kAllOfTwo.begin(), kAllOfTwo.end());
    return args;
  }
  // The server has ended. What its journal has after end_ is lost.
  void CutPower(const ServerProcess& server) const {
    const std::string directory = server.dir() + "/journal";
    const std::string path = journal::SegmentPath(directory, 0);
    const auto bytes = std::filesystem::file_size(path);
    std::filesystem::resize_file(path, static_cast<uintmax_t>(end_));
    std::filesystem::resize_file(path, bytes);
    auto note = journal::ReadNote(SystemDisk(), directory);
    ASSERT_TRUE(note.ok() && *note);
    (*note)->boot = "another run of the machine";
    (*note)->synced = std::min((*note)->synced, static_cast<Position>(end_));
    ASSERT_TRUE(journal::WriteNote(SystemDisk(), directory, **note).ok());
  }

  TempDir leads_;
  TempDir follows_;
  std::unique_ptr<ServerProcess> leader_;
  std::unique_ptr<ServerProcess> follower_;
  std::unique_ptr<RespClient> on_leader_;
  int64_t end_ = 0;
};

TEST_F(PowerCutTest, ALeaderGetsBackWhatItLostBeforeItLeads) {
  StartBoth();
  leader_->Kill();
  ASSERT_NO_FATAL_FAILURE(CutPower(*leader_));
  leader_ = Start(kAllOfTwo, leads_.string(), leader_->port());
  on_leader_ = leader_->Connect();
  EXPECT_TRUE(Eventually([&] { return InfoField(*on_leader_, "role") == "master"; }))
      << leader_->Log();
  EXPECT_THAT(leader_->Log(),
              AllOf(HasSubstr("the end of this server's journal may be lost"),
                    HasSubstr("this one up to " + fmt::to_string(end_) + ": that is fetched")));
  EXPECT_EQ(InfoField(*on_leader_, "replication_tail_trusted"), "1");
  EXPECT_TRUE(Eventually([&] { return Ask(*on_leader_, "GET after") == "\"2\""; }))
      << leader_->Log();
  const auto on_follower = follower_->Connect();
  WaitUntilEqual(*on_leader_, *on_follower);
  EXPECT_EQ(InfoField(*on_follower, "replication_dropped_bytes"), "0");
  CompareJournals(*leader_, *follower_, InfoNumber(*on_leader_, "master_repl_offset"));
}

TEST_F(PowerCutTest, AFollowerCountsForNothingUntilItHasCaughtUp) {
  StartBoth();
  follower_->Kill();
  leader_->Kill();
  ASSERT_NO_FATAL_FAILURE(CutPower(*follower_));
  follower_ = Start(FollowingLeader(), follows_.string(), follower_->port());
  const auto on_follower = follower_->Connect();
  EXPECT_EQ(InfoField(*on_follower, "slave_priority"), "0");
  EXPECT_EQ(InfoField(*on_follower, "replication_tail_trusted"), "0");
  EXPECT_EQ(ToText(FieldOf(on_follower->Call({"REPLICATION", "STATUS"}), "tail-trusted")), "0");
  EXPECT_THAT(Ask(*on_follower, "REPLICAOF NO ONE"),
              AllOf(HasSubstr("NOTINSYNC"), HasSubstr("CONFIG SET unclean-leader-election yes")));
  EXPECT_EQ(InfoField(*on_follower, "role"), "slave");
  leader_ = Start(kAllOfTwo, leads_.string(), leader_->port());
  WaitUntilInSync(*on_follower);
  EXPECT_EQ(InfoField(*on_follower, "replication_tail_trusted"), "1");
  on_leader_ = leader_->Connect();
  WaitUntilEqual(*on_leader_, *on_follower);
  EXPECT_EQ(Ask(*on_follower, "GET after"), "\"2\"");
  EXPECT_EQ(InfoField(*on_follower, "replication_error"), "");
}

}  // namespace
}  // namespace runnel::test
