#include "resp/rope.h"

#include <sys/uio.h>

#include <algorithm>
#include <random>

#include "gtest/gtest.h"

namespace runnel {
namespace {

// Larger than a chunk.
constexpr size_t kLarge = 100'000;

std::string Pattern(size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  std::minstd_rand random(seed);
  std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<char>(random()); });
  return bytes;
}

std::string Gathered(const Rope& rope, size_t bytes, int count, int* filled) {
  std::vector<iovec> vectors(static_cast<size_t>(count));
  *filled = rope.Gather(bytes, vectors.data(), count);
  std::string text;
  for (int i = 0; i < *filled; i++) {
    const iovec& vector = vectors[static_cast<size_t>(i)];
    EXPECT_GT(vector.iov_len, 0u);
    text.append(static_cast<const char*>(vector.iov_base), vector.iov_len);
  }
  return text;
}

TEST(RopeTest, IsEmptyAndOwnsNothing) {
  Rope rope;
  EXPECT_TRUE(rope.empty());
  EXPECT_EQ(rope.size(), 0u);
  EXPECT_EQ(rope.MemoryBytes(), 0u);
  EXPECT_EQ(rope.ToString(), "");
  iovec vector;
  EXPECT_EQ(rope.Gather(100, &vector, 1), 0);
  rope.Consume(10);
  rope.Truncate(0);
  rope.Append("");
  EXPECT_EQ(rope.MemoryBytes(), 0u);
}

