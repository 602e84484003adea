#include "broker/admission.h"

#include "base/memory.h"
#include "commands/command.h"
#include "commands/errors.h"
#include "fmt/format.h"

namespace runnel {

// A command that a session has sent, as the rows see it.
struct Admission::Request {
  const Session& session;
  const Command& command;
  uint32_t flags;      // of the command
  uint32_t effective;  // the same; EXEC also has the flags of its queue, because it does what its
                       // queue does
  uint32_t common;     // the same; EXEC has only those that all commands of its queue have, too
  bool queue;          // MULTI would queue it
  bool in_script;      // a script calls it, or is about to begin

  // A script about which nobody knows whether it will write.
  bool runs_any_script() const {
    return (effective & kRunsLua) != 0 && (effective & kMayReplicate) != 0;
  }
};

struct Admission::Row {
  uint32_t when;  // Concerns: the row is asked if one of them holds
  // Whether the row stops the request, and how.
  Answer (*ask)(const Admission& admission, const Request& request);
};

namespace {

using Answer = Admission::Answer;

constexpr const char* kLoadingText = "LOADING Redis is loading the dataset in memory";

Answer Reject(std::string error) {
  return {Admission::Verdict::kRejected, std::move(error)};
}

}  // namespace

std::string TooFewReplicas(const ChangeLog::Replicas& replicas) {
  return fmt::format("NOREPLICAS Not enough in-sync replicas ({} of {}).", replicas.live,
                     replicas.wanted);
}

// In the order of Redis: the client gets the answer of the first row that stops its request.
const Admission::Row Admission::kRows[] = {
    {kStranger,
     [](const Admission&, const Request& request) {
       if ((request.flags & kNoAuth) != 0) return Answer();
       return Reject("NOAUTH Authentication required.");
     }},
    {kTransaction,
     [](const Admission&, const Request& request) {
       if ((request.flags & kNoMulti) == 0) return Answer();
       return Reject("ERR Command not allowed inside a transaction");
     }},
    {kMemoryLimit,
     [](const Admission& admission, const Request& request) {
       // Others are told that the server is busy.
       if (admission.scripts_.running() != nullptr && !request.in_script) return Answer();
       const bool takes = (request.effective & kDenyOom) != 0 || request.queue;
       // Of what it calls, a script is told by itself. But it does not wait.
       const bool may_take = takes || (request.runs_any_script() && !request.in_script);
       if (!may_take || AllocatedBytes() <= admission.settings_.maxmemory) return Answer();
       if (admission.pause_.freeing() && !request.in_script) return Answer{Verdict::kPutOff};
       return takes ? Reject(std::string(kMemoryIsFull)) : Answer();
     }},
    {kFollower,
     [](const Admission&, const Request& request) {
       if ((request.effective & kWrite) == 0) return Answer();
       return Reject("READONLY You can't write against a read only replica.");
     }},
    {kNoJournal,
     [](const Admission& admission, const Request& request) {
       const ChangeLog& log = admission.log_;
       // So whoever watches it has another server lead.
       const bool is_asked = request.command.full_name == "ping" && log.failed() && !log.follows();
       const Status why = log.WhyNot(is_asked ? request.effective | kWrite : request.effective);
       return why.ok() ? Answer() : Reject(why.message());
     }},
    {kFewReplicas,
     [](const Admission& admission, const Request& request) {
       if ((request.effective & (kWrite | kReadOnly | kShowsState)) == 0) return Answer();
       return Reject(TooFewReplicas(admission.log_.replicas()));
     }},
    {kNeedsFollowers,
     [](const Admission& admission, const Request& request) {
       const Settings& settings = admission.settings_;
       const bool enough = admission.log_.follows() || settings.min_replicas_max_lag_s == 0 ||
                           admission.host_.GoodFollowers() >= settings.min_replicas_to_write;
       if ((request.effective & kWrite) == 0 || enough) return Answer();
       return Reject("NOREPLICAS Not enough good replicas to write.");
     }},
    {kSubscriber,
     [](const Admission&, const Request& request) {
       if ((request.flags & kInSubscribe) != 0) return Answer();
       return Reject(
           fmt::format("ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
                       "QUIT / RESET are allowed in this context",
                       request.command.full_name));
     }},
    {kFollower,
     [](const Admission& admission, const Request& request) {
       if ((request.common & kStale) != 0) return Answer();
       if (admission.host_.LacksState()) return Reject(kLoadingText);
       if (admission.settings_.replica_serve_stale_data || !admission.host_.LeaderIsLost()) {
         return Answer();
       }
       return Reject(
           "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.");
     }},
    {kLoadingNow,
     [](const Admission&, const Request& request) {
       if ((request.flags & kLoading) != 0) return Answer();
       return Reject(kLoadingText);
     }},
    {kBusy,
     [](const Admission& admission, const Request& request) {
       if ((request.flags & kAllowBusy) != 0) return Answer();
       return Reject(admission.scripts_.BusyError());
     }},
    // Redis takes a monitor for a replica here, and tells it so.
    {kMonitorNow,
     [](const Admission&, const Request& request) {
       if ((request.effective & (kWrite | kReadOnly | kMayReplicate)) == 0) return Answer();
       return Reject("ERR Replica can't interact with the keyspace");
     }},
    {kPauseActive,
     [](const Admission& admission, const Request& request) {
       if (!admission.pause_.Holds(request.effective)) return Answer();
       return Answer{Verdict::kPutOff};
     }},
    {kTransaction,
     [](const Admission&, const Request& request) {
       return request.queue ? Answer{Verdict::kQueue} : Answer();
     }},
    {kPauseActive,
     [](const Admission& admission, const Request& request) {
       if (!admission.pause_.HoldsBack(request.effective, request.command.spec->categories)) {
         return Answer();
       }
       return Answer{Verdict::kPutOff};
     }},
};

Admission::Answer Admission::Check(const Session& session, const Command& command,
                                   std::span<const std::string_view> args) const {
  const Transaction& transaction = session.transaction;
  const uint32_t flags = scripts_.FlagsOf(*command.spec, args);
  const bool queue = transaction.open && (flags & kInMulti) == 0;
  const bool executes = transaction.open && !queue;
  const uint32_t effective = executes ? flags | transaction.flags : flags;
  const uint32_t common = executes ? flags & transaction.common_flags : flags;
  uint32_t concerns = 0;
  FindConcern(session, effective, args, [&](Concern concern) {
    concerns |= concern;
    return false;
  });

  const Request request{session, command, flags, effective, common, queue, false};
  for (const Row& row : kRows) {
    if ((row.when & concerns) == 0) continue;
    Answer answer = row.ask(*this, request);
    if (answer.verdict != Verdict::kRun) return answer;
  }
  return {};
}

Admission::Answer Admission::CheckInScript(const Session& session, const Command& command,
                                           uint32_t flags, std::span<const std::string_view> args,
                                           bool changed) const {
  const uint32_t asked =
      changed ? uint32_t{kNoJournal}
              : kMemoryLimit | kFollower | kNoJournal | kFewReplicas | kNeedsFollowers;
  uint32_t concerns = 0;
  FindConcern(session, flags, args, [&](Concern concern) {
    concerns |= concern;
    return false;
  });
  concerns &= asked;
  if (concerns == 0) [[likely]]
    return {};
  const Request request{session, command, flags, flags, flags, false, true};
  for (const Row& row : kRows) {
    if ((row.when & concerns) == 0) continue;
    Answer answer = row.ask(*this, request);
    if (answer.verdict == Verdict::kRejected) return answer;
  }
  return {};
}

}  // namespace runnel
