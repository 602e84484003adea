#pragma once

#include <span>

#include "server/config_directives.h"

namespace runnel::config {

// The directives of Redis 7.0 to 8.x and Valkey 8 that are accepted and reported but change
// nothing.
std::span<const Directive> KeptDirectives();

}  // namespace runnel::config
