#include "base/random.h"

#include <optional>
#include <random>

#include "base/testing.h"

namespace runnel {
namespace {

// Null but in tests. A pointer, because RandomSeed is called before main.
Random* random_for_test = nullptr;

}  // namespace

void SetRandomSeedForTest(uint64_t seed) {
  static std::optional<Random> random;
  random_for_test = &random.emplace(seed);
}

Random::Random(uint64_t seed) {
  for (uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    uint64_t mixed = seed;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    word = mixed ^ (mixed >> 31);
  }
}

uint64_t Random::Next() {
  uint64_t a = state_[0];
  const uint64_t b = state_[1];
  state_[0] = b;
  a ^= a << 23;
  state_[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
  return state_[1] + b;
}

uint64_t RandomSeed() {
  if (random_for_test != nullptr) return random_for_test->Next();
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

std::string RandomHex(size_t digits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  while (text.size() < digits) {
    for (uint64_t bits = RandomSeed(), i = 0; i < 16 && text.size() < digits; i++, bits >>= 4) {
      text += kDigits[bits & 15];
    }
  }
  return text;
}

}  // namespace runnel
