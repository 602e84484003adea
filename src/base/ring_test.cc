#include "base/ring.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <utility>

namespace runnel {
namespace {

// Movable only, and counts how many of them hold a value.
class Token {
 public:
  Token() = default;
  explicit Token(int value) : value_(value) { live++; }
  Token(Token&& other) noexcept : value_(std::exchange(other.value_, kNone)) {}
  Token& operator=(Token&& other) noexcept {
    Token old;
    old.value_ = value_;
    value_ = std::exchange(other.value_, kNone);
    return *this;
  }
  ~Token() {
    if (value_ != kNone) live--;
  }
  int value() const { return value_; }

  static int live;

 private:
  static constexpr int kNone = -1;
  int value_ = kNone;
};
int Token::live = 0;

TEST(Ring, ANewOneOwnsNoMemory) {
  const Ring<int> ring;
  EXPECT_TRUE(ring.empty());
  EXPECT_EQ(ring.capacity(), 0u);
}

TEST(Ring, GrowsFromOneSlot) {
  Ring<int> ring;
  ring.PushBack(1);
  EXPECT_EQ(ring.capacity(), 1u);
  ring.PushFront(0);
  EXPECT_EQ(ring.capacity(), 2u);
  ring.PushBack(2);
  EXPECT_EQ(ring.capacity(), 4u);
  EXPECT_EQ(ring.front(), 0);
  EXPECT_EQ(ring[1], 1);
  EXPECT_EQ(ring.back(), 2);
}

TEST(Ring, PushAndInsertReturnTheNewValue) {
  Ring<int> ring;
  const int* added = &ring.PushBack(1);
  EXPECT_EQ(added, &ring.back());
  added = &ring.PushFront(0);
  EXPECT_EQ(added, &ring.front());
  added = &ring.Insert(1, 6);
  EXPECT_EQ(added, &ring[1]);
  EXPECT_EQ(*added, 6);
}

TEST(Ring, GivesMemoryBackWhenItWasLong) {
  for (const bool front : {true, false}) {
    Ring<int> ring;
    for (int i = 0; i < 10000; i++) {
      ring.PushBack(i);
    }
    while (ring.size() > 10) {
      front ? ring.PopFront() : ring.PopBack();
      EXPECT_EQ(ring.front(), front ? 10000 - static_cast<int>(ring.size()) : 0);
    }
    EXPECT_LE(ring.capacity(), 128u);
    ring.Clear();
    EXPECT_LE(ring.capacity(), 16u);
  }
}

TEST(Ring, AShortOneKeepsItsMemory) {
  Ring<int> ring;
  for (int i = 0; i < 16; i++) {
    ring.PushBack(i);
  }
  ring.Clear();
  EXPECT_TRUE(ring.empty());
  EXPECT_EQ(ring.capacity(), 16u);
}

TEST(Ring, MovesAsAWhole) {
  Ring<std::unique_ptr<int>> ring;
  ring.PushBack(std::make_unique<int>(7));
  Ring<std::unique_ptr<int>> other(std::move(ring));
  EXPECT_EQ(*other.front(), 7);
  EXPECT_TRUE(ring.empty());
  EXPECT_EQ(ring.capacity(), 0u);
  ring.PushBack(std::make_unique<int>(8));
  ring = std::move(other);
  EXPECT_EQ(ring.size(), 1u);
  EXPECT_EQ(*ring.front(), 7);
}

// Every operation against a deque; values that left the ring are gone at once, not when a slot is
// used again.
TEST(Ring, DoesWhatADequeDoes) {
  for (unsigned seed = 1; seed <= 20; seed++) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    Ring<Token> ring;
    std::deque<int> model;
    for (int i = 0; i < 20000; i++) {
      const bool grow = (i / 1000) % 2 == 0;
      const size_t kind = random() % (grow ? 10 : 14);
      const size_t at = random() % (model.size() + 1);
      const auto place = model.begin() + static_cast<std::ptrdiff_t>(at);
      if (kind < 3) {
        ring.PushBack(Token(i));
        model.push_back(i);
      } else if (kind < 6) {
        ring.PushFront(Token(i));
        model.push_front(i);
      } else if (kind == 6 && random() % 8 == 0) {
        const size_t count = random() % 30;
        ring.Open(at, count);
        ASSERT_EQ(Token::live, static_cast<int>(model.size()));
        for (size_t k = at; k < at + count; k++) {
          ring[k] = Token(i);
        }
        model.insert(place, count, i);
      } else if (kind == 6) {
        ring.Insert(at, Token(i));
        model.insert(place, i);
      } else if (kind == 7) {
        const size_t count = random() % std::min<size_t>(model.size() - at + 1, 30);
        ring.Erase(at, count);
        model.erase(place, place + static_cast<std::ptrdiff_t>(count));
      } else if (kind == 8 && at < model.size()) {
        ring.Erase(at);
        model.erase(place);
      } else if (!model.empty()) {
        kind % 2 == 0 ? ring.PopBack() : ring.PopFront();
        kind % 2 == 0 ? model.pop_back() : model.pop_front();
      }
      ASSERT_EQ(ring.size(), model.size());
      ASSERT_EQ(Token::live, static_cast<int>(model.size()));
      if (i % 100 != 0) continue;
      for (size_t k = 0; k < model.size(); k++) {
        ASSERT_EQ(ring[k].value(), model[k]);
      }
    }
    ring.Clear();
    ASSERT_EQ(Token::live, 0);
  }
}

}  // namespace
}  // namespace runnel
