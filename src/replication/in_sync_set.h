#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/position.h"
#include "replication/cluster_record.h"
#include "replication/settings.h"
#include "replication/wire.h"

namespace runnel::replication {

// Which followers a leader waits for, and how far they have come together: the in-sync set and the
// high watermark. It proposes changes of the set to the record of members, and judges followers by
// what the leader tells of them.
//
// The rules (Kafka's, with KIP-966): the high watermark is the least position that every member of
// the set has. It never goes back, and it moves only while the set has min-insync-replicas members.
// One that joins counts from the moment it is proposed, one that leaves counts until the record
// without it holds. The recorded set is never made smaller than min-insync-replicas. So each member
// of the recorded set has all that was ever below the mark.
//
// Each server goes by the record that it has: one that takes over takes the members of that for the
// set. So the mark moves only while all members have the record that holds. If one of them did not
// know yet who has left, it might ask that server for what it has lost itself.
//
// A member need not wait until it hears of the mark: it is told what all others have (TellOthers),
// and what it has of that is below the mark, though the leader does not know so yet. So whoever
// joins must have all that was told. One that is about to join counts for what is told from then
// on; so it reaches that, however much is written.
//
// All times are milliseconds of a clock that only goes forward.
class InSyncSet {
 public:
  // Who leads.
  struct Leadership {
    Member self;
    uint64_t journal_id = 0;
    journal::Epoch epoch = 0;
  };
  // A server begins to lead. The members of the record's set stay in it until they are judged, and
  // get the time to connect before that. The server that led before, if it is another one, leaves.
  // `settings` and `keeper` outlive it.
  InSyncSet(const ReplicationSettings& settings, RecordKeeper& keeper, Leadership leadership,
            int64_t now_ms);
  InSyncSet(const InSyncSet&) = delete;
  InSyncSet& operator=(const InSyncSet&) = delete;

  // --- What the leader tells ---

  // How far a follower is.
  struct Progress {
    Position counted = 0;  // what it has: written, or synced if the leader's policy is `always`
    Position applied = 0;
    uint64_t heard = 0;   // the last heartbeat that it has answered
    uint64_t record = 0;  // the version of this leader's record that its disk has; 0: none
  };
  // A follower has connected; its journal ends at `end`. It may be one that was never here. If its
  // journal is not `trusted` (Journal::trusted) and it lacks something, it leaves the set until it
  // has all that is here now.
  void OnConnected(const Member& member, Position end, int64_t now_ms, bool trusted = true);
  // At which host others reach this server, if its member names none: they ask it there who leads
  // when it does not lead any more.
  void NoteOwnHost(std::string_view host);
  void OnProgress(std::string_view node_id, const Progress& progress, int64_t now_ms);
  // Its connection is gone. If it said goodbye, it leaves the set at once, and is no member any
  // more if that was for good.
  void OnGone(std::string_view node_id, std::optional<Goodbye> goodbye, int64_t now_ms);
  // The server is no member any more. Fails if it is connected, or not known.
  Status Forget(std::string_view node_id);

  // Whether members may leave that have not said so; by default they may.
  void set_may_judge(bool may) {
    dirty_ |= may != may_judge_;
    may_judge_ = may;
  }
  // Judges, proposes, and moves the mark. `safe`, `end`: how far this server's journal is safe by
  // its policy, and written. For the end of a turn.
  void Turn(Position safe, Position end, int64_t now_ms);
  // When Turn has something to do though nothing happens; INT64_MAX: never.
  int64_t next_due_ms() const;

  // --- What is ---

  Position mark() const { return mark_; }
  // What every member of the set but this one has, to be told to it. If it is none, or there are
  // too few members, or somebody who is about to join has less, the mark.
  Position TellOthers(std::string_view node_id);
  // Every other member of the set has answered this heartbeat; UINT64_MAX: there is no other.
  uint64_t answered() const;
  // Members that are alive, this server included, as far as it is known.
  uint32_t live() const { return live_; }
  // Members of the set, this server included.
  uint32_t size() const { return size_; }
  // Whether others have to have a change before it counts as kept: the mark is not just what this
  // server has.
  bool shared() const { return !alone_ || settings_.min_insync > 1; }
  bool Has(std::string_view node_id) const;

 private:
  // A follower, by what is known since this server leads.
  struct Peer {
    Member member;
    bool connected = false;
    std::optional<Goodbye> goodbye;
    bool joining = false;  // proposed, so it counts until a record holds that says otherwise
    bool known = false;    // it has connected since this server leads
    // It came back with less than it had reported, or perhaps so, and is not beyond that. It has to
    // reach the mark, and this position.
    bool lost = false;
    Position lost_below = 0;
    Progress progress;
    int64_t since_ms = 0;  // when it connected or was gone
    int64_t heard_ms = 0;
    // When it had all that there was: at a time of which a sample was taken.
    std::optional<int64_t> caught_up_ms;
    struct Sample {
      Position end = 0;
      Position mark = 0;
      int64_t ms = 0;
    } sample;
  };

  // The record that holds, if it is about this journal.
  const ClusterRecord& record() const;
  // Whether the record has it in the set.
  bool IsRecorded(std::string_view node_id) const;
  bool Counts(const Peer& peer) const;
  bool IsAlive(const Peer& peer, int64_t now_ms) const;
  bool IsNear(const Peer& peer, int64_t now_ms) const;
  bool MayJoin(const Peer& peer, int64_t now_ms) const;
  // Why a member leaves; empty if it stays.
  std::string WhyLeaves(const Peer& peer, int64_t now_ms) const;
  // When WhyLeaves would have a reason if nothing came until then.
  int64_t LeavesAtMs(const Peer& peer) const;
  void ForgetStandstill(int64_t now_ms);
  void TakeSamples(int64_t now_ms);
  ClusterRecord Wanted(int64_t now_ms);
  void Propose(int64_t now_ms);
  void OnProposed(const ClusterRecord& next, const Status& status);
  bool AllHaveTheRecord() const;
  void MoveMark();
  void CountLive(int64_t now_ms);

  const ReplicationSettings& settings_;
  RecordKeeper& keeper_;
  Leadership leadership_;
  std::map<std::string, Peer, std::less<>> peers_;
  bool may_judge_ = true;
  // Whether something has happened that may change the record; else it is looked at from time to
  // time only, because a turn must cost little.
  bool dirty_ = true;
  int64_t look_again_ms_ = 0;
  bool proposing_ = false;
  int64_t propose_at_ms_ = 0;  // after a failure
  Position safe_ = 0;
  Position end_ = 0;
  Position mark_ = 0;
  Position told_ = 0;  // the greatest answer of TellOthers
  // What those have for whom TellOthers waits: the least of all, of which member that is (empty: of
  // none that may be asked for), and the least of the others.
  Position least_ = 0;
  std::string least_of_;
  Position next_least_ = 0;
  uint32_t live_ = 1;
  uint32_t size_ = 1;
  bool alone_ = true;  // nobody else counts
  bool short_ = false;
  bool record_is_known_ = true;  // all members have it
  int64_t last_turn_ms_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace runnel::replication
