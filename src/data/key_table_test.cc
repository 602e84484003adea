#include "data/key_table.h"

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/hash.h"
#include "data/string_object.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

// A table that owns its entries, and beside it the simplest map that could stand in for it.
class ModelTable {
 public:
  ~ModelTable() {
    while (!model_.empty())
      Remove(model_.begin()->first);
  }

  const KeyTable& table() const { return table_; }
  const std::map<std::string, KeyEntry*>& model() const { return model_; }
  bool Has(const std::string& name) const { return model_.contains(name); }

  void Insert(const std::string& name) {
    const uint64_t hash = HashKey(name);
    KeyEntry* entry = KeyEntry::Create(name, hash, std::make_unique<StringObject>("v"));
    table_.Insert(hash, entry);
    model_[name] = entry;
  }
  void Remove(const std::string& name) {
    KeyEntry* entry = table_.Remove(HashKey(name), name);
    ASSERT_EQ(entry, model_.at(name));
    model_.erase(name);
    KeyEntry::Destroy(entry);
  }

  void Check() const {
    ASSERT_EQ(table_.size(), model_.size());
    for (const auto& [name, entry] : model_) {
      ASSERT_EQ(table_.Find(HashKey(name), name), entry) << name;
    }
    std::multiset<std::string> seen;
    table_.ForEach([&](const KeyEntry* entry) { seen.emplace(entry->name()); });
    std::multiset<std::string> all;
    for (const auto& [name, entry] : model_)
      all.insert(name);
    ASSERT_EQ(seen, all);
  }

 private:
  KeyTable table_;
  std::map<std::string, KeyEntry*> model_;
};

std::string KeyName(uint64_t number) {
  return "key:" + std::to_string(number);
}

TEST(KeyTable, EmptyTableHasNothing) {
  KeyTable table;
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.Find(HashKey("a"), "a"), nullptr);
  EXPECT_EQ(table.Remove(HashKey("a"), "a"), nullptr);
  EXPECT_EQ(table.Random(1), nullptr);
  EXPECT_EQ(table.MemoryBytes(), 0u);
  table.ForEach([](KeyEntry*) { FAIL(); });
}

// Grows and shrinks over several powers of two; what is there and what is not is looked up all the
// time.
TEST(KeyTable, BehavesLikeAMapUnderRandomChanges) {
  std::mt19937 random(1);
  ModelTable tables;
  for (const size_t target : {3, 40, 700, 5000, 300, 0, 2000, 10, 0}) {
    for (int step = 0; step < 20000 && tables.model().size() != target; step++) {
      const bool grow = tables.model().size() < target;
      const std::string name = KeyName(random() % 10000);
      // One step in four goes the other way, so that a size is crossed more than once.
      const bool insert = random() % 4 != 0 ? grow : !grow;
      if (insert != tables.Has(name)) {
        insert ? tables.Insert(name) : tables.Remove(name);
      } else {
        const auto found = tables.model().find(name);
        ASSERT_EQ(tables.table().Find(HashKey(name), name),
                  found == tables.model().end() ? nullptr : found->second);
      }
      if (!grow && !tables.model().empty()) tables.Remove(tables.model().begin()->first);
    }
    tables.Check();
  }
}

TEST(KeyTable, GivesMemoryBackWhenItShrinks) {
  ModelTable tables;
  for (int i = 0; i < 100000; i++)
    tables.Insert(KeyName(i));
  const size_t large = tables.table().MemoryBytes();
  EXPECT_GT(large, 100000 * sizeof(uint64_t));
  // Five entries share a bucket of 64 bytes, and some buckets overflow.
  EXPECT_LT(large, 100000 * 2 * 64 / 5);
  for (int i = 0; i < 99990; i++)
    tables.Remove(KeyName(i));
  tables.Check();
  EXPECT_LT(tables.table().MemoryBytes(), 2048u);
}

TEST(KeyTable, MovesAsAWhole) {
  KeyTable table;
  std::vector<KeyEntry*> entries;
  for (int i = 0; i < 100; i++) {
    const std::string name = KeyName(i);
    entries.push_back(KeyEntry::Create(name, HashKey(name), std::make_unique<StringObject>("v")));
    table.Insert(HashKey(name), entries.back());
  }
  KeyTable moved = std::move(table);
  table = KeyTable();
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.Find(HashKey(KeyName(7)), KeyName(7)), nullptr);
  EXPECT_EQ(moved.size(), 100u);
  EXPECT_EQ(moved.Find(HashKey(KeyName(7)), KeyName(7)), entries[7]);
  for (KeyEntry* entry : entries)
    KeyEntry::Destroy(entry);
}

