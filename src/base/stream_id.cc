#include "base/stream_id.h"

#include <cstring>

#include "base/numbers.h"

namespace runnel {

std::optional<StreamId> StreamId::Next() const {
  if (seq != std::numeric_limits<uint64_t>::max()) return StreamId{ms, seq + 1};
  if (ms != std::numeric_limits<uint64_t>::max()) return StreamId{ms + 1, 0};
  return std::nullopt;
}

std::optional<StreamId> StreamId::Previous() const {
  if (seq != 0) return StreamId{ms, seq - 1};
  if (ms != 0) return StreamId{ms - 1, std::numeric_limits<uint64_t>::max()};
  return std::nullopt;
}

std::string StreamId::ToString() const {
  char buffer[kMaxStreamIdText];
  return std::string(buffer, static_cast<size_t>(WriteStreamId(buffer, *this) - buffer));
}

char* WriteStreamId(char* out, StreamId id) {
  out = WriteDecimal(out, id.ms);
  *out++ = '-';
  return WriteDecimal(out, id.seq);
}

char* StreamIdWriter::Write(char* out, StreamId id) {
  constexpr uint64_t kLow = 10'000;
  const uint64_t high = id.ms / kLow;
  if (high == 0) return WriteStreamId(out, id);
  if (high != high_) {
    high_ = high;
    size_ = static_cast<size_t>(WriteDecimal(digits_, high) - digits_);
  }
  std::memcpy(out, digits_, kKeptDigits);
  out += size_;
  const uint64_t low = id.ms % kLow;
  *out++ = static_cast<char>('0' + low / 1000);
  *out++ = static_cast<char>('0' + low / 100 % 10);
  *out++ = static_cast<char>('0' + low / 10 % 10);
  *out++ = static_cast<char>('0' + low % 10);
  *out++ = '-';
  return WriteDecimal(out, id.seq);
}

std::optional<StreamId> ParseStreamId(std::string_view text, uint64_t missing_seq) {
  const size_t dash = text.find('-');
  const std::optional<uint64_t> ms = ParseDigits(text.substr(0, dash));
  if (!ms) return std::nullopt;
  if (dash == std::string_view::npos) return StreamId{*ms, missing_seq};
  const std::optional<uint64_t> seq = ParseDigits(text.substr(dash + 1));
  if (!seq) return std::nullopt;
  return StreamId{*ms, *seq};
}

}  // namespace runnel
