#pragma once

#include <functional>

#include "tests/compat/script.h"

namespace runnel::compat {

// Shortens a script that fails to one that still fails and from which, within the given number of
// trials, nothing more could be left out. `fails` runs a script from the beginning.
Script Shrink(const Script& script, const std::function<bool(const Script&)>& fails, int trials);

}  // namespace runnel::compat
