#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Numbers to text and back, by the rules that Redis clients see.

namespace runnel {

inline constexpr size_t kMaxDecimal = 20;  // digits of 2^64-1; a sign and 19 digits

// How many digits the number has: 1 to 20.
size_t DecimalDigits(uint64_t value);

// Writes the number at `out` (room for kMaxDecimal bytes); returns the place after it.
char* WriteDecimal(char* out, uint64_t value);
char* WriteDecimal(char* out, int64_t value);

// A 64-bit integer in its canonical form only: an optional minus and digits without leading zeros
// or blanks, as Redis takes integers in arguments.
std::optional<int64_t> ParseInteger(std::string_view text);

// Digits only, at least one, leading zeros allowed, at most 2^64-1.
std::optional<uint64_t> ParseDigits(std::string_view text);

// A floating point number as Redis takes it: what strtod reads, wholly, no blank before it, not
// NaN. "inf" is allowed.
std::optional<double> ParseDouble(std::string_view text);
std::optional<long double> ParseLongDouble(std::string_view text);

// The shortest text that reads back as the same number ("3", "0.1", "1e+30", "inf", "-inf", "nan").
std::string FormatDouble(double value);

// A score of a sorted set as Redis 7.0 prints it: 17 significant digits, zeros at the end left out
// ("3", "0.10000000000000001", "1e+30", "inf", "-inf"). Newer ones print as FormatDouble does, but
// for the form of exponents.
std::string FormatScore(double value);

// Decimal digits after the point, at most 17, trailing zeros removed, never an exponent: the form
// of INCRBYFLOAT's results.
std::string FormatLongDouble(long double value);

// "100", "1k" (1000), "1kb" (1024), "1m", "1mb", "1g", "1gb", letters in any case: sizes in
// redis.conf.
std::optional<uint64_t> ParseMemorySize(std::string_view text);

}  // namespace runnel
