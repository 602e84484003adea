#pragma once

#include <errno.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/hash.h"
#include "base/testing.h"
#include "tests/support/environment.h"

namespace runnel::sim {

using test::FromEnvironment;

// How many seeds to run where `otherwise` is usual: RUNNEL_SIM_SEEDS says how many, or
// RUNNEL_SIM_MOST_SEEDS how many at most.
inline uint64_t Seeds(uint64_t otherwise) {
  const uint64_t most = FromEnvironment("RUNNEL_SIM_MOST_SEEDS", otherwise);
  return FromEnvironment("RUNNEL_SIM_SEEDS", std::min(otherwise, most));
}

// What tells how to run the present seed again, for a check that ends the program.
inline std::string& HowAgain() {
  static std::string text;
  return text;
}

// One seed alone is run to be looked at: tests that can print what happens.
inline bool OneSeedOnly() {
  return std::getenv("RUNNEL_SIM_SEED") != nullptr;
}

// Calls run(seed) for the seeds from 1 to `seeds` (or as Seeds says; RUNNEL_SIM_SEED=n: for
// that one alone), up to the first that fails the running test, and tells how to run that one
// again.
template <class Run>
void ForEachSeed(uint64_t seeds, Run run) {
  const uint64_t none = ~uint64_t{0};
  const uint64_t only = FromEnvironment("RUNNEL_SIM_SEED", none);
  const uint64_t first = only == none ? 1 : only;
  const uint64_t last = only == none ? Seeds(seeds) : only;
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  // A signal that ends the program does so after the handler, too.
  const auto tell = [](int signal) {
    std::fputs(HowAgain().c_str(), stderr);
    std::signal(signal, SIG_DFL);
  };
  const auto before_abort = std::signal(SIGABRT, tell);
  const auto before_fault = std::signal(SIGSEGV, tell);
  for (uint64_t seed = first; seed <= last && !::testing::Test::HasFailure(); seed++) {
    // The order of keys in tables decides the order of what snapshots and upkeep do.
    SetHashSeedForTest(seed);
    SetRandomSeedForTest(seed);
    HowAgain() = "again: RUNNEL_SIM_SEED=" + std::to_string(seed) + " " +
                 program_invocation_short_name + " --gtest_filter=" + test->test_suite_name() +
                 "." + test->name() + "\n";
    run(seed);
  }
  std::signal(SIGABRT, before_abort);
  std::signal(SIGSEGV, before_fault);
  if (::testing::Test::HasFailure()) ADD_FAILURE() << HowAgain();
}

}  // namespace runnel::sim
