#pragma once

#include <cstdint>
#include <string_view>

#include "broker/parts.h"
#include "broker/stats.h"
#include "broker/upkeep.h"

namespace runnel {

// How often Turn::RunCron is called, per second.
inline constexpr int64_t kCronHz = 10;

// The functions that the event loop calls, and the order in which the parts do their work in them.
class Turn {
 public:
  // The parts outlive it.
  explicit Turn(Parts& parts) : parts_(parts), upkeep_(parts) {}

  // The end of a round of the loop: its changes are sealed in a frame, and its replies are sent, as
  // far as the journal is safe.
  void End();
  // Milliseconds until RunTimers has something to do; -1 if nothing waits.
  int64_t NextTimerMs() const;
  // Times out waits, ends pauses, does a slice of upkeep.
  void RunTimers();
  // kCronHz times a second: begins a round of upkeep, samples rates.
  void RunCron();
  // The loop is about to wait for events again: measures what was done since it last waited.
  void Measure();

  const Rate& command_rate() const { return command_rate_; }
  const Rate& input_rate() const { return input_rate_; }
  const Rate& output_rate() const { return output_rate_; }
  const Rate& turn_rate() const { return turn_rate_; }
  // The mean time of recent turns, in microseconds.
  double recent_turn_us() const;

 private:
  void FlushLog();
  void OnLogFailed();
  void Did(std::string_view what);

  Parts& parts_;
  Upkeep upkeep_;
  Rate command_rate_;
  Rate input_rate_;
  Rate output_rate_;
  Rate turn_rate_;
  Rate busy_rate_;      // cycles of turns
  uint64_t steps_ = 0;  // taken until the last turn ended
};

}  // namespace runnel
