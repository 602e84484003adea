#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "data/string_object.h"
#include "journal/segment.h"
#include "tests/sim/crash_workload.h"
#include "tests/sim/files.h"
#include "tests/sim/logical_content.h"
#include "tests/sim/model_server.h"
#include "tests/support/quote.h"

// Whole servers on model disks and a model network, whose roles change.

namespace runnel::sim {

using test::Argv;

inline constexpr int kMostSteps = 30'000;

// In which keys the two differ, and how.
inline std::string Difference(const KeyspaceContent& expected, const KeyspaceContent& found) {
  std::string text;
  const auto show = [](const KeyspaceContent& content, const auto& key) {
    const auto at = content.find(key);
    if (at == content.end()) return std::string("nothing");
    return fmt::format("type {} expiry {} {}", static_cast<int>(at->second.type),
                       at->second.expire_at_ms, test::QuoteIfNeeded(at->second.payload));
  };
  for (const auto* content : {&expected, &found}) {
    for (const auto& [key, value] : *content) {
      const std::string one = show(expected, key);
      const std::string other = show(found, key);
      if (one != other) text += fmt::format("\n{} {}: {}\n  {}", key.first, key.second, one, other);
    }
  }
  return text;
}

class World {
 public:
  explicit World(uint64_t seed, size_t servers = 3)
      : random_(seed), network_(seed + 1), workload_(seed ^ 0xc0de) {
    workload_.long_streams = Chance(50);
    for (size_t i = 0; i < servers; i++) {
      const std::string name = std::to_string(i);
      auto& server = *servers_.emplace_back(std::make_unique<ModelServer>(
          name, seed * 10 + i, [this, i](const std::string& to, ConnectFunction done) {
            return Connect(i, std::stoul(to), std::move(done));
          }));
      DataOptions& data = server.settings().data;
      data.stream_node_max_entries = 4;
      data.stream_node_max_bytes = 200;
      constexpr uint64_t kStreamMemory[] = {0, 1, 500, 2000};
      server.settings().cold.stream_memory = kStreamMemory[random_.Below(4)];
      // Journal goes by whole segments: where these are small, it may not go back far enough.
      server.options().journal_segment_bytes = Chance(30) ? 4000 + random_.Below(20'000) : 100'000;
      // A follower that loses what it has not synced may lose all.
      if (Chance(60)) server.options().appendfsync = journal::SyncPolicy::kAlways;
      server.options().snapshot_journal_bytes = 0;
    }
    cut_off_.resize(servers);
  }
  ~World() {
    attempts_.clear();
    servers_.clear();
  }

  bool Chance(uint64_t percent) { return random_.Below(100) < percent; }
  Random& random() { return random_; }
  ModelServer& server(size_t i) { return *servers_[i]; }
  size_t servers() const { return servers_.size(); }
  int64_t now_ms() const { return now_ms_; }

  void Start(size_t i) {
    while (!server(i).running() && !::testing::Test::HasFailure()) {
      if (server(i).Start(now_ms_)) return;
      server(i).Stop(Crash::kPower);
    }
  }
  void StartAll() {
    for (size_t i = 0; i < servers(); i++) {
      server(i).SetLeader(i == 0 ? "" : "0");
      Start(i);
    }
  }
  // As an operator does: the others are told by TellOthers.
  void Promote(size_t i) {
    leader_ = i;
    if (server(i).running()) {
      server(i).roles().AskToLead();
    } else {
      server(i).SetLeader("");
    }
  }
  void TellToFollow(size_t i) {
    if (i != leader_) TellToFollow(i, UpstreamOf(i));
  }
  void TellToFollow(size_t i, size_t other) {
    if (server(i).running()) {
      server(i).roles().AskToFollow(server(other).name(), 1);
    } else {
      server(i).SetLeader(server(other).name());
    }
  }
  // From now on servers are told to follow each other in a row, the first of which leads.
  void MakeChain() { chain_ = true; }
  size_t UpstreamOf(size_t i) const {
    if (!chain_) return leader_;
    size_t before = leader_;
    for (size_t other = 0; other < i; other++) {
      if (other != leader_) before = other;
    }
    return before;
  }
  // FAILOVER, if the server leads: to a certain one, or to any.
  void HandOver(size_t i) {
    if (!server(i).running() || server(i).loading()) return;
    Roles& roles = server(i).roles();
    if (roles.leader() == nullptr || roles.leader()->followers() == 0 || roles.wishes() ||
        roles.failover() != Roles::Failover::kNone) {
      return;
    }
    replication::Handover::Wish wish;
    roles.leader()->ForEachFollower([&](const replication::Leader::Peer& peer) {
      if (peer.online() && Chance(30)) wish.node_id = peer.request.node_id;
    });
    if (Chance(30)) wish.timeout_ms = 1 + static_cast<int64_t>(random_.Below(2000));
    roles.HandOver(std::move(wish));
  }
  // As a Sentinel does.
  void AskToLead(size_t i) {
    if (!server(i).running() || server(i).loading()) return;
    Roles& roles = server(i).roles();
    if (roles.follower() != nullptr && roles.follower()->link_up()) roles.AskToLeadAfterLeader();
  }
  // The servers that make changes.
  std::vector<size_t> leading() {
    std::vector<size_t> found;
    for (size_t i = 0; i < servers(); i++) {
      if (!server(i).running() || server(i).loading()) continue;
      if (server(i).roles().leader() != nullptr && !server(i).broker().pause().held()) {
        found.push_back(i);
      }
    }
    return found;
  }
  // Nothing goes wrong any more. Returns when one of them leads, and the others are equal, though
  // nobody has told them anything.
  void Settle() {
    stalled_.reset();
    for (size_t i = 0; i < servers(); i++) {
      cut_off_[i] = false;
    }
    for (int step = 0;; step++) {
      ASSERT_LT(step, kMostSteps) << Describe();
      Step();
      const auto leads = leading();
      ASSERT_LE(leads.size(), 1u) << Describe();
      if (leads.size() != 1) continue;
      leader_ = leads.front();
      if (equal() == servers() - 1 && Healed()) return;
    }
  }
  void CutOff(size_t i, bool off) {
    cut_off_[i] = off;
    if (off) network_.BreakAll();
  }
  // This server gets no turn: what arrives is read, and not dealt with.
  void Stall(std::optional<size_t> i) { stalled_ = i; }
  bool IsCutOff(size_t i) const { return cut_off_[i]; }
  void BreakOne() { network_.BreakOne(); }
  // How processes end from now on.
  void set_crash(Crash crash) { crash_ = crash; }
  void Write(size_t i) { server(i).Ask(workload_.Next(false)); }
  // A command to each server; those that follow refuse the ones that write.
  void Write() {
    for (const auto& each : servers_) {
      if (each->running()) each->Ask(workload_.Next(false));
    }
  }

  // One round of all loops, as far as chance lets each have one.
  void Step() {
    now_ms_ += static_cast<int64_t>(random_.Below(4));
    for (const auto& each : servers_) {
      if (!each->running()) continue;
      const bool stalls = stalled_ && each.get() == servers_[*stalled_].get();
      if (Chance(50) && !stalls) each->Turn(now_ms_);
      if (each->disk().stopped()) {
        each->Stop(AnyCrash());
        continue;
      }
      each->StepWorkers([this] { return Chance(50); });
      each->TakeReplies([this](const Argv& command, const test::Reply& reply, Position) {
        workload_.Learn(command, reply);
      });
    }
    network_.Step();
    // Those that came to an end.
    std::vector<Attempted> due;
    std::swap(due, attempts_);
    for (Attempted& each : due) {
      if (each.alive.expired()) continue;
      if (Chance(50)) {
        attempts_.push_back(std::move(each));
        continue;
      }
      const bool reached = server(each.to).running() && !cut_off_[each.from] && !cut_off_[each.to];
      if (!reached) {
        each.done(Status::Error("no connection"));
        continue;
      }
      auto pair = network_.Connect();
      server(each.to).Accept(std::move(pair.far));
      each.done(std::move(pair.near));
    }
  }

  // Trouble, by chance.
  void Live(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); i++) {
      Step();
      if (Chance(40)) Write();
      const size_t any = random_.Below(servers());
      if (Chance(1)) network_.BreakOne();
      if (random_.Below(300) == 0) CutOff(any, !cut_off_[any]);
      if (random_.Below(300) == 0) Promote(any);
      if (random_.Below(100) == 0) HandOver(any);
      if (random_.Below(300) == 0) AskToLead(any);
      if (random_.Below(100) == 0) TellToFollow(any);
      if (chain_ && random_.Below(100) == 0) TellToFollow(any, random_.Below(servers()));
      if (!server(any).running()) {
        if (Chance(5)) Start(any);
        continue;
      }
      if (random_.Below(300) == 0) {
        server(any).Stop(AnyCrash());
        continue;
      }
      if (random_.Below(200) == 0) {
        server(any).disk().StopAt(server(any).disk().calls() + 1 + random_.Below(100));
      }
      const bool may_save = !server(any).loading() && !server(any).saver().busy() &&
                            server(any).saver().Refusal().ok();
      if (may_save && random_.Below(200) == 0) server(any).saver().Begin(Saver::Kind::kSave);
    }
  }
  Crash AnyCrash() {
    constexpr Crash kCrashes[] = {Crash::kProcess, Crash::kPower, Crash::kPowerWorst};
    return crash_ ? *crash_ : kCrashes[random_.Below(3)];
  }

