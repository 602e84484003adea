#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/ref.h"
#include "data/cold.h"
#include "data/disposer.h"

namespace runnel {

class HotBlocks;

// The account of blocks that a second owner has beside a value, or that it has got from the value:
// the clone of a capture, a value that no key holds any more, a flushed database. What the second
// owner still has and the value has dropped takes memory like the blocks of values; here it counts
// until the second owner ends. The value and the second owner may be on different threads.
class HeldBlocks {
 public:
  // What all such accounts have together. It may outlive the HotBlocks that it belongs to.
  using Sum = std::atomic<uint64_t>;

  // Both have blocks of so many bytes.
  static Ref<HeldBlocks> Share(std::shared_ptr<Sum> sum, uint64_t bytes);
  // Only the second owner has them. `shared` (or null) is the account of a third one, with which
  // the value has shared blocks, as the second owner does now.
  static Ref<HeldBlocks> Hold(std::shared_ptr<Sum> sum, uint64_t bytes,
                              Ref<HeldBlocks> shared = {});

  // For the value: it has dropped blocks of so many bytes. Which ones is not known, so all of them
  // are taken for shared ones, as far as there are any.
  void Drop(uint64_t bytes);
  // For the second owner: it has dropped so much of what only it had; it has dropped everything.
  void Shrink(uint64_t bytes);
  void End();

  void AddRef() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() const {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  static constexpr uint64_t kEnded = UINT64_MAX;

  HeldBlocks(std::shared_ptr<Sum> sum, uint64_t shared) : sum_(std::move(sum)), shared_(shared) {}
  ~HeldBlocks() = default;

  const std::shared_ptr<Sum> sum_;
  mutable std::atomic<uint32_t> references_{1};
  uint64_t shared_;                // that the value may still drop; for its thread only
  std::atomic<uint64_t> held_{0};  // what this counts for in the sum, or kEnded
  Ref<HeldBlocks> third_;
};

// The second owner's end of an account, if there is one.
class BlockHolder {
 public:
  BlockHolder() = default;
  explicit BlockHolder(Ref<HeldBlocks> held) : held_(std::move(held)) {}
  BlockHolder(BlockHolder&&) = default;
  BlockHolder& operator=(BlockHolder&& other) noexcept {
    if (this == &other) return *this;
    End();
    held_ = std::move(other.held_);
    return *this;
  }
  ~BlockHolder() { End(); }

  HeldBlocks* get() const { return held_.get(); }

 private:
  void End() {
    if (held_) held_->End();
  }

  Ref<HeldBlocks> held_;
};

// The blocks of one value, some of which may be given to the disk: what streams and long lists have
// in common for the cold store. A run is written from blocks that are shared with the value, which
// may change meanwhile. When the run is written, the value drops the blocks of it that it still
// has.
class Spillable {
 public:
  Spillable() = default;
  // Neither of the two may be attached.
  Spillable(Spillable&&) = default;
  Spillable& operator=(Spillable&&) = default;
  virtual ~Spillable();

  // From now on the value counts in `hot`, which outlives it, or is removed with nullptr.
  void Attach(HotBlocks* hot);
  HotBlocks* hot() const { return hot_; }

  // A clone of the value, which is attached, is going to share its blocks: what the value drops of
  // them counts until the clone ends. Null if there is hardly anything to share.
  Ref<HeldBlocks> Share();
  // Detaches the value, which is attached and lives on elsewhere: its blocks count until it ends.
  Ref<HeldBlocks> Leave();
  // What Share has made last, for a value that gets other accounts.
  Ref<HeldBlocks> TakeShared() { return std::exchange(shared_, {}); }
  void SetShared(Ref<HeldBlocks> shared) { shared_ = std::move(shared); }

  // Bytes of the blocks in memory that could be given to the disk.
  virtual size_t sealed_bytes() const = 0;
  // The blocks to be written next: about `bytes` bytes, in runs of about `run_bytes` each; the last
  // run may be smaller. The sizes are exceeded by one block at most. Empty if there are none after
  // all.
  virtual std::vector<std::shared_ptr<const BlockRun>> TakeRuns(size_t run_bytes, size_t bytes) = 0;
  // All runs that TakeRuns gave last are now on the disk, in this order. The value drops their
  // blocks, as far as it still has them. It does not keep an extent of which it uses nothing any
  // more.
  struct Written {
    std::shared_ptr<const BlockRun> run;
    Ref<ColdExtent> extent;
  };
  virtual void GiveAway(std::span<const Written> written) = 0;
  // Runs of the value on the disk of which half is dead, or which are alone in their file; their
  // live entries make about one run. Nullptr if there are none after all.
  virtual std::shared_ptr<const RunRewrite> TakeSparse() { return nullptr; }
  // What TakeSparse gave last is on the disk as one run. The value uses it in the place of the runs
  // that were taken, as far as it still has them.
  virtual void Replace(const RunRewrite&, const Written&) {}
  virtual bool has_sparse() const { return false; }
  // An extent of the value to which another may be appended; null if there is none.
  virtual Ref<ColdExtent> newest_extent() const = 0;

  // Blocks of the value are being written: it is not chosen again until this is called with
  // nullptr. *value is set to nullptr if the value is detached or destroyed meanwhile.
  void NoteWriting(Spillable** value);
  bool writing() const { return writing_ != nullptr; }
  // The number in the names of the value's files, which no other value has. 0 until it is set;
  // clones and loaded values begin with 0.
  uint64_t object() const { return object_; }
  void set_object(uint64_t object) { object_ = object; }

