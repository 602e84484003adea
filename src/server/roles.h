#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "broker/broker.h"
#include "env/clock.h"
#include "env/loop.h"
#include "env/worker.h"
#include "replication/follower.h"
#include "replication/leader.h"
#include "replication/settings.h"
#include "server/config.h"
#include "server/cutter.h"
#include "server/saver.h"
#include "server/storage.h"

namespace runnel {

// Whether this server leads or follows another one, and the change from one to the other. It owns
// the machine of the role: a Leader, which others may follow, or a Follower.
class Roles {
 public:
  // Everything outlives it. `reader` reads the journal's files for followers.
  struct Parts {
    Broker& broker;
    Storage& storage;
    // Makes a connection: Loop::ConnectTcp.
    std::function<std::unique_ptr<Attempt>(const std::string& host, int port, ConnectFunction)>
        connect;
    Clock& clock;
    Worker& reader;
    Config& config;
    Saver& saver;
    std::string run_id;
  };
  explicit Roles(Parts parts);
  ~Roles();
  Roles(const Roles&) = delete;
  Roles& operator=(const Roles&) = delete;

  // Why this server can neither lead nor follow, if so.
  Status Refusal() const;
  // All is loaded: begins in the role that the configuration names. Call it after Broker::KeepIn.
  void Begin();
  // The journal was cut, and the keyspace holds changes that are not in it any more: it is to be
  // emptied (Broker::Unload) and loaded again (Storage::LoadSome). Then OnLoaded is to be called,
  // as Begin is after the start. Until then nothing else of this section may be called.
  bool must_load() const { return must_load_; }
  void OnLoaded();
  // The end: links are closed. Nothing else may be called then.
  void End();

  // --- Commands; each takes effect at the end of the turn ---

  // REPLICAOF. REQUIRES: Refusal() is OK.
  void AskToFollow(std::string host, uint16_t port);
  void AskToLead();
  // REPLICATION FOLLOW: the connection of the session becomes a link. Fails, and changes nothing,
  // if the server that asks cannot follow.
  Status Admit(Session& session, const replication::FollowRequest& request);

  // --- For the loop ---

  // After Broker::EndTurn. Returns whether the next turn should come at once.
  bool Turn();
  // Milliseconds until Turn has something to do though nothing happens; -1: never.
  int64_t NextTimerMs() const;

  // --- What is ---

  // nullptr if the server does not lead, or does not follow.
  const replication::Leader* leader() const { return leader_.get(); }
  const replication::Follower* follower() const { return follower_.get(); }
  // Whether the role is about to change, as a command has asked.
  bool wishes() const { return wanted_.has_value(); }
  // Whether it follows, or is about to.
  bool follows() const { return follows_; }
  // The leader that it follows.
  const std::string& leader_host() const { return host_; }
  uint16_t leader_port() const { return port_; }
  const std::string& node_id() const { return node_id_; }
  // Why the link to the leader is down, as a sentence; empty if nothing is wrong.
  const std::string& error() const {
    return error_.empty() && follower_ != nullptr ? follower_->error() : error_;
  }
  // Bytes of the journal that were cut off because the leader does not have them, since the start.
  uint64_t dropped_bytes() const { return dropped_bytes_; }
  // The journal from here on is needed by others; UINT64_MAX: nothing is.
  Position hold() const;

 private:
  struct Wanted {
    bool follow = false;
    std::string host;
    uint16_t port = 0;
  };

  // Whether the journal is whole and used by the follower alone, so that the role may be changed.
  bool MayChange() const { return cutter_ == nullptr || cutter_->state() <= Cutter::State::kKept; }
  void Change(const Wanted& wanted);
  enum class CaughtUp { kYes, kNotYet, kCannot };
  CaughtUp CatchUp();
  void NoteFollowing();
  void BeginToLead();
  void MakeLeader();
  void MakeFollower(std::optional<replication::Follower::Pending> pending = {});
  void LoseJournal(const Status& why);
  void TakeJournal(journal::Identity identity);
  Status WhyNotCut(Position end) const;
  void BeginToCut();
  void GoOnCutting();
  void AfterCut();
  replication::FollowRequest Introduce() const;

  const Parts parts_;
  replication::ReplicationSettings settings_;
  std::string node_id_;
  bool follows_ = false;
  std::string host_;
  uint16_t port_ = 0;
  std::string error_;  // why it cannot follow, if it does not even try, or not change its role
  uint64_t changes_ = 0;
  std::optional<Wanted> wanted_;
  // A command of this process has named the leader, not the configuration alone.
  bool told_ = false;
  bool must_load_ = false;
  uint64_t dropped_bytes_ = 0;
  std::unique_ptr<replication::Leader> leader_;
  std::unique_ptr<replication::Follower> follower_;
  std::unique_ptr<Cutter> cutter_;          // while the journal is being cut
  replication::Follower::Pending pending_;  // then, when there is no follower
  // Sessions whose connections become links.
  std::vector<std::pair<uint64_t, replication::FollowRequest>> admitted_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace runnel
