#include "data/topic/key_index.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace runnel {
namespace {

using Entries = std::map<RecordKeyHash, uint64_t>;

Entries EntriesOf(const KeyIndex& index, uint64_t floor = 0) {
  Entries entries;
  RecordKeyHash last;
  index.ForEach(floor, [&](const RecordKeyHash& hash, uint64_t offset) {
    EXPECT_TRUE(entries.empty() || last < hash);
    entries.emplace(hash, offset);
    last = hash;
  });
  return entries;
}

TopicId IdOf(char byte) {
  TopicId id;
  id.fill(byte);
  return id;
}

// Hashes as they are stored: a change of one bit would lose every key of every topic.
TEST(KeyIndexTest, HashesAreStable) {
  TopicId id;
  for (size_t i = 0; i < id.size(); i++) {
    id[i] = static_cast<char>(i);
  }
  // The first test vectors of SipHash-2-4 with 128 bits of result (vectors_sip128 in the reference
  // implementation of its authors): of no byte, and of the byte 0.
  EXPECT_EQ(HashRecordKey(id, {}), (RecordKeyHash{0xe6a825ba047f81a3, 0x930255c71472f66d}));
  EXPECT_EQ(HashRecordKey(id, std::string_view("\0", 1)),
            (RecordKeyHash{0x44af996bd8c187da, 0x45fc229b11597634}));
  EXPECT_NE(HashRecordKey(IdOf('a'), "k"), HashRecordKey(IdOf('b'), "k"));
}

// The index against a map, with clones that must not see later changes.
class KeyIndexModel {
 public:
  explicit KeyIndexModel(uint32_t seed) : random_(seed), keys_(1 + random_() % 3000) {}

  void Step() {
    switch (random_() % 40) {
      case 0:
        clones_.emplace_back(index_.Clone(), model_);
        if (clones_.size() > 3) clones_.erase(clones_.begin());
        return;
      case 1: {
        if (clones_.empty()) return;
        // The clone goes on in its place.
        std::swap(index_, clones_.back().first);
        std::swap(model_, clones_.back().second);
        return;
      }
      case 2:
        // What is below may be forgotten, and is not asked for any more.
        floor_ += random_() % (next_ - floor_ + 1);
        std::erase_if(model_, [this](const auto& entry) { return entry.second < floor_; });
        for (auto& clone : clones_) {
          std::erase_if(clone.second, [this](const auto& entry) { return entry.second < floor_; });
        }
        return;
      case 3:
        if (random_() % 50 == 0) {
          index_.Clear();
          model_.clear();
        }
        return;
      default:
        break;
    }
    for (uint64_t i = random_() % 50; i > 0; i--) {
      const RecordKeyHash hash = Draw();
      const auto known = model_.find(hash);
      if (random_() % 4 == 0) {
        index_.Erase(hash);
        if (known != model_.end()) model_.erase(known);
        EXPECT_EQ(index_.Find(hash), KeyIndex::kNone);
      } else {
        const uint64_t before = index_.Set(hash, next_, floor_);
        if (known != model_.end()) {
          EXPECT_EQ(before, known->second);
        } else {
          EXPECT_TRUE(before == KeyIndex::kNone || before < floor_);
        }
        model_[hash] = next_++;
      }
    }
  }

  void Check() const {
    ASSERT_EQ(EntriesOf(index_, floor_), model_);
    for (const auto& [hash, offset] : model_) {
      ASSERT_EQ(index_.Find(hash), offset);
    }
    ASSERT_GE(index_.size(), model_.size());
    for (const auto& [clone, entries] : clones_) {
      ASSERT_EQ(EntriesOf(clone, floor_), entries);
    }
  }

 private:
  RecordKeyHash Draw() { return HashRecordKey(IdOf('x'), std::to_string(random_() % keys_)); }

  std::mt19937 random_;
  const uint64_t keys_;
  KeyIndex index_;
  Entries model_;
  std::vector<std::pair<KeyIndex, Entries>> clones_;
  uint64_t floor_ = 0;
  uint64_t next_ = 0;
};

TEST(KeyIndexTest, DoesWhatAMapDoes) {
  for (uint32_t seed = 0; seed < 15; seed++) {
    SCOPED_TRACE(seed);
    KeyIndexModel model(seed);
    for (int step = 0; step < 300; step++) {
      model.Step();
      if (step % 10 != 0) continue;
      ASSERT_NO_FATAL_FAILURE(model.Check());
    }
  }
}

TEST(KeyIndexTest, TakesAtMost56BytesAKey) {
  for (const uint64_t keys : {100, 1000, 3000, 10'000, 50'000, 100'000, 200'000}) {
    KeyIndex index;
    for (uint64_t i = 0; i < keys; i++) {
      index.Set(HashRecordKey(IdOf('x'), std::to_string(i)), i, 0);
    }
    EXPECT_EQ(index.size(), keys);
    EXPECT_LE(index.MemoryBytes(), 56 * keys) << keys;
    EXPECT_TRUE(index.is_spread());
  }
}

// As they are stored. Without Expect the first buckets would become too large.
TEST(KeyIndexTest, HashesThatAreExpectedMayBeSetInTheirOrder) {
  for (const uint64_t keys : {300, 2500, 100'000}) {
    Entries entries;
    for (uint64_t i = 0; i < keys; i++) {
      entries.emplace(HashRecordKey(IdOf('x'), std::to_string(i)), i);
    }
    KeyIndex index;
    index.Expect(keys);
    for (const auto& [hash, offset] : entries) {
      index.Set(hash, offset, 0);
      ASSERT_TRUE(index.is_spread()) << keys;
    }
    EXPECT_LE(index.MemoryBytes(), 56 * keys) << keys;
    EXPECT_EQ(EntriesOf(index), entries);
  }
}

// As retention leaves them: the index does not grow when keys come and go.
TEST(KeyIndexTest, ForgetsWhatIsBelowTheFloor) {
  KeyIndex index;
  for (uint64_t i = 0; i < 300'000; i++) {
    index.Set(HashRecordKey(IdOf('x'), std::to_string(i)), i, i < 1000 ? 0 : i - 1000);
  }
  EXPECT_LE(index.size(), 10'000u);
  EXPECT_EQ(EntriesOf(index, 299'000).size(), 1000u);
}

// From a damaged file: the directory does not grow for hashes that begin alike, and that is told.
TEST(KeyIndexTest, HashesThatBeginAlikeTakeNoMoreMemory) {
  for (const size_t expected : {0, 5000}) {
    KeyIndex index;
    index.Expect(expected);
    for (uint64_t i = 0; i < 5000; i++) {
      index.Set({42, i << 40}, i, 0);
    }
    EXPECT_EQ(index.size(), 5000u);
    EXPECT_LE(index.MemoryBytes(), 5000u * 100);
    EXPECT_EQ(index.Find({42, 77ull << 40}), 77u);
    EXPECT_FALSE(index.is_spread());
  }
}

}  // namespace
}  // namespace runnel
