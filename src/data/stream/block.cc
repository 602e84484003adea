#include "data/stream/block.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/coding.h"

namespace runnel {

namespace {

constexpr size_t kBaseBytes = 2 * sizeof(uint64_t);
constexpr size_t kOffsetBytes = sizeof(uint16_t);
constexpr size_t kMaxOffset = std::numeric_limits<uint16_t>::max();
constexpr size_t kMaxEntries = std::numeric_limits<uint16_t>::max();
constexpr size_t kLeastMemory = 256;
// The largest size that jemalloc does not pad: from 16 KiB on an allocation takes a page more.
constexpr size_t kMostMemory = 14336;

size_t TargetMemory(const StreamLimits& limits) {
  return std::clamp(limits.max_bytes, kLeastMemory, kMostMemory);
}

// The sizes at which a block may end are the target and its doubles, up to the most there can be.
size_t NextStep(size_t target, size_t bytes) {
  while (target < bytes) {
    target *= 2;
  }
  return std::min(target, kMostMemory);
}

size_t PrefixedSize(std::string_view bytes) {
  return VarintSize(bytes.size()) + bytes.size();
}

// Whether the two have the same bytes. Names are short: they are compared in place, by pieces that
// may overlap.
bool SameBytes(const char* a, const char* b, size_t size) {
  const auto differs = [a, b](auto word, size_t at) {
    decltype(word) other;
    std::memcpy(&word, a + at, sizeof(word));
    std::memcpy(&other, b + at, sizeof(other));
    return word != other;
  };
  if (size > 16) return std::memcmp(a, b, size) == 0;
  if (size >= 8) return !differs(uint64_t{}, 0) && !differs(uint64_t{}, size - 8);
  if (size >= 4) return !differs(uint32_t{}, 0) && !differs(uint32_t{}, size - 4);
  return size == 0 || (a[0] == b[0] && a[size / 2] == b[size / 2] && a[size - 1] == b[size - 1]);
}

char* WritePrefixed(char* out, std::string_view bytes) {
  out = WriteVarint(out, bytes.size());
  // A string_view of no bytes may hold a null pointer, which memcpy must not see.
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

}  // namespace

size_t EntryView::PayloadBytes() const {
  size_t bytes = 0;
  for (const Field& field : *this) {
    bytes += field.name.size() + field.value.size();
  }
  return bytes;
}

EntryView StreamBlockReader::EntryAt(size_t k) {
  StreamId id;
  const char* in = ReadId(data_ + OffsetOf(k), &id);
  uint64_t schema;
  in = ReadTrustedVarint(in, &schema);
  if (schema == 0) {
    uint64_t name_bytes;
    in = ReadTrustedVarint(in, &fields_);
    in = ReadTrustedVarint(in, &name_bytes);
    schema_ = k + 1;
    names_ = in;
    return EntryView(id, fields_, names_, in + name_bytes);
  }
  if (schema != schema_) {
    const Names names = *NamesStoredAt(schema - 1);
    fields_ = names.fields;
    names_ = names.begin;
    schema_ = schema;
  }
  return EntryView(id, fields_, names_, in);
}

std::optional<StreamBlockReader::Names> StreamBlockReader::NamesStoredAt(size_t k) const {
  StreamId id;
  const char* in = ReadId(data_ + OffsetOf(k), &id);
  uint64_t schema;
  in = ReadTrustedVarint(in, &schema);
  if (schema != 0) return std::nullopt;
  Names names;
  uint64_t name_bytes;
  in = ReadTrustedVarint(in, &names.fields);
  names.begin = ReadTrustedVarint(in, &name_bytes);
  return names;
}

StreamBlockWriter& StreamBlockWriter::operator=(const StreamBlockWriter& other) {
  block_ = other.block_;
  base_ = other.base_;
  entries_ = other.entries_;
  bytes_ = other.bytes_;
  last_memory_ = other.last_memory_;
  schemas_seen_ = other.schemas_seen_;
  owns_room_ = false;
  std::copy(std::begin(other.schemas_), std::end(other.schemas_), std::begin(schemas_));
  return *this;
}

StreamBlockWriter StreamBlockWriter::Continue(Ref<Block> block, size_t entries, size_t bytes) {
  StreamBlockWriter writer;
  const char* data = block->data();
  writer.base_ = {ReadFixed<uint64_t>(data), ReadFixed<uint64_t>(data + sizeof(uint64_t))};
  writer.entries_ = static_cast<uint32_t>(entries);
  writer.bytes_ = static_cast<uint32_t>(bytes);
  writer.owns_room_ = true;
  StreamBlockReader reader(*block, entries);
  for (size_t k = 0; k < entries; k++) {
    if (const std::optional<StreamBlockReader::Names> names = reader.NamesStoredAt(k)) {
      writer.Remember({static_cast<uint32_t>(k), static_cast<uint32_t>(names->fields),
                       static_cast<uint32_t>(names->begin - data)});
    }
  }
  writer.block_ = std::move(block);
  return writer;
}

bool StreamBlockWriter::Append(StreamId id, std::span<const std::string_view> fields,
                               const StreamLimits& limits) {
  if (empty()) return false;
  const Plan plan = PlanEntry(id, fields);
  const size_t memory = MemoryFor(plan, limits);
  if (memory == 0) return false;
  if (memory > block_->MemoryBytes() || !owns_room_) MoveTo(memory);
  Write(fields, plan);
  return true;
}

bool StreamBlockWriter::Accepts(StreamId id, std::span<const std::string_view> fields,
                                const StreamLimits& limits) const {
  return !empty() && MemoryFor(PlanEntry(id, fields), limits) != 0;
}

void StreamBlockWriter::Start(StreamId id, std::span<const std::string_view> fields,
                              const StreamLimits& limits) {
  ASSERT(empty());
  base_ = id;
  entries_ = 0;
  bytes_ = kBaseBytes;
  schemas_seen_ = 0;
  const Plan plan = PlanEntry(id, fields);
  const size_t needed = sizeof(Block) + bytes_ + plan.size + kOffsetBytes;
  const size_t target = TargetMemory(limits);
  const size_t usual = std::clamp<size_t>(last_memory_, kLeastMemory, target);
  const size_t memory =
      needed > target ? needed : std::max(usual, std::min(std::bit_ceil(needed), target));
  block_ = Block::Create(memory - sizeof(Block));
  owns_room_ = true;
  WriteFixed(block_->data(), id.ms);
  WriteFixed(block_->data() + sizeof(uint64_t), id.seq);
  Write(fields, plan);
}

Ref<Block> StreamBlockWriter::Seal() {
  const size_t memory = block_->MemoryBytes();
  const size_t used = sizeof(Block) + bytes_ + entries_ * kOffsetBytes;
  if (memory - used > memory / 8) MoveTo(used);
  last_memory_ = static_cast<uint32_t>(block_->MemoryBytes());
  return std::exchange(block_, Ref<Block>());
}

void StreamBlockWriter::Drop() {
  block_ = Ref<Block>();
}

StreamBlockWriter::Plan StreamBlockWriter::PlanEntry(
    StreamId id, std::span<const std::string_view> fields) const {
  Plan plan;
  plan.ms = id.ms - base_.ms;
  plan.seq = ZigZag(static_cast<int64_t>(id.seq - base_.seq));
  plan.size = VarintSize(plan.ms) + VarintSize(plan.seq);
  for (size_t i = 1; i < fields.size(); i += 2) {
    plan.size += PrefixedSize(fields[i]);
  }
  if (const Schema* schema = FindSchema(fields)) {
    plan.schema = schema->entry + 1;
    plan.size += VarintSize(plan.schema);
    return plan;
  }
  for (size_t i = 0; i < fields.size(); i += 2) {
    plan.name_bytes += PrefixedSize(fields[i]);
  }
  plan.size += 1 + VarintSize(fields.size() / 2) + VarintSize(plan.name_bytes) + plan.name_bytes;
  return plan;
}

const StreamBlockWriter::Schema* StreamBlockWriter::FindSchema(
    std::span<const std::string_view> fields) const {
  const size_t known = std::min<size_t>(schemas_seen_, kSchemas);
  for (size_t s = 0; s < known; s++) {
    const Schema& schema = schemas_[s];
    if (schema.fields != fields.size() / 2) continue;
    const char* name = block_->data() + schema.names;
    size_t i = 0;
    for (; i < fields.size(); i += 2) {
      uint64_t size;
      name = ReadTrustedVarint(name, &size);
      if (size != fields[i].size() || !SameBytes(name, fields[i].data(), size)) break;
      name += size;
    }
    if (i == fields.size()) return &schema;
  }
  return nullptr;
}

void StreamBlockWriter::Remember(const Schema& schema) {
  schemas_[schemas_seen_ % kSchemas] = schema;
  schemas_seen_++;
}

// The memory that the block must have to take the entry: what it has, more, or 0 if the entry shall
// go into a new block. Which of these depends on nothing but the block's content, so that the same
// entries make the same blocks on every server and after a restart.
size_t StreamBlockWriter::MemoryFor(const Plan& plan, const StreamLimits& limits) const {
  const size_t most_entries =
      limits.max_entries == 0 ? kMaxEntries : std::min(limits.max_entries, kMaxEntries);
  if (entries_ >= most_entries || bytes_ > kMaxOffset) return 0;
  const size_t used = sizeof(Block) + bytes_ + entries_ * kOffsetBytes;
  const size_t needed = used + plan.size + kOffsetBytes;
  const size_t target = TargetMemory(limits);
  if (needed > target) {
    // Large entries leave much free where the target ends. Then the block goes on until it is well
    // filled.
    const size_t reached = NextStep(target, used);
    const bool well_filled = reached - used <= reached / 16;
    if ((needed > reached && well_filled) || needed > std::min(4 * target, kMostMemory)) return 0;
  }
  const size_t memory = block_->MemoryBytes();
  if (needed <= memory) return memory;
  return std::min(std::max(2 * memory, needed), NextStep(target, needed));
}

void StreamBlockWriter::MoveTo(size_t memory) {
  Ref<Block> larger = Block::Create(memory - sizeof(Block));
  std::memcpy(larger->data(), block_->data(), bytes_);
  const size_t offsets = entries_ * kOffsetBytes;
  std::memcpy(larger->data() + larger->capacity() - offsets,
              block_->data() + block_->capacity() - offsets, offsets);
  block_ = std::move(larger);
  owns_room_ = true;
}

void StreamBlockWriter::Write(std::span<const std::string_view> fields, const Plan& plan) {
  char* const data = block_->data();
  entries_++;
  WriteFixed(data + block_->capacity() - entries_ * kOffsetBytes, static_cast<uint16_t>(bytes_));
  char* out = data + bytes_;
  out = WriteVarint(out, plan.ms);
  out = WriteVarint(out, plan.seq);
  out = WriteVarint(out, plan.schema);
  if (plan.schema == 0) {
    out = WriteVarint(out, fields.size() / 2);
    out = WriteVarint(out, plan.name_bytes);
    Remember({entries_ - 1, static_cast<uint32_t>(fields.size() / 2),
              static_cast<uint32_t>(out - data)});
    for (size_t i = 0; i < fields.size(); i += 2) {
      out = WritePrefixed(out, fields[i]);
    }
  }
  for (size_t i = 1; i < fields.size(); i += 2) {
    out = WritePrefixed(out, fields[i]);
  }
  bytes_ += static_cast<uint32_t>(plan.size);
  ASSERT(out == data + bytes_);
}

std::string_view StreamBlockPayload(const Block& block, size_t bytes) {
  return std::string_view(block.data(), bytes);
}

namespace {

// Passes over one entry of a damaged payload; `fields[k]` becomes the number of fields if entry k
// stores its names, and 0 if it refers to another one.
void CheckEntry(Decoder* in, size_t k, std::vector<uint32_t>* fields) {
  const uint64_t schema = in->Varint();
  uint64_t count = 0;
  if (schema == 0) {
    count = in->Count(1);
    Decoder names(in->Bytes());
    for (uint64_t i = 0; i < count; i++) {
      names.Bytes();
    }
    if (!names.ok() || !names.done() || count == 0) in->Fail();
    (*fields)[k] = static_cast<uint32_t>(count);
  } else {
    if (schema <= k) count = (*fields)[schema - 1];
    if (count == 0) in->Fail();
  }
  for (uint64_t i = 0; i < count && in->ok(); i++) {
    in->Bytes();
  }
}

}  // namespace

std::optional<LoadedStreamBlock> LoadStreamBlock(std::string_view payload, size_t entries) {
  // The smallest entry is two deltas, a schema and the length of a value.
  if (payload.size() < kBaseBytes || entries == 0 || entries > kMaxEntries ||
      (payload.size() - kBaseBytes) / 4 < entries) {
    return std::nullopt;
  }
  LoadedStreamBlock loaded;
  loaded.block = Block::Create(payload.size() + entries * kOffsetBytes);
  char* const data = loaded.block->data();
  std::memcpy(data, payload.data(), payload.size());
  Decoder in(payload);
  const uint64_t base_ms = in.Fixed<uint64_t>();
  const uint64_t base_seq = in.Fixed<uint64_t>();
  std::vector<uint32_t> fields(entries);
  for (size_t k = 0; k < entries; k++) {
    const size_t offset = static_cast<size_t>(in.position());
    const uint64_t ms = in.Varint();
    const int64_t seq = in.Signed();
    const StreamId id = {base_ms + ms, base_seq + static_cast<uint64_t>(seq)};
    if (k == 0) loaded.first = id;
    CheckEntry(&in, k, &fields);
    if (!in.ok() || id <= loaded.last || offset > kMaxOffset) return std::nullopt;
    loaded.last = id;
    WriteFixed(data + loaded.block->capacity() - (k + 1) * kOffsetBytes,
               static_cast<uint16_t>(offset));
  }
  if (!in.done()) return std::nullopt;
  return loaded;
}

}  // namespace runnel
