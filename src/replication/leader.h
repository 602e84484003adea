#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/position.h"
#include "base/status.h"
#include "env/byte_stream.h"
#include "env/worker.h"
#include "journal/journal.h"
#include "replication/cluster_record.h"
#include "replication/in_sync_set.h"
#include "replication/journal_pieces.h"
#include "replication/link.h"
#include "replication/published.h"
#include "replication/settings.h"
#include "replication/snapshot_transfer.h"
#include "replication/sync_rate.h"
#include "replication/tail.h"
#include "replication/wire.h"

namespace runnel::replication {

// The side that sends: followers ask for the journal from their end on, and get it, out of memory
// when that is near the end and out of files when it is not. No follower has a buffer of its own;
// it gets no more than a window of bytes that it has not reported.
//
// A server that leads judges its followers, and computes the high watermark (InSyncSet). One that
// follows another server may have followers, too: a chain. It judges nobody, and passes on what its
// own leader says.
//
// A step machine: it has no clock and no thread, and sends when it is called. All times are
// milliseconds of a clock that only goes forward.
class Leader {
 public:
  struct Parts {
    journal::Journal& journal;
    Disk& disk;
    Worker& reader;  // reads the journal's files and those of snapshots, for all followers
    // The newest snapshot whose position is at most this, and from which the journal goes on;
    // nothing if there is none.
    std::function<std::optional<PinnedSnapshot>(Position)> pin_snapshot;
    RecordKeeper& records;
    Member self;  // where clients reach this server
    uint32_t databases = 0;
    uint32_t effects = 0;  // kEffectsVersion
    const ReplicationSettings& settings;
    uint64_t& dropped_messages;  // published ones that a follower has missed are added to this
    // Of a server that follows; if both are nullptr, this one leads. The high watermark as its
    // leader has told it, as far as the journal here goes; and see Welcome::path.
    std::function<Position()> upstream_mark;
    std::function<std::vector<std::string>()> upstream_path;
  };

  // Everything outlives the leader. REQUIRES: the journal follows if there is an upstream; if not,
  // it does not, and a frame of its epoch is in it.
  Leader(Parts parts, int64_t now_ms);
  // Ends all links.
  ~Leader();
  Leader(const Leader&) = delete;
  Leader& operator=(const Leader&) = delete;

  // Why the server that asks cannot follow: a sentence, for it and for its operator. It changes
  // nothing.
  Status Check(const FollowRequest& request) const;
  // The connection of one that may becomes a link. Nothing is being written on the stream, which is
  // started. `id` names the connection, for End. Returns false, and closes it, if Check fails now:
  // what this server had for it may be gone since it was asked.
  bool Accept(std::unique_ptr<ByteStream> stream, FollowRequest request, int64_t now_ms,
              uint64_t id = 0);
  // Whether a state takes the place of what the server that asks has, or it has nothing and gets
  // all.
  bool GivesAll(const FollowRequest& request) const;
  // Ends the connection. The follower may connect anew.
  void End(uint64_t id, std::string_view why);

  // Somebody waits until the in-sync set has the journal up to here. If `question`, somebody also
  // waits until each member of the set has answered something that is sent from now on, which has
  // the number next_question().
  void Await(Position position, bool question);
  uint64_t next_question() const { return heartbeats_ + 1; }
  // Sends what is new: for the end of a turn, when the journal has been flushed. Returns whether
  // the next turn should come at once, because there is more to send than may be in one.
  bool Turn(int64_t now_ms);
  // When Turn has something to do though nothing happens; INT64_MAX: never.
  int64_t next_due_ms() const;

  // The journal from here on is needed by a follower, also by one that has gone lately; UINT64_MAX:
  // nothing is.
  Position hold() const;

