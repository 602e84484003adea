#include "server/loading.h"

#include <algorithm>
#include <cmath>

#include "base/log.h"

namespace runnel {

Loading::Loading(Clock& clock)
    : clock_(clock),
      start_s_(clock.UnixMicros() / 1'000'000),
      start_us_(clock.SteadyMicros()),
      told_us_(start_us_) {}

void Loading::Reached(uint64_t loaded_bytes, uint64_t total_bytes) {
  loaded_bytes_ = loaded_bytes;
  total_bytes_ = std::max(loaded_bytes, total_bytes);
  const int64_t now_us = clock_.SteadyMicros();
  if (now_us - told_us_ < kTellEveryMicros) return;
  told_us_ = now_us;
  LogNotice("Loading: {:.1f} % ({} of {} bytes), about {} s to go", percent(), loaded_bytes_,
            total_bytes_, eta_seconds());
}

double Loading::percent() const {
  if (total_bytes_ == 0) return 0;
  return 100 * static_cast<double>(loaded_bytes_) / static_cast<double>(total_bytes_);
}

double Loading::elapsed_seconds() const {
  return static_cast<double>(clock_.SteadyMicros() - start_us_) / 1e6;
}

int64_t Loading::eta_seconds() const {
  if (loaded_bytes_ == 0) return 1;
  const double share_left =
      static_cast<double>(total_bytes_ - loaded_bytes_) / static_cast<double>(loaded_bytes_);
  return std::max<int64_t>(static_cast<int64_t>(std::ceil(elapsed_seconds() * share_left)), 1);
}

}  // namespace runnel
