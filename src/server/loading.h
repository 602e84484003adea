#pragma once

#include <cstdint>
#include <functional>

#include "base/status.h"
#include "env/clock.h"

namespace runnel {

// How far the server is with reading what was kept. Whoever reads says so here again and again, for
// the price of a look at the clock; now and then that becomes a line in the log, and a turn of the
// loop, in which clients are answered.
class Loading {
 public:
  // How long the loop waits for its next turn, unless one piece of work takes longer.
  static constexpr int64_t kTurnEveryMicros = 20'000;
  static constexpr int64_t kTellEveryMicros = 2'000'000;

  // `turn` has the loop do what there is to do by now; a failure says that loading shall end, and
  // why. The clock outlives this.
  Loading(Clock& clock, std::function<Status()> turn);

  // So many bytes have been read, of so many, as far as that can be told by now. Fails as `turn`
  // does.
  Status Reached(uint64_t loaded_bytes, uint64_t total_bytes);
  // The same for work that is not counted in bytes.
  Status Breathe();

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
  const std::function<Status()> turn_;
  const int64_t start_s_;
  const int64_t start_us_;  // steady clock, as below
  int64_t told_us_;
  int64_t next_turn_us_;
  uint64_t loaded_bytes_ = 0;
  uint64_t total_bytes_ = 0;
};

}  // namespace runnel