  // What is known of a follower.
  struct Peer {
    uint64_t id = 0;
    int64_t since_ms = 0;  // when it connected
    FollowRequest request;
    std::string address;  // where clients reach it
    uint16_t port = 0;
    Report report;
    Position sent = 0;
    int64_t heard_ms = 0;  // when something came from it last
    // It came with a journal that it does not trust, and counts for nothing before it has this.
    Position needs = 0;

    bool doubted() const { return report.written < needs; }
    // Whether it has this journal. One that takes it first does that and connects anew.
    bool online() const { return sent != UINT64_MAX; }
  };
  // Those that are connected.
  size_t followers() const;
  // The positions up to which connected followers have the journal, the foremost first: on their
  // disks (`synced`), or written.
  std::vector<Position> Positions(bool synced) const;
  // The number of connected followers from which something came in the last so many seconds.
  size_t HeardWithin(int64_t seconds, int64_t now_ms) const;
  // Somebody waits until followers have the journal up to here: they report at once when they do.
  // 0: nobody waits. For the next Turn.
  void AwaitFollowers(Position position) { waited_ = position; }
  // Whether this server leads; if not, it follows one.
  bool leads() const { return set_ != nullptr; }
  // REQUIRES: leads().
  const InSyncSet& in_sync() const { return *set_; }
  // Members that are not connected, and whether there are any. This and what follows, up to what is
  // published: REQUIRES: leads().
  std::vector<Member> Missing() const;
  bool misses_any() const;
  // Whether followers may be judged that say nothing: not before it is known whether they follow
  // somebody else.
  void set_may_judge(bool may) { set_->set_may_judge(may); }

  // --- Handing over ---

  // A connected follower that is to lead, as somebody has told it. The oldest such wish since the
  // last call.
  struct Wish {
    std::string node_id;
    int64_t wait_ms = 0;  // it waits for so long
  };
  std::optional<Wish> TakeWish();
  // Whether the record of members says that this server leads.
  bool is_recorded() const;
  // A connected follower that has this journal; nullptr if there is none with this id.
  const Peer* Find(std::string_view node_id) const;
  // Tells the follower to lead; it has the record then. REQUIRES: Find(node_id).
  void TellToTakeOver(std::string_view node_id, const TakeOver& take_over);
  // What it has answered since then.
  enum class Answer : uint8_t { kNone, kLeads, kRefuses, kGone };
  // `why`: the reason of a follower that refuses.
  Answer AnswerOf(std::string_view node_id, std::string* why) const;
  // Tells the other followers who leads. The leader can only be destroyed then.
  void TellOfLeader(std::string_view node_id, const NewLeader& leader);

  // --- What is published ---

  // Whether somebody subscribes on a follower.
  bool wants_published() const { return wants_published_; }
  // For the next Turn. REQUIRES: wants_published().
  void Publish(const Published& published);

  // The server is no member any more. Fails if it is connected, or not known.
  Status Forget(std::string_view node_id) { return set_->Forget(node_id); }
  // Calls visit(const Peer&) for each.
  template <class Visit>
  void ForEachFollower(Visit visit) const;
  // Calls visit(const Peer&, const Link&) for each.
  template <class Visit>
  void ForEachLink(Visit visit) const;

 private:
  struct Follower;
  // A follower that has gone.
  struct Away {
    Position written = 0;
    int64_t since_ms = 0;
  };