TEST(KeyTable, RandomReachesEveryEntry) {
  ModelTable tables;
  for (int i = 0; i < 50; i++)
    tables.Insert(KeyName(i));
  std::mt19937_64 random(2);
  std::set<std::string> drawn;
  for (int i = 0; i < 10000; i++) {
    const KeyEntry* entry = tables.table().Random(random());
    ASSERT_EQ(tables.model().at(std::string(entry->name())), entry);
    drawn.emplace(entry->name());
  }
  EXPECT_EQ(drawn.size(), 50u);
}

// What SCAN promises: a key that is there from the first call to the last is seen, though the table
// grows or shrinks between the calls, and the walk ends.
class KeyTableScan : public testing::TestWithParam<int> {};

TEST_P(KeyTableScan, SeesEveryKeyThatStaysWhileTheTableChanges) {
  std::mt19937 random(GetParam());
  ModelTable tables;
  std::set<std::string> staying;
  for (int i = 0; i < 200; i++) {
    staying.insert(KeyName(i));
    tables.Insert(KeyName(i));
  }
  std::vector<std::string> passing;
  uint64_t next = 1000;
  const size_t at_first = random() % 4000;
  while (passing.size() < at_first) {
    passing.push_back(KeyName(next++));
    tables.Insert(passing.back());
  }

  std::set<std::string> seen;
  uint64_t cursor = 0;
  size_t calls = 0;
  // How much comes and goes per call on the average, from only shrinking to only growing.
  const int growth = GetParam() % 11 - 5;
  do {
    cursor =
        tables.table().Scan(cursor, [&](const KeyEntry* entry) { seen.emplace(entry->name()); });
    const int changes = static_cast<int>(random() % 12);
    for (int i = 0; i < changes; i++) {
      const bool insert = static_cast<int>(random() % 10) < 5 + growth;
      if (insert && passing.size() < 20000) {
        passing.push_back(KeyName(next++));
        tables.Insert(passing.back());
      } else if (!insert && !passing.empty()) {
        std::swap(passing[random() % passing.size()], passing.back());
        tables.Remove(passing.back());
        passing.pop_back();
      }
    }
    ASSERT_LT(++calls, 100000u);
  } while (cursor != 0);

  for (const std::string& name : staying) {
    EXPECT_TRUE(seen.contains(name)) << name;
  }
  tables.Check();
}

INSTANTIATE_TEST_SUITE_P(Seeds, KeyTableScan, testing::Range(0, 66));

// The table collapses, or explodes, between two calls.
TEST(KeyTable, ScanSurvivesSuddenChangesOfSize) {
  std::mt19937 random(3);
  for (int round = 0; round < 30; round++) {
    ModelTable tables;
    std::set<std::string> staying;
    for (int i = 0; i < 30; i++) {
      staying.insert(KeyName(i));
      tables.Insert(KeyName(i));
    }
    std::set<std::string> seen;
    uint64_t cursor = 0;
    bool large = false;
    int calls = 0;
    do {
      cursor =
          tables.table().Scan(cursor, [&](const KeyEntry* entry) { seen.emplace(entry->name()); });
      if (random() % 4 == 0) {
        for (int i = 1000; i < 3000; i++) {
          large ? tables.Remove(KeyName(i)) : tables.Insert(KeyName(i));
        }
        large = !large;
      }
      ASSERT_LT(++calls, 100000);
    } while (cursor != 0);
    for (const std::string& name : staying) {
      EXPECT_TRUE(seen.contains(name)) << name << " in round " << round;
    }
  }
}

// A cursor comes from the client: any number is taken.
TEST(KeyTable, ScanTakesAnyCursor) {
  std::mt19937_64 random(4);
  ModelTable tables;
  for (int i = 0; i < 1000; i++)
    tables.Insert(KeyName(i));
  for (int i = 0; i < 10000; i++) {
    uint64_t cursor = random() >> (random() % 64);
    for (int calls = 0; calls < 1000 && cursor != 0; calls++) {
      cursor = tables.table().Scan(cursor, [](KeyEntry*) {});
    }
    ASSERT_EQ(cursor, 0u);
  }
}

}  // namespace
}  // namespace runnel
