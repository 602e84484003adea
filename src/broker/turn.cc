#include "broker/turn.h"

#include <algorithm>

#include "base/log.h"
#include "base/memory.h"
#include "broker/change_log.h"
#include "broker/dispatcher.h"
#include "broker/outbox.h"
#include "broker/parking.h"
#include "broker/pause.h"
#include "broker/turn_clock.h"
#include "broker/waiting.h"

namespace runnel {

void Turn::End() {
  parts_.dispatcher.RunLoaded();
  parts_.dispatcher.ContinueSessions();
  FlushLog();
  parts_.outbox.ReleasePending();
  parts_.outbox.CloseKilled();
  ColdStore* const cold = parts_.parking.cold();
  if (cold == nullptr) return;
  cold->EndTurn(parts_.clock.steady_ms());
  if (parts_.pause.SetBackPressure(cold->behind())) parts_.dispatcher.RetryPutOff();
}

// The turn's changes are given to the system. What the disk has done meanwhile lets replies go.
void Turn::FlushLog() {
  if (parts_.log.journal() == nullptr) return;
  switch (parts_.log.Flush(parts_.clock.clock().SteadyMicros())) {
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
  }
}

// Nothing more becomes safe. Whoever waits for that can only be told by the end of its connection:
// whether its changes will be there after a restart is not known.
void Turn::OnLogFailed() {
  const size_t ended = parts_.log.lost_changes() ? parts_.outbox.KillHolding() : 0;
  // They are told that it was in vain.
  parts_.dispatcher.ServeDurable(Wait::kNowhere);
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
  return wait == Wait::kForever ? -1 : std::max<int64_t>(wait, 0);
}

void Turn::RunTimers() {
  parts_.clock.Update();
  parts_.dispatcher.ServeTimers();
  if (parts_.clock.steady_ms() >= parts_.pause.until_ms()) {
    parts_.pause.End();
    parts_.dispatcher.RetryPutOff();
  }
  if (upkeep_.pending()) upkeep_.Work();
  parts_.dispatcher.ServeReady();
}

void Turn::RunCron() {
  parts_.clock.Update();
  parts_.executor.Calibrate();
  Stats& stats = parts_.stats;
  command_rate_.Sample(stats.commands_processed, parts_.clock.steady_ms());
  input_rate_.Sample(stats.bytes_in, parts_.clock.steady_ms());
  output_rate_.Sample(stats.bytes_out, parts_.clock.steady_ms());
  stats.peak_memory = std::max(stats.peak_memory, AllocatedBytes());
  upkeep_.Begin();
  upkeep_.Work();
  parts_.dispatcher.ServeReady();
}

}  // namespace runnel
