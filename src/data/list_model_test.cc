// Random operations on lists and their clones, each compared with a deque.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "data/list.h"
#include "data/testing.h"

namespace runnel {
namespace {

std::unique_ptr<List> Copy(const List& list) {
  return std::unique_ptr<List>(static_cast<List*>(list.Clone().release()));
}

// A list and what it must hold.
struct Pair {
  std::unique_ptr<List> list = std::make_unique<List>();
  std::deque<std::string> model;
};

// The sizes of elements, and whether the list grows or shrinks, change as it goes.
class ListModelTest : public testing::TestWithParam<uint32_t> {
 protected:
  void Run(int operations) {
    for (int i = 0; i < operations; i++) {
      if (i % 4096 == 0) {
        profile_ = random_() % 5;
        trend_ = static_cast<int>(random_() % 3) - 1;
      }
      Pair& pair = pairs_[Below(pairs_.size())];
      Step(&pair);
      Glance(pair);
      if (i % 8192 == 8191) {
        for (const Pair& each : pairs_) {
          Compare(each);
        }
      }
      if (HasFailure()) FAIL() << "after operation " << i << " of seed " << GetParam();
    }
  }

 private:
  void SetUp() override { pairs_.reserve(kPairs); }

  size_t Below(size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  std::string Value() {
    size_t size = 0;
    switch (profile_) {
      case 0:
        size = Below(4);
        break;
      case 1:
        size = Below(200);
        break;
      case 2:
        size = Below(size_t{1} << Below(14));
        break;
      case 3:
        size = (Below(2) == 0 ? 4090 : 8182) - 5 + Below(10);
        break;
      case 4:
        size = Below(50) == 0 ? Below(100 * 1024) : Below(20);
        break;
    }
    return std::string(size, static_cast<char>('a' + Below(3)));
  }

  void Step(Pair* pair) {
    List& list = *pair->list;
    std::deque<std::string>& model = pair->model;
    const size_t kind = Below(1000);
    const size_t pushes = trend_ > 0 ? 600 : trend_ < 0 ? 380 : 490;
    if (kind < pushes) {
      // Several at one end in a row, as clients do.
      const bool front = Below(2) == 0;
      for (size_t n = 1 + Below(4); n > 0 && Fits(*pair); n--) {
        model.insert(front ? model.begin() : model.end(), Value());
        front ? list.PushFront(model.front()) : list.PushBack(model.back());
      }
    } else if (kind < 960) {
      const bool front = Below(2) == 0;
      for (size_t n = 1 + Below(4); n > 0 && !model.empty(); n--) {
        front ? list.PopFront() : list.PopBack();
        front ? model.pop_front() : model.pop_back();
      }
    } else if (kind < 970) {
      if (model.empty()) return;
      const size_t index = Below(model.size());
      model[index] = Below(2) == 0 ? Value() : std::string(model[index].size(), 'd');
      list.Set(index, model[index]);
    } else if (kind < 985) {
      const size_t index = Below(model.size() + 1);
      const std::string value = Value();
      model.insert(model.begin() + static_cast<std::ptrdiff_t>(index), value);
      list.Insert(index, value);
    } else if (kind < 992) {
      RemoveSome(pair);
    } else if (kind < 993) {
      const size_t start = Below(std::min<size_t>(model.size() + 1, 50));
      const size_t behind = Below(std::min<size_t>(model.size() - start + 1, 50));
      list.Trim(start, model.size() - start - behind);
      model.erase(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(start));
      model.erase(model.end() - static_cast<std::ptrdiff_t>(behind), model.end());
    } else if (kind < 999) {
      CloneTo(*pair, Below(kPairs));
    } else if (!model.empty()) {
      std::string payload;
      list.Serialize(&payload);
      const std::unique_ptr<Object> loaded = LoadAs<List>(payload);
      ASSERT_NE(loaded, nullptr);
      pair->list = Copy(static_cast<const List&>(*loaded));
    }
  }

  static bool Fits(const Pair& pair) {
    return pair.list->size() < 3000 && (pair.list->size() < 50 || pair.list->FreeEffort() < 200);
  }

  void RemoveSome(Pair* pair) {
    if (pair->model.empty()) return;
    const std::string value = pair->model[Below(pair->model.size())];
    const int64_t count = static_cast<int64_t>(Below(7)) - 3;
    std::vector<size_t> found;
    for (size_t i = 0; i < pair->model.size(); i++) {
      if (pair->model[i] == value) found.push_back(i);
    }
    if (count < 0) std::reverse(found.begin(), found.end());
    if (count != 0)
      found.resize(std::min<size_t>(found.size(), static_cast<size_t>(std::abs(count))));
    std::sort(found.rbegin(), found.rend());
    for (const size_t index : found) {
      pair->model.erase(pair->model.begin() + static_cast<std::ptrdiff_t>(index));
    }
    EXPECT_EQ(pair->list->Remove(value, count), found.size());
  }

  void CloneTo(const Pair& from, size_t slot) {
    Pair copy{Copy(*from.list), from.model};
    if (slot < pairs_.size()) {
      Compare(pairs_[slot]);
      pairs_[slot] = std::move(copy);
    } else {
      pairs_.push_back(std::move(copy));
    }
  }

  void Glance(const Pair& pair) {
    ASSERT_EQ(pair.list->size(), pair.model.size());
    if (pair.model.empty()) return;
    EXPECT_EQ(pair.list->Front(), pair.model.front());
    EXPECT_EQ(pair.list->Back(), pair.model.back());
    const size_t index = Below(pair.model.size());
    EXPECT_EQ(pair.list->At(index), pair.model[index]);
  }

  static void Compare(const Pair& pair) {
    ASSERT_EQ(pair.list->size(), pair.model.size());
    size_t i = 0;
    size_t footprint = 0;
    for (List::Iterator it = pair.list->Seek(0); it.Valid(); it.Next(), i++) {
      ASSERT_EQ(it.value(), pair.model[i]) << "at " << i;
      footprint += ListBlock::Footprint(it.value().size());
    }
    ASSERT_EQ(i, pair.model.size());
    EXPECT_LE(pair.list->FreeEffort(), 6 + footprint / (ListBlock::kMaxCapacity / 8));
  }

  static constexpr size_t kPairs = 4;

  std::mt19937 random_{GetParam()};
  std::vector<Pair> pairs_ = std::vector<Pair>(1);
  size_t profile_ = 0;
  int trend_ = 0;
};

TEST_P(ListModelTest, DoesWhatADequeDoes) {
  Run(250000);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ListModelTest, testing::Range(1u, 9u));

}  // namespace
}  // namespace runnel
