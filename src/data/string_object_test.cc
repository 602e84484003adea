#include "data/string_object.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/memory.h"
#include "data/testing.h"

namespace runnel {
namespace {

constexpr size_t kPiece = StringObject::kPieceBytes;

// Long enough for several pieces, and unlike itself at any distance.
std::string Noise(size_t size, uint32_t seed = 1) {
  std::mt19937_64 random(seed);
  std::string bytes;
  bytes.reserve(size + sizeof(uint64_t));
  while (bytes.size() < size) {
    const uint64_t word = random();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  bytes.resize(size);
  return bytes;
}

std::unique_ptr<StringObject> CloneOf(const StringObject& string) {
  return std::unique_ptr<StringObject>(static_cast<StringObject*>(string.Clone().release()));
}

// Bytes that `change` allocates in sum and keeps.
template <class Change>
int64_t Growth(Change change) {
  const size_t before = AllocatedBytes();
  change();
  return static_cast<int64_t>(AllocatedBytes()) - static_cast<int64_t>(before);
}

class StringObjectTest : public ::testing::Test {
 protected:
  StringObjectTest() { CountThisThread(); }
};

TEST_F(StringObjectTest, ShortStringsTakeOneAllocation) {
  for (const size_t size : {0, 1, 15, 16, 44, 48}) {
    const auto string = std::make_unique<StringObject>(std::string(size, 'x'));
    EXPECT_EQ(string->head(), std::string(size, 'x'));
    EXPECT_EQ(string->MemoryBytes(0), AllocationSize(string.get())) << size;
  }
  const auto longer = std::make_unique<StringObject>(std::string(49, 'x'));
  EXPECT_EQ(longer->head(), std::string(49, 'x'));
  EXPECT_LE(longer->MemoryBytes(0), AllocationSize(longer.get()) + 80);
}

TEST_F(StringObjectTest, AShortValueReleasesTheMemoryOfALongOne) {
  const std::string large = Noise(5'000'000);
  for (const size_t size : {0, 10, 48, 49, 100, 5000}) {
    const auto string = std::make_unique<StringObject>(large);
    EXPECT_GT(string->MemoryBytes(0), large.size());
    string->Set(std::string(size, 'x'));
    EXPECT_EQ(string->ToString(), std::string(size, 'x'));
    EXPECT_LT(string->MemoryBytes(0), 2 * size + 300) << size;
  }
}

// What is copied is seen by what is allocated: a piece at most.
TEST_F(StringObjectTest, AppendCopiesAtMostOnePiece) {
  const std::string bytes = Noise(100 * kPiece + 1000);
  StringObject string(bytes);
  EXPECT_LE(Growth([&] { string.Append("!"); }), static_cast<int64_t>(2 * 1024));
  const auto clone = CloneOf(string);
  EXPECT_LE(Growth([&] { string.Append("?"); }), static_cast<int64_t>(2 * kPiece));
  EXPECT_EQ(clone->ToString(), bytes + "!");
  EXPECT_EQ(string.ToString(), bytes + "!?");
  clone->Append("*");
  EXPECT_EQ(string.ToString(), bytes + "!?");
  EXPECT_EQ(clone->ToString(), bytes + "!*");
}

TEST_F(StringObjectTest, ACloneSharesTheBytes) {
  const std::string bytes = Noise(100 * kPiece);
  StringObject string(bytes);
  std::unique_ptr<StringObject> clone;
  EXPECT_LE(Growth([&] { clone = CloneOf(string); }), 4096);
  EXPECT_EQ(clone->ToString(), bytes);
  // An overwritten byte costs the piece that it lies in.
  EXPECT_LE(Growth([&] { string.SetRange(5 * kPiece + 7, "x"); }),
            static_cast<int64_t>(kPiece + 4096));
  std::string expected = bytes;
  expected[5 * kPiece + 7] = 'x';
  EXPECT_EQ(string.ToString(), expected);
  EXPECT_EQ(clone->ToString(), bytes);
  // Another value written over it leaves the clone alone.
  string.Set(std::string(bytes.size(), 'y'));
  EXPECT_EQ(clone->ToString(), bytes);
}

TEST_F(StringObjectTest, AGapOfZerosTakesNoMemory) {
  StringObject string("start");
  EXPECT_LE(Growth([&] { string.SetRange(kMaxStringBytes - 1, "!"); }),
            static_cast<int64_t>(4 * kPiece));
  EXPECT_EQ(string.size(), kMaxStringBytes);
  EXPECT_EQ(string.head().substr(0, 7), std::string_view("start\0\0", 7));
  string.SetRange(300'000'000, "middle");
  std::string part;
  string.ForEachPiece(299'999'999, 8, [&](std::string_view piece) { part += piece; });
  EXPECT_EQ(part, std::string("\0middle\0", 8));
  // The zeros of others are as they were.
  StringObject other("");
  other.SetRange(2 * kPiece, "x");
  EXPECT_EQ(other.ToString(), std::string(2 * kPiece, '\0') + "x");
}

TEST_F(StringObjectTest, EncodingsAreThoseOfRedis) {
  EXPECT_EQ(StringObject("12").encoding(), "int");
  EXPECT_EQ(StringObject(std::string(44, 'x')).encoding(), "embstr");
  EXPECT_EQ(StringObject(std::string(45, 'x')).encoding(), "raw");
  EXPECT_EQ(StringObject(std::string(kPiece * 2, '1')).encoding(), "raw");
  StringObject string("1");
  string.Append("2");
  EXPECT_EQ(string.encoding(), "raw");
  EXPECT_EQ(string.Clone()->encoding(), "raw");
  string.Set("12");
  EXPECT_EQ(string.encoding(), "int");
}

// Random changes of a string and its clones against plain strings.
class StringModel : public testing::TestWithParam<int> {};

TEST_P(StringModel, BehavesLikeAString) {
  std::mt19937 random(static_cast<uint32_t>(GetParam()));
  constexpr size_t kStrings = 3;
  std::unique_ptr<StringObject> strings[kStrings];
  std::string model[kStrings];
  for (auto& string : strings)
    string = std::make_unique<StringObject>("");
  const std::string noise = Noise(3 * kPiece, random());
  const auto text = [&] {
    const size_t most[] = {10, 60, 3000, 2 * kPiece};
    const size_t size = random() % most[random() % 4];
    return noise.substr(random() % (noise.size() - size), size);
  };
  for (int step = 0; step < 300; step++) {
    const size_t i = random() % kStrings;
    const std::string value = text();
    switch (random() % 6) {
      case 0:
        strings[i]->Set(value);
        model[i] = value;
        break;
      case 1: {
        const size_t from = random() % kStrings;
        strings[i] = CloneOf(*strings[from]);
        model[i] = model[from];
        break;
      }
      case 2: {
        size_t offset = random() % (model[i].size() + 1);
        if (random() % 4 == 0) offset += random() % (2 * kPiece);
        if (random() % 4 == 0) offset = offset / kPiece * kPiece;
        if (offset + value.size() > 6 * kPiece) break;
        strings[i]->SetRange(offset, value);
        if (model[i].size() < offset + value.size()) model[i].resize(offset + value.size());
        model[i].replace(offset, value.size(), value);
        break;
      }
      default:
        if (model[i].size() > 6 * kPiece) break;
        strings[i]->Append(value);
        model[i] += value;
    }
    ASSERT_EQ(strings[i]->size(), model[i].size());
    if (step % 10 != 0) continue;
    for (size_t at = 0; at < kStrings; at++) {
      ASSERT_EQ(strings[at]->ToString(), model[at]) << step;
      const size_t offset = random() % (model[at].size() + 1);
      const size_t count = random() % (model[at].size() - offset + 1);
      std::string part;
      strings[at]->ForEachPiece(offset, count, [&](std::string_view piece) { part += piece; });
      ASSERT_EQ(part, model[at].substr(offset, count));
      std::string payload;
      strings[at]->Serialize(&payload);
      const auto loaded = LoadAs<StringObject>(payload);
      ASSERT_EQ(static_cast<StringObject&>(*loaded).ToString(), model[at]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, StringModel, testing::Range(0, 10));

}  // namespace
}  // namespace runnel
