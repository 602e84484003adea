// A partition against a vector of records: appending, trimming, compaction, every seek, clones,
// stored forms.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "data/stream/stream.h"
#include "data/testing.h"
#include "data/topic/record.h"
#include "data/topic/topic.h"

namespace runnel {
namespace {

struct Record {
  uint64_t offset;
  uint64_t ms;
  std::string value;
  std::string key;  // of a compacted partition
  bool tombstone = false;
};

constexpr uint64_t kTombstoneMs = 20;

class PartitionModel {
 public:
  PartitionModel(uint32_t seed, bool compacted)
      : random_(seed), compacted_(compacted), stream_(std::make_unique<Stream>()) {
    stream_->MakePartition();
    if (compacted) stream_->KeepNewest(std::make_unique<Compaction>(TopicId(), kTombstoneMs));
  }

  void Step() {
    switch (random_() % 9) {
      case 0:
        return DropOldest(random_() % 20);
      case 1:
        return Trim();
      case 2:
        stream_.reset(static_cast<Stream*>(stream_->Clone().release()));
        return;
      case 3:
        return StoreAndLoad();
      case 4:
        return Retain();
      case 5:
        return DropTombstones();
      default:
        for (uint64_t i = random_() % 40; i > 0; i--) {
          Append();
        }
    }
  }

  void Check() {
    ASSERT_EQ(stream_->next_offset(), next_);
    ASSERT_EQ(stream_->first_offset(), first_);
    ASSERT_EQ(stream_->length(), records_.size());
    std::vector<StreamId> ids;
    for (EntryCursor at = stream_->Seek(StreamId::Min()); at.valid(); at.Next()) {
      ASSERT_LT(ids.size(), records_.size());
      const Record& record = records_[ids.size()];
      ASSERT_EQ(at->id(), (StreamId{record.ms, record.offset}));
      const RecordView view(*at);
      ASSERT_EQ(view.key, record.key);
      ASSERT_EQ(view.fields.size(), record.tombstone ? 0u : 1u);
      if (!record.tombstone) {
        ASSERT_EQ(view.fields.begin()->value, record.value);
      }
      ids.push_back(at->id());
    }
    ASSERT_EQ(ids.size(), records_.size());
    for (int i = 0; i < 4; i++) {
      CheckSeeks(random_() % (next_ + 2), now_ + 2 - random_() % (now_ + 2));
    }
  }

 private:
  void Append() {
    now_ += random_() % 3;
    const std::string value(random_() % 8 == 0 ? random_() % 3000 : random_() % 20, 'v');
    Record record{next_++, now_, value, {}, false};
    std::vector<std::string_view> fields;
    if (compacted_) {
      record.key = std::to_string(random_() % 2 == 0 ? random_() % 5 : random_() % 200);
      record.tombstone = random_() % 4 == 0;
      fields = {kRecordKey, record.key};
      std::erase_if(records_, [&](const Record& other) { return other.key == record.key; });
    }
    if (!record.tombstone) {
      fields.insert(fields.end(), {random_() % 5 == 0 ? "other" : "field", record.value});
    }
    stream_->Append({now_, stream_->next_offset()}, fields, kPartitionLimits);
    records_.push_back(record);
  }
  void DropTombstones() {
    const uint64_t end = stream_->PlanTombstones(static_cast<int64_t>(now_));
    const auto goes = [this](const Record& record) {
      return record.tombstone && now_ - record.ms > kTombstoneMs;
    };
    const auto any = std::find_if(records_.begin(), records_.end(), goes);
    ASSERT_EQ(end != 0, any != records_.end());
    if (end == 0) return;
    ASSERT_LE(stream_->RetentionDue(), static_cast<int64_t>(now_));
    stream_->DropTombstones(end);
    std::erase_if(records_, goes);
    ASSERT_EQ(stream_->PlanTombstones(static_cast<int64_t>(now_)), 0u);
  }
  void DropOldest(uint64_t count) {
    count = std::min<uint64_t>(count, records_.size());
    if (compacted_) {
      if (count > 0) DropBelow(count == records_.size() ? next_ : records_[count].offset);
      return;
    }
    stream_->DropOldest(count);
    records_.erase(records_.begin(), records_.begin() + static_cast<ptrdiff_t>(count));
    if (count > 0) first_ = std::max(first_, records_.empty() ? next_ : records_.front().offset);
  }
  void Trim() {
    const uint64_t offset = first_ + random_() % (next_ - first_ + 1);
    ASSERT_EQ(stream_->CountBelowOffset(offset), CountBelow(offset));
    DropBelow(offset);
  }
  void DropBelow(uint64_t offset) {
    stream_->DropBelowOffset(offset);
    std::erase_if(records_, [offset](const Record& record) { return record.offset < offset; });
    first_ = offset;
  }
  void Retain() {
    stream_->Retain({.entries = 1 + random_() % 100});
    if (compacted_) {
      const uint64_t offset = stream_->PlanRetentionOffset(static_cast<int64_t>(now_));
      const uint64_t beyond =
          records_.size() - std::min<size_t>(records_.size(), stream_->retention().entries);
      ASSERT_EQ(CountBelow(offset), beyond);
      if (offset > 0) DropBelow(offset);
      return;
    }
    DropOldest(stream_->PlanRetention(static_cast<int64_t>(now_)));
  }
  void StoreAndLoad() {
    std::string payload;
    stream_->Serialize(&payload);
    std::unique_ptr<Object> loaded = LoadAs<Stream>(payload);
    ASSERT_NE(loaded, nullptr);
    std::string again;
    loaded->Serialize(&again);
    ASSERT_EQ(again, payload);
    stream_.reset(static_cast<Stream*>(loaded.release()));
    ASSERT_TRUE(stream_->is_partition());
  }

