#pragma once

#include <cstdint>
#include <cstdlib>

namespace runnel::test {

// The number in this variable of the environment, if it is set.
inline uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace runnel::test
