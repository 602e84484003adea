#include "data/fields/table.h"

#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/hash.h"
#include "base/memory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using Model = std::map<std::string, std::string>;

bool SetField(FieldTable& table, const std::string& name, const std::string& value) {
  return table.Set(HashKey(name), name, value);
}
bool Remove(FieldTable& table, const std::string& name) {
  return table.Remove(HashKey(name), name);
}

std::string Name(uint64_t number) {
  return "field:" + std::to_string(number);
}

Model ContentOf(const FieldTable& table) {
  Model content;
  size_t elements = 0;
  table.ForEach([&](const Field& field) {
    content.emplace(field.name, field.value);
    elements++;
  });
  EXPECT_EQ(elements, content.size());
  EXPECT_EQ(elements, table.size());
  return content;
}

void Check(const FieldTable& table, const Model& model) {
  ASSERT_EQ(ContentOf(table), model);
  ASSERT_EQ(table.empty(), model.empty());
  for (const auto& [name, value] : model) {
    const std::optional<Field> found = table.Find(HashKey(name), name);
    ASSERT_TRUE(found.has_value()) << name;
    ASSERT_EQ(found->name, name);
    ASSERT_EQ(found->value, value);
    ASSERT_EQ(found->value_block != nullptr, value.size() > Cell::kMostInline);
  }
  size_t walked = 0;
  for (FieldTable::Iterator at = table.begin(); at.Valid(); at.Next()) {
    walked += model.at(std::string(at.Get().name)) == at.Get().value;
  }
  ASSERT_EQ(walked, model.size());
}

TEST(FieldTable, EmptyTableHasNothing) {
  FieldTable table;
  EXPECT_EQ(table.size(), 0u);
  EXPECT_TRUE(table.empty());
  EXPECT_FALSE(table.Find(HashKey("a"), "a").has_value());
  EXPECT_FALSE(Remove(table, "a"));
  EXPECT_EQ(table.MemoryBytes(0), 0u);
  EXPECT_FALSE(table.begin().Valid());
  EXPECT_EQ(table.Scan(0, [](const Field&) { FAIL(); }), 0u);
  EXPECT_TRUE(table.Share().empty());
}

TEST(FieldTable, AnyBytesAreANameAndAValue) {
  FieldTable table;
  EXPECT_TRUE(SetField(table, "", ""));
  EXPECT_TRUE(SetField(table, std::string(1, '\0'), std::string(3, '\xff')));
  EXPECT_FALSE(SetField(table, "", "now with a value"));
  Check(table, {{"", "now with a value"}, {std::string(1, '\0'), std::string(3, '\xff')}});
}

