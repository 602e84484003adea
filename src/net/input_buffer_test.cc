#include "net/input_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/random.h"
#include "resp/request_parser.h"

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

// Feeds the bytes in pieces to a buffer and a parser, as a connection does; the parser is asked
// after each piece. Returns how many requests came out.
int ParseInPieces(InputBuffer& buffer, std::string_view bytes, size_t piece, size_t* arguments) {
  RequestParser parser;
  int requests = 0;
  while (!bytes.empty()) {
    const std::span<char> space = buffer.Space(parser.needed());
    const size_t part = std::min({space.size(), bytes.size(), piece});
    std::memcpy(space.data(), bytes.data(), part);
    buffer.Fill(part);
    bytes.remove_prefix(part);
    size_t done = 0;
    while (parser.Parse(buffer.bytes().substr(done), {}) == RequestParser::Outcome::kRequest) {
      done += parser.consumed();
      *arguments += parser.args().size();
      requests++;
    }
    buffer.Consume(done + parser.consumed());
  }
  return requests;
}

TEST(InputBuffer, MovesBytesAFewTimesHoweverManyArgumentsTheyAre) {
  constexpr int kArguments = 1'000'000;
  std::string bytes = "*1000000\r\n";
  for (int i = 0; i < kArguments; i++) {
    bytes += "$20\r\n01234567890123456789\r\n";
  }
  InputBuffer buffer;
  size_t arguments = 0;
  EXPECT_EQ(ParseInPieces(buffer, bytes, 16 * 1024, &arguments), 1);
  EXPECT_EQ(arguments, size_t{kArguments});
  EXPECT_LE(buffer.moved(), 3 * bytes.size());
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.capacity(), 0u);
}

TEST(InputBuffer, MovesBytesAFewTimesForArgumentsOfEverySize) {
  for (const size_t size : {10, 1000, 30'000, 500'000, 10'000'000}) {
    const size_t count = 5'000'000 / (size + 20) + 1;
    std::string bytes;
    for (const size_t each : {size_t{1}, count}) {
      bytes += "*" + std::to_string(each) + "\r\n";
      for (size_t i = 0; i < each; i++) {
        bytes += "$" + std::to_string(size) + "\r\n" + std::string(size, 'x') + "\r\n";
      }
    }
    for (const size_t piece : {1000, 16 * 1024, 1024 * 1024}) {
      InputBuffer buffer;
      size_t arguments = 0;
      EXPECT_EQ(ParseInPieces(buffer, bytes, piece, &arguments), 2);
      EXPECT_EQ(arguments, count + 1);
      EXPECT_LE(buffer.moved(), 3 * bytes.size()) << size << " in pieces of " << piece;
    }
  }
}

// A session that takes no requests lets them pile up; later they go from the front.
TEST(InputBuffer, MovesBytesAFewTimesWhenTheyPileUp) {
  constexpr size_t kBytes = 50'000'000;
  const std::string piece(32 * 1024, 'x');
  InputBuffer buffer;
  size_t arrived = 0;
  Random random(3);
  while (arrived < kBytes) {
    Arrive(buffer, piece, 1);
    arrived += piece.size();
    if (arrived > kBytes / 2) buffer.Consume(random.Below(std::min<size_t>(buffer.size(), 60'000)));
  }
  EXPECT_LE(buffer.moved(), 3 * arrived);
}

TEST(InputBuffer, ALongArgumentEndsWithTheMemoryThatItNeeds) {
  constexpr size_t kNeeded = 40'000'000;
  InputBuffer buffer;
  Arrive(buffer, std::string(kNeeded, 'x'), kNeeded);
  EXPECT_LE(buffer.capacity(), kNeeded + 16 * 1024);
  EXPECT_LE(buffer.moved(), 3 * kNeeded);
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