  uint64_t CountBelow(uint64_t offset) const {
    return static_cast<uint64_t>(
        std::count_if(records_.begin(), records_.end(),
                      [offset](const Record& record) { return record.offset < offset; }));
  }
  void CheckSeeks(uint64_t offset, uint64_t ms) {
    ASSERT_EQ(stream_->CountBelowOffset(offset), CountBelow(offset));
    const auto at_offset = std::find_if(records_.begin(), records_.end(),
                                        [&](const Record& r) { return r.offset >= offset; });
    const EntryCursor found = stream_->SeekOffset(offset);
    ASSERT_EQ(found.valid(), at_offset != records_.end());
    if (found.valid()) {
      ASSERT_EQ(found->id().seq, at_offset->offset);
    }
    const auto at_ms =
        std::find_if(records_.begin(), records_.end(), [&](const Record& r) { return r.ms >= ms; });
    ASSERT_EQ(stream_->OffsetAt(ms), at_ms == records_.end() ? next_ : at_ms->offset);
  }

  std::mt19937_64 random_;
  const bool compacted_;
  std::unique_ptr<Stream> stream_;
  std::vector<Record> records_;
  uint64_t first_ = 0;
  uint64_t next_ = 0;
  uint64_t now_ = 1000;
};

TEST(PartitionTest, IsAVectorOfRecords) {
  for (uint32_t seed = 1; seed <= 120; seed++) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    PartitionModel model(seed, seed % 2 == 0);
    for (int step = 0; step < 60; step++) {
      model.Step();
      model.Check();
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

// Stored keys are sorted by their hashes, which must not make the index uneven.
TEST(PartitionTest, ManyKeysComeBack) {
  for (const uint64_t keys : {300, 2500, 40'000}) {
    Stream stream;
    stream.MakePartition();
    stream.KeepNewest(std::make_unique<Compaction>(TopicId(), 0));
    for (uint64_t i = 0; i < keys; i++) {
      const std::string key = std::to_string(i);
      const std::string_view fields[] = {kRecordKey, key, "f", "v"};
      stream.Append({5, i}, fields, kPartitionLimits);
    }
    std::string payload;
    stream.Serialize(&payload);
    const std::unique_ptr<Object> loaded = LoadAs<Stream>(payload);
    ASSERT_NE(loaded, nullptr) << keys;
    EXPECT_EQ(static_cast<const Stream&>(*loaded).keys(), keys);
    EXPECT_LE(loaded->MemoryBytes(0), stream.MemoryBytes(0) + keys * 20);
  }
}

TEST(PartitionTest, StoredHashesThatAreNotSpreadAreRefused) {
  constexpr uint64_t kKeys = 5000;
  const auto loads = [](bool spread) {
    std::string payload;
    Encoder out(&payload);
    out.Bytes(std::string(sizeof(TopicId), 'x'));
    out.Varint(0);
    out.Varint(kKeys);
    for (uint64_t i = 0; i < kKeys; i++) {
      out.Fixed(spread ? i * (UINT64_MAX / kKeys) : uint64_t{42});
      out.Fixed(i << 40);
      out.Varint(i);
    }
    out.Varint(0);
    Decoder in(payload);
    return Compaction::Load(&in, 0, kKeys) != nullptr;
  };
  EXPECT_TRUE(loads(true));
  EXPECT_FALSE(loads(false));
}

TEST(PartitionTest, AStoredFormWhoseOffsetsDoNotFitIsRefused) {
  const auto payload = [](uint64_t added, StreamId last) {
    Stream stream;
    stream.MakePartition();
    const std::string_view fields[] = {"f", "v"};
    stream.Append({5, 0}, fields, {});
    stream.SetEntriesAdded(added);
    stream.SetLastId(last);
    std::string bytes;
    stream.Serialize(&bytes);
    return bytes;
  };
  EXPECT_NE(LoadAs<Stream>(payload(1, {5, 0})), nullptr);
  EXPECT_NE(LoadAs<Stream>(payload(3, {6, 2})), nullptr);
  EXPECT_EQ(LoadAs<Stream>(payload(2, {5, 0})), nullptr);
  EXPECT_EQ(LoadAs<Stream>(payload(3, {6, 3})), nullptr);
}

}  // namespace
}  // namespace runnel
