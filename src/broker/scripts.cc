#include "broker/scripts.h"

#include <optional>

#include "base/text.h"
#include "commands/command.h"
#include "fmt/format.h"

namespace runnel {

// As in Redis: what a script says of itself counts, and nothing else.
uint32_t Scripts::FlagsOf(uint32_t flags, uint32_t script_flags) {
  if ((script_flags & kScriptCompatible) != 0) return flags;
  flags &= ~(kStale | kDenyOom | kWrite | kMayReplicate);
  if ((script_flags & (kScriptAllowOom | kScriptNoWrites)) == 0) flags |= kDenyOom;
  if ((script_flags & kScriptNoWrites) == 0) flags |= kWrite;
  if ((script_flags & kScriptAllowStale) != 0) flags |= kStale;
  return flags;
}

uint32_t Scripts::FlagsOf(const CommandSpec& spec, std::span<const std::string_view> args) const {
  if ((spec.flags & kRunsLua) == 0 || args.size() < 2) return spec.flags;
  std::optional<uint32_t> script_flags;
  if (spec.name.starts_with("fcall")) {
    if (const auto* const owner = functions_.OwnerOf(args[1])) {
      for (const StoredFunction& function : owner->library->functions) {
        if (EqualsIgnoreCase(function.name, args[1])) script_flags = function.flags;
      }
    }
  } else if (spec.name.starts_with("evalsha")) {
    if (engine_ != nullptr) script_flags = engine_->FlagsOf(args[1]);
  } else {
    script_flags = ScriptEngine::FlagsInText(args[1]);
  }
  return script_flags ? FlagsOf(spec.flags, *script_flags) : spec.flags;
}

std::string Scripts::BusyError() const {
  return fmt::format(
      "BUSY Redis is busy running a script. You can only call {} KILL or SHUTDOWN NOSAVE.",
      running_->is_function ? "FUNCTION" : "SCRIPT");
}

Status Scripts::Kill(bool function) {
  if (running_ == nullptr) {
    return Status::Error("NOTBUSY No scripts in execution right now.");
  }
  if (running_->is_function != function) return Status::Error(BusyError());
  if (running_->has_acted) {
    return Status::Error(
        "UNKILLABLE Sorry the script already executed write commands against the dataset. You can "
        "either wait the script termination or kill the server in a hard way using the SHUTDOWN "
        "NOSAVE command.");
  }
  running_->killed = true;
  return {};
}

}  // namespace runnel
