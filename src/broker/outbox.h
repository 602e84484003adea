#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "base/block.h"
#include "base/intrusive_list.h"
#include "base/ref.h"
#include "broker/session.h"
#include "broker/settings.h"
#include "broker/stats.h"
#include "broker/turn_clock.h"
#include "broker/watermarks.h"

namespace runnel {

// Everything that is sent to clients, and the ends of sessions. Replies and messages are collected
// during the turn, held until the journal is as safe as the policy promises, sent, and compared
// with the limits of unread output.
class Outbox {
 public:
  // Everything is borrowed and outlives it.
  Outbox(const Settings& settings, Stats& stats, const TurnClock& clock,
         const Watermarks& watermarks)
      : settings_(settings), stats_(stats), clock_(clock), watermarks_(watermarks) {}

  // --- During the turn ---

  // A command of this session is about to write its reply. One at a time.
  void BeginReply(Session& session) {
    ASSERT(writer_ == nullptr);
    writer_ = &session;
    reply_begin_ = session.output.pending.size();
  }
  // The reply has ended. If `muted`, it is dropped. Messages to the session that came meanwhile
  // follow it.
  void EndReply(bool muted) {
    if (muted || !after_reply_.empty()) [[unlikely]]
      AmendReply(muted);
    Session& session = *std::exchange(writer_, nullptr);
    if (!session.output.pending.empty()) Note(session);
  }
  // The session whose reply is being written; nullptr if none.
  const Session* writer() const { return writer_; }

  // Others are written inside of the command whose reply is being written. GoOn undoes that.
  void SetAside() {
    unended_ = {std::exchange(writer_, nullptr), reply_begin_, std::exchange(after_reply_, Rope())};
  }
  void GoOn() {
    writer_ = std::exchange(unended_.writer, nullptr);
    reply_begin_ = unended_.reply_begin;
    after_reply_ = std::exchange(unended_.after_reply, Rope());
  }

  // The session's pending output was written to without BeginReply.
  void Note(Session& session) {
    dirty_.Add(session);
    if (session.output.pending.size() > kSmallOutput) [[unlikely]]
      Measure(session);
  }
  // Delivers the message to a subscriber or monitor, unchanged; see PubSub::Deliver. A message that
  // the running command sends to its own session comes after the command's reply.
  void Deliver(Session& session, const Ref<Block>& block, std::string_view bytes);

  // Ends the session when its replies are sent.
  void CloseAfterReply(Session& session);
  // Ends the session at the end of the turn. Until then it stays in the lists of subscribers and
  // waiters, because a caller may be iterating over them. Nothing is executed for it, and nothing
  // is sent to it.
  void Kill(Session& session);

  // --- Releasing ---

  // Sends the session's replies before the end of the turn, if no change of this turn (`sealed`:
  // there is none) or an earlier one has to become safe first. The session may have ended after
  // this call.
  void ReleaseEarly(Session& session, bool sealed);
  // Sends the session's replies now, whatever the journal has: they show no data. The session may
  // have ended after this call.
  void ReleaseInside(Session& session);
  // Sends the replies that this turn has written, as far as the watermarks allow.
  void ReleasePending();
  // Sends held replies that may be sent now.
  void ReleaseHeld();
  // What the replies wait for that were held since the last call, and ask for all in-sync replicas:
  // the leader is to ask them. Nothing if there are none.
  struct Awaited {
    Position position = 0;
    bool question = false;  // the next question must be asked
  };
  std::optional<Awaited> TakeAwaited() { return std::exchange(awaited_, std::nullopt); }
  // The number of the next question that a leader asks: see Demand. 0: none is needed, because no
  // other server can have taken over.
  void set_next_question(uint64_t number) { next_question_ = number; }
  // Ends the sessions whose oldest reply has waited for all in-sync replicas for longer than
  // acks-timeout: nobody knows whether what they did will be kept. For RunCron.
  void EndOverdue();
  // Sessions whose oldest reply waits for all in-sync replicas. Walks over those that wait.
  size_t WaitingForAll() const;
  // The journal has failed, and held replies depend on changes that it did not keep: ends the
  // sessions that have any. Returns how many.
  size_t KillHolding();
  // Closes the connections of killed sessions.
  void CloseKilled();

  // Kills the session if it has more unread output than the limits allow. Returns whether it did.
  bool Enforce(Session& session);

 private:
  // A client whose output is still below this is not measured against its limits after each
  // command.
  static constexpr size_t kSmallOutput = 64 * 1024;

  // A reply that is being written, with the messages that follow it.
  struct Unended {
    Session* writer = nullptr;
    size_t reply_begin = 0;
    Rope after_reply;
  };

  Demand DemandOf(Session& session);
  void AmendReply(bool muted);
  void Measure(Session& session);
  void Release(Session& session);
  void Send(Session& session);
  bool OverLimit(Session& session);

  const Settings& settings_;
  Stats& stats_;
  const TurnClock& clock_;
  const Watermarks& watermarks_;
  IntrusiveList<Session, InDirty> dirty_;
  IntrusiveList<Session, InHolding> holding_;
  IntrusiveList<Session, InKilled> killed_;
  Session* writer_ = nullptr;
  size_t reply_begin_ = 0;  // where the writer's reply begins in its pending output
  Rope after_reply_;        // messages to `writer_`
  Unended unended_;         // what was set aside
  uint64_t next_question_ = 0;
  Appended shown_;  // the end of the journal when the last turn ended
  std::optional<Awaited> awaited_;
};

}  // namespace runnel
