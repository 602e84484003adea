#pragma once

#include <poll.h>

#include <utility>

#include "tests/support/resp_client.h"

namespace runnel::test {

inline constexpr int kPauseMs = 5;  // between two looks

// Looks at the condition again and again, for the case that nothing announces it: at least once,
// and until it holds. False if it does not hold in time.
template <class Condition>
bool Eventually(Condition holds, Clock::duration patience = kPatience) {
  const Clock::time_point deadline = Clock::now() + patience;
  while (!holds()) {
    if (Clock::now() >= deadline) return false;
    poll(nullptr, 0, kPauseMs);
  }
  return true;
}

// The same for what takes as long as the machine is slow: gives up only when `progress()` has been
// the same for that long.
template <class Progress, class Condition>
bool EventuallyWhileItMoves(Progress progress, Condition holds) {
  auto last = progress();
  Clock::time_point deadline = Clock::now() + kPatience;
  while (!holds()) {
    if (auto now = progress(); now != last) {
      last = std::move(now);
      deadline = Clock::now() + kPatience;
    } else if (Clock::now() >= deadline) {
      return false;
    }
    poll(nullptr, 0, kPauseMs);
  }
  return true;
}

}  // namespace runnel::test
