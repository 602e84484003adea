#pragma once

#include <vector>

#include "utils/bench_cases.h"
#include "utils/bench_curves.h"
#include "utils/bench_memory.h"

namespace runnel::bench {

// Hashes, sets, sorted sets and scripts.

const std::vector<Case>& ValueCases();
const std::vector<MemoryCase>& ValueMemoryCases();
const std::vector<Curve>& ValueCurves();

}  // namespace runnel::bench
