#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/position.h"
#include "base/status.h"
#include "env/worker.h"
#include "journal/set_aside.h"
#include "server/full_sync.h"
#include "server/lost_data.h"
#include "server/saver.h"
#include "server/storage.h"

namespace runnel {

// Copies the frames of the journal from `begin` on, up to what is written now, to journal/dropped:
// on `reader`, while the journal may be used. Calls `done` when they are on the disk, or could not
// be kept; not when *stop is true by then.
void KeepFrames(Storage& storage, Worker& reader, Position begin,
                std::shared_ptr<std::atomic<bool>> stop,
                std::function<void(Result<journal::DroppedFrames>)> done);

// Puts a state of the leader, or an empty one, in the place of all that a follower has. What the
// follower has and the leader does not is first kept in journal/dropped, on a helper thread, while
// the server serves what it has. If the follower's journal does not go back to where the leader's
// parts from it, its newest snapshot, which has the rest, is set aside (lost_data.h). While this
// exists no snapshot is taken or removed.
class StateTaker {
 public:
  // All outlive it. `reader` copies.
  struct Parts {
    Storage& storage;
    Saver& saver;
    Worker& reader;
  };
  struct Change {
    ArrivedSnapshot state;
    // Up to here the leader has the journal of this server, too.
    Position parting = 0;
    // What is here is damaged from this position on.
    std::optional<Position> damaged_from;
    // What is here goes because the disk has no room for both: no snapshot of it is set aside.
    bool makes_room = false;
    // Noted before the old state goes.
    LostData lost;
  };
  StateTaker(Parts parts, Change change);
  // Gives up what is not yet noted. REQUIRES: state() is not kNoting, or the storage ends, too.
  ~StateTaker();
  StateTaker(const StateTaker&) = delete;
  StateTaker& operator=(const StateTaker&) = delete;

  enum class State : uint8_t {
    kWaiting,  // for the end of a snapshot
    kKeeping,  // what the leader does not have is copied
    kNoting,   // the note is being written that makes the new state count
    kNoted,  // it counts: now nobody else may use the journal, and Storage::GiveWay is to be called
    kRefused,  // nothing was changed: status() says why
  };
  State state() const { return state_; }
  const Status& status() const { return status_; }
  Position parting() const { return change_.parting; }
  // Whether there was no state before, by LostData::nothing.
  bool had_nothing() const { return had_nothing_; }
  // Bytes that the leader does not have.
  uint64_t dropped_bytes() const { return dropped_bytes_; }

  // Goes on. For the end of a turn; helper threads wake the loop.
  void Turn();

 private:
  void Keep(Position begin);
  void SetAside();
  std::optional<Position> SnapshotToKeep() const;
  void Note();
  void OnNoted(const Status& status);

  const Parts parts_;
  Change change_;
  State state_ = State::kWaiting;
  Status status_;
  uint64_t dropped_bytes_ = 0;
  const bool had_nothing_;
  const std::shared_ptr<std::atomic<bool>> stop_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace runnel
