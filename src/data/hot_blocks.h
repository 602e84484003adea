#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/cold.h"
#include "data/disposer.h"

namespace runnel {

class HotBlocks;

// The blocks of one value, some of which may be given to the disk: what a stream and a long list
// have in common for whoever does that. A run is written from blocks that are shared with the
// value, which goes on meanwhile; when it is written the value lets go of what it still has of it.
class Spillable {
 public:
  Spillable() = default;
  // Neither of the two may be attached.
  Spillable(Spillable&&) = default;
  Spillable& operator=(Spillable&&) = default;
  virtual ~Spillable();

  // From now on the value counts in `hot`, which outlives it or is taken away with nullptr.
  void Attach(HotBlocks* hot);
  HotBlocks* hot() const { return hot_; }

  // What could be given: bytes of blocks in memory.
  virtual size_t sealed_bytes() const = 0;
  // The blocks that are to go next: about `bytes` bytes in runs of about `run_bytes` each; the last
  // may be smaller. What is more than about is at most a block. Empty if there are none after all.
  virtual std::vector<std::shared_ptr<const BlockRun>> TakeRuns(size_t run_bytes, size_t bytes) = 0;
  // The runs that TakeRuns gave last are now on the disk, all of them, in that order: their blocks
  // are let go of, as far as they are still here. An extent of which nothing is used any more is
  // not kept.
  struct Written {
    std::shared_ptr<const BlockRun> run;
    Ref<ColdExtent> extent;
  };
  virtual void GiveAway(std::span<const Written> written) = 0;
  // An extent of the value to which another may be appended; null if there is none.
  virtual Ref<ColdExtent> newest_extent() const = 0;

  // While blocks of it are being written, the value must not be chosen again; *value is nulled if
  // it is detached or goes meanwhile. nullptr ends that.
  void NoteWriting(Spillable** value);
  // By this number the value's files are told from those of others. 0 until it is set; clones and
  // loaded values begin with 0.
  uint64_t object() const { return object_; }
  void set_object(uint64_t object) { object_ = object; }

 protected:
  struct Totals {
    uint64_t hot_bytes = 0;
    uint64_t cold_entries = 0;
    uint64_t cold_bytes = 0;
  };
  // What the value counts for now.
  virtual Totals totals() const = 0;
  // The memory of the blocks has changed by so much, and with it, perhaps, what could be given.
  void Report(uint64_t change) {
    if (hot_ != nullptr) ReportTo(change);
  }
  void ReportCold(uint64_t entries, uint64_t bytes);
  // What is being written will not be given away.
  void StopWriting();
  bool writing() const { return writing_ != nullptr; }

 private:
  friend class HotBlocks;

  void ReportTo(uint64_t change);

  HotBlocks* hot_ = nullptr;
  Spillable* next_ = nullptr;
  Spillable* previous_ = nullptr;
  Spillable** writing_ = nullptr;
  uint64_t object_ = 0;
  uint8_t size_class_ = 0;
};

// What the streams and the long lists of a keyspace hold in memory, and which of them hold much:
// kept up to date at each block, so that to ask costs nothing. The values are sorted by the power
// of two of what they could give to the disk, without order within one.
//
// What one database holds is a part of what the keyspace holds: its values attach to the part, and
// the whole has the sums. So a database that is flushed takes its part away without a look at its
// values.
class HotBlocks {
 public:
  HotBlocks() = default;
  // A part of `whole`, which outlives it or is left. A whole is no part itself.
  explicit HotBlocks(HotBlocks* whole);
  // REQUIRES: no value is attached.
  ~HotBlocks();
  HotBlocks(const HotBlocks&) = delete;
  HotBlocks& operator=(const HotBlocks&) = delete;

  // The values of this part do not count in the whole any more, and none of them is being written
  // (Spillable::NoteWriting). They stay attached to the part, which may go to another thread with
  // them. Costs nothing per value. Does nothing if there is no whole.
  void Leave();

  // Memory of all blocks that count, those of the parts included.
  uint64_t bytes() const { return bytes_; }
  // Of those values: entries on the disk, live ones only, and bytes of their blocks.
  uint64_t cold_entries() const { return cold_entries_; }
  uint64_t cold_bytes() const { return cold_bytes_; }

  // One of the values that could give most (within a factor of two; above 256 KiB all count the
  // same, and take turns); nullptr if none has anything to give.
  Spillable* Largest();
  // The value turned out to have nothing to give: it is not chosen until its blocks change.
  void PassOver(Spillable* value) {
    value->hot_->Unlink(value);
    value->hot_->Link(value, 0);
  }

  // Where many blocks go that a value lets go of at once; nullptr frees them in place. Set for the
  // whole, as all below.
  Disposer* disposer() const { return whole_ == nullptr ? disposer_ : whole_->disposer_; }
  void set_disposer(Disposer* disposer) { disposer_ = disposer; }

  // Memory of blocks that a value which is used at both ends should keep at each of them, and from
  // how many bytes on it is worth writing what it has beyond that. Both are small while memory is
  // tight, which is said when nobody has anything to give any more; that costs a step for each
  // value that counts here.
  size_t kept_bytes() const { return tight() ? run_bytes() / 16 : 2 * run_bytes(); }
  size_t least_given() const { return tight() ? run_bytes() / 4 : run_bytes(); }
  bool tight() const { return whole_ == nullptr ? tight_ : whole_->tight_; }
  void SetTight(bool tight);

  // The size of the runs that are written; set for the whole.
  size_t run_bytes() const { return whole_ == nullptr ? run_bytes_ : whole_->run_bytes_; }
  void set_run_bytes(size_t bytes) { run_bytes_ = bytes; }

 private:
  friend class Spillable;

  // Sealed bytes below 4 KiB, below 8 KiB, ... from 256 KiB on. In the first class are also those
  // that are being written or have been passed over; none of it is chosen.
  static constexpr size_t kClasses = 8;
  static constexpr size_t kLeastShift = 12;
  static uint8_t ClassOf(size_t sealed_bytes);

  void Link(Spillable* value, uint8_t size_class);
  void Unlink(Spillable* value);
  // Adds to the sums of this and of the whole. The changes may be negative, in two's complement.
  void Count(uint64_t hot_bytes, uint64_t cold_entries, uint64_t cold_bytes);
  Spillable* LargestOfClass(size_t size_class);
  void Relink();

  HotBlocks* whole_ = nullptr;
  std::vector<HotBlocks*> parts_;
  size_t next_part_ = 0;             // whose turn it is in Largest
  std::vector<Spillable*> writing_;  // values of which blocks are being written: a few
  uint64_t bytes_ = 0;
  uint64_t cold_entries_ = 0;
  uint64_t cold_bytes_ = 0;
  Disposer* disposer_ = nullptr;
  bool tight_ = false;
  size_t run_bytes_ = 256 * 1024;
  std::array<Spillable*, kClasses> lists_ = {};  // rings; each names the one whose turn is next
};

}  // namespace runnel
