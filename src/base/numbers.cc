#include "base/numbers.h"

#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "base/text.h"

namespace runnel {
namespace {

constexpr std::array<char, 200> kDigitPairs = [] {
  std::array<char, 200> pairs{};
  for (int i = 0; i < 100; i++) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

// strtod and its kin want a terminator. Redis takes a text of so many bytes, and whatever
// FormatLongDouble writes is shorter.
constexpr size_t kMaxFloatText = 5 * 1024 - 1;

template <class T, class Convert>
std::optional<T> ParseFloating(std::string_view text, Convert convert) {
  if (text.empty() || text.size() > kMaxFloatText || IsSpace(text[0])) return std::nullopt;
  char buffer[kMaxFloatText + 1];
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  char* end = nullptr;
  errno = 0;
  const T value = convert(buffer, &end);
  if (end != buffer + text.size() || std::isnan(value)) return std::nullopt;
  const bool overflow = errno == ERANGE && (std::isinf(value) || value == 0);
  if (overflow) return std::nullopt;
  return value;
}

// Digits that a 64-bit number has room for, whatever they are.
constexpr size_t kSafeDigits = 19;

constexpr uint64_t kBytes = 0x0101010101010101;

// The number that eight digits make, as arithmetic on all bytes of a word at once.
std::optional<uint32_t> ParseEightDigits(const char* text) {
  uint64_t word;
  std::memcpy(&word, text, sizeof(word));
  if (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  // A digit has 3 in its upper half, and still has it when 6 is added.
  const uint64_t high = 0xf0 * kBytes;
  if ((word & high) != 0x30 * kBytes || ((word + 0x06 * kBytes) & high) != 0x30 * kBytes) {
    return std::nullopt;
  }
  // Neighbours are joined: digits to pairs, pairs to fours, fours to the whole.
  word &= 0x0f * kBytes;
  word = (word * 10 + (word >> 8)) & 0x00ff00ff00ff00ff;
  word = (word * 100 + (word >> 16)) & 0x0000ffff0000ffff;
  return static_cast<uint32_t>(word * 10000 + (word >> 32));
}

constexpr std::array<uint64_t, 20> kPowersOfTen = [] {
  std::array<uint64_t, 20> powers{1};
  for (size_t i = 1; i < powers.size(); i++) {
    powers[i] = powers[i - 1] * 10;
  }
  return powers;
}();

}  // namespace

size_t DecimalDigits(uint64_t value) {
  // 1233 / 4096 is the logarithm of 2, near enough for 64 bits; the table corrects what is one too
  // many.
  const size_t digits = static_cast<size_t>(std::bit_width(value | 1) * 1233) >> 12;
  return digits + (value >= kPowersOfTen[digits] ? 1 : 0) + (value == 0 ? 1 : 0);
}

char* WriteDecimal(char* out, uint64_t value) {
  if (value < 10) {
    *out = static_cast<char>('0' + value);
    return out + 1;
  }
  char* const end = out + DecimalDigits(value);
  char* at = end;
  while (value >= 100) {
    at -= 2;
    std::memcpy(at, &kDigitPairs[2 * (value % 100)], 2);
    value /= 100;
  }
  if (value >= 10) {
    std::memcpy(at - 2, &kDigitPairs[2 * value], 2);
  } else {
    *(at - 1) = static_cast<char>('0' + value);
  }
  return end;
}

char* WriteDecimal(char* out, int64_t value) {
  if (value >= 0) return WriteDecimal(out, static_cast<uint64_t>(value));
  *out = '-';
  return WriteDecimal(out + 1, uint64_t{0} - static_cast<uint64_t>(value));
}

std::optional<int64_t> ParseInteger(std::string_view text) {
  if (text.empty() || text.size() > 20) return std::nullopt;
  // Most are positive and short.
  constexpr size_t kShort = 7;
  if (text.size() <= kShort && text[0] >= '1') {
    uint32_t value = 0;
    for (const char c : text) {
      const unsigned digit = static_cast<unsigned char>(c) - unsigned{'0'};
      if (digit > 9) return std::nullopt;
      value = value * 10 + digit;
    }
    return value;
  }
  const bool negative = text[0] == '-';
  const size_t first = negative ? 1 : 0;
  if (text.size() == first) return std::nullopt;
  if (text[first] == '0') {
    if (text.size() == 1) return 0;
    return std::nullopt;
  }
  const std::optional<uint64_t> magnitude = ParseDigits(text.substr(first));
  if (!magnitude) return std::nullopt;
  constexpr uint64_t kLargest = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (*magnitude > kLargest + (negative ? 1 : 0)) return std::nullopt;
  return static_cast<int64_t>(negative ? uint64_t{0} - *magnitude : *magnitude);
}

std::optional<uint64_t> ParseDigits(std::string_view text) {
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  // Nothing can overflow.
  if (text.size() <= kSafeDigits) [[likely]] {
    while (text.size() >= 8) {
      const std::optional<uint32_t> eight = ParseEightDigits(text.data());
      if (!eight) return std::nullopt;
      value = value * 100'000'000 + *eight;
      text.remove_prefix(8);
    }
    for (const char c : text) {
      const unsigned digit = static_cast<unsigned char>(c) - unsigned{'0'};
      if (digit > 9) return std::nullopt;
      value = value * 10 + digit;
    }
    return value;
  }
  for (const char c : text) {
    const unsigned digit = static_cast<unsigned char>(c) - unsigned{'0'};
    if (digit > 9) return std::nullopt;
    if (__builtin_mul_overflow(value, uint64_t{10}, &value) ||
        __builtin_add_overflow(value, uint64_t{digit}, &value)) {
      return std::nullopt;
    }
  }
  return value;
}

std::optional<double> ParseDouble(std::string_view text) {
  return ParseFloating<double>(text,
                               [](const char* in, char** end) { return std::strtod(in, end); });
}

std::optional<long double> ParseLongDouble(std::string_view text) {
  return ParseFloating<long double>(
      text, [](const char* in, char** end) { return std::strtold(in, end); });
}

std::string FormatDouble(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (std::abs(value) < 1e15 && value == std::trunc(value) &&
      !(value == 0 && std::signbit(value))) {
    char buffer[kMaxDecimal];
    return std::string(buffer, WriteDecimal(buffer, static_cast<int64_t>(value)));
  }
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, result.ptr);
}

std::string FormatScore(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  // These are written out in both forms.
  if (std::abs(value) < 1e15 && value == std::trunc(value)) return FormatDouble(value);
  char buffer[32];
  const auto result =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::general, 17);
  return std::string(buffer, result.ptr);
}

std::string FormatLongDouble(long double value) {
  // 17 digits hide the last bits of a long double's 19, which are the ones that rounding leaves
  // wrong.
  char buffer[5200];
  const int size = std::snprintf(buffer, sizeof(buffer), "%.17Lf", value);
  std::string text(buffer, static_cast<size_t>(size));
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

std::optional<uint64_t> ParseMemorySize(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<uint64_t> number = ParseDigits(text.substr(0, digits));
  if (!number) return std::nullopt;
  const std::string_view unit = text.substr(digits);
  constexpr struct {
    std::string_view name;
    uint64_t factor;
  } kUnits[] = {{"", 1},
                {"b", 1},
                {"k", 1000},
                {"kb", 1024},
                {"m", 1000 * 1000},
                {"mb", 1024 * 1024},
                {"g", 1000 * 1000 * 1000},
                {"gb", 1024 * 1024 * 1024}};
  for (const auto& known : kUnits) {
    if (!EqualsIgnoreCase(unit, known.name)) continue;
    uint64_t bytes;
    if (__builtin_mul_overflow(*number, known.factor, &bytes)) return std::nullopt;
    return bytes;
  }
  return std::nullopt;
}

}  // namespace runnel
