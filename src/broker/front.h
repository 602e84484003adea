#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "broker/session.h"
#include "broker/settings.h"
#include "broker/stats.h"
#include "broker/transport.h"

namespace runnel {

// What the network sees of the broker.
class Front {
 public:
  // The session of a new connection. `transport` outlives it.
  virtual Session& Connect(Transport* transport) = 0;
  // Destroys the session, with its waits, watches, subscriptions and queued commands.
  virtual void Disconnect(Session& session) = 0;
  // Reads the clocks; called before the requests of one read are executed.
  virtual void UpdateTime() = 0;
  // Executes one request. The views are not kept. REQUIRES: session.takes_requests().
  virtual void Execute(Session& session, std::span<const std::string_view> args) = 0;
  // The bytes were no request: the reply is an error ("ERR Protocol error: " and this text), and
  // the session ends.
  virtual void FailProtocol(Session& session, std::string_view error) = 0;
  // Sends the session's replies before the end of the turn, if no change of this turn or an earlier
  // one has to become safe first. The session may have ended after this call.
  virtual void ReleaseEarly(Session& session) = 0;
  // Inside of a command of another session that takes long: whether no reply of the session waits
  // for the end of the turn or the journal, so that what it asks now can be answered now.
  virtual bool MayAnswerInside(const Session& session) = 0;
  // Sends the replies to what was executed inside of that command. They show no data. The session
  // may have ended after this call.
  virtual void ReleaseInside(Session& session) = 0;
  // Ends the session when its replies are sent. Nothing more is executed for it.
  virtual void CloseAfterReply(Session& session) = 0;

  // Milliseconds of a clock that only goes forward, as of the last UpdateTime.
  virtual int64_t steady_ms() const = 0;
  virtual Stats& stats() = 0;
  virtual const Settings& settings() const = 0;

 protected:
  ~Front() = default;
};

}  // namespace runnel
