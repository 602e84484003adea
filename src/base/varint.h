#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

// Integers as bytes. Fixed integers are little-endian. A varint is the LEB128 form: seven bits a
// byte, low bits first, the high bit says that another byte follows; a 64-bit value takes 1 to 10.

namespace runnel {

static_assert(std::endian::native == std::endian::little, "fixed integers are copied as they lie");

inline constexpr size_t kMaxVarint = 10;

// Bytes that WriteVarint(value) takes.
inline size_t VarintSize(uint64_t value) {
  return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
}

// Writes at `out`, which has room for VarintSize(value) bytes; returns the place after them.
inline char* WriteVarint(char* out, uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

// Reads a varint that begins at `in` and ends before `end`; returns the place after it, or nullptr
// if the bytes end inside it or it does not fit 64 bits.
inline const char* ReadVarint(const char* in, const char* end, uint64_t* value) {
  uint64_t result = 0;
  for (int shift = 0; shift < 64 && in < end; shift += 7) {
    const uint64_t byte = static_cast<unsigned char>(*in++);
    if (shift == 63 && byte > 1) return nullptr;
    result |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = result;
      return in;
    }
  }
  return nullptr;
}

// The same for bytes that this process wrote and that are known to be whole.
inline const char* ReadTrustedVarint(const char* in, uint64_t* value) {
  uint64_t byte = static_cast<unsigned char>(*in++);
  uint64_t result = byte & 0x7f;
  for (int shift = 7; byte >= 0x80; shift += 7) {
    byte = static_cast<unsigned char>(*in++);
    result |= (byte & 0x7f) << shift;
  }
  *value = result;
  return in;
}

// Maps small negative and positive numbers to small unsigned ones: 0, -1, 1, -2 to 0, 1, 2, 3.
inline uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

template <class T>
void WriteFixed(char* out, T value) {
  std::memcpy(out, &value, sizeof(value));
}
template <class T>
T ReadFixed(const char* in) {
  T value;
  std::memcpy(&value, in, sizeof(value));
  return value;
}

}  // namespace runnel
