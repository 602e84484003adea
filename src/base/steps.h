#pragma once

#include <cstdint>

namespace runnel {

// How much work the code has done, for tests that measure it without a clock. In a build that
// counts, the compiler counts each basic block that is entered, so no loop can be left out. Work
// inside libraries (memcpy, compression, system calls) does not count.
extern const bool kCountsSteps;

// Steps of the calling thread since it began; 0 if this build does not count.
uint64_t StepsTaken();

}  // namespace runnel
