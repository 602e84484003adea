#include "base/crc64.h"

#include <array>
#include <cstddef>

namespace runnel {
namespace {

constexpr uint64_t kReversedPolynomial = 0x95ac9329ac4bc9b5;
constexpr size_t kSlices = 8;

// tables[k][b] is the CRC of the byte b and k zeros after it, so that eight bytes are one step.
using Tables = std::array<std::array<uint64_t, 256>, kSlices>;

constexpr Tables MakeTables() {
  Tables tables{};
  for (uint64_t byte = 0; byte < 256; byte++) {
    uint64_t crc = byte;
    for (int bit = 0; bit < 8; bit++) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReversedPolynomial : 0);
    }
    tables[0][byte] = crc;
  }
  for (size_t slice = 1; slice < kSlices; slice++) {
    for (size_t byte = 0; byte < 256; byte++) {
      const uint64_t before = tables[slice - 1][byte];
      tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

uint64_t Crc64(std::string_view bytes) {
  uint64_t crc = 0;
  size_t i = 0;
  for (; i + kSlices <= bytes.size(); i += kSlices) {
    for (size_t k = 0; k < kSlices; k++) {
      crc ^= uint64_t{static_cast<uint8_t>(bytes[i + k])} << (8 * k);
    }
    uint64_t next = 0;
    for (size_t k = 0; k < kSlices; k++) {
      next ^= kTables[kSlices - 1 - k][(crc >> (8 * k)) & 0xff];
    }
    crc = next;
  }
  for (; i < bytes.size(); i++) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint8_t>(bytes[i])) & 0xff];
  }
  return crc;
}

}  // namespace runnel
