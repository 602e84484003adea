#include "data/stream/entry_marks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <utility>
#include <vector>

namespace runnel {
namespace {

// Marks entries at random, copies and moves the marks, and compares them with a vector.
TEST(EntryMarks, AreAVectorOfBits) {
  std::mt19937_64 random(1);
  for (size_t round = 0; round < 300; round++) {
    const size_t entries = 1 + random() % (round % 2 == 0 ? 64 : 400);
    std::vector<bool> expected(entries + 100);
    EntryMarks marks;
    EXPECT_TRUE(marks.empty());
    for (int i = 0; i < 100; i++) {
      const size_t entry = random() % entries;
      expected[entry] = true;
      // The block may have fewer entries when the first ones are marked.
      marks.Mark(entry, entry + random() % (entries - entry));
      EXPECT_FALSE(marks.empty());
      if (i % 16 == 0) {
        EntryMarks copy(marks);
        marks.Mark(0, entries);
        expected[0] = true;
        copy.Mark(0, entries);
        EntryMarks moved(std::move(copy));
        marks = EntryMarks();
        EXPECT_TRUE(marks.empty());
        marks = moved;
      }
      for (size_t k = 0; k < expected.size(); k++) {
        ASSERT_EQ(marks.Has(k), expected[k]) << k << " of " << entries;
      }
      const size_t from = random() % expected.size();
      const size_t to = from + random() % (expected.size() - from);
      const auto begin = expected.begin();
      ASSERT_EQ(marks.Count(from, to),
                static_cast<size_t>(std::count(begin + static_cast<ptrdiff_t>(from),
                                               begin + static_cast<ptrdiff_t>(to), true)))
          << from << " to " << to;
    }
  }
}

TEST(EntryMarks, OfFewEntriesOwnNoMemory) {
  EntryMarks marks;
  EXPECT_EQ(marks.MemoryBytes(), 0u);
  for (size_t entry = 0; entry < 63; entry++) {
    marks.Mark(entry, 63);
  }
  EXPECT_EQ(marks.MemoryBytes(), 0u);
  EXPECT_EQ(marks.Count(0, 63), 63u);
  marks.Mark(63, 64);
  EXPECT_GT(marks.MemoryBytes(), 0u);
  EXPECT_EQ(marks.Count(0, 64), 64u);
}

}  // namespace
}  // namespace runnel
