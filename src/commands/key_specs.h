#pragma once

#include "commands/command.h"

// Key specifications that several commands share: one key as the first argument, by what is done to
// it.

namespace runnel::key_specs {

inline constexpr KeySpec kExamine[] = {{.access = KeySpec::kRO}};
inline constexpr KeySpec kRead[] = {{.access = KeySpec::kRO, .use = KeySpec::kUseAccess}};
inline constexpr KeySpec kUpdate[] = {{.access = KeySpec::kRW, .use = KeySpec::kUseUpdate}};
inline constexpr KeySpec kInsert[] = {{.access = KeySpec::kRW, .use = KeySpec::kUseInsert}};
inline constexpr KeySpec kDelete[] = {{.access = KeySpec::kRW, .use = KeySpec::kUseDelete}};
inline constexpr KeySpec kReadUpdate[] = {
    {.access = KeySpec::kRW, .use = KeySpec::kUseAccess | KeySpec::kUseUpdate}};
inline constexpr KeySpec kReadDelete[] = {
    {.access = KeySpec::kRW, .use = KeySpec::kUseAccess | KeySpec::kUseDelete}};
inline constexpr KeySpec kOverwrite[] = {{.access = KeySpec::kOW, .use = KeySpec::kUseUpdate}};

}  // namespace runnel::key_specs
