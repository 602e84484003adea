#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "broker/broker.h"
#include "env/clock.h"
#include "env/loop.h"
#include "env/worker.h"
#include "replication/agreed_mark.h"
#include "replication/cluster_record.h"
#include "replication/follower.h"
#include "replication/handover.h"
#include "replication/inquiry.h"
#include "replication/leader.h"
#include "replication/lender.h"
#include "server/config.h"
#include "server/cutter.h"
#include "server/saver.h"
#include "server/state_taker.h"
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
  // Before anything is loaded: reads what is known of other servers. Fails if that is damaged: the
  // message says what to do. Blocks. REQUIRES: Storage::Open was successful.
  Status Open();
  // A server that would lead and knows others asks them first, at most for a second: one of them
  // may have taken over meanwhile. Each call goes on with that. Returns whether Begin may be
  // called. REQUIRES: all is loaded.
  bool MayBegin();
  // Begins in the role that the configuration names, or follows the server that has taken over.
  // If its journal may have lost its end, a server that would lead waits for others first, which
  // have that: see roles_recovery.cc. Call it after Broker::KeepIn. REQUIRES: all is loaded.
  void Begin();
  // The journal was cut, and the keyspace holds changes that are not in it any more: it is to be
  // emptied (Broker::Unload) and loaded again (Storage::LoadSome). Then OnLoaded is to be called,
  // as Begin is after the start. Until then nothing else of this section may be called.
  bool must_load() const { return must_load_; }
  void OnLoaded();
  // Tells the leader that this server ends, and will come back, and has the disk know what the next
  // start may use. Blocks.
  void SayGoodbye();
  // The end: links are closed. Nothing else may be called then.
  void End();

  // --- Commands; each takes effect at the end of the turn ---

  // REPLICAOF. REQUIRES: Refusal() is OK.
  // `force`: what two servers had agreed on may be cut off for that.
  void AskToFollow(std::string host, uint16_t port, bool force = false);
  void AskToLead();
  // The same for a server whose link is up, but the leader is asked to hand over first; it goes on
  // if the leader does not within a second.
  void AskToLeadAfterLeader();
  // FAILOVER. Writes are held from now on, until the follower leads, and this server follows it, or
  // until that is given up. REQUIRES: leader() != nullptr; failover() is kNone.
  void HandOver(replication::Handover::Wish wish);
  // REQUIRES: failover() is kWaiting.
  void AbortHandOver(std::string why);
  enum class Failover : uint8_t { kNone, kWaiting, kInProgress };
  Failover failover() const;
  // Why this server must not lead, if so: an error of the clients' protocol. Others may have
  // changes that it lacks.
  Status WhyNotLead() const;
  // Whether it has all that was ever acknowledged by all in-sync replicas, as far as it knows: it
  // is in the recorded set, trusts its journal, and has not heard of a later leader.
  bool may_be_promoted() const {
    return in_recorded_set() && trusted() && !heard_of_later_leader();
  }
  // Whether the record has it in the set, and its journal has not failed.
  bool in_recorded_set() const;
  // Whether its journal, if there is one now, has lost nothing of what it has told others that it
  // has.
  bool trusted() const;
  // Whether it has heard of a later leader than the one whose record it has: that one may have gone
  // on without this server.
  bool heard_of_later_leader() const;
  // REPLICATION FORGET. Fails if this server does not lead, or as Leader::Forget.
  Status Forget(std::string_view node_id);
  // REPLICATION FOLLOW: the connection of the session becomes a link. Fails, and changes nothing,
  // if the server that asks cannot follow.
  Status Admit(Session& session, const replication::FollowRequest& request);

  // --- Configuration ---

  // Directives about replication have changed.
  void TakeSettings();
  // What this server tells its leader about itself has changed: it connects anew.
  void IntroduceAnew();

  // --- Connections to other servers: see BrokerHost ---

  std::vector<ServerLink> Links() const;
  void EndLink(uint64_t id);

  // --- For the loop ---

  // After Broker::EndTurn. Returns whether the next turn should come at once.
  bool Turn();
  // Milliseconds until Turn has something to do though nothing happens; -1: never.
  int64_t NextTimerMs() const;

  // --- What is ---

  const replication::ReplicationSettings& settings() const { return settings_; }
  // See BrokerHost.
  size_t good_followers() const;
  // Those that have this journal, and of these, those that have not written all of it.
  bool has_followers() const { return leader_ != nullptr && !leader_->Positions(false).empty(); }
  size_t LaggingFollowers() const;
  bool leader_is_lost() const {
    return follows_ && (follower_ == nullptr || !follower_->link_up());
  }
  // nullptr if the server does not lead, or does not follow.
  const replication::Leader* leader() const { return leader_.get(); }
  const replication::Follower* follower() const { return follower_.get(); }
  // What serves the followers of this server: leader(), or, if it follows and others follow it,
  // what serves those. nullptr: neither.
  const replication::Leader* serving() const {
    return leader_ != nullptr ? leader_.get() : relay_.get();
  }
  // Whether the role is about to change, as a command has asked.
  bool wishes() const { return wanted_.has_value(); }
  // Whether it follows, or is about to.
  bool follows() const { return follows_; }
  // The leader that it follows.
  const std::string& leader_host() const { return host_; }
  uint16_t leader_port() const { return port_; }
  const std::string& node_id() const { return node_id_; }
  // What this server says of who leads: the reply to REPLICATION LEADER.
  replication::LeaderClaim Claim() const;
  // Who belongs together, as far as this server knows; nullptr without a journal.
  const replication::ClusterRecord* record() const {
    return records_ == nullptr ? nullptr : &records_->now();
  }
  // Why the link to the leader is down, as a sentence; empty if nothing is wrong.
  const std::string& error() const;
  // Its journal is being cut, or is about to be.
  bool cuts() const { return cutter_ != nullptr; }
  // It has lost what it had, and has nothing to serve until the leader, or the server that it
  // follows, has given it all.
  bool lacks_state() const;
  // Bytes of the journal that were cut off because the leader does not have them, since the start.
  uint64_t dropped_bytes() const { return dropped_bytes_; }
  // Messages that were published on a leader, and that a follower has not got, since the start: on
  // either side.
  uint64_t dropped_messages() const { return dropped_messages_; }
  // As far as this server knows it.
  Position high_watermark() const;
  // The journal from here on is needed by others; UINT64_MAX: nothing is.
  Position hold() const;

 private:
  struct Wanted {
    bool follow = false;
    std::string host;
    uint16_t port = 0;
    bool force = false;
    bool by_word = false;  // a person, or a Sentinel, has said so
    enum class How : uint8_t {
      kAlone,       // whatever the leader says
      kAfterAsked,  // the leader is asked to hand over
      kTakesOver,   // the leader has handed over
    } how = How::kAlone;
    int64_t until_ms = 0;  // kAfterAsked: when it goes on alone; 0: the leader is not asked yet
  };

  // How it gets back what its journal may have lost, before it leads.
  struct Recovery {
    int64_t since_ms = 0;
    int64_t ask_again_ms = 0;
    int64_t fetch_until_ms = 0;  // by then the link is to be up, if what is missing is fetched
  };

  Position MayApplyTo(uint64_t journal_id) const;
  bool NeedsRecovery() const;
  void BeginToRecover();
  void GoOnRecovering(int64_t now_ms);
  void LookAtAnswers(const std::vector<replication::Inquiry::Answer>& answers, int64_t now_ms);
  bool KnowsEnough(const std::vector<replication::Inquiry::Answer>& answers, int64_t now_ms);
  void FetchFrom(const replication::Inquiry::Answer& answer, int64_t now_ms);
  Status WhyNotLend(const replication::FollowRequest& request) const;
  void Lend(std::unique_ptr<ByteStream> stream, const replication::FollowRequest& request,
            int64_t now_ms);
  void GoOnLending(int64_t now_ms);
  int64_t NextOfRecovery() const;
  void NoteCaughtUp();
  void LetFollowerGo();
  // Whether the journal is whole and used by the follower alone, so that the role may be changed.
  bool MayChange() const {
    return (taker_ == nullptr || taker_->state() < StateTaker::State::kNoting) &&
           (cutter_ == nullptr || cutter_->state() <= Cutter::State::kKept);
  }
  void HearLeader();
  Status WhyNotTakeOver(const replication::TakeOver& take_over) const;
  bool WaitsForLeader(int64_t now_ms);
  void GoOnHandingOver(int64_t now_ms);
  void FollowTarget();
  struct Upstream {
    std::function<Position()> mark;
    std::function<std::vector<std::string>()> path;
  };
  std::unique_ptr<replication::Leader> MakeServing(Upstream upstream);
  replication::Leader* mutable_serving();
  replication::Leader& Relay();
  void EndRelay();
  bool TurnRelay(int64_t now_ms);
  Status WhyNotRelay(const replication::FollowRequest& request);
  bool Follows(std::string_view node_id) const;
  bool IsWithin(const replication::FollowRequest& request) const;
  bool MayLeadAgain() const;
  void BeginToLeadAgain();
  void GoOnLeadingAgain(int64_t now_ms);
  void AcceptAdmitted(int64_t now_ms);
  void FollowUntold(std::string host, uint16_t port);
  void Serve(std::unique_ptr<ByteStream> stream, replication::FollowRequest request, int64_t now_ms,
             uint64_t id);
  void Change(const Wanted& wanted);
  enum class CaughtUp { kYes, kNotYet, kCannot };
  CaughtUp CatchUp();
  void FollowOn();
  void NoteFollowing();
  void BeginToLead();
  void MakeLeader();
  bool Ask(const std::vector<replication::Member>& whom);
  void AskAgain(int64_t now_ms);
  std::optional<Wanted> TakeNewerLeader();
  std::optional<replication::PinnedSnapshot> PinSnapshot(Position most);
  bool TellBroker();
  void TapPublished();
  bool wants_published() const;
  void Deliver(const replication::Published& published);
  void NoteAgreed(int64_t now_ms);
  void MakeFollower();
  void LoseJournal(const Status& why);
  void TakeJournal(journal::Identity identity);
  Status WhyNotAsWelcomed(const replication::Welcome& welcome) const;
  void BeginToTake(const replication::Follower::LeaderState& state, LostData lost);
  bool LowerAgreed(Position end);
  bool takes_state() const { return change_ || taker_ != nullptr; }
  void GoOnTaking();
  void LookForRoom();
  void OnRoom(const Room& room);
  void NoteOwnDamage();
  void NoteSomething();
  void NoteWelcomed();
  Status WhyNotCut(Position end) const;
  void BeginToCut();
  void GoOnCutting();
  void AfterCut();
  replication::FollowRequest Introduce() const;
  // With what it authenticates at other servers.
  replication::Follower::Credentials Credentials() const;
  // Whether it may lead though others may have more than it has.
  bool may_take_over() const;
  // Somebody leads, or has led, this server's journal in this epoch.
  void Hear(journal::Epoch epoch);
  void TakeRecord(replication::ClusterRecord record);
  void LeaveSet();

  const Parts parts_;
  replication::ReplicationSettings settings_;
  std::string node_id_;
  std::unique_ptr<replication::RecordFile> records_;
  std::unique_ptr<replication::AgreedMark> agreed_;
  bool force_ = false;  // REPLICAOF ... FORCE
  bool follows_ = false;
  std::string host_;
  uint16_t port_ = 0;
  std::string error_;  // why it cannot follow, if it does not even try, or not change its role
  uint64_t changes_ = 0;
  std::optional<int64_t> note_again_ms_;  // when it is noted again that the journal follows
  uint64_t link_id_ = 0;                  // of the connection to the leader
  std::optional<Wanted> wanted_;
  // A command of this process has named the leader, not the configuration alone.
  bool told_ = false;
  // A person, or a Sentinel, has said that it is to follow that one: REPLICAOF.
  bool by_word_ = false;
  bool must_load_ = false;
  uint64_t dropped_bytes_ = 0;
  uint64_t dropped_messages_ = 0;
  bool taps_published_ = false;
  std::unique_ptr<replication::Leader> leader_;
  std::unique_ptr<replication::Follower> follower_;
  // Serves the followers of a server that follows: while there is a follower_.
  std::unique_ptr<replication::Leader> relay_;
  std::vector<std::string> relay_path_;  // Welcome::path, as they were told
  // The server that this one follows yields to it; the others are asked.
  bool leads_again_ = false;
  // Whether somebody else leads, in a newer epoch.
  std::unique_ptr<replication::Inquiry> inquiry_;
  bool asked_ = false;  // before the beginning
  int64_t ask_again_ms_ = 0;
  std::optional<Wanted> took_over_;  // found before the beginning
  // The newest epoch of which it has heard, and of which journal that is.
  uint64_t heard_journal_id_ = 0;
  journal::Epoch heard_epoch_ = 0;
  std::unique_ptr<replication::Handover> handover_;  // while one is under way
  // This server has handed over to the one that it follows: who asks is sent there.
  bool handed_over_ = false;
  // That one may not lead: the link to it has not been up yet.
  bool on_trial_ = false;
  // While a state of the leader takes the place of what is here.
  std::unique_ptr<StateTaker> taker_;
  std::optional<StateTaker::Change> change_;  // what it is to do, before there is one
  // Why this server cannot go on from its own data; empty: it can.
  std::string anew_;
  bool looking_for_room_ = false;
  std::unique_ptr<Cutter> cutter_;  // while the journal is being cut
  // What a follower still has to apply, when there is none: for the next one. Without it, the
  // keyspace has all that the journal has.
  std::optional<replication::Follower::Pending> pending_;
  std::optional<Recovery> recovery_;
  // Gives the leader that has started again what that may have lost.
  std::unique_ptr<replication::Lender> lender_;
  // Sessions whose connections become links.
  std::vector<std::pair<uint64_t, replication::FollowRequest>> admitted_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace runnel
