#include "broker/upkeep.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "broker/change_log.h"
#include "broker/change_policy.h"
#include "broker/expiry.h"
#include "broker/notifications.h"
#include "broker/outbox.h"
#include "broker/scripts.h"
#include "broker/sessions.h"
#include "broker/settings.h"
#include "broker/stats.h"
#include "broker/sweeper.h"
#include "broker/turn_clock.h"
#include "broker/turn_meter.h"
#include "commands/topic_group/engine.h"
#include "data/hash/hash.h"
#include "data/stream/stream.h"
#include "data/topic/topic.h"
#include "effects/retention.h"
#include "effects/topic_effects.h"

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

const std::array<Upkeep::Job, 8> Upkeep::kJobs = {{
    {&Upkeep::ExpireKeys, "expiry"},
    {&Upkeep::ExpireFields, "field-expiry"},
    {&Upkeep::KeepRetention, "retention"},
    {&Upkeep::SweepStreams, "on-ack-delete"},
    {&Upkeep::CloseProducers, "producers"},
    {&Upkeep::CheckSessions, "check-clients"},
    {&Upkeep::TendTopicGroups, "topic-groups"},
    {&Upkeep::CollectScripts, "scripts"},
}};

namespace {

// Changes of topic groups that time brings.
class TimedGroupChanges final : public GroupChanges {
 public:
  TimedGroupChanges(ChangeLog& log, const TurnClock& clock) : log_(log), clock_(clock) {}

  int64_t now_ms() const override { return clock_.now_ms(); }
  int64_t steady_ms() const override { return clock_.steady_ms(); }
  void Apply(const TopicGroupSee& effect) override { log_.Apply(effect); }
  void Apply(const TopicGroupAssign& effect) override { log_.Apply(effect); }
  void Apply(const TopicGroupLeave& effect) override { log_.Apply(effect); }
  void Apply(const KeyRemove& effect) override { log_.Apply(effect); }

 private:
  ChangeLog& log_;
  const TurnClock& clock_;
};

}  // namespace

void Upkeep::Begin() {
  for (size_t job = 0; job < kJobs.size(); job++) {
    pending_ |= 1u << job;
  }
}