  // What a server that asks is told of its journal.
  struct Terms {
    Position parting = 0;
    // It has another journal and no data: it takes this one's identity, and asks again.
    bool takes_journal = false;
    // It must take a state of this server, because it cannot go on from its own.
    bool needs_state = false;
  };
  Result<Terms> TermsFor(const FollowRequest& request) const;
  void ForgetPublished(int64_t now_ms);
  void TellDropped(Follower& follower, int64_t now_ms);
  Position mark() const { return leads() ? set_->mark() : parts_.upstream_mark(); }
  std::optional<PinnedSnapshot> SnapshotFor(const FollowRequest& request) const;
  Follower* FindFollower(std::string_view node_id) const;
  // The connection of this server that has not ended; nullptr: none.
  Follower* Connected(std::string_view node_id) const;
  bool IsMissing(const Member& member) const;
  bool WantsRead(const Follower& follower) const;
  void ChooseReader(int64_t now_ms);
  bool MayRead(Follower& follower);
  void CountRead(uint64_t bytes) {
    if (parts_.settings.sync_rate != 0) sync_rate_.Count(bytes);
  }
  bool Feed(Follower& follower);
  void Read(Follower& follower);
  void OnJournalRead(Follower& follower, const JournalPieces& job);
  void SendBytes(Follower& follower, const Ref<Block>& block, std::string_view bytes);
  bool IsStuck(const Follower& follower) const;
  void SendMark(Follower& follower);
  void SendRecord(Follower& follower);
  bool BeatsNow(int64_t now_ms) const;
  void Beat(int64_t now_ms);
  bool CountsSynced() const {
    return leads() && parts_.journal.sync_policy() == journal::SyncPolicy::kAlways;
  }
  void TellSet(Follower& follower, int64_t now_ms);
  void ForgetAway(int64_t now_ms);
  int64_t heartbeat_every_ms() const;

  const Parts parts_;
  std::unique_ptr<Tail> tail_;  // null without followers
  std::list<std::unique_ptr<Follower>> followers_;
  std::map<std::string, Away> away_;  // by node id
  // Snapshots that followers fetch, or fetched lately; by node id.
  struct Fetched {
    PinnedSnapshot snapshot;
    int64_t until_ms = 0;
  };
  std::map<std::string, Fetched> fetched_;
  std::optional<Position> damaged_snapshot_;  // it could not be read
  std::unique_ptr<InSyncSet> set_;            // nullptr if this server does not lead
  Publisher publisher_;
  bool wants_published_ = false;
  Position awaited_ = 0;     // somebody waits for this
  Position waited_ = 0;      // see AwaitFollowers
  bool questioned_ = false;  // somebody waits for an answer to the next heartbeat
  uint64_t heartbeats_ = 0;  // the number of the last one
  Position seen_written_;    // when it was last looked at
  size_t most_flushed_ = 0;  // to one follower in this turn
  int64_t heartbeat_ms_;     // when it was sent
  SyncRate sync_rate_;
  // Where the rate is bounded: for whom something may be read in this turn.
  const Follower* chosen_ = nullptr;
  int64_t read_again_ms_ = 0;  // when somebody may be chosen again
  uint64_t reads_ = 0;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

struct Leader::Follower final : Link::Owner {
  Status OnLine(std::string_view) override { return Status::Error("a line came"); }
  Status OnMessage(MessageType type, std::string_view body) override;
  void OnEnd(std::string_view why) override { ended = why; }

  Peer peer;
  std::unique_ptr<Link> link;
  std::string ended;   // why it has ended; empty: it has not
  bool heard = false;  // since the last turn
  std::optional<Goodbye> goodbye;
  std::optional<AskToLead> wish;
  std::optional<std::string> refusal;  // of the offer to take over
  bool subscribes = false;             // as it has said
  Publisher::Subscriber subscriber;
  Mark told;                 // the last one that was sent
  uint64_t told_record = 0;  // the version of the last one that was sent
  // While it fetches a snapshot.
  std::unique_ptr<SnapshotSender> sender;
  // While it is served out of files.
  std::shared_ptr<journal::JournalReader> reader;
  bool reading = false;
  uint64_t read_number = 0;  // of the last read of files for it
};

template <class Visit>
void Leader::ForEachLink(Visit visit) const {
  for (const auto& follower : followers_) {
    const Peer& peer = follower->peer;
    if (follower->ended.empty()) visit(peer, static_cast<const Link&>(*follower->link));
  }
}

template <class Visit>
void Leader::ForEachFollower(Visit visit) const {
  ForEachLink([&](const Peer& peer, const Link&) { visit(peer); });
}

}  // namespace runnel::replication
