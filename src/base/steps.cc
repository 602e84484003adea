#include "base/steps.h"

namespace runnel {

#ifdef RUNNEL_COUNT_STEPS

namespace {
thread_local uint64_t steps_taken = 0;
}  // namespace

// Called at the begin of each basic block of what is compiled with -fsanitize-coverage=trace-pc.
// This file is not.
extern "C" void __sanitizer_cov_trace_pc();
extern "C" void __sanitizer_cov_trace_pc() {
  steps_taken++;
}

const bool kCountsSteps = true;

uint64_t StepsTaken() {
  return steps_taken;
}

#else

const bool kCountsSteps = false;

uint64_t StepsTaken() {
  return 0;
}

#endif

}  // namespace runnel