  // Nothing goes wrong any more, nobody writes, and everybody is told who leads. Returns when all
  // that can be are equal.
  void Heal() {
    for (size_t i = 0; i < servers(); i++) {
      cut_off_[i] = false;
      server(i).disk().StopAt(0);
      if (server(i).running() && server(i).disk().stopped()) server(i).Stop(AnyCrash());
      Start(i);
    }
    Promote(leader_);
    for (size_t i = 0; i < servers(); i++) {
      TellToFollow(i);
    }
    for (int step = 0; !Healed(); step++) {
      ASSERT_LT(step, kMostSteps) << Describe();
      if (::testing::Test::HasFailure()) return;
      Step();
      // A hand-over that was under way may have told them something else.
      if (step % 1000 != 999) continue;
      Promote(leader_);
      for (size_t i = 0; i < servers(); i++) {
        TellToFollow(i);
      }
    }
  }

  void Compare() {
    ModelServer& leader = server(leader_);
    const auto content = LogicalContentOf(leader.keyspace());
    for (const auto& each : servers_) {
      if (each.get() == &leader || NeedsAll(*each)) continue;
      const auto found = LogicalContentOf(each->keyspace());
      EXPECT_TRUE(found == content)
          << each->name() << " has another content than the leader:" << Difference(content, found);
      EXPECT_EQ(each->storage().journal()->epochs(), leader.storage().journal()->epochs());
      CompareJournals(leader, *each);
    }
  }
  // What both have: nothing, if one of them has just taken a state of the position at which it
  // ends.
  void CompareJournals(ModelServer& a, ModelServer& b) {
    journal::Journal& one = *a.storage().journal();
    journal::Journal& other = *b.storage().journal();
    const Position end = one.written();
    ASSERT_EQ(other.written(), end);
    // Where a frame begins in both: the first one of the newer of the two first segments.
    const Position first = std::max(one.first(), other.first());
    const std::string bytes = BytesOf(a, first, end);
    compared_bytes_ += bytes.size();
    EXPECT_TRUE(BytesOf(b, first, end) == bytes) << "from " << first << " to " << end;
  }
  static std::string BytesOf(ModelServer& server, Position first, Position end) {
    const ModelDisk::Aside aside(&server.disk());
    std::string bytes;
    Position begin = 0;
    const auto segments = journal::ListSegments(server.disk(), "journal");
    EXPECT_TRUE(segments.ok());
    for (const journal::Segment& segment : *segments) {
      if (bytes.empty()) begin = segment.base;
      bytes.resize(segment.base - begin);
      bytes += ReadFile(server.disk(), journal::SegmentPath("journal", segment.base));
    }
    bytes.resize(end - begin);
    return bytes.substr(first - begin);
  }

