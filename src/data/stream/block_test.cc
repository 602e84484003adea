#include "data/stream/block.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace runnel {
namespace {

struct NaiveEntry {
  StreamId id;
  std::vector<std::string> fields;  // names and values in turn
};

std::vector<std::string_view> Views(const std::vector<std::string>& strings) {
  return std::vector<std::string_view>(strings.begin(), strings.end());
}

std::vector<std::string> BlockFieldsOf(const EntryView& entry) {
  std::vector<std::string> fields;
  for (const EntryView::Field& field : entry) {
    fields.emplace_back(field.name);
    fields.emplace_back(field.value);
  }
  return fields;
}

// Reads everything back, in order and out of it, and searches for each ID and its neighbours.
void ExpectHolds(const Block& block, const std::vector<NaiveEntry>& entries) {
  StreamBlockReader reader(block, entries.size());
  for (size_t k = 0; k < entries.size(); k++) {
    const EntryView entry = reader.EntryAt(k);
    ASSERT_EQ(entry.id(), entries[k].id);
    ASSERT_EQ(entry.size(), entries[k].fields.size() / 2);
    ASSERT_EQ(BlockFieldsOf(entry), entries[k].fields);
    ASSERT_EQ(reader.IdAt(k), entries[k].id);
    ASSERT_EQ(reader.LowerBound(entries[k].id), k);
    const std::optional<StreamId> next = entries[k].id.Next();
    ASSERT_TRUE(next.has_value());
    ASSERT_EQ(reader.LowerBound(*next), k + 1);
  }
  for (size_t k = entries.size(); k > 0; k--) {
    ASSERT_EQ(BlockFieldsOf(reader.EntryAt(k - 1)), entries[k - 1].fields);
  }
}

class RandomEntries {
 public:
  explicit RandomEntries(uint64_t seed) : random_(seed) {}

  NaiveEntry Make() {
    // Steps of all sizes, in which the sequence number may go far down as the time goes up.
    if (Chance(3)) {
      id_.ms += 1 + (random_() >> (random_() % 30 + 34));
      id_.seq = Chance(2) ? 0 : random_();
    } else {
      id_.seq++;
    }
    if (id_.seq == 0 && id_.ms == 0) id_.seq = 1;
    NaiveEntry entry;
    entry.id = id_;
    const size_t count = Chance(20) ? 40 : 1 + random_() % 5;
    for (size_t i = 0; i < count; i++) {
      // Few different names: lists of names are met again, and some differ in one place only.
      entry.fields.push_back(std::string(random_() % 3, 'n') + (Chance(4) ? "x" : "y"));
      entry.fields.push_back(Bytes());
    }
    return entry;
  }

  bool Chance(uint64_t of) { return random_() % of == 0; }

 private:
  std::string Bytes() {
    size_t size = random_() % 30;
    if (Chance(20)) size = random_() % 400;
    if (Chance(500)) size = random_() % 100'000;
    std::string bytes(size, '\0');
    for (char& byte : bytes) {
      byte = static_cast<char>(random_());
    }
    return bytes;
  }

  std::mt19937_64 random_;
  StreamId id_;
};

TEST(StreamBlockTest, GivesBackWhatWasAppended) {
  for (uint64_t seed = 1; seed <= 300; seed++) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomEntries random(seed);
    StreamLimits limits;
    limits.max_entries = random.Chance(2) ? 100 : 0;
    limits.max_bytes = random.Chance(2) ? 4096 : 16384;
    StreamBlockWriter writer;
    std::vector<NaiveEntry> entries;
    for (int i = 0; i < 500; i++) {
      NaiveEntry entry = random.Make();
      const auto fields = Views(entry.fields);
      const bool accepts = writer.Accepts(entry.id, fields, limits);
      ASSERT_EQ(writer.Append(entry.id, fields, limits), accepts);
      if (!accepts) {
        if (!writer.empty()) {
          const size_t count = writer.entries();
          const size_t bytes = writer.bytes();
          const Ref<Block> block = writer.Seal();
          ExpectHolds(*block, entries);
          const auto loaded = LoadStreamBlock(StreamBlockPayload(*block, bytes), count);
          ASSERT_TRUE(loaded.has_value());
          ASSERT_EQ(loaded->first, entries.front().id);
          ASSERT_EQ(loaded->last, entries.back().id);
          ExpectHolds(*loaded->block, entries);
        }
        ASSERT_TRUE(writer.empty());
        writer.Start(entry.id, fields, limits);
        entries.clear();
      }
      entries.push_back(std::move(entry));
      ASSERT_EQ(writer.entries(), entries.size());
      if (i % 50 == 0) ExpectHolds(*writer.block(), entries);
    }
  }
}

