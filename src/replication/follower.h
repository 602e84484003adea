#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/position.h"
#include "base/status.h"
#include "data/keyspace.h"
#include "effects/applier.h"
#include "env/clock.h"
#include "env/disk.h"
#include "env/loop.h"
#include "env/worker.h"
#include "journal/journal.h"
#include "replication/cluster_record.h"
#include "replication/cold_ahead.h"
#include "replication/link.h"
#include "replication/published.h"
#include "replication/settings.h"
#include "replication/snapshot_transfer.h"
#include "replication/wire.h"

namespace runnel::replication {

// The side that asks: keeps a connection to a leader, takes the leader's frames into the own
// journal as they are, and applies those that are below the leader's mark.
//
// A step machine like Leader. All times are milliseconds of a clock that only goes forward.
class Follower final : private Link::Owner, private journal::FrameSink {
 public:
  // The leader, as REPLICAOF names it.
  struct Target {
    std::string host;
    uint16_t port = 0;
  };
  // How to authenticate there.
  struct Credentials {
    std::string user;      // empty: the default one
    std::string password;  // empty: none is given
  };

  enum class State : uint8_t {
    kWaiting,     // for the next attempt
    kConnecting,  // a connection is being made
    kGreeting,    // it was greeted, with the password if there is one
    kAsking,      // the leader is asked
    kSyncing,     // a snapshot comes, because the leader has removed journal that is needed
    kStreaming,   // frames come
    kStopped,     // nothing more is tried, because it would be in vain: error() says why
  };

  struct Parts {
    Disk& disk;
    Worker& writer;             // writes the files of snapshots
    journal::Journal& journal;  // that follows (Journal::Follow)
    Keyspace& keyspace;
    Worker& reader;  // reads the own journal's files
    Clock& clock;
    const ReplicationSettings& settings;
    ColdStore* cold;  // nullptr: everything is in memory
    // Whether nothing may be applied now: the disk takes old entries more slowly than they come.
    std::function<bool()> held_up;
    // Whether somebody waits for what will be applied: then the leader hears at once what was
    // written, since its mark may have to move first.
    std::function<bool()> awaited;
    // Makes a connection (Loop::ConnectTcp).
    std::function<std::unique_ptr<Attempt>(const std::string& host, int port, ConnectFunction)>
        connect;
    // Asked at each attempt.
    std::function<Credentials()> credentials;
    // What to tell the leader of this server, without what the journal knows.
    std::function<FollowRequest()> introduce;
    // Why this server does not go on as the welcome says, though it could, if so.
    std::function<Status(const Welcome&)> objection;
    // The record of members, which the leader has sent.
    std::function<void(ClusterRecord)> on_record;
    // The version of the record that is of the leader with this epoch and that the disk has; 0: it
    // has another one.
    std::function<uint64_t(journal::Epoch leader)> kept_record;
    // Whether somebody here subscribes to what the leader publishes, and who gets it.
    std::function<bool()> wants_published;
    PublishedInbox::Deliver on_published;
    uint64_t& dropped_messages;  // published ones that are dropped here are added to this
  };

  // What the journal holds and the keyspace does not.
  struct Pending {
    Position applied = 0;            // the state of the keyspace is that of this position
    std::deque<std::string> frames;  // from there on, as far as they are in memory
    Position data_end = 0;           // beyond this, no frame has records
    std::string own_damage = {};     // as Follower::own_damage
  };

  // Everything outlives it. Without `pending` the state of the keyspace is that of the journal's
  // end.
  Follower(Parts parts, Target target, int64_t now_ms, std::optional<Pending> pending = {});
  ~Follower() override;
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  // Goes on: connects, applies, reports. For the end of a turn, after the journal was flushed.
  // Returns whether there is more to apply, so that the next turn should come at once.
  bool Turn(int64_t now_ms);
  // When Turn has something to do though nothing happens; INT64_MAX: never.
  int64_t next_due_ms() const;

