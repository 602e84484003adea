#pragma once

#include <poll.h>

#include "tests/support/resp_client.h"

namespace runnel::test {

// Looks at the condition again and again, for the case that nothing announces it: at least once,
// and until it holds. False if it does not hold in time.
template <class Condition>
bool Eventually(Condition holds, Clock::duration patience = kPatience) {
  constexpr int kPauseMs = 5;
  const Clock::time_point deadline = Clock::now() + patience;
  while (!holds()) {
    if (Clock::now() >= deadline) return false;
    poll(nullptr, 0, kPauseMs);
  }
  return true;
}

}  // namespace runnel::test
