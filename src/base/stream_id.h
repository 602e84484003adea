#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace runnel {

// The ID of a stream entry: milliseconds (of the Unix clock, where the server chose it) and a
// sequence number that tells entries of one millisecond apart. Ordered by both.
struct StreamId {
  uint64_t ms = 0;
  uint64_t seq = 0;

  auto operator<=>(const StreamId&) const = default;

  static constexpr StreamId Min() { return {0, 0}; }
  static constexpr StreamId Max() {
    return {std::numeric_limits<uint64_t>::max(), std::numeric_limits<uint64_t>::max()};
  }

  // The next or previous possible ID; nothing after Max() or before Min().
  std::optional<StreamId> Next() const;
  std::optional<StreamId> Previous() const;

  // "ms-seq".
  std::string ToString() const;
};

// The longest text of an ID: two numbers of 20 digits and the dash.
inline constexpr size_t kMaxStreamIdText = 41;

// Writes "ms-seq" at `out` (room for kMaxStreamIdText bytes); returns the place after it.
char* WriteStreamId(char* out, StreamId id);

// Makes the texts of IDs that follow one another, which have most of their digits in common.
class StreamIdWriter {
 public:
  // "ms-seq", valid until the next call. kMaxStreamIdText bytes may be read from its beginning.
  std::string_view Text(StreamId id);

 private:
  void WriteMs(uint64_t ms);

  char text_[kMaxStreamIdText] = {};  // of the last ID
  size_t size_ = 0;                   // 0 for none yet
  size_t dash_ = 0;
  StreamId last_;
};

// Reads "ms-seq" or "ms" as Redis does: digits only, leading zeros allowed, each number within 64
// bits. If "-seq" is missing, the sequence number is `missing_seq`.
std::optional<StreamId> ParseStreamId(std::string_view text, uint64_t missing_seq);

}  // namespace runnel
