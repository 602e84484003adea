#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace runnel {

// Marks on some of the entries of a block. Marks on the first 63 entries need no memory of their
// own: most blocks have no more, and whoever marks an entry of a block that is in no cache does not
// want to wait for memory twice.
class EntryMarks {
 public:
  EntryMarks() = default;
  EntryMarks(const EntryMarks& other) { *this = other; }
  EntryMarks(EntryMarks&& other) noexcept : bits_(std::exchange(other.bits_, 0)) {}
  EntryMarks& operator=(const EntryMarks& other);
  EntryMarks& operator=(EntryMarks&& other) noexcept {
    std::swap(bits_, other.bits_);
    return *this;
  }
  ~EntryMarks() {
    if (bits_ != 0) Free();
  }

  // True if no entry was ever marked.
  bool empty() const { return bits_ == 0; }
  bool Has(size_t entry) const { return bits_ != 0 && (Word(entry / 64) >> (entry % 64) & 1) != 0; }
  // `entries` is how many the block has now, or more.
  void Mark(size_t entry, size_t entries);
  // How many of the entries in [from, to) are marked.
  size_t Count(size_t from, size_t to) const;
  // Bytes of memory that the marks own.
  size_t MemoryBytes() const { return is_small() ? 0 : (words()[0] + 1) * sizeof(uint64_t); }

 private:
  static constexpr size_t kSmall = 63;

  bool is_small() const { return bits_ == 0 || (bits_ & 1) != 0; }
  uint64_t* words() const { return reinterpret_cast<uint64_t*>(bits_); }
  uint64_t Word(size_t i) const {
    if (is_small()) return i == 0 ? bits_ >> 1 : 0;
    return i < words()[0] ? words()[1 + i] : 0;
  }
  void Free();

  // 0: no mark. Odd: above this bit, a bit for each of the first entries. Otherwise the address of
  // the number of words that follow it, which have a bit for each entry.
  uint64_t bits_ = 0;
};

}  // namespace runnel
