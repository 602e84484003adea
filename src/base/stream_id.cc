#include "base/stream_id.h"

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

std::string_view StreamIdWriter::Text(StreamId id) {
  const bool same_ms = size_ > 0 && id.ms == last_.ms;
  if (same_ms && id.seq == last_.seq + 1 && text_[size_ - 1] < '9') {
    text_[size_ - 1]++;
  } else {
    if (!same_ms) WriteMs(id.ms);
    size_ = static_cast<size_t>(WriteDecimal(text_ + dash_ + 1, id.seq) - text_);
  }
  last_ = id;
  return {text_, size_};
}

void StreamIdWriter::WriteMs(uint64_t ms) {
  // Times that are near one another differ in the last four digits only.
  constexpr uint64_t kLow = 10'000;
  if (size_ == 0 || ms < kLow || ms / kLow != last_.ms / kLow) {
    dash_ = static_cast<size_t>(WriteDecimal(text_, ms) - text_);
  } else {
    uint64_t low = ms % kLow;
    for (size_t i = 1; i <= 4; i++) {
      text_[dash_ - i] = static_cast<char>('0' + low % 10);
      low /= 10;
    }
  }
  text_[dash_] = '-';
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
