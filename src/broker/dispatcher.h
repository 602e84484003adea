#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/intrusive_list.h"
#include "broker/admission.h"
#include "broker/command_table.h"
#include "broker/executor.h"
#include "broker/parts.h"
#include "broker/session.h"
#include "broker/suspended.h"

namespace runnel {

// Takes requests from their arrival to their reply: finds the command, asks Admission, runs the
// command, and gives the session to the part that the outcome names (Waiting, Parking, Pause). Runs
// commands again when their wait is over. Only this part moves sessions between these states.
class Dispatcher {
 public:
  // The parts outlive it.
  explicit Dispatcher(Parts& parts) : parts_(parts) {}

  // Executes one request. The views are not kept. REQUIRES: session.takes_requests().
  void Execute(Session& session, std::span<const std::string_view> args);
  // The session takes requests again: its transport goes on at the end of the turn.
  void ContinueLater(Session& session) { continued_.Add(session); }

  // Executes requests of other sessions inside of a command of this one, which takes long. Only
  // commands run that are made for that (kAllowBusy).
  void ServeOthers(const Session& running);

  // --- Ends of waits ---

  // Runs blocked commands again that marked keys may serve.
  void ServeReady();
  // Members of topic groups that something has happened to: their blocked calls run again.
  void ServeTopicGroups();
  // Runs the commands again of sessions whose entries have been loaded.
  void RunLoaded();
  // The same for sessions that wait for the journal to be durable up to here.
  void ServeDurable(Position durable);
  // The same for sessions that wait for followers which have come far enough.
  void ServeFollowers();
  // The same for all sessions that wait for followers, because it is in vain.
  void EndFollowerWaits();
  // The same for sessions that wait for this event (Wait::event).
  void ServeEvent(uint64_t event);
  // The event has happened: its session is answered with this error, or with OK if the error is
  // empty.
  void EndEvent(uint64_t event, std::string_view error);
  // Ends the waits of sessions whose deadline has come; runs the commands again whose retry time
  // has come.
  void ServeTimers();
  // CLIENT UNBLOCK: ends the session's wait as a timeout does, or with an error. Returns false if
  // the session does not wait for something that a client may end.
  bool Unblock(Session& session, bool with_error);
  // All waits that clients have asked for end with this error, and so do their connections.
  void EndWaits(std::string_view error);
  // The waits of sessions that ask for all in-sync replicas end with this error.
  void EndWaitsForAll(std::string_view error);
  // Commands that wait for entries on the disk are checked and run again at once, whether these are
  // in memory or not.
  void RunParked();
  // Commands that were put off are tried again at the end of the turn.
  void RetryPutOff();
  // Goes on with sessions that take requests again, in the order in which they became ready.
  void ContinueSessions();
  bool anything_continues() const { return !continued_.empty(); }

  // --- Ends of sessions ---

  // Removes the session from everything that could serve it or send to it.
  void Detach(Session& session);
  // CLIENT KILL: ends the session now, or after its reply if its command is running.
  void Kill(Session& session);
  // Back to the state of a new connection (RESET).
  void Reset(Session& session);
  void DiscardTransaction(Session& session);

 private:
  const Command* Resolve(Session& session, std::span<const std::string_view> args);
  void EndCaching(Session& session);
  void Reject(Session& session, const Command* command, std::string_view error);
  void Queue(Session& session, const Command& command, std::span<const std::string_view> args);
  void Run(Session& session, const Command& command, std::span<const std::string_view> args);
  void Admit(Session& session, const Command& command, std::span<const std::string_view> args);
  void Suspend(Session& session, const Command& command, std::span<const std::string_view> args,
               std::unique_ptr<Suspended> suspended, const RunMode& mode, Outcome outcome);
  void Resume(Session& session, bool may_block);
  void RunAgain(Session& session);
  void EndWait(Session& session);
  void GoOnAfterWait(Session& session);
  void Answer(Session& session, std::string_view error);
  void FailWait(Session& session, std::string_view error);
  void AnswerTimeout(Session& session);
  void TimeOut(Session& session);

  Parts& parts_;
  IntrusiveList<Session, InContinued> continued_;
  bool inside_ = false;  // in ServeOthers
  // The name that was looked up last, as the client wrote it, and its command. Clients often send
  // the same command again.
  std::string last_name_;
  const Command* last_found_ = nullptr;
};

}  // namespace runnel
