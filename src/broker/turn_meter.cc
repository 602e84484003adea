#include "broker/turn_meter.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace runnel {

int64_t TurnMeter::End(uint64_t cycles, uint64_t steps, double nanos_per_cycle) {
  uint64_t known = 0;
  for (size_t part = 0; part < kParts; part++) {
    known += cycles_[part];
    totals_[part] += std::exchange(cycles_[part], 0);
  }
  const uint64_t rest = cycles > known ? cycles - known : 0;
  if (rest > longest_cycles_ || longest_.empty()) {
    longest_ = "rest";
    longest_cycles_ = rest;
  }
  const Turn turn{cycles, std::exchange(commands_, 0), std::exchange(longest_, {}),
                  std::exchange(longest_cycles_, 0), steps};
  turns_++;
  total_ += cycles;
  most_commands_ = std::max(most_commands_, turn.commands);
  if (longest_turn_.longest.empty() || cycles > longest_turn_.cycles) longest_turn_ = turn;
  if (steps > most_steps_turn_.steps) most_steps_turn_ = turn;
  // The counter of cycles may be wrong: any time has a place.
  const double micros = std::min(static_cast<double>(cycles) * nanos_per_cycle / 1000, 0x1p62);
  const auto us = static_cast<int64_t>(micros);
  const auto bits = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(us)));
  histogram_[std::min(bits, kBuckets - 1)]++;
  return us;
}

void TurnMeter::Reset() {
  turns_ = total_ = most_commands_ = 0;
  totals_.fill(0);
  longest_turn_ = most_steps_turn_ = Turn();
  histogram_.fill(0);
}

}  // namespace runnel