 protected:
  struct Totals {
    uint64_t hot_bytes = 0;
    uint64_t cold_entries = 0;
    uint64_t cold_bytes = 0;
  };
  // What the value contributes to the sums of HotBlocks now.
  virtual Totals totals() const = 0;
  // The memory of the blocks has changed by this much, and perhaps also what could be given.
  void Report(uint64_t change) {
    if (hot_ != nullptr) ReportTo(change);
  }
  void ReportCold(uint64_t entries, uint64_t bytes);
  // The blocks that are being written will not be given away.
  void StopWriting();
  // There are runs for TakeSparse.
  void ReportSparse();

 private:
  friend class HotBlocks;

  void ReportTo(uint64_t change);

  HotBlocks* hot_ = nullptr;
  Spillable* next_ = nullptr;
  Spillable* previous_ = nullptr;
  Spillable** writing_ = nullptr;
  Ref<HeldBlocks> shared_;
  uint64_t object_ = 0;
  uint8_t size_class_ = 0;
  bool sparse_noted_ = false;
};

// What the streams and the long lists of a keyspace hold in memory, and which of them hold much. It
// is kept up to date with each block, so reading it costs nothing. The values are in classes by the
// power of two of what they could give to the disk, and in no order within a class.
//
// Each database has a part of its own: its values attach to the part, and the whole has the sums of
// all parts. So a flushed database takes its part away without a walk over its values.
class HotBlocks {
 public:
  HotBlocks() : held_(std::make_shared<HeldBlocks::Sum>(0)) {}
  // A part of `whole`, which outlives it, or which it leaves. A whole is not a part itself.
  explicit HotBlocks(HotBlocks* whole);
  // REQUIRES: no value is attached.
  ~HotBlocks();
  HotBlocks(const HotBlocks&) = delete;
  HotBlocks& operator=(const HotBlocks&) = delete;

  // The values of this part no longer count in the whole, and none of them is marked as being
  // written any more (Spillable::NoteWriting). They stay attached to the part, which may go to
  // another thread with them; until they are detached there, they count as held. The cost does not
  // depend on the number of values. Does nothing if there is no whole.
  void Leave();

  // Memory of the blocks of all values that are attached, those of the parts included.
  uint64_t bytes() const { return bytes_; }
  // Memory of blocks that values had and others still have (HeldBlocks). It may be too large by
  // what values have dropped of newer blocks. Values with less than 4 KiB of blocks do not count.
  uint64_t held_bytes() const { return held_->load(std::memory_order_relaxed); }
  // Live entries of these values on the disk, and the bytes of their blocks.
  uint64_t cold_entries() const { return cold_entries_; }
  uint64_t cold_bytes() const { return cold_bytes_; }

  // One of the values that could give most (within a factor of two; above 256 KiB all are equal and
  // take turns); nullptr if no value has anything to give.
  Spillable* Largest();
  // The value turned out to have nothing to give: it is not chosen again until its blocks change.
  void PassOver(Spillable* value) {
    value->hot_->Unlink(value);
    value->hot_->Link(value, 0);
  }

  // The value that has had runs to be written again for longest (Spillable::TakeSparse), and whose
  // blocks are not being written. It is given once. Nullptr if there is none.
  Spillable* TakeSparse();

  // Frees the blocks if a value drops many at once; with nullptr they are freed in place. Set for
  // the whole, as everything below.
  Disposer* disposer() const { return whole_ == nullptr ? disposer_ : whole_->disposer_; }
  void set_disposer(Disposer* disposer) { disposer_ = disposer; }

  // Two sizes for values that are used at both ends: how many bytes of blocks they keep in memory
  // at each end, and how many bytes beyond that are worth writing. Both are small while memory is
  // tight: the store says so when no value has anything to give. SetTight takes a step for each
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

  // Classes of sealed bytes: below 4 KiB, below 8 KiB, ... from 256 KiB on. The first class also
  // has the values that are being written or have been passed over; none of this class is chosen.
  static constexpr size_t kClasses = 8;
  static constexpr size_t kLeastShift = 12;
  static uint8_t ClassOf(size_t sealed_bytes);

  void Link(Spillable* value, uint8_t size_class);
  void Unlink(Spillable* value);
  // Adds to the sums of this and of the whole. The changes may be negative, in two's complement.
  void Count(uint64_t hot_bytes, uint64_t cold_entries, uint64_t cold_bytes);
  Spillable* LargestOfClass(size_t size_class);
  void Relink();
  HotBlocks& whole() { return whole_ == nullptr ? *this : *whole_; }
  void ForgetSparse(Spillable* value);

  HotBlocks* whole_ = nullptr;
  std::vector<HotBlocks*> parts_;
  size_t next_part_ = 0;             // whose turn it is in Largest
  std::vector<Spillable*> writing_;  // values of which blocks are being written: a few
  std::deque<Spillable*> sparse_;    // of the whole: values that have runs to be written again
  uint64_t bytes_ = 0;
  uint64_t cold_entries_ = 0;
  uint64_t cold_bytes_ = 0;
  Disposer* disposer_ = nullptr;
  std::shared_ptr<HeldBlocks::Sum> held_;  // one for the whole and its parts
  BlockHolder left_;                       // of a part that has left
  bool tight_ = false;
  size_t run_bytes_ = 256 * 1024;
  std::array<Spillable*, kClasses> lists_ =
      {};  // rings; each pointer names the value whose turn is next
};

}  // namespace runnel
