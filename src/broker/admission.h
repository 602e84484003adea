#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "broker/change_log.h"
#include "broker/change_policy.h"
#include "broker/command_table.h"
#include "broker/pause.h"
#include "broker/session.h"
#include "broker/settings.h"

namespace runnel {

// Whether the client still has to give the password. If no password is set, no client has to, also
// one that connected when there was one.
inline bool MustAuthenticate(const Session& session, const Settings& settings) {
  return !session.info.authenticated && !settings.requirepass.empty();
}

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
  Admission(const Settings& settings, const ChangeLog& log, const ChangePolicy& policy,
            const Pause& pause)
      : settings_(settings), log_(log), policy_(policy), pause_(pause) {}

  // True if no row of the table has a reason to look at the command, so that it may run: the quick
  // way of most requests. If false, ask Check. `args` include the command's name.
  bool NothingAgainst(const Session& session, const Command& command,
                      std::span<const std::string_view> args) const {
    const bool concerned = session.transaction.open || session.info.monitor ||
                           (session.reply.protocol() == 2 && session.subscriptions() > 0) ||
                           settings_.maxmemory > 0 || policy_.loading() || pause_.active() ||
                           MustAuthenticate(session, settings_);
    return !concerned && !log_.Refuses(command.spec->flags, 0, args);
  }
  // Asks all rows, in their order.
  Answer Check(const Session& session, const Command& command,
               std::span<const std::string_view> args) const;

 private:
  struct Request;
  struct Row;
  static const Row kRows[];

  const Settings& settings_;
  const ChangeLog& log_;
  const ChangePolicy& policy_;
  const Pause& pause_;
};

}  // namespace runnel
