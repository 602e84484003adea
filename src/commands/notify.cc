#include "commands/notify.h"

namespace runnel {
namespace {

constexpr struct {
  char letter;
  uint32_t bits;
} kLetters[] = {
    {'A', kNotifyAll},      {'g', kNotifyGeneric},  {'$', kNotifyString},  {'l', kNotifyList},
    {'s', kNotifySet},      {'h', kNotifyHash},     {'z', kNotifyZset},    {'x', kNotifyExpired},
    {'e', kNotifyEvicted},  {'t', kNotifyStream},   {'d', kNotifyModule},  {'n', kNotifyNew},
    {'K', kNotifyKeyspace}, {'E', kNotifyKeyevent}, {'m', kNotifyKeyMiss},
};

}  // namespace

std::optional<uint32_t> ParseNotifyClasses(std::string_view letters) {
  uint32_t classes = 0;
  for (const char letter : letters) {
    uint32_t bits = 0;
    for (const auto& known : kLetters) {
      if (known.letter == letter) bits = known.bits;
    }
    if (bits == 0) return std::nullopt;
    classes |= bits;
  }
  return classes;
}

std::string FormatNotifyClasses(uint32_t classes) {
  std::string letters;
  uint32_t told = 0;
  for (const auto& known : kLetters) {
    if ((classes & known.bits) != known.bits || (told & known.bits) == known.bits) continue;
    letters += known.letter;
    told |= known.bits;
  }
  return letters;
}

}  // namespace runnel
