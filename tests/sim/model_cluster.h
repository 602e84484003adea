#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/cluster_checks.h"
#include "tests/sim/crash_workload.h"
#include "tests/sim/model_network.h"
#include "tests/sim/model_server.h"

namespace runnel::sim {

// Three whole servers on model disks in a model network, with their clients and whoever decides who
// leads, and everything that may go wrong. What must hold is looked at throughout; violation() is
// the first thing that did not. All chance comes from the seed.
//
// Two kinds of operator, by chance:
// - A careful one does as a Sentinel does, and min-insync-replicas is 2: a leader that is dead, or
//   cut off from all others, is replaced by the follower that has most, when both others are there.
//   Nothing may be lost that was acknowledged to `acks all`, and reads under it are linearizable.
//   A server that starts while others are told of the new leader has been told, too: else it could
//   join the set of the old one, which no Sentinel reaches, and both sides would acknowledge. Only
//   a consensus can do better.
// - A reckless one promotes whom chance names, with `unclean-leader-election yes`. What was
//   acknowledged may be lost; the histories must never be mixed, and all must come together again.
class ModelCluster {
 public:
  explicit ModelCluster(uint64_t seed);
  ~ModelCluster();

  // All of it: a quiet beginning, trouble for so many steps, the healing, and what is compared
  // then.
  void Run(int steps);
  const std::string& violation() const { return checks_->violation(); }

  bool careful() const { return careful_; }
  // How often something happened, by name: a simulation in which nothing happens finds nothing.
  const std::map<std::string, uint64_t>& counts() const { return counts_; }

 private:
  static constexpr size_t kServers = 3;
  static constexpr int kMostSteps = 30'000;
  // Clients: one with the settings' acks, and one with `acks all` that adds to a list and reads it.
  enum : size_t { kWorker = 0, kCounter = 1, kClients = 2 };
  static constexpr const char* kCounterDatabase = "15";
  static constexpr const char* kCounterKey = "counted";

  bool Chance(uint64_t percent) { return random_.Below(100) < percent; }
  bool OneIn(uint64_t n) { return random_.Below(n) == 0; }
  ModelServer& server(size_t i) { return *servers_[i]; }
  bool sound() const { return violation().empty(); }
  void Count(const char* what) { counts_[what]++; }

  void MakeServer(size_t i);
  int64_t LocalMs(size_t i) const;
  bool Serves(size_t i) { return server(i).running() && !server(i).loading(); }
  bool IsLinked(size_t i);
  bool Leads(size_t i) { return Serves(i) && server(i).roles().leader() != nullptr; }

  // --- The network and the processes ---

  std::unique_ptr<Attempt> Connect(size_t from, size_t to, ConnectFunction done);
  void StepAttempts();
  void Start(size_t i);
  void Stop(size_t i, Crash crash);
  Crash AnyCrash(size_t i);
  bool OthersAreWhole(size_t i);
  void Step();
  void HoldLink(size_t from, size_t to, bool hold);
  bool Passes(size_t a, size_t b) const;
  // Whether nobody reaches it, and it reaches nobody.
  bool IsCutOff(size_t i) const;

  // --- Clients ---

  void Ask(size_t i);
  void AskCounter(size_t i, bool writes);
  void TakeReplies(size_t i);
  void OnCounterReply(size_t i, const Argv& command, const test::Reply& reply);

  // --- Trouble ---

  void Live(int steps);
  void TroubleNetwork(size_t i);
  void TroubleProcess(size_t i);
  void TroubleDisk(size_t i);
  void HandOver(size_t i);
  void Operate();
  bool OthersKnowThatItLeft(size_t i);
  void OperateCarefully();
  void TellToFollow(size_t i);
  void Promote(size_t i);
  bool AllFollow();

  // --- The end ---

  void Heal();
  void Appoint();
  bool Healed();
  bool IsEqual(size_t i);
  bool NeedsAll(size_t i);
  // How long something may take, until `done`; else it is wrong, by this name.
  bool Await(const char* what, const std::function<bool()>& done);
  void Compare();
  void AskForTheLast();
  void LiveWithADeadLink();
  static std::string DescribeRole(ModelServer& server);
  std::string Describe();

  Random random_;
  ModelNetwork network_;
  CrashWorkload workload_;
  bool careful_ = false;
  bool power_cuts_ = true;  // at any time: nothing is lost that counts, or it may be
  std::vector<bool> lost_;  // a power cut may have taken something that others were told of
  uint64_t pace_ms_ = 4;
  int64_t now_us_ = 0;
  std::vector<std::unique_ptr<ModelServer>> servers_;
  std::unique_ptr<ClusterChecks> checks_;
  std::vector<int64_t> rates_;  // of the servers' clocks, in percent
  struct Attempted {
    std::weak_ptr<bool> alive;
    size_t from;
    size_t to;
    ConnectFunction done;
  };
  std::vector<Attempted> attempts_;
  std::optional<size_t> still_;  // who gets no turn

  size_t leader_ = 0;         // as the operator knows it
  bool moving_ = false;       // the others are being told of it
  int missed_ = 0;            // how often the operator did not find it
  std::vector<bool> linked_;  // had a link to the leader that the operator knows

  // The list of the counting client.
  uint64_t sent_ = 0;
  test::Reply listed_;  // all of it, at the end
  std::vector<std::string> acknowledged_;
  std::vector<std::deque<uint64_t>> read_from_;  // by server: what the read must show at least

  std::map<std::string, uint64_t> counts_;
};

}  // namespace runnel::sim
