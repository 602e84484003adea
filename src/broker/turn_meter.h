#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace runnel {

// How long the turns of the loop take, and what was done in the longest one. A turn begins with the
// first event in it and ends when the loop waits for events again. Times are given and kept in
// cycles (base/cycle_clock.h).
class TurnMeter {
 public:
  // The measured parts of a turn. Time outside of them belongs to no part.
  enum class Part {
    kCommands,
    kUpkeep,   // periodic jobs
    kJournal,  // the turn's changes are written
    kOther,
  };
  static constexpr size_t kParts = 4;

  // What is known about one turn.
  struct Turn {
    uint64_t cycles = 0;
    uint64_t commands = 0;  // how many commands ran; those inside EXEC count too
    // The name of the command or job that took longest; or "rest", if the time that is not measured
    // by name was longer. Empty: there was no turn.
    std::string_view longest;
    uint64_t longest_cycles = 0;
    uint64_t steps = 0;  // base/steps.h
  };
  // Turns by their time: histogram()[n] counts those of less than 2^n microseconds and, for n > 0,
  // at least half of that. The last one counts all longer turns too.
  static constexpr size_t kBuckets = 32;

  // Work with this name took this many cycles. The characters of the name must live as long as the
  // meter.
  void Did(Part part, std::string_view name, uint64_t cycles) {
    if (part == Part::kCommands) commands_++;
    cycles_[static_cast<size_t>(part)] += cycles;
    if (cycles <= longest_cycles_) return;
    longest_ = name;
    longest_cycles_ = cycles;
  }
  // The turn has ended; it took this many cycles and steps. Returns its microseconds.
  int64_t End(uint64_t cycles, uint64_t steps, double nanos_per_cycle);
  // Forgets all turns (CONFIG RESETSTAT), but not the work of the current one.
  void Reset();

  // --- Of all turns ---

  uint64_t turns() const { return turns_; }
  uint64_t cycles() const { return total_; }
  uint64_t cycles(Part part) const { return totals_[static_cast<size_t>(part)]; }
  uint64_t most_commands() const { return most_commands_; }
  // The longest turn, and the turn with the most steps.
  const Turn& longest() const { return longest_turn_; }
  const Turn& most_steps() const { return most_steps_turn_; }
  const std::array<uint64_t, kBuckets>& histogram() const { return histogram_; }

 private:
  // This turn.
  uint64_t commands_ = 0;
  std::array<uint64_t, kParts> cycles_{};
  std::string_view longest_;
  uint64_t longest_cycles_ = 0;

  // All turns.
  uint64_t turns_ = 0;
  uint64_t total_ = 0;
  std::array<uint64_t, kParts> totals_{};
  uint64_t most_commands_ = 0;
  Turn longest_turn_;
  Turn most_steps_turn_;
  std::array<uint64_t, kBuckets> histogram_{};
};

}  // namespace runnel
