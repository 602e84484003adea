#include "base/paged_vector.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace runnel {
namespace {

using Pages = PagedVector<std::unique_ptr<int>, 4>;

TEST(PagedVectorTest, KeepsItsValuesWhileItGrows) {
  Pages pages;
  std::vector<int> model;
  EXPECT_TRUE(pages.empty());
  for (const size_t added : {1, 2, 1, 9, 0, 3, 4}) {
    pages.Grow(added);
    for (size_t i = 0; i < added; i++) {
      const int value = static_cast<int>(model.size());
      EXPECT_EQ(pages[model.size()], nullptr);
      pages[model.size()] = std::make_unique<int>(value);
      model.push_back(value);
    }
    ASSERT_EQ(pages.size(), model.size());
    size_t at = 0;
    for (const auto& value : static_cast<const Pages&>(pages)) {
      EXPECT_EQ(*value, model[at++]);
    }
    EXPECT_EQ(at, model.size());
  }
}

TEST(PagedVectorTest, TakesNoMoreThanItsValuesAndPages) {
  PagedVector<uint64_t, 64> pages;
  pages.Grow(12);
  EXPECT_EQ(pages.MemoryBytes(), 12 * sizeof(uint64_t) + sizeof(std::vector<uint64_t>));
  pages.Grow(10'000 - 12);
  EXPECT_LE(pages.MemoryBytes(), 10'000 * (sizeof(uint64_t) + 1));
}

}  // namespace
}  // namespace runnel