TEST(StreamBlockTest, ReferenceHoldersSeeTheBlockAsItWas) {
  RandomEntries random(7);
  StreamBlockWriter writer;
  std::vector<NaiveEntry> entries;
  struct Held {
    Ref<Block> block;
    size_t count;
  };
  std::vector<Held> held;
  StreamLimits limits;
  for (int i = 0; i < 60; i++) {
    NaiveEntry entry = random.Make();
    if (!writer.Append(entry.id, Views(entry.fields), limits)) {
      if (!writer.empty()) break;
      writer.Start(entry.id, Views(entry.fields), limits);
    }
    entries.push_back(std::move(entry));
    held.push_back({writer.block(), entries.size()});
  }
  ASSERT_GT(held.size(), 10u);
  for (const Held& hold : held) {
    ExpectHolds(*hold.block,
                std::vector<NaiveEntry>(entries.begin(), entries.begin() + hold.count));
  }
}

TEST(StreamBlockTest, CopiedWritersDoNotWriteIntoEachOthersBlock) {
  const std::vector<std::string> first = {"f", "first"};
  const std::vector<std::string> left = {"f", "left"};
  const std::vector<std::string> right = {"f", "right"};
  StreamLimits limits;
  StreamBlockWriter original;
  original.Start({1, 0}, Views(first), limits);
  StreamBlockWriter copy = original;
  ASSERT_TRUE(original.Append({2, 0}, Views(left), limits));
  ASSERT_TRUE(copy.Append({3, 0}, Views(right), limits));
  ExpectHolds(*original.block(), {{{1, 0}, first}, {{2, 0}, left}});
  ExpectHolds(*copy.block(), {{{1, 0}, first}, {{3, 0}, right}});
}

TEST(StreamBlockTest, StoresAListOfNamesOnce) {
  const std::string name(50, 'n');
  const std::vector<std::string> fields = {name + "1", "v", name + "2", "v"};
  StreamBlockWriter writer;
  writer.Start({1000, 0}, Views(fields), StreamLimits());
  const size_t bytes = writer.bytes();
  ASSERT_TRUE(writer.Append({1001, 0}, Views(fields), StreamLimits()));
  // Two deltas, the reference, and two values of one byte.
  EXPECT_EQ(writer.bytes() - bytes, 1 + 1 + 1 + 2 * 2u);
}

TEST(StreamBlockTest, TakesNoMoreEntriesThanTheLimit) {
  const std::vector<std::string> fields = {"f", "v"};
  StreamLimits limits;
  limits.max_entries = 3;
  StreamBlockWriter writer;
  writer.Start({1, 0}, Views(fields), limits);
  EXPECT_TRUE(writer.Append({2, 0}, Views(fields), limits));
  EXPECT_TRUE(writer.Append({3, 0}, Views(fields), limits));
  EXPECT_FALSE(writer.Append({4, 0}, Views(fields), limits));
}

TEST(StreamBlockTest, SealedBlocksAreWellFilledWhateverTheSizeOfEntries) {
  for (size_t size : {100, 300, 900, 1100, 1500, 3000}) {
    const std::vector<std::string> fields = {"field", std::string(size, 'v')};
    StreamBlockWriter writer;
    uint64_t ms = 1;
    writer.Start({ms++, 0}, Views(fields), StreamLimits());
    while (writer.Append({ms, 0}, Views(fields), StreamLimits())) {
      ms++;
    }
    const size_t entries = writer.entries();
    const Ref<Block> block = writer.Seal();
    EXPECT_LT(block->MemoryBytes(), entries * (size + 7) * 9 / 8) << size;
  }
}

