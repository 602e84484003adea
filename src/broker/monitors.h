#pragma once

#include <span>
#include <string_view>

#include "broker/outbox.h"
#include "broker/session.h"
#include "broker/turn_clock.h"

namespace runnel {

// Sessions that receive all commands (MONITOR).
class Monitors {
 public:
  // Everything is borrowed and outlives it.
  Monitors(Outbox& outbox, TurnClock& clock) : outbox_(outbox), clock_(clock) {}

  bool empty() const { return sessions_.empty(); }
  void Start(Session& session) {
    session.info.monitor = true;
    sessions_.Add(session);
  }
  void Stop(Session& session) {
    session.info.monitor = false;
    static_cast<ListNode<InMonitors>&>(session).Unlink();
  }
  // `session` has run this command: sends it to all monitors.
  void Feed(const Session& session, std::span<const std::string_view> args) {
    FeedAs(session.transport->peer(), session, args);
  }
  // The same for a command that a script of the session has called.
  void FeedFromScript(const Session& session, std::span<const std::string_view> args) {
    FeedAs("lua", session, args);
  }

 private:
  void FeedAs(std::string_view who, const Session& session, std::span<const std::string_view> args);

  Outbox& outbox_;
  TurnClock& clock_;
  IntrusiveList<Session, InMonitors> sessions_;
};

}  // namespace runnel
