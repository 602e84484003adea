#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "base/ref.h"

// Entries of streams and elements of lists that are on the disk instead of in memory, as far as
// their value must know: a handle for each piece, and what happens when a piece is needed that is
// not in memory. The pieces are written and read above this layer (cold/cold_store.h).

namespace runnel {

class ColdSource;

// The type of value that a run belongs to. The numbers are stored in files: never reuse one.
enum class RunKind : uint8_t {
  kStream = 0,  // EntryRun
  kList = 1,    // ListRun
};

// Consecutive blocks of one value: what is written as one extent, and what an extent unpacks to. It
// never changes, and may be used on any thread.
class BlockRun {
 public:
  explicit BlockRun(RunKind kind) : kind_(kind) {}
  virtual ~BlockRun() = default;
  BlockRun(const BlockRun&) = delete;
  BlockRun& operator=(const BlockRun&) = delete;

  RunKind kind() const { return kind_; }
  // The number of blocks, their bytes in memory, and the number of their live entries.
  virtual size_t blocks() const = 0;
  virtual uint64_t block_bytes() const = 0;
  virtual uint64_t entries() const = 0;
  // All that the run takes in memory.
  virtual size_t MemoryBytes() const = 0;
  // Appends what Load reads.
  virtual void Serialize(Encoder* out) const = 0;
  // Returns nullptr if the bytes are no such run. Allocates at most a small multiple of their size.
  static std::shared_ptr<const BlockRun> Load(RunKind kind, Decoder* in);

 private:
  const RunKind kind_;
};

// Runs on the disk of which much is dead, taken to be written again as one run.
class RunRewrite {
 public:
  virtual ~RunRewrite() = default;
  // Reads the runs; returns a run of what lived in them when they were taken. Waits for the disk;
  // throws ColdFailure. Any thread.
  virtual std::shared_ptr<const BlockRun> Read() const = 0;
};

// A run that was written to the disk. Values that were cloned from one another share extents; each
// value knows itself which entries of an extent are still live.
//
// Unless said otherwise, members are for the loop's thread. References may be dropped on any
// thread.
class ColdExtent {
 public:
  ColdExtent(ColdSource* source, RunKind kind, uint32_t raw_bytes, uint32_t blocks)
      : source_(source), raw_bytes_(raw_bytes), blocks_(blocks), kind_(kind) {}
  virtual ~ColdExtent() = default;
  ColdExtent(const ColdExtent&) = delete;
  ColdExtent& operator=(const ColdExtent&) = delete;

  // The blocks as they were written, if they are in memory; nullptr otherwise. Valid until the end
  // of the turn, and as long as they are pinned.
  const BlockRun* loaded() const { return loaded_; }
  // The same, and marks them as used for the cache; throws as ColdSource::NoteUse does.
  inline const BlockRun* Use() const;

  ColdSource& source() const { return *source_; }
  // What loaded() is. Any thread.
  RunKind kind() const { return kind_; }
  // Bytes of the blocks in memory, and how many blocks that are. Any thread.
  uint32_t raw_bytes() const { return raw_bytes_; }
  uint32_t blocks() const { return blocks_; }

  // Appends the description by which ColdSource::Resolve finds the extent. Any thread.
  virtual void Describe(Encoder* out) const = 0;
  // Whether it is one of few extents that keep a file, most of which is dead.
  virtual bool IsLonely() const { return false; }

  void AddRef() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() const {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  // True if the caller holds the only reference.
  bool unique() const { return references_.load(std::memory_order_acquire) == 1; }

  // For the source: notes that the command with this number has counted the extent. Returns false
  // if it had already done so.
  bool CountIn(uint64_t command) const {
    if (counted_in_ == command) return false;
    counted_in_ = command;
    return true;
  }
  bool counted_in(uint64_t command) const { return counted_in_ == command; }

 protected:
  const BlockRun* loaded_ = nullptr;
  mutable bool used_ = false;

 private:
  mutable uint64_t counted_in_ = 0;
  mutable std::atomic<uint32_t> references_{1};
  ColdSource* const source_;
  const uint32_t raw_bytes_;
  const uint32_t blocks_;
  const RunKind kind_;
};

using ColdExtents = std::vector<Ref<ColdExtent>>;

// Brings extents into memory. Outlives all of them.
class ColdSource {
 public:
  virtual ~ColdSource() = default;

  // When it returns, all of these are in memory, at least until the end of the turn. It may throw
  // ColdMiss instead of waiting for the disk. It throws ColdFailure if an extent cannot be read, or
  // if the running command would need more in memory at once than a command may have.
  virtual void Fetch(const ColdExtents& extents) = 0;
  // For a walk that needs each extent once. Returns the blocks of the first extent of `window`,
  // which stay in memory as long as the caller keeps them. Throws as Fetch does; a miss asks for
  // all of `window`, as ColdMiss::passing.
  virtual std::shared_ptr<const BlockRun> Pass(const ColdExtents& window) = 0;
  // The blocks of an extent in memory are about to be used. Throws ColdFailure, as Fetch does, for
  // a command that needs too much.
  virtual void NoteUse(const ColdExtent&) {}
  // The running command keeps this many bytes of what it has found. Throws as NoteUse does.
  virtual void NoteKept(uint64_t) {}
  // These extents will probably be needed soon: they may be read ahead.
  virtual void Expect(const ColdExtents& extents) = 0;
  // The blocks of an extent, from memory or from the disk; they stay as long as the caller keeps
  // them. Waits for the disk; throws ColdFailure. Any thread.
  virtual std::shared_ptr<const BlockRun> Read(const ColdExtent& extent) = 0;
  // The extent that Describe() described; null if the bytes are no description, or if the file does
  // not exist.
  virtual Ref<ColdExtent> Resolve(Decoder* in) = 0;
};

// ColdSource::Fetch and Expect for extents of one source; nothing happens if there are none.
inline void FetchExtents(const ColdExtents& extents) {
  if (!extents.empty()) extents.front()->source().Fetch(extents);
}
inline void ExpectExtents(const ColdExtents& extents) {
  if (!extents.empty()) extents.front()->source().Expect(extents);
}
// When a walk enters a run, about this many runs after it are asked for.
inline constexpr size_t kRunsAhead = 4;

// Thrown through a command that has looked at entries which are not in memory and has changed
// nothing yet: the command runs again when these entries have been read. (An exception is right
// here: every command that looks at entries may meet one, deep in a walk; this is rare, always
// together with a disk read, and no command can do anything about it.)
struct ColdMiss {
  // These stay in memory until the command has ended.
  ColdExtents missing;
  // These stay in memory until the command has run once more. For a walk over more data than may be
  // in memory at once; the walk keeps what it has found as a ColdProgress.
  ColdExtents passing = {};
};

// What a command has found in cold data when it misses; kept for its next run.
class ColdProgress {
 public:
  virtual ~ColdProgress() = default;
};

// Thrown if entries cannot be read: the disk failed, or its data is damaged.
struct ColdFailure {
  std::string message;  // names the file and the offset
  // True if nothing has failed, but the command needs more cold data in memory than it may have.
  bool too_much = false;
};

const BlockRun* ColdExtent::Use() const {
  used_ = true;
  if (loaded_ != nullptr) source_->NoteUse(*this);
  return loaded_;
}

}  // namespace runnel
