#pragma once

#include <cstdint>
#include <string_view>

#include "broker/parts.h"
#include "broker/stats.h"
#include "broker/upkeep.h"

namespace runnel {

// How often Turn::RunCron is called, per second.
inline constexpr int64_t kCronHz = 10;

// What the event loop calls, and in which order the parts do their work then.
class Turn {
 public:
  // The parts outlive it.
  explicit Turn(Parts& parts) : parts_(parts), upkeep_(parts) {}

  // The end of a round of the loop: what was done in it is sealed, and its replies leave as far as
  // the journal lets them.
  void End();
  // Milliseconds until RunTimers has something to do; -1 if nothing waits.
  int64_t NextTimerMs() const;
  // Times out waits, ends pauses, does a slice of upkeep.
  void RunTimers();
  // kCronHz times a second: begins a round of upkeep, samples rates.
  void RunCron();
  // The loop is going to look for events again: what was done since it last did is measured.
  void Measure();

  const Rate& command_rate() const { return command_rate_; }
  const Rate& input_rate() const { return input_rate_; }
  const Rate& output_rate() const { return output_rate_; }
  const Rate& turn_rate() const { return turn_rate_; }
  // Microseconds that a turn takes on average, of late.
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
