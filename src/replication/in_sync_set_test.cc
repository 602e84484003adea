#include "replication/in_sync_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/random.h"

namespace runnel::replication {
namespace {

// Answers when the test says so.
class FakeKeeper final : public RecordKeeper {
 public:
  const ClusterRecord& now() const override { return now_; }
  void Propose(ClusterRecord next, std::function<void(const Status&)> done) override {
    EXPECT_FALSE(waiting());
    EXPECT_EQ(next.version, now_.version + 1);
    proposed_ = std::move(next);
    done_ = std::move(done);
  }
  void Observe(std::function<void()>) override {}

  bool waiting() const { return done_ != nullptr; }
  const ClusterRecord& proposed() const { return proposed_; }
  void Answer(const Status& status) {
    if (status.ok()) now_ = proposed_;
    std::exchange(done_, nullptr)(status);
  }
  void Set(ClusterRecord record) { now_ = std::move(record); }

 private:
  ClusterRecord now_;
  ClusterRecord proposed_;
  std::function<void(const Status&)> done_;
};

constexpr uint64_t kJournal = 7;

Member ServerOf(const std::string& id, bool in_sync = false) {
  return {id, "host", 1, in_sync};
}

class InSyncSetTest : public ::testing::Test {
 protected:
  InSyncSetTest() { SetLogLevel(LogLevel::kNothing); }

  void Begin(uint32_t min_insync = 1) {
    settings_.min_insync = min_insync;
    set_ = std::make_unique<InSyncSet>(settings_, keeper_,
                                       InSyncSet::Leadership{ServerOf("L"), kJournal, 1}, now_ms_);
  }
  // A turn at this end of the journal, all of which is safe, with an answer to what it proposes.
  void Turn(Position end, int64_t after_ms = 1) {
    now_ms_ += after_ms;
    set_->Turn(end, end, now_ms_);
    if (!keeper_.waiting()) return;
    keeper_.Answer(Status());
    TellRecord();
    set_->Turn(end, end, now_ms_);
  }
  void Report(const std::string& id, Position position, uint64_t heard = 0) {
    auto& last = last_[id];
    last = {position, std::min(position, set_->mark()), heard, KnownTo(id)};
    set_->OnProgress(id, last, now_ms_);
  }
  // The version of the record that the follower has on its disk.
  uint64_t KnownTo(const std::string& id) const {
    return slow_.contains(id) ? slow_.at(id) : keeper_.now().version;
  }
  // All followers that have reported something say that they have the record that holds now.
  void TellRecord() {
    for (auto& [id, last] : last_) {
      last.record = KnownTo(id);
      set_->OnProgress(id, last, now_ms_);
    }
  }
  bool Recorded(const std::string& id) {
    const Member* const member = keeper_.now().Find(id);
    return member != nullptr && member->in_sync;
  }
  // The follower comes and has everything.
  void Join(const std::string& id, Position end) {
    set_->OnConnected(ServerOf(id), end, now_ms_);
    Report(id, end);
    Turn(end);
    ASSERT_TRUE(Recorded(id));
  }

