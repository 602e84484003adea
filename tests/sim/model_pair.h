#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "tests/sim/logical_content.h"
#include "tests/sim/model_network.h"
#include "tests/sim/model_server.h"

namespace runnel::sim {

// A leader and a follower, whole servers on model disks in a model network where nothing breaks.
// The loops and the helpers get their turns by chance.
class ModelPair {
 public:
  // The helpers of a server, in the order in which ModelServer::StepWorkers asks for them.
  enum Helper { kColdWriter = 4, kColdReader = 5 };

  explicit ModelPair(uint64_t seed) : random_(seed), network_(seed + 1) {
    for (const char* name : {"0", "1"}) {
      auto& server = *servers_.emplace_back(std::make_unique<ModelServer>(
          name, seed * 2 + servers_.size(),
          [this](const std::string& to, ConnectFunction done) { return Connect(to, done); }));
      server.settings().data.stream_node_max_entries = 4;
      server.settings().data.stream_node_max_bytes = 200;
      server.settings().cold.stream_memory = 3000;
      server.options().journal_segment_bytes = 100'000;
      server.options().snapshot_journal_bytes = 0;
    }
  }
  ~ModelPair() {
    attempts_.clear();
    servers_.clear();
  }

  ModelServer& leader() { return *servers_[0]; }
  ModelServer& follower() { return *servers_[1]; }
  void Start() {
    ASSERT_TRUE(leader().Start(now_ms_));
    follower().SetLeader("0");
    ASSERT_TRUE(follower().Start(now_ms_));
    Heal();
  }
  // This helper of the follower does nothing, or goes on.
  void Stop(Helper helper) { stopped_.insert(helper); }
  void GoOn() { stopped_.clear(); }

  void Step() {
    now_ms_ += static_cast<int64_t>(random_.Below(4));
    for (const auto& server : servers_) {
      if (!server->running()) continue;
      if (Chance(50)) server->Turn(now_ms_);
      int helper = 0;
      server->StepWorkers([&] {
        helper++;
        return Chance(50) && (server.get() == &leader() || !stopped_.contains(helper));
      });
      server->TakeReplies([&](const test::Argv& command, const test::Reply& reply, Position) {
        if (told_) told_(*server, command, reply);
      });
    }
    network_.Step();
    std::vector<Attempted> due;
    std::swap(due, attempts_);
    for (Attempted& each : due) {
      if (each.alive.expired()) continue;
      ModelServer& to = *servers_[static_cast<size_t>(each.to[0] - '0')];
      if (!to.running()) {
        each.done(Status::Error("no connection"));
        continue;
      }
      auto pair = network_.Connect();
      to.Accept(std::move(pair.far));
      each.done(std::move(pair.near));
    }
  }
  void Steps(int count) {
    for (int i = 0; i < count; i++) {
      Step();
    }
  }
  // Steps until that is so; fails the test if it does not become so.
  void Until(const std::function<bool()>& reached) {
    for (int i = 0; i < 40'000 && !reached(); i++) {
      Step();
    }
    EXPECT_TRUE(reached()) << follower().roles().error();
  }
  void Heal() {
    Until([&] { return Equal() && in_sync() == 2; });
  }
  bool Equal() {
    const replication::Follower* const machine = follower().roles().follower();
    const auto& log = leader().broker().log();
    return machine != nullptr && machine->link_up() && log.sealed() &&
           machine->applied() == leader().storage().journal()->appended() &&
           leader().storage().journal()->written() == leader().storage().journal()->appended();
  }
  size_t in_sync() { return leader().roles().leader()->in_sync().size(); }
  // Gets each reply: told(server, command, reply).
  void Tell(std::function<void(const ModelServer&, const test::Argv&, const test::Reply&)> told) {
    told_ = std::move(told);
  }
  // The reply of the server.
  std::string Ask(ModelServer& server, const test::Argv& command) {
    std::string text;
    Tell([&](const ModelServer& from, const test::Argv& asked, const test::Reply& reply) {
      if (&from == &server && asked == command) text = test::ToText(reply);
    });
    server.Ask(command);
    Until([&] { return !text.empty(); });
    Tell(nullptr);
    return text;
  }
  void Compare() {
    EXPECT_EQ(LogicalContentOf(follower().keyspace()), LogicalContentOf(leader().keyspace()));
  }
  bool Chance(uint64_t percent) { return random_.Below(100) < percent; }
  int64_t now_ms() const { return now_ms_; }

 private:
  struct Attempted {
    std::weak_ptr<bool> alive;
    std::string to;
    ConnectFunction done;
  };

  std::unique_ptr<Attempt> Connect(const std::string& to, ConnectFunction done) {
    auto alive = std::make_shared<bool>(true);
    attempts_.push_back({alive, to, std::move(done)});
    return std::make_unique<ModelAttempt>(std::move(alive));
  }

  Random random_;
  ModelNetwork network_;
  int64_t now_ms_ = 0;
  std::vector<Attempted> attempts_;
  std::vector<std::unique_ptr<ModelServer>> servers_;
  std::set<int> stopped_;
  std::function<void(const ModelServer&, const test::Argv&, const test::Reply&)> told_;
};

}  // namespace runnel::sim
