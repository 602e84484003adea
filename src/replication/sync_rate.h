#pragma once

#include <algorithm>
#include <cstdint>

namespace runnel::replication {

// Keeps what is read of files for followers within so many bytes a second. What was read beyond
// that is a debt, and nothing more is read until it is paid. Times are milliseconds of a clock that
// only goes forward.
class SyncRate {
 public:
  explicit SyncRate(int64_t now_ms) : at_ms_(now_ms) {}

  // Bytes a second.
  static constexpr uint64_t kMostRate = uint64_t{1} << 40;

  // Whether something may be read now. `rate` is in bytes a second, at most kMostRate; 0 for no
  // bound. It may have changed.
  bool MayRead(uint64_t rate, int64_t now_ms) {
    Pay(rate, now_ms);
    return debt_ == 0;
  }
  // So many bytes are read.
  void Count(uint64_t bytes) { debt_ += bytes; }
  // When to ask again after MayRead was false: a second later at most, as the rate may change.
  int64_t ask_again_ms() const {
    return at_ms_ + static_cast<int64_t>(std::min(debt_ * 1000 / rate_ + 1, uint64_t{1000}));
  }

 private:
  // After a longer time everything is paid anyway, or the rate is too low to matter.
  static constexpr uint64_t kMostMs = 1'000'000;

  void Pay(uint64_t rate, int64_t now_ms) {
    rate_ = rate;
    const auto passed_ms = static_cast<uint64_t>(now_ms - at_ms_);
    at_ms_ = now_ms;
    if (rate == 0) debt_ = paid_ = 0;
    if (debt_ == 0) return;
    // In thousandths of a byte, so that a low rate counts in short turns, too.
    paid_ += std::min(passed_ms, kMostMs) * rate;
    const uint64_t whole = std::min(paid_ / 1000, debt_);
    debt_ -= whole;
    paid_ = debt_ == 0 ? 0 : paid_ - whole * 1000;
  }

  int64_t at_ms_;
  uint64_t rate_ = 0;
  uint64_t debt_ = 0;
  uint64_t paid_ = 0;  // of the next byte, in thousandths
};

}  // namespace runnel::replication
