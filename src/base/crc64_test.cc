#include "base/crc64.h"

#include <gtest/gtest.h>

#include <string>

namespace runnel {
namespace {

// Bit by bit.
uint64_t Slowly(std::string_view bytes) {
  uint64_t crc = 0;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; bit++) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x95ac9329ac4bc9b5 : 0);
    }
  }
  return crc;
}

TEST(Crc64Test, KnownSums) {
  EXPECT_EQ(Crc64(""), 0u);
  EXPECT_EQ(Crc64("123456789"), 0xe9c6d914c4b8d9ca);
}

TEST(Crc64Test, AllLengths) {
  std::string bytes;
  for (int i = 0; i < 70; i++) {
    EXPECT_EQ(Crc64(bytes), Slowly(bytes)) << i;
    bytes.push_back(static_cast<char>(i * 37 + 200));
  }
}

}  // namespace
}  // namespace runnel
