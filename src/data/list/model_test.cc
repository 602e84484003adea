// Random operations on lists and their clones, each compared with a deque; the same where blocks
// of the lists go to the disk meanwhile, and looking at them misses.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "data/cold_testing.h"
#include "data/list/list.h"
#include "data/list/search.h"
#include "data/testing.h"

namespace runnel {
namespace {

std::unique_ptr<List> CopyOfList(const List& list) {
  return std::unique_ptr<List>(static_cast<List*>(list.Clone().release()));
}

// A list and what it must hold.
struct Pair {
  std::unique_ptr<List> list = std::make_unique<List>();
  std::deque<std::string> model;
  size_t erased = 0;  // ranges, each of which may have cut a run on the disk in two
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
      if (cold_ != nullptr && Below(20) == 0) Spill();
      if (i % 8192 == 8191) {
        for (const Pair& each : pairs_) {
          Compare(each);
        }
        CompareAccounts();
      }
      if (HasFailure()) FAIL() << "after operation " << i << " of seed " << GetParam();
    }
  }

  void DropLists() {
    pairs_.clear();
    runs_.clear();
  }
  void UseCold(FakeColdSource* cold) {
    cold_ = cold;
    hot_.set_run_bytes(20'000);
    pairs_.front().list->Attach(&hot_);
  }

  uint64_t written_ = 0;  // runs

 private:
  void SetUp() override { pairs_.reserve(kPairs); }

  // Runs `what`, which changes nothing before it has looked at all that it needs, and looks again
  // where something is not in memory.
  template <class What>
  void Missing(What what) {
    if (cold_ == nullptr) return what();
    if (Below(4) == 0) cold_->EvictAll();
    cold_->WithMisses(what);
  }

  // Begins to write runs of a list, or ends it some steps later.
  void Spill() {
    if (writing_ == nullptr) {
      runs_.clear();
      writing_ = hot_.Largest();
      if (writing_ == nullptr) return;
      runs_ = writing_->TakeRuns(1 + Below(30'000), 1 + Below(80'000));
      if (runs_.empty()) {
        hot_.PassOver(std::exchange(writing_, nullptr));
      } else {
        writing_->NoteWriting(&writing_);
      }
      return;
    }
    std::vector<Spillable::Written> written;
    for (const auto& run : runs_) {
      written.push_back({run, cold_->Write(*run)});
    }
    Spillable* const value = writing_;
    value->NoteWriting(nullptr);
    value->GiveAway(written);
    written_ += written.size();
    writing_ = nullptr;
  }

  // What lists count for is what it is when they are counted anew.
  void CompareAccounts() {
    if (cold_ == nullptr) return;
    for (Pair& pair : pairs_) {
      const uint64_t all[] = {hot_.bytes(), hot_.cold_entries(), hot_.cold_bytes()};
      pair.list->Attach(nullptr);
      const uint64_t others[] = {hot_.bytes(), hot_.cold_entries(), hot_.cold_bytes()};
      pair.list->Attach(&hot_);
      EXPECT_EQ(hot_.cold_entries(), all[1]);
      EXPECT_EQ(hot_.cold_bytes(), all[2]);
      // Of one that was longer it is known for some time.
      if (hot_.bytes() != others[0] || pair.list->blocks() >= 16) {
        EXPECT_EQ(hot_.bytes(), all[0]);
      }
    }
    for (Pair& pair : pairs_) {
      pair.list->Attach(nullptr);
    }
    EXPECT_EQ(hot_.bytes() + hot_.cold_entries() + hot_.cold_bytes(), 0u);
    for (Pair& pair : pairs_) {
      pair.list->Attach(&hot_);
    }
  }

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
      Missing([&] { list.Set(index, model[index]); });
    } else if (kind < 985) {
      const size_t index = Below(model.size() + 1);
      const std::string value = Value();
      model.insert(model.begin() + static_cast<std::ptrdiff_t>(index), value);
      Missing([&] { list.Insert(index, value); });
    } else if (kind < 991) {
      RemoveSome(pair);
    } else if (kind < 992) {
      EraseSome(pair);
    } else if (kind < 993) {
      const size_t start = Below(std::min<size_t>(model.size() + 1, 50));
      const size_t after = Below(std::min<size_t>(model.size() - start + 1, 50));
      list.Trim(start, model.size() - start - after);
      model.erase(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(start));
      model.erase(model.end() - static_cast<std::ptrdiff_t>(after), model.end());
    } else if (kind < 999) {
      CloneTo(*pair, Below(kPairs));
    } else if (!model.empty()) {
      StoreAndLoad(pair);
    }
  }

  void StoreAndLoad(Pair* pair) {
    std::string payload;
    std::unique_ptr<Object> loaded;
    if (cold_ != nullptr && Below(2) == 0) {
      Encoder out(&payload);
      pair->list->EncodeStored(&out);
      Decoder in(payload);
      loaded = List::LoadStored(&in, *cold_);
      ASSERT_TRUE(in.done());
    } else {
      pair->list->Serialize(&payload);
      loaded = LoadAs<List>(payload);
    }
    ASSERT_NE(loaded, nullptr);
    pair->list = CopyOfList(static_cast<const List&>(*loaded));
    if (cold_ != nullptr) pair->list->Attach(&hot_);
  }

  static bool Fits(const Pair& pair) {
    return pair.list->size() < 3000 && (pair.list->size() < 50 || pair.list->blocks() < 200);
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
    const std::vector<uint64_t> met(found.begin(), found.end());
    std::sort(found.rbegin(), found.rend());
    for (const size_t index : found) {
      pair->model.erase(pair->model.begin() + static_cast<std::ptrdiff_t>(index));
    }
    if (cold_ == nullptr || Below(2) == 0) {
      EXPECT_EQ(pair->list->Remove(value, count), met.size());
      if (cold_ != nullptr) pair->erased += met.size();
      return;
    }
    ListSearch search;
    std::vector<uint64_t> positions;
    const ListSearch::Order order{
        .from_back = count < 0,
        .wanted = count == 0 ? UINT64_MAX : static_cast<uint64_t>(std::abs(count))};
    Missing([&] { positions = search.Find(*pair->list, value, order); });
    EXPECT_EQ(positions, met);
    pair->erased += met.size();
    pair->list->Erase(ListSearch::ToRanges(&positions));
  }

  void EraseSome(Pair* pair) {
    std::vector<List::Range> ranges;
    std::deque<std::string> left;
    for (size_t i = 0; i < pair->model.size();) {
      const bool erased = Below(3) == 0;
      const size_t count = std::min(1 + Below(erased ? 4 : 200), pair->model.size() - i);
      if (erased) ranges.push_back({i, count});
      for (size_t k = i; !erased && k < i + count; k++) {
        left.push_back(std::move(pair->model[k]));
      }
      i += count;
    }
    pair->model = std::move(left);
    const uint64_t fetches = cold_ != nullptr ? cold_->fetches : 0;
    pair->list->Erase(ranges);
    if (cold_ != nullptr) pair->erased += ranges.size();
    EXPECT_EQ(cold_ != nullptr ? cold_->fetches : 0, fetches);
  }

  void CloneTo(const Pair& from, size_t slot) {
    Pair copy{CopyOfList(*from.list), from.model, from.erased};
    if (cold_ != nullptr) copy.list->Attach(&hot_);
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
    const size_t index = Below(pair.model.size());
    const size_t count = std::min<size_t>(1 + Below(300), pair.model.size() - index);
    Missing([&] {
      EXPECT_EQ(pair.list->Front(), pair.model.front());
      EXPECT_EQ(pair.list->Back(), pair.model.back());
      EXPECT_EQ(pair.list->At(index), pair.model[index]);
    });
    if (cold_ == nullptr || Below(20) != 0) return;
    Missing([&] {
      pair.list->Require(index, count);
      cold_->misses = false;
      List::Iterator it = pair.list->Seek(index + count - 1);
      for (size_t i = index + count; i-- > index; it.Previous()) {
        ASSERT_EQ(it.value(), pair.model[i]);
      }
    });
  }

  void Compare(const Pair& pair) {
    ASSERT_EQ(pair.list->size(), pair.model.size());
    Missing([&] { CompareForward(pair); });
    Missing([&] {
      if (pair.model.empty()) return;
      List::Iterator it = pair.list->Seek(pair.model.size() - 1);
      for (size_t i = pair.model.size(); i-- > 0; it.Previous()) {
        ASSERT_TRUE(it.Valid());
        ASSERT_EQ(it.value(), pair.model[i]) << "at " << i;
      }
      ASSERT_FALSE(it.Valid());
    });
  }

  void CompareForward(const Pair& pair) {
    size_t i = 0;
    size_t footprint = 0;
    for (List::Iterator it = pair.list->Seek(0); it.Valid(); it.Next(), i++) {
      ASSERT_EQ(it.value(), pair.model[i]) << "at " << i;
      footprint += ListBlock::Footprint(it.value().size());
    }
    ASSERT_EQ(i, pair.model.size());
    EXPECT_LE(pair.list->FreeEffort(), 6 + pair.erased + footprint / (ListBlock::kMaxCapacity / 8));
  }

  static constexpr size_t kPairs = 4;

  std::mt19937 random_{GetParam()};
  FakeColdSource* cold_ = nullptr;
  HotBlocks hot_;
  Spillable* writing_ = nullptr;
  std::vector<std::shared_ptr<const BlockRun>> runs_;  // that are being written
  std::vector<Pair> pairs_ = std::vector<Pair>(1);
  size_t profile_ = 0;
  int trend_ = 0;
};

TEST_P(ListModelTest, DoesWhatADequeDoes) {
  Run(250000);
}

class ColdListModelTest : public ListModelTest {
 protected:
  ColdListModelTest() { UseCold(&source_); }
  ~ColdListModelTest() override { DropLists(); }

 private:
  FakeColdSource source_;
};

TEST_P(ColdListModelTest, DoesWhatADequeDoes) {
  Run(100'000);
  EXPECT_GT(written_, 500u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ListModelTest, testing::Range(1u, 9u));
INSTANTIATE_TEST_SUITE_P(Seeds, ColdListModelTest, testing::Range(1u, 9u));

}  // namespace
}  // namespace runnel