  // The leader has lost all that it had, and leads even so; or it has no snapshot yet. Or that is
  // so for the one that it follows.
  bool NeedsAll(ModelServer& server) {
    for (size_t i = 0; chain_ && i < servers(); i++) {
      if (servers_[i].get() != &server || UpstreamOf(i) == leader_) continue;
      if (NeedsAll(*servers_[UpstreamOf(i)])) return true;
    }
    const std::string& error = server.roles().error();
    return error.find("no epoch in common") != std::string::npos ||
           error.find("the follower needs the journal from position") != std::string::npos;
  }
  bool IsEqual(ModelServer& server) {
    const journal::Journal* const journal = this->server(leader_).storage().journal();
    if (journal == nullptr || server.loading() || server.roles().follower() == nullptr) {
      return false;
    }
    return server.roles().follower()->link_up() && journal->written() == journal->appended() &&
           server.roles().follower()->applied() == journal->written();
  }
  size_t equal() {
    size_t count = 0;
    for (const auto& each : servers_) {
      count += each.get() != servers_[leader_].get() && IsEqual(*each);
    }
    return count;
  }
  // Of journals, in Compare.
  uint64_t compared_bytes() const { return compared_bytes_; }

  std::string Describe() {
    std::string text;
    for (const auto& each : servers_) {
      if (!each->running()) continue;
      text += fmt::format("{}{}: {}\n", each->name(), each->loading() ? " loads" : "",
                          each->loading() ? "" : each->roles().error());
    }
    return text;
  }

 private:
  struct Attempted {
    std::weak_ptr<bool> alive;
    size_t from;
    size_t to;
    ConnectFunction done;
  };

  std::unique_ptr<Attempt> Connect(size_t from, size_t to, ConnectFunction done) {
    auto alive = std::make_shared<bool>(true);
    attempts_.push_back({alive, from, to, std::move(done)});
    return std::make_unique<sim::ModelAttempt>(std::move(alive));
  }
  bool Healed() {
    for (const auto& each : servers_) {
      if (!each->running()) return false;
      if (each.get() == servers_[leader_].get()) {
        if (each->loading() || each->roles().leader() == nullptr) return false;
        if (!each->broker().log().sealed()) return false;
        continue;
      }
      if (each->loading() || (!IsEqual(*each) && !NeedsAll(*each))) return false;
    }
    return true;
  }

  Random random_;
  ModelNetwork network_;
  CrashWorkload workload_;
  int64_t now_ms_ = 0;
  std::vector<Attempted> attempts_;
  std::vector<std::unique_ptr<ModelServer>> servers_;
  std::vector<bool> cut_off_;
  size_t leader_ = 0;  // who leads as far as the operator knows
  std::optional<Crash> crash_;
  std::optional<size_t> stalled_;
  bool chain_ = false;
  uint64_t compared_bytes_ = 0;
};

}  // namespace runnel::sim
