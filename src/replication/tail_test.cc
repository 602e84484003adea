#include "replication/tail.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace runnel::replication {
namespace {

// Frames of all sizes against a string that keeps everything.
TEST(TailTest, GivesTheNewestBytesAsTheyWere) {
  std::mt19937 random(1);
  for (const size_t most : {size_t{1}, size_t{300'000}, size_t{2'000'000}}) {
    Tail tail(1000, most);
    std::string all(1000, ' ');
    for (int i = 0; i < 300; i++) {
      std::string frame(1 + random() % (i % 50 == 0 ? 700'000 : 5000), '\0');
      for (size_t at = 0; at < frame.size(); at += 97) {
        frame[at] = static_cast<char>(random());
      }
      tail.Take(all.size(), frame);
      all += frame;
      ASSERT_EQ(tail.end(), all.size());
      ASSERT_GE(tail.end() - tail.begin(), std::min(most, all.size() - 1000));
      ASSERT_LE(tail.end() - tail.begin(), most + 2 * 256 * 1024);
      const Position from = tail.begin() + random() % (tail.end() - tail.begin());
      std::string read;
      while (from + read.size() < tail.end()) {
        const Tail::Piece piece = tail.At(from + read.size(), 1 + random() % 100'000);
        ASSERT_FALSE(piece.bytes.empty());
        read += piece.bytes;
        if (read.size() > 400'000) break;
      }
      ASSERT_EQ(read, all.substr(from, read.size()));
    }
  }
}

// Whoever sends a piece keeps its block: it stays when the tail has gone on.
TEST(TailTest, APieceOutlivesTheTail) {
  Tail tail(0, 1);
  tail.Take(0, "first");
  const Tail::Piece piece = tail.At(0, 100);
  const Ref<Block> block = *piece.block;
  const std::string_view bytes = piece.bytes;
  tail.Take(5, std::string(3 << 20, 'x'));
  EXPECT_GT(tail.begin(), 5u);
  EXPECT_EQ(bytes, "first");
}

}  // namespace
}  // namespace runnel::replication
