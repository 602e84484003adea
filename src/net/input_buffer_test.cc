#include "net/input_buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "base/random.h"

namespace runnel {
namespace {

void Arrive(InputBuffer& buffer, std::string_view bytes, size_t wanted) {
  while (!bytes.empty()) {
    const std::span<char> space = buffer.Space(wanted);
    ASSERT_FALSE(space.empty());
    const size_t part = std::min(space.size(), bytes.size());
    std::memcpy(space.data(), bytes.data(), part);
    buffer.Fill(part);
    bytes.remove_prefix(part);
  }
}

TEST(InputBuffer, EmptyOwnsNothing) {
  InputBuffer buffer;
  EXPECT_EQ(buffer.capacity(), 0u);
  Arrive(buffer, "abc", 0);
  EXPECT_EQ(buffer.bytes(), "abc");
  buffer.Consume(3);
  EXPECT_EQ(buffer.capacity(), 0u);
}

TEST(InputBuffer, APromiseOfManyBytesCostsNothingUntilTheyCome) {
  InputBuffer buffer;
  Arrive(buffer, std::string(1000, 'x'), size_t{512} << 20);
  buffer.Space(size_t{512} << 20);
  EXPECT_LT(buffer.capacity(), 64u * 1024);
}

TEST(InputBuffer, KeepsBytesInOrderWhateverComesAndGoes) {
  Random random(7);
  InputBuffer buffer;
  std::string model;
  for (int i = 0; i < 20'000; i++) {
    if (random.Below(2) == 0) {
      std::string bytes(random.Below(3000), '\0');
      for (char& byte : bytes) {
        byte = static_cast<char>(random.Next());
      }
      if (random.Below(4) == 0) {
        buffer.Append(bytes);
      } else {
        Arrive(buffer, bytes, random.Below(100'000));
      }
      model += bytes;
    } else {
      const size_t taken = random.Below(model.size() + 1);
      buffer.Consume(taken);
      model.erase(0, taken);
    }
    ASSERT_EQ(buffer.bytes(), model) << "step " << i;
  }
}

}  // namespace
}  // namespace runnel
