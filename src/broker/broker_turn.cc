// The end of a turn, which sends what was answered in it, and what comes with time alone.

#include <algorithm>
#include <string>
#include <utility>

#include "base/cycle_clock.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/parked.h"
#include "data/stream.h"
#include "effects/stream_effects.h"

namespace runnel {
namespace {

// A client whose output is still below this is not measured against its limits after each command.
constexpr size_t kSmallOutput = 64 * 1024;

}  // namespace

// --- The turn ---

void Broker::EndTurn() {
  RunLoaded();
  ContinueSessions();
  if (journal_ != nullptr) FlushJournal();
  for (size_t i = 0; i < dirty_.size(); i++) {
    if (dirty_[i] != nullptr) ReleaseReplies(*dirty_[i]);
  }
  dirty_.clear();
  CloseKilled();
  if (cold_ == nullptr) return;
  cold_->EndTurn(steady_ms_);
  if (std::exchange(held_up_, cold_->behind()) && !held_up_) ContinuePostponed();
}

// Requests that arrived behind one that waited or was put off.
void Broker::ContinueSessions() {
  if (continued_.empty()) return;
  UpdateTime();
  for (size_t i = 0; i < continued_.size(); i++) {
    Session* session = std::exchange(continued_[i], nullptr);
    if (session == nullptr || session->closing || session->blocked || session->parked) continue;
    if (session->postponed) {
      session->postponed = false;
      const OwnedArgs args = std::move(session->postponed_args);
      Execute(*session, args.views());
    }
    if (session->takes_requests()) session->transport->Continue();
  }
  continued_.clear();
}

void Broker::ReleaseEarly(Session& session) {
  const bool nothing_waits = batch_.empty() && gate_.watermark() == gate_.appended();
  if (nothing_waits && session.dirty) ReleaseReplies(session);
}

void Broker::ReleaseReplies(Session& session) {
  session.dirty = false;
  if (session.killed) return;
  // NoteOutput has measured what this turn adds; what earlier turns left unsent counts too.
  const bool behind = session.unsent_bytes() > session.out.size();
  if (behind && OverOutputLimit(session)) return Kill(session);
  if (!session.out.empty()) session.held.Add(std::move(session.out), gate_.appended());
  SendReleased(session);
}

// Sends what the gate lets through. The session may have ended after this.
void Broker::SendReleased(Session& session) {
  const bool ends = session.closing;
  Transport& transport = *session.transport;
  Rope released = session.held.Release(gate_.watermark());
  const bool all = session.held.empty();
  stats_.bytes_out += released.size();
  if (!all) {
    session.held.Unshare();
    if (!session.holding) holding_.push_back(&session);
    session.holding = true;
  }
  // Either call may end the session.
  if (!released.empty()) transport.Send(std::move(released));
  if (ends && all) transport.CloseAfterSending();
}

void Broker::CloseKilled() {
  for (size_t i = 0; i < killed_.size(); i++) {
    if (killed_[i] != nullptr) killed_[i]->transport->CloseNow();
  }
  killed_.clear();
}

void Broker::NoteOutput(Session& session) {
  if (!session.dirty) {
    session.dirty = true;
    dirty_.push_back(&session);
  }
  if (session.out.size() > kSmallOutput && !session.killed && OverOutputLimit(session)) {
    // It stays among subscribers and waiters until the turn ends: they may be in the middle of
    // visiting it.
    session.out.Clear();
    session.closing = session.killed = true;
    killed_.push_back(&session);
  }
}

bool Broker::OverOutputLimit(Session& session) {
  // Monitors are bounded like subscribers: both get what they did not ask for one by one.
  const bool listens = session.subscriptions() > 0 || session.monitor;
  const OutputLimit& limit = listens ? settings_.output_pubsub : settings_.output_normal;
  // What is held counts, not what is asked for. Below this, a chunk is mostly room.
  const size_t memory = session.unsent_memory();
  const size_t unsent = memory > kSmallOutput ? memory : session.unsent_bytes();
  const bool soft = limit.soft_bytes > 0 && unsent > limit.soft_bytes;
  if (!soft) {
    session.soft_limit_since_ms = 0;
  } else if (session.soft_limit_since_ms == 0) {
    session.soft_limit_since_ms = steady_ms_;
  }
  const bool hard = limit.hard_bytes > 0 && unsent > limit.hard_bytes;
  const bool too_long =
      soft && steady_ms_ - session.soft_limit_since_ms > limit.soft_seconds * 1000;
  if (!hard && !too_long) return false;
  stats_.output_buffer_limit_closes++;
  LogWarning("Client {} (id {}, {}) closed: {} bytes of output unread, over the {} of its {} limit",
             session.transport->peer(), session.id, listens ? "pubsub" : "normal", unsent,
             hard ? limit.hard_bytes : limit.soft_bytes, hard ? "hard" : "soft");
  return true;
}

// --- Time ---

int64_t Broker::NextTimerMs() {
  if (!continued_.empty()) return 0;
  if (journal_ != nullptr && journal_->gathering()) return 0;
  int64_t wait = Wait::kForever;
  if (waiters_.next_deadline_ms() != Wait::kForever) {
    wait = std::min(wait, waiters_.next_deadline_ms() - steady_ms_);
  }
  if (waiters_.next_retry_ms() != Wait::kForever) {
    wait = std::min(wait, waiters_.next_retry_ms() - now_ms());
  }
  if (pause_ != Pause::kNone) wait = std::min(wait, pause_until_ms_ - steady_ms_);
  return wait == Wait::kForever ? -1 : std::max<int64_t>(wait, 0);
}

void Broker::RunTimers() {
  UpdateTime();
  while (Session* session = waiters_.TimedOut(steady_ms_)) {
    if (session->blocking->kind == WaitKind::kDurable) {
      waiters_.Unblock(*session);
      Resume(*session, false);
      continue;
    }
    Unblock(*session);
    ReplyTimeout(*session);
  }
  while (Session* session = waiters_.DueForRetry(now_ms())) {
    waiters_.Unblock(*session);
    Resume(*session);
  }
  if (waiters_.anything_ready()) waiters_.ServeReady(keyspace_);
  if (pause_ != Pause::kNone && steady_ms_ >= pause_until_ms_) EndPause();
}

void Broker::RunCron() {
  UpdateTime();
  nanos_per_cycle_ = NanosPerCycle();
  command_rate_.Sample(stats_.commands_processed, steady_ms_);
  input_rate_.Sample(stats_.bytes_in, steady_ms_);
  output_rate_.Sample(stats_.bytes_out, steady_ms_);
  stats_.peak_memory = std::max(stats_.peak_memory, used_memory());
  if (!loading_) {
    ExpireKeys();
    KeepRetention();
  }
  if (waiters_.anything_ready()) waiters_.ServeReady(keyspace_);
  CheckSessions();
}

// The keys of a database are kept in the order of their expiry, so this never looks at a key in
// vain. It stops after a while all the same: a million keys may expire at once.
void Broker::ExpireKeys() {
  // They are as good as gone; that they are is told when the journal can take it.
  if (journal_ != nullptr && !journal_->status().ok()) return;
  constexpr int64_t kBudgetUs = 20 * 1000;
  constexpr int kKeysPerLook = 64;
  const int64_t stop_us = clock_.SteadyMicros() + kBudgetUs;
  for (uint32_t i = 0; i < keyspace_.databases(); i++) {
    const uint32_t db = (expire_db_ + i) % keyspace_.databases();
    int keys = 0;
    while (true) {
      const KeyEntry* entry = keyspace_.NextToExpire(db);
      if (entry == nullptr || !entry->ExpiredAt(now_ms())) break;
      const std::string name(entry->name());
      ExpireKey(KeyRef(db, name));
      if (++keys % kKeysPerLook == 0 && clock_.SteadyMicros() > stop_us) {
        expire_db_ = db;
        return;
      }
    }
  }
}

// Entries that are too old go though nobody adds others. A few streams at a time: what a look finds
// is mostly nothing.
void Broker::KeepRetention() {
  constexpr int kLooks = 1000;
  if (journal_ != nullptr && !journal_->status().ok()) return;
  uint32_t databases_done = 0;
  for (int looks = 0; looks < kLooks && databases_done < keyspace_.databases();) {
    const KeyEntry* entry = keyspace_.NextForUpkeep(upkeep_db_, upkeep_after_);
    upkeep_after_ = entry;
    if (entry == nullptr) {
      upkeep_db_ = (upkeep_db_ + 1) % keyspace_.databases();
      databases_done++;
      continue;
    }
    looks++;
    const uint64_t count = entry->As<Stream>()->PlanRetention(now_ms());
    if (count == 0) continue;
    const std::string name(entry->name());
    const StreamDropOldest effect{KeyRef(upkeep_db_, name), count, false};
    batch_.Add(effect);
    effect.Apply(keyspace_);
    PublishEvent(kNotifyStream, "xtrim", effect.key);
  }
}

void Broker::CheckSessions() {
  const int64_t idle_ms = settings_.timeout_s * 1000;
  for (const auto& [id, session] : sessions_) {
    if (session->killed) continue;
    // Looked at however small the output is now: so the soft limit forgets an overrun that is over.
    if (OverOutputLimit(*session)) {
      Kill(*session);
      continue;
    }
    const bool waits =
        session->blocked || session->parked || session->monitor || session->subscriptions() > 0;
    if (idle_ms > 0 && !waits && now_ms() - session->last_active_ms > idle_ms) {
      LogVerbose("Closing idle client {}", session->transport->peer());
      Kill(*session);
    }
  }
}

}  // namespace runnel
