#include "broker/turn.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/memory.h"
#include "base/steps.h"
#include "broker/change_log.h"
#include "broker/change_policy.h"
#include "broker/dispatcher.h"
#include "broker/executor.h"
#include "broker/latency.h"
#include "broker/outbox.h"
#include "broker/parking.h"
#include "broker/pause.h"
#include "broker/settings.h"
#include "broker/tracking.h"
#include "broker/turn_clock.h"
#include "broker/turn_meter.h"
#include "broker/waiting.h"
#include "commands/topic_group/engine.h"

namespace runnel {

void Turn::End() {
  parts_.clock.BeginTurn();
  parts_.dispatcher.RunLoaded();
  parts_.dispatcher.ContinueSessions();
  parts_.dispatcher.ServeTopicGroups();
  parts_.tracking.EndTurn();
  FlushLog();
  parts_.clock.TakeCycles();
  parts_.outbox.ReleasePending();
  parts_.outbox.CloseKilled();
  Did("replies");
  ColdStore* const cold = parts_.parking.cold();
  if (cold == nullptr) return;
  cold->EndTurn(parts_.clock.steady_ms());
  Did("cold-blocks");
  if (parts_.pause.SetBackPressure(cold->behind())) parts_.dispatcher.RetryPutOff();
}

// The turn's changes are given to the system. What the disk has done meanwhile lets replies go.
void Turn::FlushLog() {
  if (parts_.log.journal() == nullptr) return;
  parts_.clock.TakeCycles();
  const ChangeLog::Flushed flushed = parts_.log.Flush(parts_.clock.clock().SteadyMicros());
  parts_.meter.Did(TurnMeter::Part::kJournal, "journal", parts_.clock.TakeCycles());
  switch (flushed) {
    case ChangeLog::Flushed::kNothing:
      break;
    case ChangeLog::Flushed::kSafer:
      parts_.outbox.ReleaseHeld();
      break;
    case ChangeLog::Flushed::kFailed:
      return OnLogFailed();
  }
  if (!parts_.log.failed()) {
    parts_.dispatcher.ServeDurable(parts_.log.watermarks().durable.position);
    parts_.dispatcher.ServeFollowers();
  }
}

// Nothing more becomes safe. A client that waits for that can only be disconnected: it is not known
// whether its changes will be there after a restart.
void Turn::OnLogFailed() {
  const size_t ended = parts_.log.lost_changes() ? parts_.outbox.KillHolding() : 0;
  // They are told that it was in vain.
  parts_.dispatcher.ServeDurable(Wait::kNowhere);
  parts_.dispatcher.EndFollowerWaits();
  parts_.log.LetAllPass();
  parts_.outbox.ReleaseHeld();
  LogWarning(
      "The journal has failed: {} clients whose replies depended on changes that are not safe are "
      "disconnected; changes are refused until the server is started again",
      ended);
}

int64_t Turn::NextTimerMs() const {
  if (parts_.dispatcher.anything_continues() || upkeep_.pending()) return 0;
  const journal::Journal* const journal = parts_.log.journal();
  if (journal != nullptr && journal->gathering()) return 0;
  int64_t wait = Wait::kForever;
  const auto until = [&](int64_t time_ms, int64_t now_ms) {
    if (time_ms != Wait::kForever) wait = std::min(wait, time_ms - now_ms);
  };
  until(parts_.waiting.next_deadline_ms(), parts_.clock.steady_ms());
  until(parts_.waiting.next_retry_ms(), parts_.clock.now_ms());
  until(parts_.pause.until_ms(), parts_.clock.steady_ms());
  if (parts_.policy.MayChange()) until(parts_.topic_groups.due_ms(), parts_.clock.steady_ms());
  return wait == Wait::kForever ? -1 : std::max<int64_t>(wait, 0);
}

void Turn::RunTimers() {
  parts_.clock.Update();
  parts_.dispatcher.ServeTimers();
  if (parts_.clock.steady_ms() >= parts_.pause.until_ms()) {
    parts_.pause.End();
    parts_.dispatcher.RetryPutOff();
  }
  if (parts_.topic_groups.due_ms() <= parts_.clock.steady_ms()) upkeep_.BeginTopicGroups();
  if (upkeep_.pending()) upkeep_.Work();
  parts_.dispatcher.ServeReady();
}

void Turn::RunCron() {
  parts_.clock.Update();
  parts_.outbox.EndOverdue();
  parts_.executor.Calibrate();
  Stats& stats = parts_.stats;
  command_rate_.Sample(stats.commands_processed, parts_.clock.steady_ms());
  input_rate_.Sample(stats.bytes_in, parts_.clock.steady_ms());
  output_rate_.Sample(stats.bytes_out, parts_.clock.steady_ms());
  turn_rate_.Sample(parts_.meter.turns(), parts_.clock.steady_ms());
  busy_rate_.Sample(parts_.meter.cycles(), parts_.clock.steady_ms());
  stats.peak_memory = std::max(stats.peak_memory, AllocatedBytes());
  upkeep_.Begin();
  upkeep_.Work();
  parts_.dispatcher.ServeReady();
}

void Turn::Measure() {
  const uint64_t steps = std::exchange(steps_, StepsTaken());
  const int64_t us =
      parts_.meter.End(parts_.clock.EndTurn(), steps_ - steps, parts_.executor.nanos_per_cycle());
  parts_.latency.Add("eventloop", parts_.clock.now_ms() / 1000, us / 1000,
                     parts_.settings.latency_monitor_threshold_ms);
}

double Turn::recent_turn_us() const {
  const double turns = turn_rate_.per_second();
  if (turns == 0) return 0;
  return busy_rate_.per_second() / turns * parts_.executor.nanos_per_cycle() / 1000;
}

// The part of the end of the turn that took the time since the clock was read last.
void Turn::Did(std::string_view what) {
  parts_.meter.Did(TurnMeter::Part::kOther, what, parts_.clock.TakeCycles());
}

}  // namespace runnel
