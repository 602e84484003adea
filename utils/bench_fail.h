#pragma once

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace runnel::bench {

// Ends the tool with one line on standard error and status 1. A figure from a run in which
// something went wrong is worse than no figure, so nothing here tries to carry on.
template <class... Args>
[[noreturn]] void Fail(fmt::format_string<Args...> format, Args&&... args) {
  fmt::print(stderr, "runnel-bench: {}\n", fmt::format(format, std::forward<Args>(args)...));
  std::exit(1);
}

}  // namespace runnel::bench
