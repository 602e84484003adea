#include "data/stream/entry_log.h"

#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

#include "data/cold_testing.h"

namespace runnel {
namespace {

// IDs ascend in time and in a number that goes on from one millisecond to the next, as the offsets
// of a topic do. Some entries are deleted, and some of the blocks may be on the disk.
class EntryLogSeekTest : public testing::TestWithParam<uint32_t> {
 protected:
  static constexpr uint64_t kEntries = 60;

  EntryLogSeekTest() {
    std::mt19937 random(GetParam());
    log_.Attach(&hot_);
    const std::string_view fields[] = {"name", "value"};
    const StreamLimits limits{1 + random() % 8, 4096};
    uint64_t ms = 1;
    for (uint64_t offset = 1; offset <= kEntries; offset++) {
      if (random() % 3 == 0) ms += 1 + random() % 3;
      log_.Append({ms, offset}, fields, limits);
      ids_.push_back({ms, offset});
      // What is appended after this stays in memory.
      if (offset == 40 && GetParam() % 3 != 0) source_.Take(&hot_, 50 + random() % 300);
    }
    std::erase_if(ids_, [&](StreamId id) { return random() % 3 == 0 && log_.Remove(id); });
    const uint64_t dropped = random() % 10;
    log_.DropOldest(dropped);
    ids_.erase(ids_.begin(), ids_.begin() + static_cast<ptrdiff_t>(dropped));
  }

  // Compares both seeks, and the walks from where they lead, with the plain row of IDs.
  template <class Before>
  void Compare(Before before) {
    size_t place = 0;
    while (place < ids_.size() && before(ids_[place])) {
      place++;
    }
    EntryCursor at = log_.SeekFirst(before);
    for (size_t i = place; i < ids_.size(); i++, at.Next()) {
      ASSERT_TRUE(at.valid());
      ASSERT_EQ(at->id(), ids_[i]);
    }
    ASSERT_FALSE(at.valid());
    EntryCursor back = log_.SeekLast(before);
    for (size_t i = place; i-- > 0; back.Previous()) {
      ASSERT_TRUE(back.valid());
      ASSERT_EQ(back->id(), ids_[i]);
    }
    ASSERT_FALSE(back.valid());
  }

  HotBlocks hot_;
  FakeColdSource source_;
  EntryLog log_;
  std::vector<StreamId> ids_;  // of the live entries
};

TEST_P(EntryLogSeekTest, ByOffset) {
  for (uint64_t offset = 0; offset <= kEntries + 1; offset++) {
    SCOPED_TRACE(offset);
    Compare([=](StreamId id) { return id.seq < offset; });
  }
}

TEST_P(EntryLogSeekTest, ByTime) {
  for (uint64_t ms = 0; ms <= ids_.back().ms + 1; ms++) {
    SCOPED_TRACE(ms);
    Compare([=](StreamId id) { return id.ms < ms; });
    Compare([=](StreamId id) { return id.ms <= ms; });
  }
}

TEST_P(EntryLogSeekTest, ByIdAndAtTheEnds) {
  for (const StreamId bound : ids_) {
    Compare([=](StreamId id) { return id < bound; });
    Compare([=](StreamId id) { return id <= bound; });
    ASSERT_EQ(log_.Seek(bound)->id(), bound);
    ASSERT_EQ(log_.SeekBack(bound)->id(), bound);
  }
  Compare([](StreamId) { return false; });
  Compare([](StreamId) { return true; });
}

INSTANTIATE_TEST_SUITE_P(Seeds, EntryLogSeekTest, testing::Range(uint32_t{1}, uint32_t{25}));

}  // namespace
}  // namespace runnel