TEST(RopeTest, AppendsInOrder) {
  Rope rope;
  std::string expected;
  for (const size_t size : {1, 10, 16'000, 2, 17'000, 100'000, 3}) {
    const std::string bytes = Pattern(size, static_cast<unsigned>(size));
    rope.Append(bytes);
    expected += bytes;
    EXPECT_EQ(rope.size(), expected.size());
  }
  EXPECT_EQ(rope.ToString(), expected);
  EXPECT_GE(rope.MemoryBytes(), expected.size());
}

TEST(RopeTest, ReservedRoomIsInOnePiece) {
  Rope rope;
  std::string expected;
  for (const size_t size : {size_t{100}, size_t{16'000}, size_t{300}, kLarge}) {
    const std::string bytes = Pattern(size, 1);
    char* out = rope.Reserve(size + 50);
    rope.Commit(std::copy(bytes.begin(), bytes.end(), out));
    expected += bytes;
  }
  EXPECT_EQ(rope.ToString(), expected);
  rope.Commit(rope.Reserve(10));
  EXPECT_EQ(rope.ToString(), expected);
}

TEST(RopeTest, ConsumeFreesWhatIsGone) {
  const std::string bytes = Pattern(kLarge, 2);
  Rope rope;
  for (size_t i = 0; i < bytes.size(); i += 1000) {
    rope.Append(std::string_view(bytes).substr(i, 1000));
  }
  size_t gone = 0;
  for (const size_t part : {size_t{1}, size_t{999}, size_t{40'000}, size_t{50'000}}) {
    rope.Consume(part);
    gone += part;
    EXPECT_EQ(rope.ToString(), bytes.substr(gone));
    EXPECT_EQ(rope.size(), bytes.size() - gone);
  }
  EXPECT_LT(rope.MemoryBytes(), 40'000u);
  rope.Consume(kLarge);
  EXPECT_TRUE(rope.empty());
  EXPECT_EQ(rope.MemoryBytes(), 0u);
}

TEST(RopeTest, TruncateTakesBackTheEnd) {
  const std::string bytes = Pattern(kLarge, 3);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{20'000}, kLarge - 1, kLarge, kLarge + 1}) {
    Rope rope;
    for (size_t i = 0; i < bytes.size(); i += 100) {
      rope.Append(std::string_view(bytes).substr(i, 100));
    }
    rope.Consume(10);
    rope.Truncate(size);
    const std::string expected = bytes.substr(10, size);
    EXPECT_EQ(rope.ToString(), expected);
    rope.Append("tail");
    EXPECT_EQ(rope.ToString(), expected + "tail");
    EXPECT_EQ(rope.size(), expected.size() + 4);
  }
}

TEST(RopeTest, GatherDescribesTheFront) {
  const std::string bytes = Pattern(kLarge, 4);
  Rope rope;
  for (size_t i = 0; i < bytes.size(); i += 10'000) {
    char* out = rope.Reserve(10'000);
    rope.Commit(std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(i), 10'000, out));
  }
  int filled;
  EXPECT_EQ(Gathered(rope, kLarge, 100, &filled), bytes);
  EXPECT_GT(filled, 1);
  EXPECT_EQ(Gathered(rope, 25'000, 100, &filled), bytes.substr(0, 25'000));
  const std::string two = Gathered(rope, kLarge, 2, &filled);
  EXPECT_EQ(filled, 2);
  EXPECT_EQ(two, bytes.substr(0, two.size()));
  EXPECT_EQ(Gathered(rope, 0, 100, &filled), "");
  EXPECT_EQ(Gathered(rope, kLarge, 0, &filled), "");
}

TEST(RopeTest, TakesAnotherRope) {
  const std::string a = Pattern(20'000, 5);
  const std::string b = Pattern(30'000, 6);
  for (const std::string& first : {std::string(), a}) {
    for (const std::string& second : {std::string(), b}) {
      Rope rope;
      Rope other;
      rope.Append(first);
      other.Append(second);
      rope.Append(std::move(other));
      EXPECT_EQ(rope.ToString(), first + second);
      EXPECT_TRUE(other.empty());
      EXPECT_EQ(other.MemoryBytes(), 0u);
      rope.Append("x");
      other.Append("y");
      EXPECT_EQ(rope.ToString(), first + second + "x");
      EXPECT_EQ(other.ToString(), "y");
    }
  }
}

Ref<Block> BlockOf(const std::string& bytes) {
  Ref<Block> block = Block::Create(bytes.size());
  std::copy(bytes.begin(), bytes.end(), block->data());
  return block;
}

TEST(RopeTest, SlicesThatFollowOneAnotherAreOnePiece) {
  const std::string bytes = Pattern(1000, 8);
  const Ref<Block> block = BlockOf(bytes);
  const std::string_view all(block->data(), bytes.size());
  Rope rope;
  rope.AppendSlice(block, all.substr(0, 0));
  EXPECT_EQ(rope.MemoryBytes(), 0u);
  rope.AppendSlice(block, all.substr(0, 100));
  rope.AppendSlice(block, all.substr(100, 300));
  // They count as the rope's, but nothing more does.
  EXPECT_GE(rope.MemoryBytes(), 400u);
  EXPECT_LT(rope.MemoryBytes(), 500u);
  int filled;
  EXPECT_EQ(Gathered(rope, 1000, 10, &filled), bytes.substr(0, 400));
  EXPECT_EQ(filled, 1);
  // Behind a gap, and after bytes of its own, the rope copies.
  rope.AppendSlice(block, all.substr(500, 10));
  rope.Append("own");
  rope.AppendSlice(block, all.substr(510, 10));
  EXPECT_EQ(rope.ToString(),
            bytes.substr(0, 400) + bytes.substr(500, 10) + "own" + bytes.substr(510, 10));
  rope.Consume(399);
  rope.Truncate(3);
  EXPECT_EQ(rope.ToString(), bytes.substr(399, 1) + bytes.substr(500, 2));
}

TEST(RopeTest, KeepsTheBlockOfASlice) {
  const std::string bytes = Pattern(1000, 9);
  Rope rope;
  {
    const Ref<Block> block = BlockOf(bytes);
    rope.AppendSlice(block, {block->data(), bytes.size()});
    EXPECT_FALSE(block->unique());
  }
  EXPECT_EQ(rope.ToString(), bytes);
}

TEST(RopeTest, UnshareCopies) {
  const std::string bytes = Pattern(1000, 10);
  const Ref<Block> block = BlockOf(bytes);
  for (const bool more : {false, true}) {
    Rope rope;
    rope.AppendSlice(block, {block->data(), 500});
    rope.Consume(100);
    if (more) rope.Append("more");
    rope.Unshare();
    EXPECT_TRUE(block->unique());
    EXPECT_GE(rope.MemoryBytes(), 400u);
    rope.Append("x");
    EXPECT_EQ(rope.ToString(), bytes.substr(100, 400) + (more ? "more" : "") + "x");
    rope.Clear();
    EXPECT_EQ(rope.MemoryBytes(), 0u);
  }
}

TEST(RopeTest, MostOfABlockStaysShared) {
  const std::string bytes = Pattern(kLarge, 11);
  const Ref<Block> block = BlockOf(bytes);
  const std::string_view all(block->data(), bytes.size());
  Rope rope;
  rope.Append("own");
  rope.AppendSlice(block, all);
  rope.Unshare();
  EXPECT_FALSE(block->unique());
  rope.Append("x");
  EXPECT_EQ(rope.ToString(), "own" + bytes + "x");
  EXPECT_GE(rope.MemoryBytes(), bytes.size());
  EXPECT_LT(rope.MemoryBytes(), bytes.size() + 40'000);
  rope.Consume(3);
  EXPECT_EQ(rope.TakeFront(1000).ToString(), bytes.substr(0, 1000));
  rope.Truncate(50'000);
  EXPECT_EQ(rope.ToString(), bytes.substr(1000, 50'000));
  EXPECT_LT(rope.MemoryBytes(), 52'000u);
  rope.Clear();
  EXPECT_EQ(rope.MemoryBytes(), 0u);
  EXPECT_TRUE(block->unique());
}

// What a turn answers is a rope of its own, which would otherwise keep a chunk for three bytes.
TEST(RopeTest, ManyRopesOfFewBytesArePacked) {
  const std::string bytes = Pattern(1000, 12);
  const Ref<Block> block = BlockOf(bytes);
  for (const size_t size : {1, 3, 100, 5000, 9000}) {
    for (const bool shared : {false, true}) {
      const size_t part = shared ? std::min<size_t>(size, 400) : size;
      Rope rope;
      for (int i = 0; i < 1000; i++) {
        Rope other;
        if (shared) {
          other.AppendSlice(block, {block->data(), part});
          other.Unshare();
        } else {
          other.Append(Pattern(part, 13));
        }
        rope.Append(std::move(other));
      }
      EXPECT_EQ(rope.size(), 1000 * part);
      EXPECT_LE(rope.MemoryBytes(), 2 * rope.size() + 40'000) << part;
    }
  }
}

TEST(RopeTest, MemoryGoesAsTheBytesLeave) {
  constexpr size_t kBytes = 10'000'000;
  const std::string bytes(kBytes, 'x');
  Rope rope;
  rope.Append(bytes);
  while (!rope.empty()) {
    rope.Consume(300'000);
    EXPECT_LE(rope.MemoryBytes(), rope.size() + 1'200'000);
  }
  EXPECT_EQ(rope.MemoryBytes(), 0u);
}

TEST(RopeTest, Moves) {
  Rope rope;
  rope.Append("abc");
  Rope moved(std::move(rope));
  EXPECT_EQ(moved.ToString(), "abc");
  Rope assigned;
  assigned = std::move(moved);
  EXPECT_EQ(assigned.ToString(), "abc");
  assigned.Clear();
  EXPECT_TRUE(assigned.empty());
  EXPECT_EQ(assigned.MemoryBytes(), 0u);
}

// Against a string that does the same.
TEST(RopeTest, AgreesWithAString) {
  std::minstd_rand random(7);
  Rope rope;
  std::string model;
  for (int step = 0; step < 3000; step++) {
    const size_t size = random() % (random() % 10 == 0 ? 30'000 : 100);
    switch (random() % 8) {
      case 0:
      case 1: {
        const std::string bytes = Pattern(size, random());
        rope.Append(bytes);
        model += bytes;
        break;
      }
      case 2: {
        const std::string bytes = Pattern(size, random());
        rope.Commit(std::copy(bytes.begin(), bytes.end(), rope.Reserve(size)));
        model += bytes;
        break;
      }
      case 3:
        rope.Consume(size);
        model.erase(0, size);
        break;
      case 4:
        rope.Truncate(model.size() - std::min(size, model.size()));
        model.resize(model.size() - std::min(size, model.size()));
        break;
      case 5: {
        const std::string bytes = Pattern(size, random());
        Rope other;
        other.Append(bytes);
        rope.Append(std::move(other));
        model += bytes;
        break;
      }
      case 6: {
        const std::string bytes = Pattern(size, random());
        const Ref<Block> block = BlockOf(bytes);
        rope.AppendSlice(block, {block->data(), bytes.size()});
        if (random() % 2 == 0) rope.Unshare();
        model += bytes;
        break;
      }
      case 7: {
        Rope rest = rope.TakeFront(size);
        ASSERT_EQ(rest.ToString(), model.substr(0, size));
        model.erase(0, size);
        break;
      }
    }
    ASSERT_EQ(rope.size(), model.size());
    ASSERT_EQ(rope.MemoryBytes() == 0, rope.empty());
    if (step % 50 == 0) {
      ASSERT_EQ(rope.ToString(), model);
    }
  }
}

}  // namespace
}  // namespace runnel