// One bucket takes every size around those at which bytes go to a block.
TEST(FieldTable, ValuesGrowAndShrinkInPlace) {
  FieldTable table;
  Model model;
  const size_t sizes[] = {0, 1, 126, 127, 128, 129, 5000, 300'000, 127, 128, 3, 0};
  for (const size_t size : sizes) {
    for (const int name : {1, 2, 3}) {
      model[Name(name)] = std::string(size, static_cast<char>('a' + name));
      SetField(table, Name(name), model[Name(name)]);
      Check(table, model);
    }
  }
}

// Tables and what they must hold. Some are copies of others: what one of them changes, the others
// must not see.
class FieldTableModelTest : public testing::TestWithParam<uint32_t> {
 protected:
  struct Pair {
    FieldTable table;
    Model model;
  };

  size_t Below(size_t bound) { return random_() % bound; }

  std::string Value() {
    switch (profile_ % 4) {
      case 0:
        return {};
      case 1:
        return std::string(Below(30), static_cast<char>('a' + Below(3)));
      case 2:
        return std::string(8, static_cast<char>('a' + Below(3)));
      default:
        return std::string(Below(8) == 0 ? Below(6000) : 100 + Below(50), 'v');
    }
  }
  std::string AnyName() {
    const std::string name = Name(Below(names_));
    return profile_ == 7 && name.back() < '3' ? name + std::string(150, 'n') : name;
  }

  void Step(Pair* pair) {
    const size_t kind = Below(1000);
    const bool grows = trend_ == 1 || (trend_ == 0 && kind % 2 == 0);
    if (kind < 900) {
      const std::string name = AnyName();
      if (grows == (kind % 5 != 0)) {
        const std::string value = Value();
        ASSERT_EQ(SetField(pair->table, name, value), !pair->model.contains(name));
        pair->model[name] = value;
      } else {
        // Something that is there.
        const auto found = pair->model.lower_bound(name);
        const std::string gone = found == pair->model.end() ? name : found->first;
        ASSERT_EQ(Remove(pair->table, gone), pair->model.erase(gone) == 1);
      }
    } else if (kind < 990) {
      const std::string name = AnyName();
      const auto found = pair->model.find(name);
      ASSERT_EQ(pair->table.Contains(HashKey(name), name), found != pair->model.end());
      if (!pair->model.empty()) {
        const Field drawn = pair->table.Random(random_());
        ASSERT_EQ(pair->model.at(std::string(drawn.name)), drawn.value);
      }
    } else if (kind == 999) {
      Pair& other = pairs_[Below(pairs_.size())];
      if (&other == pair) return;
      Check(other.table, other.model);
      other.table = pair->table.Share();
      other.model = pair->model;
    }
  }

  std::mt19937_64 random_{GetParam()};
  std::vector<Pair> pairs_ = std::vector<Pair>(4);
  size_t profile_ = 0;
  size_t names_ = 10;
  int trend_ = 0;
};

TEST_P(FieldTableModelTest, DoesWhatAMapDoes) {
  for (int i = 0; i < 100'000; i++) {
    if (i % 4096 == 0) {
      profile_ = random_() % 8;
      trend_ = static_cast<int>(random_() % 3) - 1;
      const size_t names[] = {4, 40, 1000, 30'000};
      names_ = names[random_() % 4];
    }
    Pair& pair = pairs_[Below(pairs_.size())];
    Step(&pair);
    ASSERT_EQ(pair.table.size(), pair.model.size());
    if (i % 8192 == 8191) {
      for (const Pair& each : pairs_) {
        Check(each.table, each.model);
      }
    }
    if (HasFailure()) FAIL() << "after operation " << i << " of seed " << GetParam();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, FieldTableModelTest, testing::Range(1u, 9u));

// Another thread reads a copy while the table goes on changing.
TEST(FieldTable, CopyGoesToAnotherThread) {
  FieldTable table;
  Model model;
  for (int i = 0; i < 20'000; i++) {
    model[Name(i)] = std::string(static_cast<size_t>(i % 200), 'v');
    SetField(table, Name(i), model[Name(i)]);
  }
  FieldTable copy = table.Share();
  Model seen;
  std::thread reader([&] {
    seen = ContentOf(copy);
    copy.Clear();
  });
  for (int i = 0; i < 20'000; i++) {
    i % 3 == 0 ? static_cast<void>(Remove(table, Name(i)))
               : static_cast<void>(SetField(table, Name(i), "changed"));
    SetField(table, Name(100'000 + i), "new");
  }
  reader.join();
  EXPECT_EQ(seen, model);
  EXPECT_EQ(table.size(), 20'000u + 20'000 - 6667);
}

TEST(FieldTable, GivesMemoryBackWhenItShrinks) {
  FieldTable table;
  for (int i = 0; i < 100'000; i++) {
    SetField(table, Name(i), "12345678");
  }
  const size_t large = table.MemoryBytes(0);
  EXPECT_GT(large, 100'000u * (11 + 8 + 3));
#ifndef RUNNEL_SANITIZE
  EXPECT_LT(large, 100'000u * (11 + 8 + 3) * 13 / 10);
#endif
  EXPECT_NEAR(static_cast<double>(table.MemoryBytes(200)), static_cast<double>(large),
              static_cast<double>(large) / 5);
  for (int i = 0; i < 99'990; i++) {
    ASSERT_TRUE(Remove(table, Name(i)));
  }
  EXPECT_LT(table.MemoryBytes(0), 1024u);
  EXPECT_LE(table.FreeEffort(), 3u);
}

// One of a name that is shared with another holder.
TEST(FieldTable, NamesMayLieInBlocksOfOthers) {
  const std::string name(60, 'n');
  Ref<Block> block = Block::Create(name.size());
  std::memcpy(block->data(), name.data(), name.size());
  FieldTable table;
  EXPECT_TRUE(table.Set(HashKey(name), name, "1", block.get()));
  EXPECT_FALSE(table.Set(HashKey(name), name, "2", block.get()));
  EXPECT_EQ(table.Find(HashKey(name), name)->name_block, block.get());
  EXPECT_FALSE(block->unique());
  FieldTable copy = table.Share();
  EXPECT_TRUE(Remove(table, name));
  EXPECT_FALSE(block->unique());
  copy.Clear();
  EXPECT_TRUE(block->unique());
}

// What a copy of a large table, and a change after it, cost at most: references, of which each is
// some nanoseconds.
TEST(FieldTable, CopyOfALargeTableTakesFewReferences) {
  FieldTable table;
  for (uint64_t i = 0; i < 200'000; i++) {
    table.Set(HashKey(Name(i)), Name(i), "");
  }
  // So ten million take fifty times as many, below 4000; and a change 256, and two buckets.
  EXPECT_LT(table.ShareEffort(), 80u);
  EXPECT_GT(table.FreeEffort(), 8000u);
}

TEST(FieldTable, FreeingBlocksCounts) {
  FieldTable table;
  const std::string large(10 * 4096, 'v');
  for (int i = 0; i < 10; i++) {
    SetField(table, Name(i), large);
  }
  EXPECT_EQ(table.FreeEffort(), 1u + 10 * 11);
  for (int i = 10; i < 100; i++) {
    SetField(table, Name(i), large);
  }
  EXPECT_GE(table.FreeEffort(), 100u * 11);
  EXPECT_LE(table.FreeEffort(), 100u * 11 + 20);
  for (int i = 0; i < 50; i++) {
    SetField(table, Name(i), "small");
    Remove(table, Name(i + 50));
  }
  EXPECT_LE(table.FreeEffort(), 20u);
}

// Each element is drawn as often as the others, though there are buckets of one and of twice the
// size in a table that is being split.
TEST(FieldTable, RandomIsFair) {
  SetHashSeedForTest(11);
  for (const size_t size : {10u, 400u, 700u}) {
    FieldTable table;
    for (size_t i = 0; i < size; i++) {
      SetField(table, Name(i), "");
    }
    std::mt19937_64 random(7);
    std::map<std::string, size_t> drawn;
    const size_t draws = size * 200;
    for (size_t i = 0; i < draws; i++) {
      drawn[std::string(table.Random(random()).name)]++;
    }
    ASSERT_EQ(drawn.size(), size);
    double chi = 0;
    for (const auto& [name, count] : drawn) {
      chi += (static_cast<double>(count) - 200) * (static_cast<double>(count) - 200) / 200;
    }
    // Its mean is size - 1, its deviation the root of twice that.
    const double freedom = static_cast<double>(size - 1);
    EXPECT_LT(std::abs(chi - freedom), 5 * std::sqrt(2 * freedom)) << size;
  }
}

// What HSCAN promises, as in the table of keys.
class FieldTableScan : public testing::TestWithParam<int> {};

TEST_P(FieldTableScan, SeesEveryElementThatStaysWhileTheTableChanges) {
  std::mt19937 random(GetParam());
  FieldTable table;
  std::set<std::string> staying;
  for (int i = 0; i < 200; i++) {
    staying.insert(Name(i));
    SetField(table, Name(i), "stays");
  }
  std::vector<std::string> passing;
  uint64_t next = 1000;
  const size_t at_first = random() % 8000;
  while (passing.size() < at_first) {
    passing.push_back(Name(next++));
    SetField(table, passing.back(), "");
  }
  std::set<std::string> seen;
  uint64_t cursor = 0;
  size_t calls = 0;
  const int growth = GetParam() % 11 - 5;
  do {
    size_t visited = 0;
    cursor = table.Scan(cursor, [&](const Field& field) {
      seen.emplace(field.name);
      visited++;
    });
    ASSERT_LT(visited, 100u);  // a bucket
    const int changes = static_cast<int>(random() % 200);
    for (int i = 0; i < changes; i++) {
      const bool insert = static_cast<int>(random() % 10) < 5 + growth;
      if (insert && passing.size() < 50'000) {
        passing.push_back(Name(next++));
        SetField(table, passing.back(), "");
      } else if (!insert && !passing.empty()) {
        std::swap(passing[random() % passing.size()], passing.back());
        Remove(table, passing.back());
        passing.pop_back();
      }
    }
    ASSERT_LT(++calls, 100'000u);
  } while (cursor != 0);
  for (const std::string& name : staying) {
    EXPECT_TRUE(seen.contains(name)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, FieldTableScan, testing::Range(0, 44));

TEST(FieldTable, ScanTakesAnyCursor) {
  std::mt19937_64 random(4);
  FieldTable table;
  for (int i = 0; i < 1000; i++) {
    SetField(table, Name(i), "");
  }
  for (int i = 0; i < 10'000; i++) {
    uint64_t cursor = random() >> (random() % 64);
    for (int calls = 0; calls < 1000 && cursor != 0; calls++) {
      cursor = table.Scan(cursor, [](const Field&) {});
    }
    ASSERT_EQ(cursor, 0u);
  }
}

}  // namespace
}  // namespace runnel
