#include "broker/script_run.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/admission.h"
#include "broker/change_log.h"
#include "broker/command_table.h"
#include "broker/dispatcher.h"
#include "broker/executor.h"
#include "broker/owned_args.h"
#include "broker/settings.h"
#include "broker/turn_clock.h"
#include "commands/command.h"
#include "fmt/format.h"

namespace runnel {

// What a run leaves that was unwound.
struct ScriptRun::Progress final : ColdProgress {
  // What the command of a call has found so far. A call that has ended keeps it, too: its command
  // runs again as often as the script does.
  struct Found {
    uint64_t call = 0;
    OwnedArgs args;
    std::unique_ptr<ColdProgress> found;
  };

  int64_t began_us = 0;
  Random48 random;
  Random command_random{0};
  // The call that missed, counted from 1.
  uint64_t call = 0;
  std::vector<Found> found;  // ascending by call
  // Lines that the script has logged before.
  uint64_t lines = 0;
  bool told_slow = false;
  // Runs that were unwound, without those that have only searched further in the same call: each
  // looks at other data, so they come to an end.
  uint64_t rounds = 0;
};

namespace {

// How often a script is unwound before the loop waits for what it needs.
constexpr uint64_t kMostRounds = 1000;

constexpr std::string_view kUnknownInScript = "ERR Unknown Redis command called from script";
constexpr std::string_view kWrongCountInScript =
    "ERR Wrong number of args calling Redis command from script";

// The command or subcommand; nullptr if there is none.
const Command* FindForScript(const CommandTable& table, std::span<const std::string_view> args) {
  const Command* command = table.Find(args[0]);
  if (command == nullptr || command->subcommands.empty() || args.size() == 1) return command;
  return CommandTable::FindSubcommand(*command, args[1]);
}

bool TakesSoMany(const CommandSpec& spec, size_t count) {
  const int argc = static_cast<int>(count);
  return spec.arity > 0 ? argc == spec.arity : argc >= -spec.arity;
}

// Whether it is a read of streams that would block. Lists have commands of their own for that.
bool AsksToBlock(const CommandSpec& spec, std::span<const std::string_view> args) {
  if (spec.name != "xread" && spec.name != "xreadgroup") return false;
  for (size_t i = 1; i < args.size() && !EqualsIgnoreCase(args[i], "streams"); i++) {
    if (EqualsIgnoreCase(args[i], "block")) return true;
    if (EqualsIgnoreCase(args[i], "group")) i += 2;
  }
  return false;
}

}  // namespace

ScriptRun::ScriptRun(Execution& execution, uint32_t flags, bool read_only)
    : execution_(execution),
      parts_(execution.parts()),
      session_(execution.session()),
      engine_(parts_.scripts.engine()),
      flags_(flags),
      read_only_(read_only),
      db_(session_.db),
      clock_us_(parts_.clock.now_us()),
      // Only this class leaves progress for the commands that run scripts.
      earlier_(static_cast<Progress*>(execution.progress().release())),
      began_us_(clock_us_),
      random_(engine_.random()),
      command_random_(parts_.random) {
  execution_.runs_script = true;
  if (earlier_ == nullptr) return;
  // All runs do again what those before them did, and others may change meanwhile what it looks at:
  // there must be an end.
  execution_.script_reads_at_once = earlier_->rounds >= kMostRounds;
  began_us_ = earlier_->began_us;
  random_ = earlier_->random;
  is_slow_ = earlier_->told_slow;
  parts_.clock.set_now_us(began_us_);
  // What others draw does not begin anew.
  std::swap(parts_.random, earlier_->command_random);
  command_random_ = parts_.random;
}

ScriptRun::~ScriptRun() {
  parts_.scripts.End();
  if (earlier_ != nullptr) parts_.random = earlier_->command_random;
  session_.db = db_;
  parts_.clock.set_now_us(clock_us_);
}

void ScriptRun::Run(const Script& script, std::span<const std::string_view> keys,
                    std::span<const std::string_view> args) {
  if (!Begin(script.sha, false)) return;
  End(engine_.Run(script, keys, args, *this, execution_.reply()));
}

void ScriptRun::Run(const ScriptFunction& function, std::span<const std::string_view> keys,
                    std::span<const std::string_view> args) {
  // What it changes in the variables of its library would stay, so it must not begin again. Others
  // have nothing that outlives them: closures that they make are new in each run.
  if (function.keeps_state) execution_.script_reads_at_once = true;
  if (!Begin(function.name, true)) return;
  End(engine_.Call(function, keys, args, *this, execution_.reply()));
}

bool ScriptRun::Begin(std::string_view name, bool is_function) {
  const std::string why_not = WhyNot();
  if (!why_not.empty()) {
    execution_.reply().Error(why_not);
    return false;
  }
  engine_.set_random(random_);
  running_.name = name;
  running_.is_function = is_function;
  running_.command = execution_.shown_args();
  running_.began_sealed = parts_.log.sealed();
  running_.began_us = parts_.clock.clock().SteadyMicros();
  constexpr int64_t kMostMs = int64_t{1} << 50;
  const int64_t threshold_ms = parts_.settings.busy_reply_threshold_ms;
  serve_at_us_ = threshold_ms == 0 ? std::numeric_limits<int64_t>::max()
                                   : running_.began_us + std::min(threshold_ms, kMostMs) * 1000;
  parts_.scripts.Begin(running_);
  return true;
}

void ScriptRun::End(const ScriptResult& result) {
  parts_.scripts.NoteRun();
  if (result.end == ScriptResult::kNotNow) {
    execution_.progress() = std::move(progress_);
    throw ColdMiss(std::move(*miss_));
  }
  // What is counted already is not counted for the command. As in Redis it has failed once for each
  // error that it passes on, and once for all of its own.
  execution_.failed_parts += result.counted_errors + own_errors_;
  execution_.command().stats.failed += result.counted_errors + (own_errors_ > 0 ? 1 : 0);
}

// Why the script may not begin, as a whole error; empty if it may. A script that says its flags is
// judged by them. What others call is judged one by one.
std::string ScriptRun::WhyNot() const {
  const Command& command = execution_.command();
  uint32_t flags = Scripts::FlagsOf(command.spec->flags, flags_);
  if (has(kScriptCompatible)) flags &= ~(kStale | kDenyOom | kWrite | kMayReplicate);
  Admission::Answer answer =
      parts_.admission.CheckInScript(session_, command, flags, execution_.args(), false);
  if (answer.verdict == Admission::Verdict::kRejected) return std::move(answer.error);
  if (read_only_ && (flags & kWrite) != 0) {
    return "ERR Can not execute a script with write flag using *_ro command.";
  }
  return {};
}

// The same for a command that it calls.
std::string ScriptRun::WhyNot(const Command& command,
                              std::span<const std::string_view> args) const {
  uint32_t flags = command.spec->flags;
  if ((flags & kNoScript) != 0) return "ERR This Redis command is not allowed from script";
  if ((flags & kBlocking) != 0 && AsksToBlock(*command.spec, args)) {
    return fmt::format("ERR {} command is not allowed with BLOCK option from scripts", args[0]);
  }
  // Messages go to others, too.
  if (!may_write() && (flags & (kWrite | kMayReplicate)) != 0) {
    return "ERR Write commands are not allowed from read-only scripts.";
  }
  if (has(kScriptAllowOom)) flags &= ~kDenyOom;
  Admission::Answer answer =
      parts_.admission.CheckInScript(session_, command, flags, args, execution_.part_changed);
  if (answer.verdict != Admission::Verdict::kRejected) return {};
  if (answer.error.starts_with("MASTERDOWN ")) {
    return "ERR Can not execute the command on a stale replica";
  }
  return std::move(answer.error);
}

ScriptHost::Answer ScriptRun::Call(std::span<const std::string_view> args,
                                   ReplyWriter& reply) noexcept {
  calls_++;
  const bool told = earlier_ != nullptr && calls_ <= earlier_->call;
  const bool counted = earlier_ != nullptr && calls_ < earlier_->call;
  const Command* const command = FindForScript(parts_.commands, args);
  std::string why_not;
  if (command == nullptr) {
    why_not = kUnknownInScript;
  } else if (!TakesSoMany(*command->spec, args.size())) {
    why_not = kWrongCountInScript;
  } else {
    why_not = WhyNot(*command, args);
  }
  if (!why_not.empty()) [[unlikely]] {
    if (!counted) {
      if (command != nullptr) command->stats.rejected++;
      parts_.executor.CountError(why_not);
    }
    reply.Error(why_not);
    return Answer::kDone;
  }

  std::unique_ptr<ColdProgress> found;
  if (told) found = TakeFound(args);
  const bool searches_on = found != nullptr && !counted;
  const RunMode mode{
      .may_block = false, .again = told, .counted = counted, .reply = &reply, .found = &found};
  const Outcome outcome = parts_.executor.Run(session_, *command, args, mode, std::move(found));
  if (outcome == nullptr) [[likely]] {
    // Once it cannot be unwound any more, nobody will ask for it.
    if (found != nullptr && execution_.script_can_unwind()) KeepFound(args, std::move(found));
    return Answer::kDone;
  }
  CHECK(outcome->miss != nullptr);
  miss_ = std::move(outcome->miss);
  if (outcome->progress != nullptr) KeepFound(args, std::move(outcome->progress));
  if (progress_ == nullptr) progress_ = std::make_unique<Progress>();
  progress_->began_us = began_us_;
  progress_->random = random_;
  progress_->command_random = command_random_;
  // A run may miss earlier than the one before it, if others have changed something meanwhile.
  progress_->call = std::max(calls_, earlier_ == nullptr ? 0 : earlier_->call);
  progress_->lines = std::max(lines_, earlier_ == nullptr ? 0 : earlier_->lines);
  progress_->told_slow = is_slow_;
  progress_->rounds = (earlier_ == nullptr ? 0 : earlier_->rounds) + (searches_on ? 0 : 1);
  return Answer::kNotNow;
}

// What earlier runs have left of the call that is made now; null if there is nothing.
std::unique_ptr<ColdProgress> ScriptRun::TakeFound(std::span<const std::string_view> args) {
  for (Progress::Found& known : earlier_->found) {
    if (known.call != calls_ || !std::ranges::equal(known.args.views(), args)) continue;
    return std::move(known.found);
  }
  return nullptr;
}

void ScriptRun::KeepFound(std::span<const std::string_view> args,
                          std::unique_ptr<ColdProgress> found) {
  if (progress_ == nullptr) progress_ = std::make_unique<Progress>();
  progress_->found.push_back({calls_, OwnedArgs(args), std::move(found)});
}

bool ScriptRun::MayGoOn() noexcept {
  if (parts_.clock.clock().SteadyMicros() >= serve_at_us_) ServeOthers();
  return !running_.killed;
}

void ScriptRun::ServeOthers() {
  // Often enough for a person, and never most of the time.
  constexpr int64_t kEveryUs = 10'000;
  constexpr int64_t kShare = 4;
  const int64_t begin_us = parts_.clock.clock().SteadyMicros();
  if (!std::exchange(is_slow_, true)) {
    LogWarning(
        "A slow script: {} {} has run for {} ms. Others are told that the server is busy. {} KILL "
        "ends it unless it has changed something; SHUTDOWN NOSAVE ends the server",
        running_.is_function ? "the function" : "the script with the SHA-1", running_.name,
        (begin_us - running_.began_us) / 1000, running_.is_function ? "FUNCTION" : "SCRIPT");
  }
  running_.has_acted = execution_.part_changed || execution_.script_acted;
  const int64_t now_us = parts_.clock.now_us();
  execution_.own_cycles += parts_.clock.TakeCycles();
  parts_.dispatcher.ServeOthers(session_);
  parts_.clock.TakeCycles();
  // For the script, the time stands still.
  parts_.clock.set_now_us(now_us);
  const int64_t end_us = parts_.clock.clock().SteadyMicros();
  serve_at_us_ = end_us + std::max(kEveryUs, kShare * (end_us - begin_us));
}

void ScriptRun::Log(ScriptLogLevel level, std::string_view text) noexcept {
  lines_++;
  if (earlier_ != nullptr && lines_ <= earlier_->lines) return;
  switch (level) {
    case ScriptLogLevel::kDebug:
      return LogDebug("{}", text);
    case ScriptLogLevel::kVerbose:
      return LogVerbose("{}", text);
    case ScriptLogLevel::kNotice:
      return LogNotice("{}", text);
    case ScriptLogLevel::kWarning:
      return LogWarning("{}", text);
  }
}

void ScriptRun::CountError(std::string_view code) noexcept {
  parts_.executor.CountErrorCode(code);
  own_errors_++;
}

// There is one user, who may do everything.
ScriptHost::Access ScriptRun::CheckAccess(std::span<const std::string_view> args) noexcept {
  return FindForScript(parts_.commands, args) == nullptr ? Access::kNoSuchCommand
                                                         : Access::kAllowed;
}

}  // namespace runnel
