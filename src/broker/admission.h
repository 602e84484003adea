#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "broker/broker_host.h"
#include "broker/change_log.h"
#include "broker/change_policy.h"
#include "broker/command_table.h"
#include "broker/pause.h"
#include "broker/scripts.h"
#include "broker/session.h"
#include "broker/settings.h"

namespace runnel {

// Whether the client still has to give the password. If no password is set, no client has to, also
// one that connected when there was one.
inline bool MustAuthenticate(const Session& session, const Settings& settings) {
  return !session.info.authenticated && !settings.requirepass.empty();
}

// The error for a client that asks for more in-sync replicas than there are.
std::string TooFewReplicas(const ChangeLog::Replicas& replicas);

// Decides whether a command may run now. Each reason against it is one row of a table in
// admission.cc: when the row applies, the question, and the answer. It changes nothing.
class Admission {
 public:
  enum class Verdict : uint8_t {
    kRun,
    kQueue,     // MULTI is open: it runs with EXEC
    kPutOff,    // it runs later: see Pause
    kRejected,  // with the error of Answer
  };
  struct Answer {
    Verdict verdict = Verdict::kRun;
    std::string error = {};  // of kRejected: the whole text, including the code
  };

  // Everything is borrowed and outlives it.
  Admission(const Settings& settings, const BrokerHost& host, const ChangeLog& log,
            const ChangePolicy& policy, const Pause& pause, const Scripts& scripts)
      : settings_(settings),
        host_(host),
        log_(log),
        policy_(policy),
        pause_(pause),
        scripts_(scripts) {}

  // True if no row of the table has a reason to look at the command, so that it may run: the quick
  // way of most requests. If false, ask Check. `args` include the command's name.
  bool NothingAgainst(const Session& session, const Command& command,
                      std::span<const std::string_view> args) const {
    return !FindConcern(session, command.spec->flags, args, [](Concern) { return true; });
  }
  // Asks all rows, in their order.
  Answer Check(const Session& session, const Command& command,
               std::span<const std::string_view> args) const;
  // The same for what a script does: a command that it calls, or, before it begins, the script
  // itself. `flags` are those that count. Asks only about the server's state, and puts nothing off.
  // A script that has `changed` something is stopped only if the journal cannot take more.
  Answer CheckInScript(const Session& session, const Command& command, uint32_t flags,
                       std::span<const std::string_view> args, bool changed) const;

 private:
  // States that may be reasons. If none holds, no row is asked.
  enum Concern : uint32_t {
    kStranger = 1u << 0,        // the session has not authenticated
    kTransaction = 1u << 1,     // MULTI is open
    kMemoryLimit = 1u << 2,     // there is a maxmemory
    kNoJournal = 1u << 3,       // the journal takes no changes of this kind
    kSubscriber = 1u << 4,      // RESP2, with subscriptions
    kLoadingNow = 1u << 5,      // others fill the keyspace
    kMonitorNow = 1u << 6,      // the session is a monitor
    kPauseActive = 1u << 7,     // CLIENT PAUSE or back-pressure
    kFollower = 1u << 8,        // the changes come from a leader
    kNeedsFollowers = 1u << 9,  // there is a min-replicas-to-write
    kBusy = 1u << 11,           // a script runs, and this is asked inside of it
    kFewReplicas = 1u << 10,    // the session asks for more in-sync replicas than there are
  };
  struct Request;
  struct Row;
  static const Row kRows[];

  // Calls visit(concern) for those that hold for a command of the session, until that returns true;
  // returns whether it did. `effective` are the command's flags, or those of all that it does (see
  // Request).
  template <class Visit>
  bool FindConcern(const Session& session, uint32_t effective,
                   std::span<const std::string_view> args, Visit visit) const {
    const Transaction& transaction = session.transaction;
    const bool resp2 = session.reply.protocol() == 2;
    return (transaction.open && visit(kTransaction)) ||
           (session.info.monitor && visit(kMonitorNow)) ||
           (resp2 && session.subscriptions() > 0 && visit(kSubscriber)) ||
           (settings_.maxmemory > 0 && visit(kMemoryLimit)) ||
           (policy_.loading() && visit(kLoadingNow)) || (pause_.active() && visit(kPauseActive)) ||
           (scripts_.running() != nullptr && visit(kBusy)) ||
           (MustAuthenticate(session, settings_) && visit(kStranger)) ||
           (log_.follows() && visit(kFollower)) ||
           (!log_.replicas().enough() && session.effective_acks(settings_.acks) == Acks::kAll &&
            visit(kFewReplicas)) ||
           (settings_.min_replicas_to_write > 0 && visit(kNeedsFollowers)) ||
           (log_.Refuses(effective, transaction.queue_bytes, args) && visit(kNoJournal));
  }

  const Settings& settings_;
  const BrokerHost& host_;
  const ChangeLog& log_;
  const ChangePolicy& policy_;
  const Pause& pause_;
  const Scripts& scripts_;
};

}  // namespace runnel
