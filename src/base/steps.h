#pragma once

#include <cstdint>

namespace runnel {

// How much the code has done, for tests that want to know it without looking at a clock. In a build
// that counts, the compiler counts each basic block that is entered, so no loop can be left out.
// What is done inside of libraries (memcpy, compression, system calls) does not count.
extern const bool kCountsSteps;

// Steps of the calling thread since it began; 0 if this build does not count.
uint64_t StepsTaken();

}  // namespace runnel
