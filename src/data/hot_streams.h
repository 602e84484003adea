#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace runnel {

class EntryLog;

// What the streams of a keyspace hold in memory, and which of them hold much: kept up to date at
// each block, so that to ask costs nothing. The logs are sorted by the power of two of what they
// could give to the disk, without order within one.
class HotStreams {
 public:
  HotStreams() = default;
  ~HotStreams();
  HotStreams(const HotStreams&) = delete;
  HotStreams& operator=(const HotStreams&) = delete;

  // Memory of all blocks of entries.
  uint64_t bytes() const { return bytes_; }
  // Of those streams: entries on the disk, live ones only, and bytes of their blocks.
  uint64_t cold_entries() const { return cold_entries_; }
  uint64_t cold_bytes() const { return cold_bytes_; }

  // One of the logs with the most sealed blocks (within a factor of two; above 256 KiB all count
  // the same, and take turns); nullptr if no log has a sealed block to give.
  EntryLog* Largest();

 private:
  friend class EntryLog;

  // Sealed bytes below 4 KiB, below 8 KiB, ... from 256 KiB on. The first class is not listed.
  static constexpr size_t kClasses = 8;
  static constexpr size_t kLeastShift = 12;
  static uint8_t ClassOf(size_t sealed_bytes);

  void Link(EntryLog* log, uint8_t size_class);
  void Unlink(EntryLog* log);

  uint64_t bytes_ = 0;
  uint64_t cold_entries_ = 0;
  uint64_t cold_bytes_ = 0;
  std::array<EntryLog*, kClasses> lists_ = {};  // rings; each names the one whose turn is next
};

}  // namespace runnel
