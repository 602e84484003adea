#pragma once

// CHECK states what must hold for the process to go on: it is compiled into every build, and a
// failure aborts with the place and the expression, because going on would write wrong state to
// disk. ASSERT states the same for paths where the test costs something; it is there in the test
// and sanitizer builds (RUNNEL_ASSERTIONS).

namespace runnel {

// Prints "file:line: what failed" to standard error and aborts.
[[noreturn]] void AssertionFailed(const char* file, int line, const char* expression);

}  // namespace runnel

#define CHECK(expression)                             \
  (__builtin_expect(static_cast<bool>(expression), 1) \
       ? static_cast<void>(0)                         \
       : ::runnel::AssertionFailed(__FILE__, __LINE__, #expression))

#ifdef RUNNEL_ASSERTIONS
#define ASSERT(expression) CHECK(expression)
#else
#define ASSERT(expression) static_cast<void>(sizeof(static_cast<bool>(expression)))
#endif