TEST(StreamBlockTest, AnEntryLargerThanABlockGetsOneOfItsOwn) {
  const std::vector<std::string> small = {"f", "v"};
  const std::vector<std::string> large = {"f", std::string(1'000'000, 'v')};
  StreamBlockWriter writer;
  writer.Start({1, 0}, Views(small), StreamLimits());
  EXPECT_FALSE(writer.Append({2, 0}, Views(large), StreamLimits()));
  EXPECT_LE(writer.Seal()->MemoryBytes(), 256u);
  writer.Start({2, 0}, Views(large), StreamLimits());
  ExpectHolds(*writer.block(), {{{2, 0}, large}});
  EXPECT_FALSE(writer.Append({3, 0}, Views(small), StreamLimits()));
}

std::string GoodPayload(size_t* entries) {
  StreamBlockWriter writer;
  RandomEntries random(3);
  for (;;) {
    const NaiveEntry entry = random.Make();
    if (writer.Append(entry.id, Views(entry.fields), StreamLimits())) continue;
    if (!writer.empty()) break;
    writer.Start(entry.id, Views(entry.fields), StreamLimits());
  }
  *entries = writer.entries();
  return std::string(StreamBlockPayload(*writer.block(), writer.bytes()));
}

TEST(StreamBlockTest, RefusesTruncatedPayloads) {
  size_t entries = 0;
  const std::string payload = GoodPayload(&entries);
  ASSERT_TRUE(LoadStreamBlock(payload, entries).has_value());
  EXPECT_FALSE(LoadStreamBlock(payload, entries - 1).has_value());
  EXPECT_FALSE(LoadStreamBlock(payload, entries + 1).has_value());
  EXPECT_FALSE(LoadStreamBlock(payload + '\0', entries).has_value());
  for (size_t size = 0; size < payload.size(); size++) {
    ASSERT_FALSE(LoadStreamBlock(payload.substr(0, size), entries).has_value()) << size;
  }
}

// What loads can be read to the end without leaving the payload, whatever was changed.
TEST(StreamBlockTest, DamagedPayloadsAreRefusedOrReadable) {
  size_t entries = 0;
  const std::string payload = GoodPayload(&entries);
  std::mt19937_64 random(11);
  int readable = 0;
  for (int round = 0; round < 30'000; round++) {
    std::string damaged = payload;
    for (uint64_t changes = 1 + random() % 3; changes > 0; changes--) {
      damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    }
    const auto loaded = LoadStreamBlock(damaged, entries);
    if (!loaded) continue;
    readable++;
    StreamBlockReader reader(*loaded->block, entries);
    StreamId last;
    for (size_t k = 0; k < entries; k++) {
      const EntryView entry = reader.EntryAt(k);
      ASSERT_LT(last, entry.id());
      last = entry.id();
      ASSERT_EQ(BlockFieldsOf(entry).size(), 2 * entry.size());
    }
    ASSERT_EQ(last, loaded->last);
  }
  EXPECT_GT(readable, 0);
}

TEST(StreamBlockTest, RefusesReferencesToNamesThatAreNotThere) {
  StreamBlockWriter writer;
  const std::vector<std::string> fields = {"f", "v"};
  writer.Start({1, 0}, Views(fields), StreamLimits());
  ASSERT_TRUE(writer.Append({2, 0}, Views(fields), StreamLimits()));
  std::string payload(StreamBlockPayload(*writer.block(), writer.bytes()));
  // The last entry is: ms, seq, schema, length, "v".
  char& schema = payload[payload.size() - 3];
  ASSERT_EQ(schema, 1);
  for (char damaged : {2, 3, 100}) {
    schema = damaged;
    EXPECT_FALSE(LoadStreamBlock(payload, 2).has_value()) << int{damaged};
  }
}

}  // namespace
}  // namespace runnel
