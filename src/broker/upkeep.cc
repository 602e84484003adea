#include "broker/upkeep.h"

#include <algorithm>
#include <string>

#include "base/log.h"
#include "broker/change_log.h"
#include "broker/change_policy.h"
#include "broker/expiry.h"
#include "broker/notifications.h"
#include "broker/outbox.h"
#include "broker/sessions.h"
#include "broker/settings.h"
#include "broker/stats.h"
#include "broker/sweeper.h"
#include "broker/turn_clock.h"
#include "broker/turn_meter.h"
#include "data/stream/stream.h"
#include "effects/stream_effects.h"

namespace runnel {

class Upkeep::Budget {
 public:
  explicit Budget(Clock& clock) : clock_(clock), stop_us_(clock.SteadyMicros() + kMicros) {}
  // Uses up one step; false if there is none left.
  bool Take() {
    if (steps_ == 0) return false;
    // The clock costs as much as a step.
    if (--steps_ % kStepsPerLook == 0) LookAtClock();
    return true;
  }
  // The budget is used up if the time is. Called also after a step that may have taken long.
  void LookAtClock() {
    if (clock_.SteadyMicros() > stop_us_) steps_ = 0;
  }
  bool spent() const { return steps_ == 0; }

 private:
  static constexpr int64_t kMicros = 1000;
  static constexpr uint32_t kStepsPerLook = 16;

  Clock& clock_;
  const int64_t stop_us_;
  uint32_t steps_ = 4096;
};

const std::array<Upkeep::Job, 4> Upkeep::kJobs = {{
    {&Upkeep::ExpireKeys, "expiry"},
    {&Upkeep::KeepRetention, "retention"},
    {&Upkeep::SweepStreams, "on-ack-delete"},
    {&Upkeep::CheckSessions, "check-clients"},
}};

void Upkeep::Begin() {
  for (size_t job = 0; job < kJobs.size(); job++) {
    pending_ |= 1u << job;
  }
}

// The next slice begins with another job, so none starves.
void Upkeep::Work() {
  Budget budget(parts_.clock.clock());
  if (MayContinueSweep()) {
    parts_.clock.TakeCycles();
    parts_.sweeper.Continue();
    budget.LookAtClock();
    parts_.meter.Did(TurnMeter::Part::kUpkeep, "on-ack-delete", parts_.clock.TakeCycles());
  }
  for (size_t i = 0; i < kJobs.size() && pending_ != 0 && !budget.spent(); i++) {
    const size_t job = next_job_;
    next_job_ = (job + 1) % kJobs.size();
    if ((pending_ & (1u << job)) == 0) continue;
    parts_.clock.TakeCycles();
    if ((this->*kJobs[job].work)(budget)) pending_ &= ~(1u << job);
    parts_.meter.Did(TurnMeter::Part::kUpkeep, kJobs[job].name, parts_.clock.TakeCycles());
  }
}

// Uses up one step, after a frame was made of what the steps before have changed if that is much.
bool Upkeep::Take(Budget& budget) {
  parts_.log.SealIfLarge();
  return budget.Take();
}

// The keys of a database are kept in the order of their expiry, so this never looks at a key in
// vain.
bool Upkeep::ExpireKeys(Budget& budget) {
  const int64_t now_ms = parts_.clock.now_ms();
  for (; expire_dbs_done_ < parts_.keyspace.databases(); expire_dbs_done_++) {
    while (parts_.expiry.MayExpire()) {
      const KeyEntry* entry = parts_.keyspace.NextToExpire(expire_db_);
      if (entry == nullptr || !entry->ExpiredAt(now_ms)) break;
      if (!Take(budget)) return false;
      const std::string name(entry->name());
      parts_.expiry.Expire(KeyRef(expire_db_, name));
    }
    expire_db_ = (expire_db_ + 1) % parts_.keyspace.databases();
  }
  expire_dbs_done_ = 0;
  return true;
}

bool Upkeep::IsOver(const Walk& walk) const {
  return walk.done >= parts_.keyspace.slots();
}

const KeyEntry* Upkeep::Next(Walk* walk) const {
  const KeyEntry* entry = parts_.keyspace.NextForUpkeep(walk->db(), walk->after);
  if (entry != nullptr) return entry;
  walk->after = nullptr;
  walk->slot = (walk->slot + 1) % parts_.keyspace.slots();
  walk->done++;
  return nullptr;
}

// Entries that are too old go though nobody adds others.
bool Upkeep::KeepRetention(Budget& budget) {
  while (parts_.policy.MayChange() && !IsOver(retention_)) {
    if (!Take(budget)) return false;
    const KeyEntry* entry = Next(&retention_);
    if (entry == nullptr) continue;
    retention_.after = entry;
    const uint64_t count = entry->As<Stream>()->PlanRetention(parts_.clock.now_ms());
    if (count == 0) continue;
    const std::string name(entry->name());
    const StreamDropOldest effect{KeyRef(retention_.db(), name), count, false};
    parts_.log.Apply(effect);
    parts_.notifications.Publish(kNotifyStream, "xtrim", effect.key);
  }
  retention_.done = 0;
  return true;
}

// What groups have left behind goes. Goes on with one stream until it is swept or has to wait for
// the disk.
bool Upkeep::SweepStreams(Budget& budget) {
  while (parts_.policy.MayChange() && !IsOver(sweep_)) {
    if (!Take(budget)) return false;
    const KeyEntry* entry = Next(&sweep_);
    if (entry == nullptr) continue;
    const Stream& stream = *entry->As<Stream>();
    bool more = false;
    if (stream.unswept()) {
      const std::string name(entry->name());
      more = parts_.sweeper.Sweep(KeyRef(sweep_.db(), name), stream);
      budget.LookAtClock();
    }
    if (!more) sweep_.after = entry;
  }
  sweep_.done = 0;
  return true;
}

bool Upkeep::MayContinueSweep() const {
  return parts_.sweeper.loaded() && parts_.policy.MayChange();
}

// What CLIENT LIST and INFO tell about the size of clients of late.
void Upkeep::NoteSizes(Session& session) {
  const int64_t now_s = parts_.clock.now_ms() / 1000;
  parts_.stats.recent_input.Note(session.transport->input_memory(), now_s);
  parts_.stats.recent_output.Note(session.unsent_memory(), now_s);
  constexpr int64_t kOfLateMs = 5000;
  Output& output = session.output;
  if (parts_.clock.steady_ms() - output.peak_since_ms < kOfLateMs) return;
  output.peak_since_ms = parts_.clock.steady_ms();
  output.peak_bytes = std::min(output.pending.size(), Output::kBufferBytes);
}

bool Upkeep::CheckSessions(Budget& budget) {
  const Sessions::Map& sessions = parts_.sessions.all();
  const int64_t idle_ms = parts_.settings.timeout_s * 1000;
  for (auto it = sessions.upper_bound(session_after_); it != sessions.end(); ++it) {
    if (!Take(budget)) return false;
    Session& session = *it->second;
    session_after_ = session.id;
    NoteSizes(session);
    // However small the output is now: so the soft limit forgets an overrun that is over.
    if (session.killed() || parts_.outbox.Enforce(session)) continue;
    const bool waits = session.waits != Waits::kNothing || session.listens();
    if (idle_ms > 0 && !waits && parts_.clock.now_ms() - session.info.last_active_ms > idle_ms) {
      LogVerbose("Closing idle client {}", session.transport->peer());
      parts_.outbox.Kill(session);
    }
  }
  session_after_ = 0;
  return true;
}

}  // namespace runnel