  State state() const { return state_; }
  bool link_up() const { return state_ == State::kStreaming; }
  // The link is up, and this server has all, as safe as its policy says, that the leader had when
  // the link came up. A chained server never says so: the one that it follows may lack what this
  // one has told a leader before.
  bool caught_up() const { return has_all() && !chained_; }
  // The same, also of a server in a chain: it has all that the one that it follows had.
  bool has_all() const { return link_up() && parts_.journal.safe() >= leader_end_; }
  // REQUIRES: link_up().
  const Link& link() const { return *link_; }
  // Since when the connection has stood.
  int64_t connected_ms() const { return connected_ms_; }
  // Since when the link is down; now if it is up.
  int64_t down_since_ms(int64_t now_ms) const { return link_up() ? now_ms : down_since_ms_; }
  // When something came from the leader last.
  int64_t heard_ms() const { return heard_ms_; }
  // Why the link is down, as a sentence; empty if nothing is wrong.
  const std::string& error() const { return error_; }
  // This server has no data, and the leader's journal is another one: the server is to take this
  // identity, with an empty journal, and to make another follower then.
  const std::optional<journal::Identity>& journal_to_take() const { return journal_to_take_; }
  // A state of the leader.
  struct LeaderState {
    journal::Identity identity;   // of the leader's journal
    std::string node_id;          // of the leader
    Position position = 0;        // 0 and no files: no data
    std::vector<SyncFile> files;  // of its snapshot
    // Up to here the leader has the journal of this server, too.
    Position parting = 0;
  };
  // It is here, with all its files beside those of this server: the server is to put it in the
  // place of what it has, and to make another follower then, or to call RefuseState. Nothing more
  // is applied, and there is no link.
  const std::optional<LeaderState>& state_to_take() const { return state_to_take_; }
  // It is not taken, and error() says `why`. The leader is asked again later; what has been fetched
  // stays. REQUIRES: state_to_take().
  void RefuseState(std::string_view why);
  // The files of a snapshot are known; so many bytes of it, and of what is to be kept of the own
  // journal before, are not here: nothing is fetched before GoOnFetching or RefuseRoom is called.
  const std::optional<uint64_t>& room_wanted() const { return room_wanted_; }
  void GoOnFetching() { room_wanted_.reset(); }
  // There is no room for them: error() says `why`. The leader is asked again later; what had been
  // fetched was removed.
  void RefuseRoom(std::string_view why);
  // Somebody has removed what had come: it is fetched from its beginning.
  void ForgetFetched(std::string_view why);
  // What has come is of no use, because another leader is followed, or none: the files are removed
  // beside the loop. REQUIRES: they are not put in the place of what is here.
  void DropFetched();
  // So much room is needed if so many bytes are to come: with what is kept of the own journal, and
  // a little for notes. REQUIRES: room_wanted().
  uint64_t RoomFor(uint64_t bytes) const;
  // The one that is coming; nullptr: none is.
  const SnapshotFetch* fetch() const { return fetch_.get(); }
  // Tells the leader that this server leaves, if the link is up.
  void SayGoodbye(Goodbye goodbye);
  // The leader's journal parts from this one's here, and this one goes on: it is to be cut here
  // first, and another follower is to be made then. Nothing more is applied, and there is no link.
  const std::optional<Position>& cut_to() const { return cut_to_; }
  // The newest epoch of the leader then.
  journal::Epoch leader_epoch() const { return leader_epoch_; }
  // The node id of that leader; empty: none has answered yet.
  const std::string& leader_node() const { return leader_node_; }
  // The node id of the last server in the path of that answer: the one that led.
  const std::string& root_node() const { return root_node_; }
  // The node ids of the server that this one wants to follow, of the one that that one follows, and
  // so on, by what the first said last; empty: it has not said anything.
  const std::vector<std::string>& path() const { return path_; }
  // The server that has answered as a leader follows another one itself.
  bool chained() const { return chained_; }
  // It is not cut, and error() says `why`. The leader is asked again later. REQUIRES: cut_to().
  void RefuseCut(std::string_view why);
  // What is not applied of a journal that will be cut at `end`: for the follower that is made then.
  // This one can only be destroyed.
  Pending TakePending(Position end);
  // Ends the connection, or what there is of one, and tries again at once.
  void Reconnect(std::string_view why);

