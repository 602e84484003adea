#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runnel {

// Classes of keyspace notifications: the letters of notify-keyspace-events.
enum NotifyClass : uint32_t {
  kNotifyKeyspace = 1u << 0,  // K: publish to __keyspace@<db>__:<key>
  kNotifyKeyevent = 1u << 1,  // E: publish to __keyevent@<db>__:<event>
  kNotifyGeneric = 1u << 2,   // g
  kNotifyString = 1u << 3,    // $
  kNotifyList = 1u << 4,      // l
  kNotifySet = 1u << 5,       // s
  kNotifyHash = 1u << 6,      // h
  kNotifyZset = 1u << 7,      // z
  kNotifyExpired = 1u << 8,   // x
  kNotifyEvicted = 1u << 9,   // e
  kNotifyStream = 1u << 10,   // t
  kNotifyKeyMiss = 1u << 11,  // m, not part of A
  kNotifyModule = 1u << 12,   // d
  kNotifyNew = 1u << 13,      // n, not part of A
  kNotifyAll = kNotifyGeneric | kNotifyString | kNotifyList | kNotifySet | kNotifyHash |
               kNotifyZset | kNotifyExpired | kNotifyEvicted | kNotifyStream | kNotifyModule,  // A
};

// Letters to bits; nothing if a letter is unknown. And back, with A for all that it stands for.
std::optional<uint32_t> ParseNotifyClasses(std::string_view letters);
std::string FormatNotifyClasses(uint32_t classes);

}  // namespace runnel
