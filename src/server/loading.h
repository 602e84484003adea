#pragma once

#include <cstdint>

#include "env/clock.h"

namespace runnel {

// How far the server is with reading what was kept. Now and then that becomes a line in the log.
class Loading {
 public:
  static constexpr int64_t kTellEveryMicros = 2'000'000;

  // The clock outlives this.
  explicit Loading(Clock& clock);

  // So many bytes have been read, of so many, as far as that can be told by now.
  void Reached(uint64_t loaded_bytes, uint64_t total_bytes);

  int64_t start_s() const { return start_s_; }  // Unix time
  uint64_t loaded_bytes() const { return loaded_bytes_; }
  uint64_t total_bytes() const { return total_bytes_; }  // never less than loaded_bytes()
  double percent() const;
  double elapsed_seconds() const;
  // Until the end if it goes on as before, rounded up; 1 when that cannot be told yet: clients wait
  // for so long before they ask again.
  int64_t eta_seconds() const;

 private:
  Clock& clock_;
  const int64_t start_s_;
  const int64_t start_us_;  // steady clock, as below
  int64_t told_us_;
  uint64_t loaded_bytes_ = 0;
  uint64_t total_bytes_ = 0;
};

}  // namespace runnel
