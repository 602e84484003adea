#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/status.h"
#include "data/keyspace.h"
#include "effects/record_window.h"
#include "journal/frame.h"

namespace runnel {

// Applies the frames of a journal to a keyspace, one after the other: for the start of a server,
// for a follower, and for a check of what a start would meet. Each record is compared with the
// state that it meets: what does not fit is a failure that names the position of the frame, the
// record and its effect, and is not applied.
class Applier {
 public:
  static constexpr size_t kWholeFrame = std::numeric_limits<size_t>::max();

  // The keyspace outlives the applier.
  explicit Applier(Keyspace& keyspace) : keyspace_(keyspace) {}

  // Goes on with this frame, whose payload stays valid until done(). REQUIRES: done().
  void Begin(const journal::Frame& frame);
  // Whether all records of the frame are applied.
  bool done() const { return !reader_.has_value(); }
  // Applies the next `budget` records at most. A failure is final, every later call gives it again:
  // the records before the one it names are applied. Fails also if a value has to be read from the
  // disk for that and cannot be.
  Status ApplySome(size_t budget);
  // The whole frame in one call.
  Status Apply(const journal::Frame& frame) {
    Begin(frame);
    return ApplySome(kWholeFrame);
  }

  // Records that were applied since the applier was made.
  uint64_t records() const { return records_; }

  // How many databases the keyspace must have, if it has too few for the record that ApplySome has
  // failed at; 0 otherwise. What later frames need is added by NoteDatabases.
  uint64_t databases_needed() const { return databases_needed_; }
  void NoteDatabases(const journal::Frame& frame);
  // Whether ApplySome has failed at an effect that this version does not know, because a later one
  // may have written it.
  bool met_unknown_effect() const { return met_unknown_effect_; }

 private:
  Status Fail(const std::string& why);
  Status Refuse(const Record& record, const Status& why);
  Status End();

  Keyspace& keyspace_;
  journal::Frame frame_;
  std::optional<RecordWindow> reader_;  // over the frame's payload; nothing when it is applied
  uint64_t in_frame_ = 0;               // records of it that were applied
  uint64_t records_ = 0;
  uint64_t databases_needed_ = 0;
  bool met_unknown_effect_ = false;
  Status failure_;
};

}  // namespace runnel