  // --- Handing over ---

  // Asks the leader to hand over to this server within this time. REQUIRES: link_up().
  void AskToLead(uint32_t wait_ms);
  // The leader has told this server to lead. It holds as long as the link does, so that a leader
  // which is asked on another connection can be sure that it is void.
  const std::optional<TakeOver>& take_over() const { return take_over_; }
  void RefuseTakeOver(std::string_view why);
  // It has accepted that, and does not lead yet.
  bool takes_over() const { return takes_over_; }
  // The server leads, as soon as all is applied: like PrepareToLead, but the link stays, so that
  // the leader can be told (SayGoodbye). Nothing that comes on it matters any more.
  void AcceptTakeOver();
  // The leader has handed over to another server, to be followed instead. Told once.
  std::optional<NewLeader> TakeNewLeader() { return std::exchange(new_leader_, std::nullopt); }
  // The server that this one wants to follow answers that it does not lead. Told once.
  std::optional<NotLeading> TakeNotLeading() { return std::exchange(not_leading_, std::nullopt); }
  // Ends the connection, or what there is of one, as if it had broken: what has come on it and was
  // not dealt with is void.
  void EndLink(std::string_view why);

  // The server is to lead: ends the link for good. All that the journal has written is applied from
  // now on, by Turn.
  void PrepareToLead();
  // A frame could not be applied: error() says why.
  bool cannot_apply() const { return cannot_apply_; }
  // It follows nobody any more: it was to lead, or a frame could not be applied, or the journal has
  // failed. Whoever is to be followed needs another follower.
  bool has_given_up() const {
    const bool waits_for_owner = cut_to_ || state_to_take_ || journal_to_take_;
    return applies_all_ || (state_ == State::kStopped && !waits_for_owner);
  }
  // The state of the keyspace is that of this position.
  Position applied() const { return applied_; }
  // Frames with records are not applied: the journal has data that the keyspace does not show.
  bool has_unapplied_data() const { return applied_ < data_end_; }
  // The leader's, as far as it is known.
  Position high_watermark() const { return known_mark_; }
  // Up to here the leader has this server's journal, too. REQUIRES: room_wanted().
  Position parting() const { return coming_.parting; }
  // Bytes of this server's journal that the leader does not have, which are copied before a state
  // of the leader takes their place. REQUIRES: room_wanted().
  uint64_t bytes_to_keep() const {
    const journal::Journal& journal = parts_.journal;
    const Position from = std::max(coming_.parting, journal.first());
    return journal.written() - std::min(from, journal.written());
  }
  // Where the leader's journal ended when the link came up. REQUIRES: link_up().
  Position leader_end() const { return leader_end_; }
  // The own journal is damaged somewhere after applied(), so that nothing more is applied: why, and
  // where; empty if it is not known to be. The leader is asked for a state then (introduce).
  const std::string& own_damage() const { return own_damage_; }

 private:
  // How long it waits before the first attempt after a failure, and how long at most.
  static constexpr int64_t kFirstWaitMs = 50;
  static constexpr int64_t kMostWaitMs = 2000;
  static constexpr int64_t kReportEveryMs = 10;

  // Link::Owner
  Status OnLine(std::string_view line) override;
  Status OnMessage(MessageType type, std::string_view body) override;
  void OnEnd(std::string_view why) override;
  // journal::FrameSink
  void Take(Position base, std::string_view frame) override;

