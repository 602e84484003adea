#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/position.h"
#include "base/status.h"
#include "env/worker.h"
#include "journal/journal.h"
#include "journal/set_aside.h"
#include "server/saver.h"
#include "server/storage.h"

namespace runnel {

// Cuts the journal of a follower where its leader's parts from it. What is cut is first copied to
// journal/dropped, on a helper thread, while the server serves what it has. While this exists no
// snapshot is taken or removed.
class Cutter {
 public:
  // All outlive it. `reader` copies.
  struct Parts {
    Storage& storage;
    Saver& saver;
    Worker& reader;
  };
  // The journal is to end at `end`, where a frame of it ends and others follow; the state of the
  // keyspace is that of `applied`. Nothing is appended to the journal as long as this exists.
  Cutter(Parts parts, Position end, Position applied);
  // Gives up what is not yet cut. REQUIRES: state() is not kCutting, or the storage ends, too.
  ~Cutter();
  Cutter(const Cutter&) = delete;
  Cutter& operator=(const Cutter&) = delete;

  // Why the journal cannot be cut at `end`, if so. REQUIRES: there is a journal.
  static Status WhyNot(const Parts& parts, Position end);
  // Whether this server can load the state at `end` from what it has, so that the journal may be
  // cut there. REQUIRES: there is a journal.
  static bool CanLoad(const Parts& parts, Position end);

  enum class State : uint8_t {
    kWaiting,  // for the end of a snapshot, and until all of the journal is on the disk
    kKeeping,  // what will be cut is copied
    kKept,     // it lies on the disk: now nobody else may use the journal, and Cut is to be called
    kCutting,  // there is no journal
    kCut,      // there is one again; if must_load(), when the keyspace was emptied and loaded
    kRefused,  // nothing was changed: status() says why
    kFailed,   // there is no journal until a restart: status() says why
  };
  State state() const { return state_; }
  const Status& status() const { return status_; }
  Position end() const { return end_; }
  // What was cut. REQUIRES: kKept, kCutting or kCut.
  const journal::DroppedFrames& dropped() const { return dropped_; }
  // The state of the keyspace has changes that were cut. REQUIRES: kKept, kCutting or kCut.
  bool must_load() const { return dropped_.first_records.value_or(UINT64_MAX) < applied_; }

  // Goes on. For the end of a turn; helper threads wake the loop.
  void Turn();
  // REQUIRES: kKept, and as Storage::Cut.
  void Cut();

 private:
  void Keep();

  const Parts parts_;
  const Position end_;
  const Position applied_;
  State state_ = State::kWaiting;
  Status status_;
  journal::DroppedFrames dropped_;
  const std::shared_ptr<std::atomic<bool>> stop_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace runnel
