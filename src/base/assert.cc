#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

#include "base/log.h"

namespace runnel {

void AssertionFailed(const char* file, int line, const char* expression) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
  std::fflush(stderr);
  LogWarning("{}:{}: assertion failed: {}", file, line, expression);
  FlushLog();
  std::abort();
}

}  // namespace runnel
