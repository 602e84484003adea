#include "tests/sim/model_cluster.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "fmt/format.h"
#include "tests/sim/logical_content.h"

namespace runnel::sim {

ModelCluster::ModelCluster(uint64_t seed)
    : random_(seed), network_(seed + 1), workload_(seed ^ 0xc0de) {
  careful_ = Chance(60);
  const bool all_sync = Chance(50);
  // Else one server at a time, because that one may come back with less than it had.
  power_cuts_ = all_sync || !careful_;
  lost_.resize(kServers);
  constexpr uint64_t kPaces[] = {4, 10, 20};
  pace_ms_ = kPaces[random_.Below(3)];
  workload_.long_streams = Chance(50);
  linked_.resize(kServers);
  read_from_.resize(kServers);
  for (size_t i = 0; i < kServers; i++) {
    constexpr int64_t kRates[] = {100, 100, 95, 105, 70, 140};
    rates_.push_back(kRates[random_.Below(6)]);
    servers_.push_back(std::make_unique<ModelServer>(
        std::to_string(i), seed * 10 + i, [this, i](const std::string& to, ConnectFunction done) {
          return Connect(i, std::stoul(to), std::move(done));
        }));
    constexpr journal::SyncPolicy kPolicies[] = {
        journal::SyncPolicy::kAlways, journal::SyncPolicy::kEverySecond, journal::SyncPolicy::kNo};
    server(i).options().appendfsync =
        all_sync ? journal::SyncPolicy::kAlways : kPolicies[random_.Below(3)];
    MakeServer(i);
  }
  checks_ = std::make_unique<ClusterChecks>(servers_, careful_);
}

ModelCluster::~ModelCluster() {
  attempts_.clear();
  servers_.clear();
}

void ModelCluster::MakeServer(size_t i) {
  ModelServer& made = server(i);
  made.OnWrong([this](const std::string& what) { checks_->Wrong(what); });
  DataOptions& data = made.settings().data;
  data.stream_node_max_entries = 4;
  data.stream_node_max_bytes = 200;
  constexpr uint64_t kStreamMemory[] = {0, 1, 500, 2000};
  made.settings().cold.stream_memory = kStreamMemory[random_.Below(4)];
  made.options().journal_segment_bytes = Chance(50) ? 4000 + random_.Below(20'000) : 100'000;
  made.options().snapshot_journal_bytes = 0;
  constexpr Acks kAcks[] = {Acks::kNone, Acks::kLeader, Acks::kAll};
  made.settings().acks = kAcks[random_.Below(3)];
  // One that was away for long needs a full sync.
  if (Chance(50)) made.Configure("repl-backlog-ttl", "1");
  made.Configure("replica-silence-max", Chance(50) ? "100" : "400");
  made.Configure("replica-lag-time-max", Chance(50) ? "200" : "2000");
  made.Configure("min-insync-replicas", careful_ || Chance(50) ? "2" : "1");
  made.Configure("unclean-leader-election", careful_ ? "no" : "yes");
  made.Greet(kCounter, {{"CLIENT", "ACKS", "ALL"}, {"SELECT", kCounterDatabase}});
}

int64_t ModelCluster::LocalMs(size_t i) const {
  return now_us_ / 1000 * rates_[i] / 100;
}

// --- The network and the processes ---

std::unique_ptr<Attempt> ModelCluster::Connect(size_t from, size_t to, ConnectFunction done) {
  auto alive = std::make_shared<bool>(true);
  attempts_.push_back({alive, from, to, std::move(done)});
  return std::make_unique<ModelAttempt>(std::move(alive));
}

bool ModelCluster::IsLinked(size_t i) {
  if (!Serves(i)) return false;
  const replication::Follower* const follower = server(i).roles().follower();
  return follower != nullptr && follower->link_up();
}

// A connection needs both directions; whoever is not there does not answer, or refuses.
bool ModelCluster::Passes(size_t a, size_t b) const {
  return network_.ChanceOf(a, b) > 0 && network_.ChanceOf(b, a) > 0;
}

void ModelCluster::StepAttempts() {
  std::vector<Attempted> due;
  std::swap(due, attempts_);
  for (Attempted& each : due) {
    if (each.alive.expired()) continue;
    if (Chance(50) || still_ == each.from || still_ == each.to || !Passes(each.from, each.to)) {
      attempts_.push_back(std::move(each));
    } else if (!server(each.to).running()) {
      each.done(Status::Error("connection refused"));
    } else {
      auto pair = network_.Connect(each.from, each.to);
      server(each.to).Accept(std::move(pair.far));
      each.done(std::move(pair.near));
    }
  }
}

void ModelCluster::Start(size_t i) {
  const bool told = careful_ && i != leader_ && server(i).config().options().leader_port != 0;
  if (told) server(i).SetLeader(server(leader_).name());
  while (!server(i).running() && sound()) {
    read_from_[i].clear();
    if (server(i).Start(LocalMs(i))) return checks_->Look(i);
    const Crash crash = AnyCrash(i);
    lost_[i] = lost_[i] || crash != Crash::kProcess;
    server(i).Stop(crash);
  }
}

void ModelCluster::Stop(size_t i, Crash crash) {
  const bool always = server(i).options().appendfsync == journal::SyncPolicy::kAlways;
  checks_->OnStop(i, crash == Crash::kProcess || always);
  if (crash != Crash::kProcess && !always) {
    lost_[i] = true;
    if (careful_) Count("a power cut that takes something");
  }
  server(i).Stop(crash);
  // A server does not start on a full disk.
  server(i).disk().set_capacity(UINT64_MAX);
  read_from_[i].clear();
  if (still_ == i) still_.reset();
  network_.StandStill(still_);
}

// Whether the others have all that they have ever told anybody that they have.
bool ModelCluster::OthersAreWhole(size_t i) {
  for (size_t j = 0; j < kServers; j++) {
    if (Serves(j) && server(j).roles().trusted()) lost_[j] = false;
    if (j != i && lost_[j]) return false;
  }
  return true;
}

Crash ModelCluster::AnyCrash(size_t i) {
  constexpr Crash kCrashes[] = {Crash::kProcess, Crash::kPower, Crash::kPowerWorst};
  return power_cuts_ || OthersAreWhole(i) ? kCrashes[random_.Below(3)] : Crash::kProcess;
}

// One round of all loops, as far as chance lets each have one.
void ModelCluster::Step() {
  now_us_ += static_cast<int64_t>(random_.Below(pace_ms_ * 1000));
  for (size_t i = 0; i < kServers && sound(); i++) {
    if (!server(i).running() || still_ == i) continue;
    if (Chance(50)) {
      server(i).Turn(LocalMs(i));
      checks_->Look(i);
    }
    if (server(i).disk().stopped()) {
      Stop(i, AnyCrash(i));
      continue;
    }
    server(i).StepWorkers([this] { return Chance(50); });
    TakeReplies(i);
  }
  network_.Step();
  StepAttempts();
}

void ModelCluster::HoldLink(size_t from, size_t to, bool hold) {
  network_.SetChance(from, to, hold ? 0 : 100);
}

bool ModelCluster::IsCutOff(size_t i) const {
  for (size_t j = 0; j < kServers; j++) {
    if (j != i && (network_.ChanceOf(i, j) > 0 || network_.ChanceOf(j, i) > 0)) return false;
  }
  return true;
}

// --- Clients ---

void ModelCluster::Ask(size_t i) {
  if (!server(i).running()) return;
  // One that stands still answers when it goes on. A change would keep its readers waiting.
  if (still_ == i) {
    if (Leads(i) && Chance(20)) AskCounter(i, false);
    return;
  }
  Argv command = workload_.Next(false);
  // The list of the counting client is in a database that the others do not know.
  if (command[0] != "FLUSHALL") server(i).Ask(std::move(command), kWorker);
  if (Leads(i) && Chance(40)) AskCounter(i, Chance(50));
}

// The reply of a write has the length, too.
void ModelCluster::AskCounter(size_t i, bool writes) {
  if (!server(i).connected(kCounter)) read_from_[i].clear();
  read_from_[i].push_back(acknowledged_.size());
  if (writes) {
    server(i).Ask({"RPUSH", kCounterKey, std::to_string(++sent_)}, kCounter);
  } else {
    server(i).Ask({"LLEN", kCounterKey}, kCounter);
  }
}

void ModelCluster::TakeReplies(size_t i) {
  server(i).TakeReplies(
      [this, i](const Argv& command, const test::Reply& reply, Position position) {
        workload_.Learn(command, reply);
        // Not every command waits for all.
        const bool waits = server(i).settings().acks != Acks::kNone;
        if (!reply.is_error() && waits && Leads(i)) checks_->OnAcknowledged(i, position, false);
      },
      kWorker);
  server(i).TakeReplies(
      [this, i](const Argv& command, const test::Reply& reply, Position position) {
        if (command[0] == "LRANGE") listed_ = reply;
        if (command[0] == "CLIENT" || command[0] == "SELECT") {
          if (reply.is_error()) checks_->Wrong(command[0] + ": " + reply.text);
        }
        if (command[0] != "RPUSH" && command[0] != "LLEN") return;
        if (!reply.is_error() && Leads(i)) checks_->OnAcknowledged(i, position, true);
        OnCounterReply(i, command, reply);
      },
      kCounter);
}

void ModelCluster::OnCounterReply(size_t i, const Argv& command, const test::Reply& reply) {
  if (read_from_[i].empty()) return;
  const uint64_t least = read_from_[i].front();
  read_from_[i].pop_front();
  if (reply.is_error()) return;
  Count("counted");
  if (careful_ && static_cast<uint64_t>(reply.integer) < least) {
    checks_->Wrong(fmt::format(
        "server {}: {} under `acks all` shows {} elements, and {} had been acknowledged before", i,
        command[0], reply.integer, least));
  }
  if (command[0] == "RPUSH") acknowledged_.push_back(command[2]);
}

// --- Trouble ---

void ModelCluster::Live(int steps) {
  for (int i = 0; i < steps && sound(); i++) {
    Step();
    const size_t any = random_.Below(kServers);
    if (Chance(60)) Ask(any);
    TroubleNetwork(any);
    if (server(any).running()) {
      TroubleProcess(any);
    } else if (Chance(5)) {
      // The one that led comes back when the others know who leads.
      if (!careful_ || !moving_) Start(any);
    }
    if (server(any).running()) TroubleDisk(any);
    Operate();
  }
}

void ModelCluster::TroubleNetwork(size_t i) {
  if (Chance(1)) network_.BreakOne();
  const size_t other = (i + 1 + random_.Below(kServers - 1)) % kServers;
  if (OneIn(150)) {
    Count("one direction is cut");
    HoldLink(i, other, true);
  }
  if (OneIn(300)) {
    Count("a server is cut off");
    for (size_t j = 0; j < kServers; j++) {
      HoldLink(i, j, true);
      HoldLink(j, i, true);
    }
    if (Chance(50)) {
      network_.BreakOne();
    }
  }
  if (OneIn(100)) {
    constexpr uint64_t kChances[] = {100, 50, 10, 2};
    if (network_.ChanceOf(i, other) > 0) {
      network_.SetChance(i, other, kChances[random_.Below(4)]);
    }
  }
  // While the others are told of a new leader, the old one does not come back.
  if (OneIn(100) && !(careful_ && moving_)) {
    for (size_t from = 0; from < kServers; from++) {
      for (size_t to = 0; to < kServers; to++) {
        if (Chance(70)) HoldLink(from, to, false);
      }
    }
  }
}

void ModelCluster::TroubleProcess(size_t i) {
  if (!still_ && OneIn(300)) {
    Count("a server stands still");
    still_ = i;
    network_.StandStill(still_);
  } else if (still_ && OneIn(100) && !(careful_ && moving_ && still_ != leader_)) {
    still_.reset();
    network_.StandStill(still_);
  }
  if (OneIn(300)) {
    Count("a process ends");
    return Stop(i, AnyCrash(i));
  }
  if (OneIn(100)) HandOver(i);
  // If the leader does not answer, the server leads without: a careful operator is sure first.
  if (!careful_ && OneIn(300) && IsLinked(i)) server(i).roles().AskToLeadAfterLeader();
}

void ModelCluster::TroubleDisk(size_t i) {
  ModelDisk& disk = server(i).disk();
  if (OneIn(200)) disk.StopAt(disk.calls() + 1 + random_.Below(100));
  if (OneIn(300)) {
    Count("a disk is full");
    disk.set_capacity(disk.used() + random_.Below(3000));
  } else if (OneIn(30)) {
    disk.set_capacity(UINT64_MAX);
  }
  const bool may_save = Serves(i) && !server(i).saver().busy() && server(i).saver().Refusal().ok();
  if (may_save && OneIn(60)) server(i).saver().Begin(Saver::Kind::kSave);
}

// FAILOVER: to a certain follower, or to any.
void ModelCluster::HandOver(size_t i) {
  if (!Leads(i)) return;
  Roles& roles = server(i).roles();
  if (roles.leader()->followers() == 0 || roles.wishes() ||
      roles.failover() != Roles::Failover::kNone) {
    return;
  }
  Count("FAILOVER");
  replication::Handover::Wish wish;
  roles.leader()->ForEachFollower([&](const replication::Leader::Peer& peer) {
    if (peer.online() && Chance(30)) wish.node_id = peer.request.node_id;
  });
  if (Chance(30)) wish.timeout_ms = 1 + static_cast<int64_t>(random_.Below(500));
  wish.force = wish.timeout_ms && !wish.node_id.empty() && Chance(30);
  roles.HandOver(std::move(wish));
}

void ModelCluster::Operate() {
  if (careful_) return OperateCarefully();
  const size_t any = random_.Below(kServers);
  if (OneIn(300)) {
    leader_ = any;
    Promote(any);
  }
  if (OneIn(100)) TellToFollow(any);
}

void ModelCluster::Promote(size_t i) {
  Count("a promotion");
  if (server(i).running()) {
    server(i).roles().AskToLead();
  } else {
    server(i).SetLeader("");
  }
}

void ModelCluster::TellToFollow(size_t i) {
  if (i == leader_) return;
  if (server(i).running()) {
    server(i).roles().AskToFollow(server(leader_).name(), 1);
  } else {
    server(i).SetLeader(server(leader_).name());
  }
}

// Whether the others that can be reached follow the leader.
bool ModelCluster::AllFollow() {
  for (size_t i = 0; i < kServers; i++) {
    if (i == leader_ || !server(i).running() || still_ == i || IsCutOff(i)) continue;
    if (!Serves(i)) return false;
    const Roles& roles = server(i).roles();
    if (!roles.follows() || roles.wishes() || roles.leader_host() != server(leader_).name()) {
      return false;
    }
  }
  return true;
}

// Whether one that is there has a later record than this server, in which this one is not in sync.
bool ModelCluster::OthersKnowThatItLeft(size_t i) {
  const replication::ClusterRecord& own = *server(i).roles().record();
  for (size_t j = 0; j < kServers; j++) {
    if (j == i || !Serves(j)) continue;
    const replication::ClusterRecord& record = *server(j).roles().record();
    if (std::tie(record.epoch, record.version) <= std::tie(own.epoch, own.version)) continue;
    const replication::Member* const member = record.Find(server(i).roles().node_id());
    if (member == nullptr || !member->in_sync) return true;
  }
  return false;
}

// A Sentinel, with an eye for what it cannot know: see the class.
void ModelCluster::OperateCarefully() {
  if (!OneIn(10)) return;
  for (size_t i = 0; i < kServers; i++) {
    linked_[i] = linked_[i] || (i != leader_ && IsLinked(i) &&
                                server(i).roles().leader_host() == server(leader_).name());
  }
  // It has handed over.
  if (!Leads(leader_)) {
    for (size_t i = 0; i < kServers; i++) {
      // Not one that led before, and does not know.
      if (i == leader_ || !Leads(i) || IsCutOff(i) || !linked_[i]) continue;
      if (Serves(leader_) && server(leader_).roles().leader_host() != server(i).name()) continue;
      Count("another one leads");
      leader_ = i;
      moving_ = true;
      linked_.assign(kServers, false);
      break;
    }
  }
  if (moving_) {
    moving_ = !AllFollow();
    if (moving_ && Chance(20)) {
      for (size_t i = 0; i < kServers; i++) {
        if (!server(i).running() || (Serves(i) && still_ != i && !IsCutOff(i))) TellToFollow(i);
      }
    }
    return;
  }
  // One that led before is told, too.
  for (size_t i = 0; i < kServers; i++) {
    const bool reached = Leads(i) && still_ != i && !IsCutOff(i);
    if (i != leader_ && reached && Leads(leader_) && Chance(20)) TellToFollow(i);
  }
  const bool dead = !server(leader_).running() || IsCutOff(leader_) || still_ == leader_;
  missed_ = dead ? missed_ + 1 : 0;
  if (missed_ < 3) return;
  std::optional<size_t> best;
  for (size_t i = 0; i < kServers; i++) {
    if (i == leader_) continue;
    // Both others must be there, so that the one that has most is known.
    if (!Serves(i) || IsCutOff(i) || still_ == i || !linked_[i]) return;
    Roles& roles = server(i).roles();
    const journal::Journal* const journal = server(i).storage().journal();
    if (journal == nullptr || roles.follower() == nullptr || roles.wishes()) return;
    if (!roles.may_be_promoted()) continue;
    if (!best || journal->written() > server(*best).storage().journal()->written()) best = i;
  }
  if (!best) return;
  // A Sentinel looks at the positions of both, also of the one that may not be promoted.
  for (size_t i = 0; i < kServers; i++) {
    if (i == leader_ || i == *best) continue;
    if (server(i).storage().journal()->written() > server(*best).storage().journal()->written()) {
      return;
    }
  }
  // Nor does it know what only the other one knows: that the best has left the set. If the leader
  // is gone, and a power cut has taken from the other one what it had, then two of the set have
  // lost something at once, and nothing is promised.
  if (OthersKnowThatItLeft(*best)) return;
  Count("a leader is replaced");
  leader_ = *best;
  moving_ = true;
  missed_ = 0;
  linked_.assign(kServers, false);
  if (IsLinked(leader_) && Chance(50)) {
    // As a Sentinel does, whose connection the server knows.
    server(leader_).roles().AskToLeadAfterLeader();
  } else {
    Promote(leader_);
  }
  for (size_t i = 0; i < kServers; i++) {
    if (!server(i).running()) TellToFollow(i);
  }
}

// --- The end ---

bool ModelCluster::Await(const char* what, const std::function<bool()>& done) {
  for (int step = 0; sound() && !done(); step++) {
    if (step == kMostSteps) {
      checks_->Wrong(fmt::format("after {} steps: not {}\n{}", step, what, Describe()));
      return false;
    }
    Step();
  }
  return sound();
}

// Nothing goes wrong any more, nobody writes, and everybody is told who leads.
void ModelCluster::Heal() {
  // Longer than anything takes that servers wait for, also by the slowest clock.
  constexpr int64_t kQuietMs = 2500;
  constexpr uint64_t kQuietPaceMs = 20;
  still_.reset();
  network_.StandStill(still_);
  for (size_t i = 0; i < kServers; i++) {
    for (size_t j = 0; j < kServers; j++) {
      HoldLink(i, j, false);
    }
    ModelDisk& disk = server(i).disk();
    disk.set_capacity(UINT64_MAX);
    disk.StopAt(0);
    if (server(i).running() && disk.stopped()) Stop(i, AnyCrash(i));
    Start(i);
  }
  // What was begun ends: hand-overs, and wishes to lead.
  pace_ms_ = kQuietPaceMs;
  const int64_t until_us = now_us_ + 1000 * kQuietMs;
  Await("quiet", [&] { return now_us_ > until_us; });
  if (!sound()) return;
  if (careful_) {
    // A person looks for the one that has everything.
    const auto has_all = [&](size_t i) { return checks_->HasAllThatWasShared(i); };
    if (!Await("loaded", [&] { return Serves(0) && Serves(1) && Serves(2); })) return;
    for (size_t i = 0; i < kServers && !has_all(leader_); i++) {
      if (has_all(i)) leader_ = i;
    }
    if (!has_all(leader_)) {
      return checks_->Wrong(
          fmt::format("what was below a mark, up to {}, is on no server", checks_->shared_end()));
    }
  }
  int step = 0;
  Await("equal", [&] {
    if (step++ % 1000 == 0) Appoint();
    return Healed();
  });
}

// Also those whose journal has failed are started anew, as their errors say.
void ModelCluster::Appoint() {
  for (size_t i = 0; i < kServers; i++) {
    if (!Serves(i)) continue;
    const journal::Journal* const journal = server(i).storage().journal();
    if (journal != nullptr ? !journal->failed() : server(i).roles().Refusal().ok()) continue;
    Stop(i, Crash::kProcess);
    Start(i);
  }
  Promote(leader_);
  for (size_t i = 0; i < kServers; i++) {
    TellToFollow(i);
  }
}

bool ModelCluster::IsEqual(size_t i) {
  const journal::Journal* const journal = server(leader_).storage().journal();
  if (journal == nullptr || !Serves(i)) return false;
  const replication::Follower* const follower = server(i).roles().follower();
  return follower != nullptr && follower->link_up() && journal->written() == journal->appended() &&
         follower->applied() == journal->written();
}

// What a reckless operator may have done: the leader has removed journal or lost it, and has no
// snapshot that it could give away, or no history in common with the server.
bool ModelCluster::NeedsAll(size_t i) {
  if (!Serves(i)) return false;
  const std::string& error = server(i).roles().error();
  const auto says = [&](const char* text) { return error.find(text) != std::string::npos; };
  return !careful_ &&
         (says("no epoch in common") || says("the follower needs the journal from position"));
}

bool ModelCluster::Healed() {
  if (!Leads(leader_) || !server(leader_).broker().log().sealed()) return false;
  for (size_t i = 0; i < kServers; i++) {
    if (i != leader_ && !IsEqual(i) && !NeedsAll(i)) return false;
  }
  return true;
}

void ModelCluster::Compare() {
  const auto content = LogicalContentOf(server(leader_).keyspace());
  const journal::Journal& journal = *server(leader_).storage().journal();
  for (size_t i = 0; i < kServers; i++) {
    checks_->Look(i);
    if (i == leader_ || NeedsAll(i)) continue;
    Count("a server is equal");
    if (LogicalContentOf(server(i).keyspace()) != content) {
      checks_->Wrong(fmt::format("server {} has another content than the leader", i));
    }
    if (!(server(i).storage().journal()->epochs() == journal.epochs())) {
      checks_->Wrong(fmt::format("server {} has other epochs than the leader", i));
    }
  }
  if (careful_ && !checks_->HasAllThatWasShared(leader_)) {
    checks_->Wrong("the leader lacks what was below a mark");
  }
}

// Everybody is answered; what was acknowledged is there, and nothing is there twice.
void ModelCluster::AskForTheLast() {
  // Else the counting client is refused.
  const auto enough = [&] {
    return !careful_ || (Leads(leader_) && server(leader_).roles().leader()->in_sync().live() >= 2);
  };
  if (!Await("two members of the in-sync set are there", enough)) return;
  for (size_t i = 0; i < kServers; i++) {
    server(i).Ask({"PING"}, kWorker);
    if (i == leader_) server(i).Ask({"LRANGE", kCounterKey, "0", "-1"}, kCounter);
  }
  if (!Await("answered", [&] {
        for (size_t i = 0; i < kServers; i++) {
          if (server(i).unanswered(kWorker) + server(i).unanswered(kCounter) > 0) return false;
        }
        return true;
      })) {
    return;
  }
  if (!careful_) return;
  std::multiset<std::string> found;
  for (const test::Reply& element : listed_.items) {
    found.insert(element.text);
  }
  for (const std::string& element : acknowledged_) {
    if (found.count(element) != 1) {
      return checks_->Wrong(fmt::format("{} was acknowledged once, and is in the list {} times",
                                        element, found.count(element)));
    }
  }
  for (const std::string& element : found) {
    if (found.count(element) > 1) {
      return checks_->Wrong(
          fmt::format("{} was sent once, and is in the list more often", element));
    }
  }
}

// One direction of one link stays dead: the others go on without the one that is not reached.
void ModelCluster::LiveWithADeadLink() {
  const size_t other = (leader_ + 1 + random_.Below(kServers - 1)) % kServers;
  Chance(50) ? HoldLink(leader_, other, true) : HoldLink(other, leader_, true);
  const size_t before = acknowledged_.size();
  int step = 0;
  Await("acknowledged beside a dead link", [&] {
    // Until the set is smaller, a write may be refused.
    if (Leads(leader_) && step++ % 100 == 0) {
      AskCounter(leader_, true);
    }
    return acknowledged_.size() > before;
  });
}

std::string ModelCluster::DescribeRole(ModelServer& server) {
  const Roles& roles = server.roles();
  const journal::Journal* const journal = server.storage().journal();
  std::string text = roles.error();
  if (journal != nullptr) {
    text += fmt::format(" journal from {} to {} (written {}, safe {}), mark {}", journal->first(),
                        journal->appended(), journal->written(), journal->safe(),
                        roles.high_watermark());
  }
  if (const replication::Follower* const follower = roles.follower(); follower != nullptr) {
    text += fmt::format(", applied {}, link {}", follower->applied(),
                        follower->link_up() ? "up" : "down");
  }
  return text;
}

std::string ModelCluster::Describe() {
  std::string text = fmt::format("leader {}\n", leader_);
  for (const auto& each : servers_) {
    if (!each->running()) continue;
    text += each->name() + (each->loading() ? " loads" : "") + ": ";
    if (!each->loading()) text += DescribeRole(*each);
    text += "\n";
  }
  return text;
}

void ModelCluster::Run(int steps) {
  for (size_t i = 0; i < kServers; i++) {
    server(i).SetLeader(i == 0 ? "" : "0");
    Start(i);
  }
  // Whoever leads has the beginning of the one journal.
  Heal();
  Live(steps);
  if (sound()) Heal();
  if (sound()) Compare();
  if (sound()) AskForTheLast();
  if (sound() && careful_ && Chance(25)) LiveWithADeadLink();
  if (sound() && Chance(10)) {
    // What is on the disks is the same, too.
    for (size_t i = 0; i < kServers; i++) {
      Stop(i, AnyCrash(i));
    }
    Heal();
    if (sound()) Compare();
  }
  for (size_t i = 0; i < kServers; i++) {
    counts_["reloads"] += server(i).reloads();
    if (server(i).running()) counts_["cut bytes"] += server(i).roles().dropped_bytes();
  }
}

}  // namespace runnel::sim
