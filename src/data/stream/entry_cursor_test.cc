// What EntryCursor tells by steps over blocks is what walking over the entries tells.

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "data/stream/stream.h"

namespace runnel {
namespace {

// A stream of small blocks, with entries trimmed from its beginning and deleted here and there.
class EntryCursorTest : public testing::TestWithParam<uint32_t> {
 protected:
  EntryCursorTest() {
    std::mt19937 random(GetParam());
    const std::string_view fields[] = {"name", "value"};
    const StreamLimits limits{1 + random() % 8, 4096};
    for (uint64_t i = 1; i <= 60; i++) {
      stream_.Append({i, 0}, fields, limits);
    }
    for (uint64_t i = 1; i <= 60; i++) {
      if (random() % 3 == 0) stream_.Delete({i, 0});
    }
    stream_.DropOldest(random() % 10);
    for (EntryCursor at = stream_.Seek(StreamId::Min()); at.valid(); at.Next()) {
      ids_.push_back(at->id());
    }
  }

  Stream stream_;
  std::vector<StreamId> ids_;  // of the live entries
};

TEST_P(EntryCursorTest, CountsInBothDirections) {
  for (size_t begin = 0; begin < ids_.size(); begin++) {
    const EntryCursor at = stream_.Seek(ids_[begin]);
    for (uint64_t bound = 0; bound <= 61; bound++) {
      uint64_t after = 0;
      uint64_t before = 0;
      for (size_t i = 0; i < ids_.size(); i++) {
        after += i >= begin && ids_[i].ms <= bound ? 1 : 0;
        before += i <= begin && ids_[i].ms >= bound ? 1 : 0;
      }
      for (const uint64_t most : {uint64_t{0}, uint64_t{1}, uint64_t{7}, UINT64_MAX}) {
        ASSERT_EQ(at.CountTo({bound, 0}, most), std::min(after, most));
        ASSERT_EQ(at.CountBackTo({bound, 0}, most), std::min(before, most));
      }
    }
    ASSERT_EQ(at.CountTo(StreamId::Max(), UINT64_MAX), ids_.size() - begin);
    ASSERT_EQ(at.CountBackTo(StreamId::Min(), UINT64_MAX), begin + 1);
  }
}

TEST_P(EntryCursorTest, Skips) {
  for (size_t begin = 0; begin < ids_.size(); begin++) {
    for (size_t end = begin; end < ids_.size(); end++) {
      EntryCursor at = stream_.Seek(ids_[begin]);
      at.Skip(end - begin);
      ASSERT_TRUE(at.valid());
      ASSERT_EQ(at->id(), ids_[end]);
      at.Next();
      ASSERT_EQ(at.valid(), end + 1 < ids_.size());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, EntryCursorTest, testing::Range(uint32_t{1}, uint32_t{13}));

}  // namespace
}  // namespace runnel