  void TryToConnect();
  void LookAtJournal();
  bool MayAsk();
  std::string NoRoom() const;
  void Connect();
  void OnConnected(Result<std::unique_ptr<ByteStream>> stream);
  void Ask();
  Status OnWelcome(std::string_view body);
  void OnState(const Welcome& welcome);
  Status OnRefusal(std::string_view refusal);
  Status WhyRing() const;
  Status OnBytes(std::string_view body);
  void Sync();
  Status OnTakeOver(std::string_view body);
  Status OnNewLeader(std::string_view body);
  // Takes the whole frames at the beginning of `bytes` into the journal; returns their size.
  Result<size_t> TakeFrames(std::string_view bytes);
  void RaiseMark();
  Position MayApplyTo() const;
  bool CanApply() const;
  bool Apply(int64_t until_us);
  void ReadOn();
  void HoldBack(bool held_up);
  // What there is to report, and whether it says more than the last report.
  Report Standing() const;
  bool IsNews(const Report& report) const;
  bool IsAwaited() const;
  void MayReport(int64_t now_ms);
  int64_t alive_every_ms() const { return parts_.settings.silence_max_ms / 3; }
  void MaySubscribe();
  void Drop(std::string_view why, bool for_good);

  const Parts parts_;
  const Target target_;
  State state_ = State::kWaiting;
  int64_t now_ms_;
  int64_t retry_ms_;  // when the next attempt is made
  int64_t wait_ms_ = kFirstWaitMs;
  int64_t down_since_ms_;
  int64_t connected_ms_ = 0;
  int64_t heard_ms_;
  std::string error_;
  std::string said_;  // in the log, since the link was up
  std::unique_ptr<Attempt> attempt_;
  std::unique_ptr<Link> link_;
  std::string ended_;   // why the link has ended, to be dealt with in Turn
  bool heard_ = false;  // since the last turn

  std::string partial_;  // the beginning of a frame that is not yet whole
  Position received_ = 0;
  Mark mark_;                // the leader's, as far as it is known
  Position known_mark_ = 0;  // by what the leader has told, and what this server has
  Heartbeat heartbeat_;
  Report reported_;
  int64_t reported_ms_ = 0;

  // Written to the journal and not yet applied, oldest first.
  std::deque<std::string> frames_;
  Position kept_end_;  // where they end; what follows, up to written(), is read from the files
  std::shared_ptr<journal::JournalReader> journal_reader_;  // nullptr, or at kept_end_
  bool reading_ = false;
  bool cannot_apply_ = false;  // the first of them
  bool applies_all_ = false;   // the server is to lead
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  size_t unapplied_bytes_ = 0;
  PublishedInbox inbox_;
  bool subscribed_ = false;  // the leader knows that somebody subscribes here
  bool said_goodbye_ = false;
  // Why it has, if it cannot keep what comes. The leader ends the link: if this side did, the
  // goodbye might be lost.
  std::string leaving_;
  std::optional<TakeOver> take_over_;
  bool takes_over_ = false;
  std::optional<NewLeader> new_leader_;
  std::optional<NotLeading> not_leading_;
  bool no_room_ = false;    // on the disk
  bool held_back_ = false;  // the link is not read from, because too much is not applied
  Position applied_;
  Position data_end_ = 0;  // of the last frame that has records, if one may not be applied
  Applier applier_;
  ColdAhead cold_ahead_;
  std::optional<journal::Identity> journal_to_take_;
  std::optional<Position> cut_to_;
  std::unique_ptr<SnapshotFetch> fetch_;  // also while the link is down
  bool fetch_is_void_ = false;            // the leader has other files: the next one begins anew
  bool room_asked_ = false;               // for what this connection brings
  std::optional<uint64_t> room_wanted_;
  LeaderState coming_;  // without its files
  std::optional<LeaderState> state_to_take_;
  Position leader_end_ = 0;  // when it welcomed this server
  std::string own_damage_;
  journal::Epoch leader_epoch_ = 0;
  std::string leader_node_;
  std::string root_node_;
  std::vector<std::string> path_;
  bool chained_ = false;
  std::string own_node_;  // as it was told to the leader
};

// The first command on a connection to another server.
std::vector<std::string> GreetingOf(const Follower::Credentials& credentials);

}  // namespace runnel::replication