void Upkeep::BeginTopicGroups() {
  for (size_t job = 0; job < kJobs.size(); job++) {
    if (kJobs[job].work == &Upkeep::TendTopicGroups) pending_ |= 1u << job;
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

// The hashes of a database are kept in the order in which their fields expire, so this never looks
// at a hash in vain. A step removes some fields, and all of them if none lives.
bool Upkeep::ExpireFields(Budget& budget) {
  // An effect that removes fields names them, so it has a bound in bytes, too.
  constexpr size_t kFieldsPerStep = 64;
  constexpr size_t kBytesPerStep = 256 * 1024;
  const int64_t now_ms = parts_.clock.now_ms();
  for (; fields_dbs_done_ < parts_.keyspace.databases(); fields_dbs_done_++) {
    while (parts_.expiry.MayExpire()) {
      const KeyEntry* entry = parts_.keyspace.NextFieldToExpire(fields_db_);
      if (entry == nullptr || !Expired(entry->As<Hash>()->NextExpiry(), now_ms)) break;
      if (!Take(budget)) return false;
      const std::string name(entry->name());
      const KeyRef key(fields_db_, name);
      const Hash& hash = *entry->As<Hash>();
      if (hash.ExpiredCount(now_ms) == hash.size()) {
        parts_.expiry.ExpireAllFields(key, hash.size());
        continue;
      }
      const std::vector<std::string> expired =
          hash.ExpiredFields(now_ms, kFieldsPerStep, kBytesPerStep);
      parts_.expiry.ExpireFields(key,
                                 std::vector<std::string_view>(expired.begin(), expired.end()));
      budget.LookAtClock();
    }
    fields_db_ = (fields_db_ + 1) % parts_.keyspace.databases();
  }
  fields_dbs_done_ = 0;
  return true;
}

// Goes on with the next database or companion.
void Upkeep::Pass(Walk* walk) const {
  walk->after = nullptr;
  walk->slot = (walk->slot + 1) % parts_.keyspace.slots();
  walk->done++;
}

// Removes what is beyond the stream's bounds, and tombstones that are too old. False if that is
// nothing.
bool Upkeep::Trim(const KeyRef& key, const Stream& stream) {
  const int64_t now_ms = parts_.clock.now_ms();
  const auto apply = [this](const auto& effect) { parts_.log.Apply(effect); };
  const bool trimmed = KeepWithinBounds(key, stream, now_ms, apply);
  const uint64_t tombstones = stream.PlanTombstones(now_ms);
  if (tombstones > 0) parts_.log.Apply(TombstonesDrop{key, tombstones});
  return trimmed || tombstones > 0;
}

// Entries that are too old go though nobody adds others. Streams whose time has not come cost
// nothing.
bool Upkeep::KeepRetention(Budget& budget) {
  Walk& walk = retention_;
  for (; parts_.policy.MayChange() && walk.done < parts_.keyspace.slots(); Pass(&walk)) {
    while (parts_.policy.MayChange()) {
      if (!Take(budget)) return false;
      const int64_t now_ms = parts_.clock.now_ms();
      const KeyEntry* entry = parts_.keyspace.NextDue(walk.db(), now_ms);
      if (entry == nullptr) break;
      const std::string name(entry->name());
      const KeyRef key(walk.db(), name);
      parts_.stats.retention_looks++;
      const Stream& stream = *entry->As<Stream>();
      if (Trim(key, stream)) parts_.notifications.Publish(kNotifyStream, "xtrim", key);
      parts_.keyspace.NoteRetained(key, now_ms);
    }
  }
  walk.done = 0;
  return true;
}

// What groups have left behind goes. Goes on with one stream until it is swept or has to wait for
// the disk.
bool Upkeep::SweepStreams(Budget& budget) {
  Walk& walk = sweep_;
  for (; parts_.policy.MayChange() && walk.done < parts_.keyspace.slots(); Pass(&walk)) {
    while (parts_.policy.MayChange()) {
      if (!Take(budget)) return false;
      const KeyEntry* entry = parts_.keyspace.NextUnswept(walk.db(), walk.after);
      if (entry == nullptr) break;
      const std::string name(entry->name());
      const bool more = parts_.sweeper.Sweep(KeyRef(walk.db(), name), *entry->As<Stream>());
      budget.LookAtClock();
      if (!more) walk.after = entry;
    }
  }
  walk.done = 0;
  return true;
}

// Few at a time: what is unused for days is in no hurry.
bool Upkeep::CloseProducers(Budget& budget) {
  constexpr int kLooks = 64;
  const auto expire_ms = static_cast<int64_t>(parts_.settings.data.producer_expire_ms);
  if (expire_ms == 0) return true;
  for (int looks = 0; looks < kLooks && parts_.policy.MayChange(); looks++) {
    if (!Take(budget)) return false;
    const Database::Listed& topics = parts_.keyspace.listed(producer_db_);
    const auto next = topics.lower_bound(producer_topic_);
    if (next == topics.end()) {
      producer_topic_.clear();
      producer_after_.reset();
      producer_db_ = (producer_db_ + 1) % parts_.keyspace.databases();
      continue;
    }
    if ((*next)->name() != producer_topic_) {
      producer_topic_ = (*next)->name();
      producer_after_.reset();
    }
    const Topic& topic = *(*next)->As<Topic>();
    const Producers::Map& producers = topic.producers().all();
    const auto producer =
        producer_after_ ? producers.upper_bound(*producer_after_) : producers.begin();
    if (producer == producers.end()) {
      // The name that comes next after this one.
      producer_topic_.push_back('\0');
      producer_after_.reset();
      continue;
    }
    producer_after_ = producer->first;
    if (producer->second->used_ms() > parts_.clock.now_ms() - expire_ms) continue;
    parts_.log.Apply(
        ProducerClose{KeyRef(producer_db_, producer_topic_), std::string_view(*producer_after_)});
  }
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

// Members whose time is over are gone, partitions go to others.
bool Upkeep::TendTopicGroups(Budget& budget) {
  TimedGroupChanges changes(parts_.log, parts_.clock);
  while (parts_.policy.MayChange() && parts_.topic_groups.due_ms() <= parts_.clock.steady_ms()) {
    if (!Take(budget)) return false;
    parts_.topic_groups.Work(changes);
    budget.LookAtClock();
  }
  return true;
}

// What scripts have left. Each piece takes longer than a step.
bool Upkeep::CollectScripts(Budget& budget) {
  while (parts_.scripts.CollectSome()) {
    if (!budget.Take()) return false;
    budget.LookAtClock();
  }
  return true;
}

}  // namespace runnel
