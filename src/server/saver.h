#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/position.h"
#include "base/status.h"
#include "broker/broker.h"
#include "env/clock.h"
#include "env/disk.h"
#include "server/config_values.h"
#include "server/found_state.h"
#include "server/journal_length.h"
#include "snapshot/snapshotter.h"

namespace runnel {

// Decides when the server takes snapshots, and reports their state: on request, by the directives
// `save` and `snapshot-journal-bytes`, and at the end. Each begins at the end of a turn, when the
// keyspace is what the journal holds; when it is durable, the journal in front of it goes. Without
// a journal the position is always the one that was found, so each snapshot replaces the one
// before.
class Saver {
 public:
  // Everything outlives the saver. `disk` is where snapshots and journal lie, in the directory in
  // which the process works. `hold` tells from where on others need the journal (UINT64_MAX: they
  // do not).
  Saver(
      snapshot::Snapshotter& snapshotter, Broker& broker, const ServerOptions& options,
      Clock& clock, Disk& disk,
      std::function<Position()> hold = [] { return std::numeric_limits<Position>::max(); });
  Saver(const Saver&) = delete;
  Saver& operator=(const Saver&) = delete;

  // What the keyspace was loaded from; or the journal is another one now. Ends Suspend. REQUIRES:
  // !busy().
  void StartFrom(const FoundState& found);

  // Nothing is saved or removed any more, until Resume or StartFrom: the journal is about to be
  // cut. A snapshot that is being taken or was asked for is given up, which may take until busy()
  // is false. `why` is for those who ask for one meanwhile.
  void Suspend(const std::string& why);
  void Resume() { suspended_ = {}; }
  // Snapshots that are there, the oldest first.
  const std::vector<Position>& positions() const { return positions_; }
  // The journal was cut at `end`; the snapshots beyond it are gone, and there is still one, or the
  // journal goes back to its beginning, which is at `first`. REQUIRES: !busy().
  void NoteCut(Position end, Position first);

  // The name under which a snapshot is requested and reported. The kinds do not differ otherwise.
  enum class Kind { kSave, kRewrite };

  // Whether a snapshot is being taken, or will be at the end of this turn.
  bool InProgress(Kind kind) const { return running_ == kind || next_ == kind; }
  bool busy() const { return running_ || next_; }
  // Whether a snapshot will be taken when the running one has ended.
  bool scheduled(Kind kind) const { return scheduled_[Index(kind)]; }

  // Why no snapshot may be taken, if so: the journal has failed, so what memory holds is not what
  // was acknowledged; or it is being cut.
  Status Refusal() const;
  // Takes a snapshot of the state at the end of this turn. REQUIRES: !busy().
  void Begin(Kind kind);
  // Takes a snapshot as soon as none is running.
  void Schedule(Kind kind);

  // Whether the end of the server should wait for a snapshot though nobody said so: as in Redis, if
  // `save` has points and something changed; or if the next start would take longer to replay the
  // journal than a snapshot takes.
  bool SavesAtEnd() const;
  // Takes a snapshot of the present state, instead of one that is being taken. Blocks: for the end.
  // `if_possible`: where there is a journal it is given up after shutdown-timeout. REQUIRES: the
  // turn's changes are sealed.
  Status SaveNow(bool if_possible = false);

  // The result of the last snapshot.
  struct Report {
    Status status;         // success before the first
    int64_t seconds = -1;  // that it took; -1 before the first
  };
  const Report& last(Kind kind) const { return last_[Index(kind)]; }
  // Seconds since the running snapshot began; -1 if there is none.
  int64_t current_seconds(Kind kind) const;
  int64_t last_save_s() const { return last_save_s_; }  // Unix time; the start's before the first
  Position last_position() const { return saved_position_; }
  uint64_t saves() const { return saves_; }            // that succeeded
  uint64_t last_bytes() const { return last_bytes_; }  // of the last one's file; 0 before it
  snapshot::Snapshotter::Progress progress() const { return snapshotter_.progress(); }

  // The newest durable snapshot up to `most`: it and the files that it names stay until the second
  // part is destroyed. Nothing if there is none.
  std::optional<std::pair<Position, std::shared_ptr<void>>> Pin(Position most);

  // --- For the loop ---

  // After Broker::EndTurn. Returns whether the next turn should come at once.
  bool Turn();
  // Some times a second: whether one is due.
  void Cron();

 private:
  static size_t Index(Kind kind) { return static_cast<size_t>(kind); }

  void Take();
  size_t Kept() const;
  // How many of the newest snapshots must stay, so that no pinned one goes.
  size_t Pinned() const;
  void LookAtDisk();
  bool RemoveHeldJournal();
  void KeepNewest(size_t kept);
  void RemoveJournal();
  bool ReplayTakesLonger() const;
  void OnDone(const Status& status, const snapshot::SnapshotTotals& totals);
  bool IsDue() const;

  snapshot::Snapshotter& snapshotter_;
  Broker& broker_;
  const ServerOptions& options_;
  Clock& clock_;
  Disk& disk_;
  const std::function<Position()> hold_;
  FoundState found_;

  Status suspended_;  // not OK: it is suspended
  std::optional<Kind> running_;
  std::optional<Kind> next_;  // begins when the turn ends
  bool scheduled_[2] = {};
  int64_t began_us_ = 0;              // steady clock
  std::optional<int64_t> failed_us_;  // when the last one ended, if that was a failure
  uint64_t changes_at_begin_ = 0;
  Position position_ = 0;        // of the one that is taken
  Position saved_position_ = 0;  // of the last that is durable
  Report last_[2];
  int64_t last_save_s_;
  uint64_t saves_ = 0;
  uint64_t last_bytes_ = 0;
  uint64_t data_bytes_ = 0;  // uncompressed, of the last one that was taken or loaded
  // Of the snapshots that stay, the oldest first.
  std::vector<Position> positions_;
  // Positions of those that somebody else reads; shared with what Pin has given.
  const std::shared_ptr<std::multiset<Position>> pins_ =
      std::make_shared<std::multiset<Position>>();
  size_t run_kept_ = 1;                 // how many will stay when the one that is taken is durable
  std::optional<uint64_t> free_bytes_;  // of the disk, a second ago at most
  int64_t looked_us_ = 0;               // when that was
};

}  // namespace runnel
