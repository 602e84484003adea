#include "broker/script_run.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/admission.h"
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
  int64_t began_us = 0;
  Random48 random;
  // The call that missed, counted from 1, and what its command has found so far.
  uint64_t call = 0;
  OwnedArgs args;
  std::unique_ptr<ColdProgress> found;
};

namespace {

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
      random_(engine_.random()) {
  execution_.runs_script = true;
  if (earlier_ == nullptr) return;
  began_us_ = earlier_->began_us;
  random_ = earlier_->random;
  parts_.clock.set_now_us(began_us_);
}

ScriptRun::~ScriptRun() {
  parts_.scripts.End();
  session_.db = db_;
  parts_.clock.set_now_us(clock_us_);
}

void ScriptRun::Run(const Script& script, std::span<const std::string_view> keys,
                    std::span<const std::string_view> args) {
  const std::string why_not = WhyNot();
  if (!why_not.empty()) return execution_.reply().Error(why_not);
  engine_.set_random(random_);
  running_.name = script.sha;
  running_.command = execution_.shown_args();
  running_.began_us = parts_.clock.clock().SteadyMicros();
  constexpr int64_t kMostMs = int64_t{1} << 50;
  serve_at_us_ =
      running_.began_us + std::min(parts_.settings.busy_reply_threshold_ms, kMostMs) * 1000;
  parts_.scripts.Begin(running_);
  End(engine_.Run(script, keys, args, *this, execution_.reply()));
}

void ScriptRun::End(const ScriptResult& result) {
  parts_.scripts.NoteRun();
  if (result.end == ScriptResult::kNotNow) {
    execution_.progress() = std::move(progress_);
    throw ColdMiss(std::move(*miss_));
  }
  if (!result.error_counted) return;
  // The command has failed, but the error is that of a part.
  execution_.failed_parts++;
  execution_.command().stats.failed++;
}

// Why the script may not begin, as a whole error; empty if it may. A script that says its flags is
// judged by them. What others call is judged one by one.
std::string ScriptRun::WhyNot() const {
  const Command& command = execution_.command();
  uint32_t flags = command.spec->flags & ~(kStale | kDenyOom | kWrite | kMayReplicate);
  if (!has(kScriptCompatible)) {
    if (!has(kScriptAllowOom) && !has(kScriptNoWrites)) flags |= kDenyOom;
    if (!has(kScriptNoWrites)) flags |= kWrite;
    if (has(kScriptAllowStale)) flags |= kStale;
  }
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
  if (told && !counted && std::ranges::equal(earlier_->args.views(), args)) {
    found = std::move(earlier_->found);
  }
  const RunMode mode{.may_block = false, .again = told, .counted = counted, .reply = &reply};
  const Outcome outcome = parts_.executor.Run(session_, *command, args, mode, std::move(found));
  if (outcome != nullptr) [[unlikely]] {
    CHECK(outcome->miss != nullptr);
    miss_ = std::move(outcome->miss);
    progress_ = std::make_unique<Progress>();
    progress_->began_us = began_us_;
    progress_->random = random_;
    progress_->call = calls_;
    progress_->args = OwnedArgs(args);
    progress_->found = std::move(outcome->progress);
    return Answer::kNotNow;
  }
  execution_.script_acted |= (command->spec->flags & kMayReplicate) != 0;
  return Answer::kDone;
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
  execution_.part_cycles += parts_.clock.TakeCycles();
  parts_.dispatcher.ServeOthers(session_);
  parts_.clock.TakeCycles();
  // For the script, the time stands still.
  parts_.clock.set_now_us(now_us);
  const int64_t end_us = parts_.clock.clock().SteadyMicros();
  serve_at_us_ = end_us + std::max(kEveryUs, kShare * (end_us - begin_us));
}

void ScriptRun::Log(ScriptLogLevel level, std::string_view text) noexcept {
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

// There is one user, who may do everything.
ScriptHost::Access ScriptRun::CheckAccess(std::span<const std::string_view> args) noexcept {
  return FindForScript(parts_.commands, args) == nullptr ? Access::kNoSuchCommand
                                                         : Access::kAllowed;
}

}  // namespace runnel
