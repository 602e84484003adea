#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace runnel {

// Flags that a script says in its first line (#!lua flags=...), and a function when it is
// registered.
enum ScriptFlag : uint32_t {
  kScriptNoWrites = 1u << 0,            // calls no command that writes
  kScriptAllowOom = 1u << 1,            // may run above maxmemory
  kScriptAllowStale = 1u << 2,          // may run on a follower that has lost its leader
  kScriptNoCluster = 1u << 3,           // not in cluster mode
  kScriptAllowCrossSlotKeys = 1u << 4,  // may use keys of several slots
  // The script has no such line: then its commands are judged one by one, and it is not refused as
  // a whole.
  kScriptCompatible = 1u << 5,
};

struct ScriptFlagName {
  std::string_view name;
  ScriptFlag flag;
};
inline constexpr ScriptFlagName kScriptFlagNames[] = {
    {"no-writes", kScriptNoWrites},
    {"allow-oom", kScriptAllowOom},
    {"allow-stale", kScriptAllowStale},
    {"no-cluster", kScriptNoCluster},
    {"allow-cross-slot-keys", kScriptAllowCrossSlotKeys}};

inline std::optional<ScriptFlag> FindScriptFlag(std::string_view name) {
  for (const ScriptFlagName& known : kScriptFlagNames) {
    if (known.name == name) return known.flag;
  }
  return std::nullopt;
}

}  // namespace runnel
