#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "broker/execution.h"
#include "commands/arguments.h"
#include "commands/command.h"

// What EVAL and FCALL have in common.

namespace runnel {

inline constexpr uint32_t kScriptFlags =
    kNoScript | kSkipMonitor | kStale | kNoMandatoryKeys | kRunsLua;

// Which keys a script uses is not known: the worst is assumed.
inline constexpr KeySpec kScriptKeys[] = {
    {.find = KeySpec::kKeyNum, .access = KeySpec::kRW, .use = KeySpec::kUseUpdate, .first = 2}};
inline constexpr KeySpec kReadOnlyScriptKeys[] = {
    {.find = KeySpec::kKeyNum, .access = KeySpec::kRO, .use = KeySpec::kUseAccess, .first = 2}};

// The arguments after the script: how many keys, the keys, the other arguments.
struct ScriptArguments {
  std::span<const std::string_view> keys;
  std::span<const std::string_view> args;
};

// Writes the error and returns nothing if the number is wrong; `not_a_number` is the error if it is
// no number.
std::optional<ScriptArguments> ReadScriptArguments(Context& context,
                                                   std::string_view not_a_number = kNotAnInteger);

// Monitors are shown the script before what it calls.
void TellMonitors(Execution& execution);

}  // namespace runnel
