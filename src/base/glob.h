#pragma once

#include <string_view>

namespace runnel {

// Redis's glob over bytes: `*` any run, `?` one byte, `[a-z]` `[^x]` classes, `\` takes the next
// byte as it is. Every pattern is valid: a class without an end takes the rest of the pattern. Only
// the empty pattern matches the empty text, as in Redis.
bool GlobMatch(std::string_view pattern, std::string_view text, bool ignore_case = false);

}  // namespace runnel
