#include "broker/outbox.h"

#include <algorithm>

#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/planted_fault.h"

namespace runnel {

// Drops the reply if it is muted, and appends the messages that came for the writer meanwhile.
void Outbox::AmendReply(bool muted) {
  Rope& pending = writer_->output.pending;
  if (muted) pending.Truncate(reply_begin_);
  if (after_reply_.empty()) return;
  pending.Append(after_reply_.ToString());
  after_reply_.Clear();
}

// Kills the session if its output is above a limit.
void Outbox::Measure(Session& session) {
  if (session.killed() || !OverLimit(session)) return;
  session.output.pending.Clear();
  Kill(session);
}

void Outbox::Deliver(Session& session, const Ref<Block>& block, std::string_view bytes) {
  if (session.killed()) return;
  if (&session == writer_) {
    after_reply_.Append(bytes);
    return;
  }
  if (&session == unended_.writer) [[unlikely]] {
    unended_.after_reply.Append(bytes);
    return;
  }
  if (block) {
    session.output.pending.AppendSlice(block, bytes);
  } else {
    session.output.pending.Append(bytes);
  }
  Note(session);
}

void Outbox::CloseAfterReply(Session& session) {
  if (!session.ends()) session.end = SessionEnd::kClosing;
  Note(session);
}

void Outbox::Kill(Session& session) {
  session.end = SessionEnd::kKilled;
  killed_.Add(session);
}

void Outbox::ReleaseEarly(Session& session, bool sealed) {
  auto& dirty = static_cast<ListNode<InDirty>&>(session);
  if (!sealed || !dirty.linked()) return;
  const Acks acks = session.turn_acks(settings_.acks);
  // The question of a reply is asked when the turn has ended.
  if (acks == Acks::kAll && next_question_ != 0) return;
  const Demand demand{watermarks_.appended, acks, 0, session.output.members};
  if (!MayLeave(demand, watermarks_)) return;
  dirty.Unlink();
  Release(session);
}

void Outbox::ReleaseInside(Session& session) {
  static_cast<ListNode<InDirty>&>(session).Unlink();
  if (session.killed()) return;
  Output& output = session.output;
  output.least = Acks::kNone;
  output.members = 0;
  if (!output.pending.empty()) {
    const Demand demand{watermarks_.appended, Acks::kNone};
    output.held.Add(std::move(output.pending), demand, clock_.steady_ms());
  }
  Send(session);
}

void Outbox::ReleasePending() {
  while (Session* session = dirty_.PopFront()) {
    Release(*session);
  }
  shown_ = watermarks_.appended;
}

Demand Outbox::DemandOf(Session& session) {
  Demand demand{watermarks_.appended, session.turn_acks(settings_.acks)};
  session.output.least = Acks::kNone;
  demand.members = std::exchange(session.output.members, 0);
  if (demand.acks != Acks::kAll || next_question_ == 0) return demand;
  if (IsPlanted(PlantedFault::kAnswerWithoutAsking)) return demand;
  // What the replicas cannot have yet needs no question: they answer it by taking it.
  if (demand.appended == shown_) demand.question = next_question_;
  if (!awaited_) awaited_ = Awaited();
  awaited_->position = demand.appended.position;
  awaited_->question |= demand.question != 0;
  return demand;
}

void Outbox::Release(Session& session) {
  if (session.killed()) return;
  Output& output = session.output;
  output.peak_bytes =
      std::max(output.peak_bytes, std::min(output.pending.size(), Output::kBufferBytes));
  // Note has measured what this turn adds; what earlier turns left unsent counts too.
  const bool more = session.unsent_bytes() > session.output.pending.size();
  if (more && Enforce(session)) return;
  if (!session.output.pending.empty()) {
    session.output.held.Add(std::move(session.output.pending), DemandOf(session),
                            clock_.steady_ms());
  }
  Send(session);
}

// Sends what may leave. The session may have ended after this.
void Outbox::Send(Session& session) {
  const bool ends = session.ends();
  Transport& transport = *session.transport;
  Rope released = session.output.held.Release(watermarks_, clock_.steady_ms());
  const bool all = session.output.held.empty();
  stats_.bytes_out += released.size();
  if (!all) {
    session.output.held.Unshare();
    holding_.Add(session);
  }
  // Either call may end the session.
  if (!released.empty()) transport.Send(std::move(released));
  if (ends && all) transport.CloseAfterSending();
}

void Outbox::ReleaseHeld() {
  IntrusiveList<Session, InHolding> sessions;
  sessions.Append(holding_);
  while (Session* session = sessions.PopFront()) {
    if (session->killed()) continue;
    if (!MayLeave(session->output.held.first(), watermarks_)) {
      holding_.PushBack(*session);
      continue;
    }
    Send(*session);
  }
}

void Outbox::EndOverdue() {
  if (settings_.acks_timeout_ms == 0) return;
  size_t ended = 0;
  holding_.ForEach([&](Session& session) {
    const HeldReplies& held = session.output.held;
    if (session.killed() || held.first().acks != Acks::kAll) return;
    if (clock_.steady_ms() - held.since_ms() <= settings_.acks_timeout_ms) return;
    Kill(session);
    ended++;
  });
  if (ended == 0) return;
  LogWarning(
      "{} clients closed: their replies waited for all in-sync replicas for more than "
      "acks-timeout ({} ms), and nobody knows whether their changes will be kept",
      ended, settings_.acks_timeout_ms);
}

size_t Outbox::WaitingForAll() const {
  size_t waiting = 0;
  holding_.ForEach([&](const Session& session) {
    waiting += !session.killed() && session.output.held.first().acks == Acks::kAll ? 1 : 0;
  });
  return waiting;
}

size_t Outbox::KillHolding() {
  size_t killed = 0;
  while (Session* session = holding_.PopFront()) {
    if (session->killed()) continue;
    Kill(*session);
    killed++;
  }
  dirty_.ForEach([&](Session& session) {
    if (session.killed() || session.output.pending.empty()) return;
    Kill(session);
    killed++;
  });
  return killed;
}

void Outbox::CloseKilled() {
  while (Session* session = killed_.PopFront()) {
    session->transport->CloseNow();
  }
}

bool Outbox::Enforce(Session& session) {
  if (session.killed() || !OverLimit(session)) return false;
  Kill(session);
  return true;
}

bool Outbox::OverLimit(Session& session) {
  // Monitors are bounded like subscribers: both get what they did not ask for one by one.
  const bool listens = session.listens();
  const OutputLimit& limit = listens ? settings_.output_pubsub : settings_.output_normal;
  // What is held counts, not what is asked for. Below this, a chunk is mostly room.
  const size_t memory = session.unsent_memory();
  const size_t unsent = memory > kSmallOutput ? memory : session.unsent_bytes();
  const bool soft = limit.soft_bytes > 0 && unsent > limit.soft_bytes;
  int64_t& since_ms = session.output.soft_limit_since_ms;
  if (!soft) {
    since_ms = 0;
  } else if (since_ms == 0) {
    since_ms = clock_.steady_ms();
  }
  const bool hard = limit.hard_bytes > 0 && unsent > limit.hard_bytes;
  const bool too_long = soft && clock_.steady_ms() - since_ms > limit.soft_seconds * 1000;
  if (!hard && !too_long) return false;
  stats_.output_buffer_limit_closes++;
  LogWarning("Client {} (id {}, {}) closed: {} bytes of output unread, over the {} of its {} limit",
             session.transport->peer(), session.id, listens ? "pubsub" : "normal", unsent,
             hard ? limit.hard_bytes : limit.soft_bytes, hard ? "hard" : "soft");
  return true;
}

}  // namespace runnel
