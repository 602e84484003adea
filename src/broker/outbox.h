#pragma once

#include <cstdint>
#include <string_view>

#include "base/block.h"
#include "base/intrusive_list.h"
#include "base/ref.h"
#include "broker/session.h"
#include "broker/settings.h"
#include "broker/stats.h"
#include "broker/turn_clock.h"
#include "broker/watermarks.h"

namespace runnel {

// Everything that leaves for clients, and the ends of sessions: replies and messages are gathered
// during the turn, held until the journal is as safe as was promised, sent, and measured against
// the limits of unread output.
class Outbox {
 public:
  // Everything is borrowed and outlives it.
  Outbox(const Settings& settings, Stats& stats, const TurnClock& clock,
         const Watermarks& watermarks)
      : settings_(settings), stats_(stats), clock_(clock), watermarks_(watermarks) {}

  // --- During the turn ---

  // A command of this session is going to write its reply. One at a time.
  void BeginReply(Session& session);
  // It has ended; muted: its reply is dropped. Messages to the session that came meanwhile follow.
  void EndReply(bool muted);
  // The session whose reply is being written; nullptr if none.
  const Session* writer() const { return writer_; }

  // Something was written to the session's pending output otherwise.
  void Note(Session& session);
  // Delivers the message to a subscriber or monitor, as it stands; see PubSub::Deliver. One that
  // the running command itself causes to its own session comes after the command's reply.
  void Deliver(Session& session, const Ref<Block>& block, std::string_view bytes);

  // Ends the session once its replies have left.
  void CloseAfterReply(Session& session);
  // Ends the session at the end of the turn. It stays among subscribers and waiters until then, who
  // may be in the middle of visiting it; nothing is executed for it and nothing is sent to it.
  void Kill(Session& session);

  // --- Releasing ---

  // Sends the session's replies before the turn ends, if nothing in this turn (sealed: it has
  // changed nothing) or before it has to be safe first. The session may have ended after this.
  void ReleaseEarly(Session& session, bool sealed);
  // Sends what the watermarks let through of what this turn has written.
  void ReleasePending();
  // Sends what was held and is safe now.
  void ReleaseHeld();
  // The journal has failed, and what was held depends on what it did not keep: ends the sessions
  // that have any. Returns how many.
  size_t KillHolding();
  // The connections of killed sessions are closed.
  void CloseKilled();

  // Closes the session if more of its output is unread than the limits allow. Returns whether.
  bool Enforce(Session& session);

 private:
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
  Rope after_reply_;        // messages to the writer
};

}  // namespace runnel
