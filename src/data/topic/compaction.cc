#include "data/topic/compaction.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace runnel {

std::unique_ptr<Compaction> Compaction::Clone() const {
  auto copy = std::make_unique<Compaction>(topic_, tombstone_ms_);
  copy->index_ = index_.Clone();
  copy->tombstones_ = tombstones_.Clone();
  return copy;
}

size_t Compaction::MemoryBytes() const {
  return sizeof(*this) + index_.MemoryBytes() + tombstones_.MemoryBytes() + expected_.capacity();
}

// --- Tombstones ---

int64_t Compaction::DueMs() const {
  if (tombstones_.empty() || tombstone_ms_ == 0) return INT64_MAX;
  const uint64_t ms = tombstones_.front().id.ms;
  constexpr auto kMost = static_cast<uint64_t>(INT64_MAX);
  if (tombstone_ms_ >= kMost || ms >= kMost - tombstone_ms_) return INT64_MAX;
  return static_cast<int64_t>(ms + tombstone_ms_ + 1);
}

uint64_t Compaction::PlanTombstones(int64_t now_ms) const {
  if (DueMs() > now_ms) return 0;
  const uint64_t last_ms = static_cast<uint64_t>(now_ms) - tombstone_ms_ - 1;
  uint64_t end = 0;
  size_t count = 0;
  tombstones_.ForEach([&](const Tombstone& tombstone) {
    if (tombstone.id.ms > last_ms || count++ == kMostTombstones) return false;
    end = tombstone.id.seq + 1;
    return true;
  });
  return end;
}

uint64_t Compaction::TakeTombstone(uint64_t offset) {
  if (tombstones_.empty() || tombstones_.front().id.seq >= offset) return kNone;
  const Tombstone gone = tombstones_.front();
  index_.Erase(gone.key);
  tombstones_.PopFront();
  return gone.id.seq;
}

// --- Records ---

void Compaction::Expect(std::string_view key) const {
  if (key.size() > kMostExpected) return;
  expected_ = key;
  expected_hash_ = HashRecordKey(topic_, key);
  index_.PrefetchPlace(expected_hash_);
}

RecordKeyHash Compaction::Fetch(std::string_view key) const {
  // Empty: nothing was expected yet, perhaps.
  const bool expected = !key.empty() && key == expected_;
  const RecordKeyHash hash = expected ? expected_hash_ : HashRecordKey(topic_, key);
  index_.Prefetch(hash);
  return hash;
}

uint64_t Compaction::Append(StreamId id, const RecordKeyHash& key, bool tombstone, uint64_t floor) {
  const uint64_t before = index_.Set(key, id.seq, floor);
  const bool replaces = before != kNone && before >= floor;
  if (replaces) tombstones_.Erase(before);
  if (tombstone) tombstones_.PushBack({id, key});
  return replaces ? before : kNone;
}

void Compaction::Trim(uint64_t floor, bool empty) {
  if (empty) index_.Clear();
  while (!tombstones_.empty() && tombstones_.front().id.seq < floor) {
    tombstones_.PopFront();
  }
}

// --- Stored form ---
//
//   compaction := varint 16 | 16 bytes of the topic's ID | varint tombstone ms
//                 | varint keys | (fixed64 high | fixed64 low | varint offset)...
//                 | varint tombstones | (varint ms | varint offset | fixed64 high | fixed64 low)...
//
// Keys are in the order of their hashes. Keys whose record retention has removed are left out.

void Compaction::Serialize(Encoder* out, uint64_t floor) const {
  out->Bytes({topic_.data(), topic_.size()});
  out->Varint(tombstone_ms_);
  size_t keys = 0;
  index_.ForEach(floor, [&](const RecordKeyHash&, uint64_t) { keys++; });
  out->Varint(keys);
  index_.ForEach(floor, [&](const RecordKeyHash& hash, uint64_t offset) {
    out->Fixed(hash.high);
    out->Fixed(hash.low);
    out->Varint(offset);
    out->Checkpoint();
  });
  out->Varint(tombstones_.size());
  tombstones_.ForEach([&](const Tombstone& tombstone) {
    out->Varint(tombstone.id.ms);
    out->Varint(tombstone.id.seq);
    out->Fixed(tombstone.key.high);
    out->Fixed(tombstone.key.low);
    out->Checkpoint();
    return true;
  });
}

std::unique_ptr<Compaction> Compaction::Load(Decoder* in, uint64_t floor, uint64_t next_offset) {
  const std::string_view topic = in->Bytes();
  TopicId id;
  if (topic.size() != id.size()) return nullptr;
  std::copy(topic.begin(), topic.end(), id.begin());
  const uint64_t tombstone_ms = in->Varint();
  auto loaded = std::make_unique<Compaction>(id, tombstone_ms);
  const auto read_hash = [in] {
    const uint64_t high = in->Fixed<uint64_t>();
    return RecordKeyHash{high, in->Fixed<uint64_t>()};
  };
  struct Entry {
    RecordKeyHash hash;
    uint64_t offset;
  };
  std::vector<Entry> entries;
  for (uint64_t left = in->Count(17); left > 0; left--) {
    const RecordKeyHash hash = read_hash();
    const uint64_t offset = in->Varint();
    const bool in_order = entries.empty() || entries.back().hash < hash;
    if (!in->ok() || !in_order || offset < floor || offset >= next_offset) return nullptr;
    entries.push_back({hash, offset});
  }
  // The index takes memory by the expected number. The stored number may be damaged; this one is
  // not.
  loaded->index_.Expect(entries.size());
  for (const Entry& entry : entries) {
    loaded->index_.Set(entry.hash, entry.offset, 0);
    if (!loaded->index_.is_spread()) return nullptr;
  }
  loaded->index_.Expect(0);
  StreamId before;
  for (uint64_t left = in->Count(18); left > 0; left--) {
    Tombstone tombstone;
    tombstone.id.ms = in->Varint();
    tombstone.id.seq = in->Varint();
    tombstone.key = read_hash();
    const bool in_order = loaded->tombstones_.empty() ||
                          (before.ms <= tombstone.id.ms && before.seq < tombstone.id.seq);
    // It is the newest record of its key.
    if (!in->ok() || !in_order || loaded->index_.Find(tombstone.key) != tombstone.id.seq) {
      return nullptr;
    }
    loaded->tombstones_.PushBack(tombstone);
    before = tombstone.id;
  }
  return loaded;
}

}  // namespace runnel