  ReplicationSettings settings_;
  FakeKeeper keeper_;
  std::unique_ptr<InSyncSet> set_;
  std::map<std::string, InSyncSet::Progress> last_;  // reported
  std::map<std::string, uint64_t> slow_;             // those that keep an older record
  int64_t now_ms_ = 10'000;
};

TEST_F(InSyncSetTest, ALeaderAloneIsTheSet) {
  Begin();
  Turn(100);
  EXPECT_EQ(set_->mark(), 100u);
  EXPECT_EQ(set_->answered(), UINT64_MAX);
  EXPECT_FALSE(set_->shared());
  EXPECT_EQ(keeper_.now().leader, "L");
  EXPECT_TRUE(Recorded("L"));
}

TEST_F(InSyncSetTest, AFollowerJoinsWhenItHasTheEndAsItWas) {
  Begin();
  Turn(100);
  set_->OnConnected(ServerOf("F"), 0, now_ms_);
  Turn(200);
  EXPECT_FALSE(Recorded("F"));
  EXPECT_EQ(set_->mark(), 200u);
  Report("F", 150);
  Turn(300);
  // It has what was the end when it connected, and not what is below the mark now.
  EXPECT_FALSE(Recorded("F"));
  EXPECT_EQ(set_->mark(), 300u);
  Report("F", 300);
  Turn(310);
  EXPECT_TRUE(Recorded("F"));
  EXPECT_TRUE(set_->shared());
  Turn(400);
  EXPECT_EQ(set_->mark(), 300u);
  Report("F", 350, 5);
  Turn(400);
  EXPECT_EQ(set_->mark(), 350u);
  EXPECT_EQ(set_->answered(), 5u);
}

// A new leader does not know what it had reported to the one before.
TEST_F(InSyncSetTest, OneWhoseJournalMayHaveLostItsEndLeavesUntilItHasAll) {
  Begin();
  Turn(100);
  Join("F", 100);
  Begin();
  Turn(300);
  ASSERT_TRUE(Recorded("F"));
  set_->OnConnected(ServerOf("F"), 250, now_ms_, false);
  Turn(300);
  EXPECT_FALSE(Recorded("F"));
  Report("F", 299);
  Turn(310);
  EXPECT_FALSE(Recorded("F"));
  Report("F", 310);
  Turn(310);
  EXPECT_TRUE(Recorded("F"));
  // One that lacks nothing stays.
  set_->OnGone("F", std::nullopt, now_ms_);
  set_->OnConnected(ServerOf("F"), 310, now_ms_, false);
  Turn(310);
  EXPECT_TRUE(Recorded("F"));
  // So does one without which the set would be too small.
  Begin(2);
  Turn(400);
  set_->OnConnected(ServerOf("F"), 310, now_ms_, false);
  Turn(400);
  EXPECT_TRUE(Recorded("F"));
  EXPECT_EQ(set_->mark(), 0u);
}

TEST_F(InSyncSetTest, OneThatJoinsCountsFromTheProposalOn) {
  Begin();
  Turn(100);
  set_->OnConnected(ServerOf("F"), 100, now_ms_);
  Report("F", 100);
  set_->Turn(100, 100, ++now_ms_);
  ASSERT_TRUE(keeper_.waiting());
  set_->Turn(200, 200, ++now_ms_);
  EXPECT_EQ(set_->mark(), 100u);
  // Its connection is gone before the answer is there: the record will have it.
  set_->OnGone("F", {}, now_ms_);
  set_->Turn(300, 300, ++now_ms_);
  EXPECT_EQ(set_->mark(), 100u);
  keeper_.Answer(Status());
  set_->Turn(300, 300, ++now_ms_);
  EXPECT_EQ(set_->mark(), 100u);
}

TEST_F(InSyncSetTest, OneThatLeavesCountsUntilTheRecordWithoutItHolds) {
  Begin();
  Turn(100);
  Join("F", 100);
  set_->OnGone("F", Goodbye::kReturns, now_ms_);
  set_->Turn(200, 200, ++now_ms_);
  ASSERT_TRUE(keeper_.waiting());
  EXPECT_EQ(set_->mark(), 100u);
  keeper_.Answer(Status::Error("the disk is full"));
  set_->Turn(200, 200, ++now_ms_);
  EXPECT_EQ(set_->mark(), 100u);
  EXPECT_FALSE(keeper_.waiting());
  Turn(200, 1001);
  EXPECT_EQ(set_->mark(), 200u);
  EXPECT_FALSE(Recorded("F"));
  EXPECT_NE(keeper_.now().Find("F"), nullptr);
}

TEST_F(InSyncSetTest, WhoIsSilentGoneOrBehindLeaves) {
  Begin();
  Turn(100);
  Join("silent", 100);
  Join("behind", 100);
  Join("gone", 100);
  set_->OnGone("gone", {}, now_ms_);
  last_.erase("silent");
  last_.erase("gone");
  const int64_t step = settings_.silence_max_ms / 3 - 50;
  Turn(100, step);
  EXPECT_TRUE(Recorded("gone"));
  Report("behind", 100);
  Turn(100, 60);
  EXPECT_FALSE(Recorded("gone"));
  for (int i = 0; i < 3; i++) {
    Turn(200, step);
    Report("behind", 101);
  }
  EXPECT_FALSE(Recorded("silent"));
  EXPECT_TRUE(Recorded("behind"));
  for (int64_t ms = 0; ms < settings_.lag_max_ms; ms += step) {
    Report("behind", 101);
    Turn(200, step);
  }
  EXPECT_FALSE(Recorded("behind"));
  EXPECT_EQ(set_->mark(), 200u);
  // It comes back as soon as it has everything.
  Report("behind", 200);
  Turn(200);
  EXPECT_TRUE(Recorded("behind"));
}

TEST_F(InSyncSetTest, TheRecordedSetIsNeverSmallerThanTheMinimum) {
  Begin(2);
  Turn(100);
  EXPECT_EQ(set_->mark(), 0u);
  EXPECT_TRUE(set_->shared());
  Join("F", 100);
  Turn(100);
  EXPECT_EQ(set_->mark(), 100u);
  EXPECT_EQ(set_->live(), 2u);
  set_->OnGone("F", {}, now_ms_);
  for (int i = 0; i < 10; i++)
    Turn(200, 700);
  EXPECT_TRUE(Recorded("F"));
  EXPECT_EQ(set_->mark(), 100u);
  EXPECT_EQ(set_->live(), 1u);
  // Nothing is due that cannot be done.
  EXPECT_EQ(set_->next_due_ms(), INT64_MAX);
  Join("G", 200);
  Turn(200, 1);
  EXPECT_FALSE(Recorded("F"));
  EXPECT_EQ(set_->mark(), 200u);
}

TEST_F(InSyncSetTest, MembersOfTheOldSetGetTimeToCome) {
  ClusterRecord record;
  record.version = 9;
  record.journal_id = kJournal;
  record.leader = "old";
  record.members = {ServerOf("old", true), ServerOf("L", true), ServerOf("F", true)};
  keeper_.Set(record);
  Begin();
  Turn(100);
  // The server that led before is gone, and nobody waits for it.
  EXPECT_FALSE(Recorded("old"));
  EXPECT_TRUE(Recorded("F"));
  EXPECT_EQ(set_->mark(), 0u);
  Turn(100, settings_.silence_max_ms / 2);
  EXPECT_TRUE(Recorded("F"));
  set_->OnConnected(ServerOf("F"), 90, now_ms_);
  Report("F", 90);
  Turn(100);
  EXPECT_EQ(set_->mark(), 90u);
}

TEST_F(InSyncSetTest, TheSetOfAnotherJournalIsOfNoMeaning) {
  ClusterRecord record;
  record.version = 9;
  record.journal_id = kJournal + 1;
  record.members = {ServerOf("F", true)};
  keeper_.Set(record);
  Begin();
  Turn(100);
  EXPECT_EQ(set_->mark(), 100u);
  EXPECT_EQ(keeper_.now().version, 10u);
  EXPECT_EQ(keeper_.now().members.size(), 1u);
}

TEST_F(InSyncSetTest, AServerThatStoodStillJudgesNobodyForThat) {
  Begin();
  Turn(100);
  Join("F", 100);
  Turn(100, 60'000);
  EXPECT_TRUE(Recorded("F"));
  Report("F", 100);
  Turn(100);
  EXPECT_TRUE(Recorded("F"));
}

TEST_F(InSyncSetTest, OneThatSaidGoodbyeForGoodIsForgotten) {
  Begin();
  Turn(100);
  Join("F", 100);
  EXPECT_EQ(set_->Forget("F").message(), "the server with the node id 'F' is connected");
  EXPECT_EQ(set_->Forget("X").message(), "no server with the node id 'X' is known");
  set_->OnGone("F", Goodbye::kForGood, now_ms_);
  Turn(100);
  EXPECT_EQ(keeper_.now().Find("F"), nullptr);
  Join("G", 100);
  set_->OnGone("G", {}, now_ms_);
  Turn(100, 501);
  EXPECT_NE(keeper_.now().Find("G"), nullptr);
  EXPECT_TRUE(set_->Forget("G").ok());
  Turn(100);
  EXPECT_EQ(keeper_.now().Find("G"), nullptr);
}

// A member may apply what it has of that, though the leader has not heard of it.
TEST_F(InSyncSetTest, WhoJoinsHasWhatTheOthersWereTold) {
  Begin();
  Join("F", 100);
  Turn(200);
  EXPECT_EQ(set_->mark(), 100u);
  EXPECT_EQ(set_->TellOthers("F"), 200u);
  set_->OnConnected(ServerOf("G"), 0, now_ms_);
  EXPECT_EQ(set_->TellOthers("G"), 100u) << "it is no member";
  // It has the mark, and what was the end when it connected.
  Turn(300);
  EXPECT_EQ(set_->TellOthers("F"), 300u);
  Report("G", 210);
  Turn(400);
  EXPECT_FALSE(Recorded("G"));
  // So that it can reach what was told.
  EXPECT_EQ(set_->TellOthers("F"), 210u);
  Report("G", 299);
  Turn(400);
  EXPECT_FALSE(Recorded("G"));
  Report("G", 300);
  Turn(500);
  EXPECT_TRUE(Recorded("G"));
  EXPECT_EQ(set_->TellOthers("F"), 300u);
  EXPECT_EQ(set_->TellOthers("G"), 100u);
  Report("F", 500);
  Turn(500);
  EXPECT_EQ(set_->mark(), 300u);
  EXPECT_EQ(set_->TellOthers("F"), 300u);
  EXPECT_EQ(set_->TellOthers("G"), 500u);
}

TEST_F(InSyncSetTest, NobodyIsToldMoreThanTheMarkWhileThereAreTooFew) {
  Begin(2);
  Join("F", 100);
  Turn(200);
  EXPECT_EQ(set_->TellOthers("F"), 200u);
  settings_.min_insync = 3;
  Turn(300);
  EXPECT_EQ(set_->TellOthers("F"), set_->mark());
}

// Servers write, lose, come and go as they like. At all times each member of the recorded set, and
// of the one that is proposed, has what is below the mark, also as far as only a member knows it:
// whichever of the two records survives, a member of it may lead.
TEST_F(InSyncSetTest, WhoeverIsRecordedHasWhatIsBelowTheMark) {
  struct Server {
    Position has = 0;
    Position reported = 0;
    bool connected = false;
    Position told = 0;  // what all others have
  };
  size_t moved = 0;
  size_t known_more = 0;
  for (uint64_t seed = 0; seed < 300; seed++) {
    SCOPED_TRACE(seed);
    Random random(seed);
    keeper_ = FakeKeeper();
    Begin(1 + static_cast<uint32_t>(random.Below(3)));
    std::map<std::string, Server> servers{{"a", {}}, {"b", {}}, {"c", {}}};
    Position end = 0;
    Position mark = 0;
    Position known = 0;  // to whoever knows most
    bool ever_committed = false;
    for (int step = 0; step < 1000; step++) {
      now_ms_ += static_cast<int64_t>(random.Below(random.Below(20) == 0 ? 700 : 30));
      end += random.Below(3) == 0 ? random.Below(10) : 0;
      auto& [id, server] = *std::next(servers.begin(), static_cast<int64_t>(random.Below(3)));
      switch (random.Below(6)) {
        case 0:
          if (!server.connected && random.Below(3) == 0) {
            server.connected = true;
            server.reported = server.has;
            set_->OnConnected(ServerOf(id), server.has, now_ms_);
          }
          break;
        case 1:
          if (server.connected && random.Below(5) == 0) {
            server.connected = false;
            set_->OnGone(id, random.Below(2) == 0 ? std::nullopt : std::optional(Goodbye::kReturns),
                         now_ms_);
          }
          break;
        case 2:
          if (keeper_.waiting()) {
            keeper_.Answer(random.Below(4) == 0 ? Status::Error("no") : Status());
          }
          break;
        default:
          if (server.connected) {
            server.has = std::min(end, server.has + random.Below(20));
            // It reports some time later.
            if (random.Below(2) == 0) break;
            set_->OnProgress(id, {server.has, std::min(server.has, mark), 0, keeper_.now().version},
                             now_ms_);
          }
      }
      set_->Turn(end, end, now_ms_);
      ASSERT_GE(set_->mark(), mark);
      mark = set_->mark();
      ever_committed |= mark > 0;
      for (auto& [name, each] : servers) {
        if (each.connected && random.Below(2) == 0) each.told = set_->TellOthers(name);
        known = std::max(known, std::min(each.told, each.has));
      }
      known = std::max(known, mark);
      known_more += known > mark ? 1 : 0;
      size_t recorded = 0;
      for (const auto& [name, each] : servers) {
        const Member* const proposed = keeper_.waiting() ? keeper_.proposed().Find(name) : nullptr;
        const bool is_recorded = Recorded(name);
        recorded += is_recorded ? 1 : 0;
        if (!is_recorded && (proposed == nullptr || !proposed->in_sync)) continue;
        ASSERT_GE(each.has, known) << name;
      }
      if (ever_committed && recorded + 1 < settings_.min_insync) ADD_FAILURE() << step;
    }
    moved += mark > 0 ? 1 : 0;
  }
  EXPECT_GT(moved, 250u);
  EXPECT_GT(known_more, 10'000u);
}

// Each of them may lead next, and would go by the record that it has.
TEST_F(InSyncSetTest, TheMarkWaitsUntilAllHaveTheRecord) {
  Begin(2);
  Turn(100);
  Join("F", 100);
  Join("G", 100);
  EXPECT_EQ(set_->mark(), 100u);
  // G leaves, and F does not hear of it at once.
  slow_["F"] = keeper_.now().version;
  set_->OnGone("G", Goodbye::kReturns, now_ms_);
  last_.erase("G");
  Report("F", 200);
  Turn(200);
  EXPECT_FALSE(Recorded("G"));
  EXPECT_EQ(set_->mark(), 100u);
  EXPECT_EQ(set_->TellOthers("F"), 100u);
  slow_.clear();
  Report("F", 200);
  Turn(200);
  EXPECT_EQ(set_->mark(), 200u);
  // What it has told before does not count after it was gone.
  set_->OnConnected(ServerOf("F"), 200, now_ms_);
  slow_["F"] = 0;
  Report("F", 300);
  Turn(300);
  EXPECT_EQ(set_->mark(), 200u);
}

}  // namespace
}  // namespace runnel::replication
