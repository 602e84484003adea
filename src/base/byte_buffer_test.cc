#include "base/byte_buffer.h"

#include <string>
#include <utility>

#include "base/random.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

TEST(ByteBufferTest, HoldsWhatAStringWould) {
  Random random(1);
  ByteBuffer buffer;
  std::string model;
  for (int i = 0; i < 5000; i++) {
    const std::string bytes(random.Below(100), static_cast<char>('a' + random.Below(26)));
    if (random.Below(2) == 0) {
      buffer.Append(bytes);
    } else {
      bytes.copy(buffer.Room(bytes.size() + random.Below(50)), bytes.size());
      buffer.Grow(bytes.size());
    }
    model += bytes;
    if (random.Below(1000) == 0) {
      buffer.Clear(random.Below(100'000));
      model.clear();
    }
    ASSERT_EQ(buffer.view(), model);
    ASSERT_GE(buffer.capacity(), buffer.size());
  }
}

TEST(ByteBufferTest, ClearGivesBackWhatIsTooMuch) {
  ByteBuffer buffer;
  buffer.Append(std::string(1000, 'x'));
  buffer.Clear(buffer.capacity());
  EXPECT_GE(buffer.capacity(), 1000u);
  buffer.Clear(999);
  EXPECT_EQ(buffer.capacity(), 0u);
  EXPECT_TRUE(buffer.empty());
}

TEST(ByteBufferTest, WhatWasMovedFromIsEmpty) {
  ByteBuffer buffer;
  buffer.Append("bytes");
  ByteBuffer other = std::move(buffer);
  EXPECT_EQ(other.view(), "bytes");
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.capacity(), 0u);
  buffer.Append("more");
  EXPECT_EQ(buffer.view(), "more");
  EXPECT_EQ(other.view(), "bytes");
}

}  // namespace
}  // namespace runnel
