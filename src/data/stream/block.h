#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/block.h"
#include "base/prefetch.h"
#include "base/ref.h"
#include "base/search.h"
#include "base/stream_id.h"
#include "base/varint.h"

// The payload of a block of stream entries. With the number of its entries, which the stream keeps
// beside it, every holder of the block can read it.
//
//   payload  := base | entry... | free room | offset of the last entry ... offset of entry 0
//   base     := fixed64 ms | fixed64 seq            the ID that entry IDs count from
//   entry    := varint ms - base.ms | zigzag varint seq - base.seq | schema | value...
//   schema   := varint n + 1                        the names are those of entry n
//             | varint 0 | varint fields | varint bytes of all names | name...
//   name, value := varint length | bytes
//   offset   := fixed16                             where the entry begins in the payload
//
// The offsets grow down from the end of the buffer, so that entry k is reached in one step. A list
// of field names is stored once in a block: entries that bring the same names refer to the first
// one.

namespace runnel {

// How large blocks of a stream become.
struct StreamLimits {
  // Entries in a block, deleted ones included; 0 for no limit but that of bytes.
  size_t max_entries = 100;
  // Bytes of memory for a block. If a block is less than 15/16 full when the next entry does not
  // fit, it grows, to at most four times this or 14336. A larger entry gets a block of its own.
  // Values are clamped to [256, 14336].
  size_t max_bytes = 4096;
};

// a < b, for searches: without a branch, because the processor could not predict it.
inline bool IsBelow(StreamId a, StreamId b) {
  return (a.ms < b.ms) | ((a.ms == b.ms) & (a.seq < b.seq));
}

// For searches in a log whose IDs ascend in their second part, too: the entries whose offset, which
// stands there, is below this one.
struct BelowOffset {
  uint64_t offset;
  bool operator()(StreamId id) const { return id.seq < offset; }
};

// One entry, read in place. Valid as long as its block: until the next change of the stream, or as
// long as the reader holds the block.
class EntryView {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };
  class Iterator {
   public:
    Iterator(const char* name, const char* value, uint64_t left)
        : name_(name), value_(value), left_(left) {
      Decode();
    }
    const Field& operator*() const { return field_; }
    const Field* operator->() const { return &field_; }
    Iterator& operator++() {
      name_ = field_.name.data() + field_.name.size();
      value_ = field_.value.data() + field_.value.size();
      left_--;
      Decode();
      return *this;
    }
    bool operator==(const Iterator& other) const { return left_ == other.left_; }

   private:
    void Decode() {
      if (left_ == 0) return;
      uint64_t size;
      const char* name = ReadTrustedVarint(name_, &size);
      field_.name = std::string_view(name, size);
      const char* value = ReadTrustedVarint(value_, &size);
      field_.value = std::string_view(value, size);
    }

    const char* name_;
    const char* value_;
    uint64_t left_;
    Field field_;
  };

  EntryView() = default;
  EntryView(StreamId id, uint64_t fields, const char* names, const char* values)
      : id_(id), fields_(fields), names_(names), values_(values) {}

  StreamId id() const { return id_; }
  // Number of fields, at least one but for a view WithoutFirst. Iteration gives them in the order
  // of XADD, repeated names included.
  size_t size() const { return fields_; }
  Iterator begin() const { return Iterator(names_, values_, fields_); }
  Iterator end() const { return Iterator(nullptr, nullptr, 0); }

  // Calls visit(value) for each value, in the same order.
  template <class Visit>
  void ForEachValue(Visit visit) const {
    const char* in = values_;
    for (uint64_t left = fields_; left > 0; left--) {
      uint64_t size;
      in = ReadTrustedVarint(in, &size);
      visit(std::string_view(in, size));
      in += size;
    }
  }
  // Where the names are. Entries of a block with the same names mostly have them in the same place;
  // entries with names in the same place have the same names.
  const char* names() const { return names_; }

  // Bytes of all names and values together.
  size_t PayloadBytes() const;

  // The same entry without its first field. REQUIRES: size() > 0; `first` is *begin().
  EntryView WithoutFirst(const Field& first) const {
    return EntryView(id_, fields_ - 1, first.name.data() + first.name.size(),
                     first.value.data() + first.value.size());
  }

 private:
  StreamId id_;
  uint64_t fields_ = 0;
  const char* names_ = nullptr;
  const char* values_ = nullptr;
};

// Reads the first `entries` entries of a block whose payload this process wrote or has validated.
class StreamBlockReader {
 public:
  StreamBlockReader() = default;
  // The block must outlive the reader and its views.
  StreamBlockReader(const Block& block, size_t entries)
      : data_(block.data()), offsets_(data_ + block.capacity()), entries_(entries) {}

  size_t entries() const { return entries_; }

  // REQUIRES: k < entries(), for all below.
  StreamId IdAt(size_t k) const {
    StreamId id;
    ReadId(data_ + OffsetOf(k), &id);
    return id;
  }
  // Not const: it remembers the field names that it read last, because the next entry mostly has
  // the same ones.
  EntryView EntryAt(size_t k);

  // The first entry for whose ID `before` is false; entries() if there is none. `before` is true
  // for the IDs below some point and for no others.
  template <class Before>
  size_t PartitionPoint(Before before) const {
    size_t low = 0;
    for (size_t left = entries_; left > 0;) {
      const size_t half = left / 2;
      const bool below = before(IdAt(low + half));
      low = below ? low + half + 1 : low;
      left = below ? left - half - 1 : half;
    }
    return low;
  }
  // The same for BelowOffset, where `first` and `last` are the offsets of the first and the last
  // entry: offsets that are spread evenly are found with fewer looks. REQUIRES: `offset` is from
  // `first` to `last`.
  size_t FindOffset(uint64_t offset, uint64_t first, uint64_t last) const {
    return CountBeforeNear(entries_, GuessPlace(offset, first, last, entries_),
                           [&](size_t k) { return BelowOffset{offset}(IdAt(k)); });
  }
  // The first entry whose ID is not below `id`; entries() if there is none.
  size_t LowerBound(StreamId id) const {
    return PartitionPoint([id](StreamId other) { return IsBelow(other, id); });
  }

  // The names that entry k stores; nothing if it refers to the names of another entry.
  struct Names {
    uint64_t fields = 0;
    const char* begin = nullptr;
  };
  std::optional<Names> NamesStoredAt(size_t k) const;

 private:
  size_t OffsetOf(size_t k) const {
    return ReadFixed<uint16_t>(offsets_ - (k + 1) * sizeof(uint16_t));
  }
  const char* ReadId(const char* in, StreamId* id) const {
    uint64_t ms;
    uint64_t seq;
    in = ReadTrustedVarint(in, &ms);
    in = ReadTrustedVarint(in, &seq);
    id->ms = ReadFixed<uint64_t>(data_) + ms;
    id->seq = ReadFixed<uint64_t>(data_ + sizeof(uint64_t)) + static_cast<uint64_t>(UnZigZag(seq));
    return in;
  }

  const char* data_ = nullptr;
  const char* offsets_ = nullptr;
  size_t entries_ = 0;
  // The names of entry schema_ - 1, once seen.
  uint64_t schema_ = 0;
  uint64_t fields_ = 0;
  const char* names_ = nullptr;
};

// Appends entries to the open block of a stream. A copy of a writer reads the same block but does
// not own its free room, so it moves to a buffer of its own before it writes.
class StreamBlockWriter {
 public:
  StreamBlockWriter() = default;
  StreamBlockWriter(const StreamBlockWriter& other) { *this = other; }
  StreamBlockWriter& operator=(const StreamBlockWriter& other);
  StreamBlockWriter(StreamBlockWriter&&) noexcept = default;
  StreamBlockWriter& operator=(StreamBlockWriter&&) noexcept = default;

  // Continues a block that LoadStreamBlock made. `bytes` is the size of the payload that it was
  // given.
  static StreamBlockWriter Continue(Ref<Block> block, size_t entries, size_t bytes);

  // True if no block is open.
  bool empty() const { return !block_; }
  const Ref<Block>& block() const { return block_; }
  size_t entries() const { return entries_; }
  // Bytes of the payload without free room and offsets.
  size_t bytes() const { return bytes_; }

  // `fields` alternates names and values, at least one of each; `id` is above all IDs of the block.

  // Writes the entry into the open block, if there is one and the limits allow it. If this needed a
  // larger buffer, block() is another block afterwards; holders of the old block still see its
  // content.
  bool Append(StreamId id, std::span<const std::string_view> fields, const StreamLimits& limits);
  // What Append would return.
  bool Accepts(StreamId id, std::span<const std::string_view> fields,
               const StreamLimits& limits) const;
  // Fetches what Append will look at into the processor's cache: the names, and where an entry of
  // the usual size goes.
  void Prefetch() const {
    if (empty()) return;
    PrefetchLines(block_.get(), 64);
    PrefetchLines(block_->data() + bytes_, 192);
  }
  // Opens a new block and writes the entry into it. REQUIRES: empty().
  void Start(StreamId id, std::span<const std::string_view> fields, const StreamLimits& limits);

  // Ends the open block and returns it, copied to a smaller buffer if much of it is free. REQUIRES:
  // !empty(). The writer is empty afterwards.
  Ref<Block> Seal();
  // Ends the open block because none of its entries lives any more.
  void Drop();

 private:
  // A list of names that an entry of the block stores.
  struct Schema {
    uint32_t entry = 0;
    uint32_t fields = 0;
    uint32_t names = 0;  // where the names begin in the payload
  };
  // This many lists are remembered; a block with more lists stores some of them again.
  static constexpr size_t kSchemas = 4;

  // How an entry is to be written.
  struct Plan {
    uint64_t ms = 0;      // delta to the base
    uint64_t seq = 0;     // delta to the base, zigzag
    uint64_t schema = 0;  // as stored
    size_t name_bytes = 0;
    size_t size = 0;
  };
  Plan PlanEntry(StreamId id, std::span<const std::string_view> fields) const;
  const Schema* FindSchema(std::span<const std::string_view> fields) const;
  void Remember(const Schema& schema);
  size_t MemoryFor(const Plan& plan, const StreamLimits& limits) const;
  void MoveTo(size_t memory);
  void Write(std::span<const std::string_view> fields, const Plan& plan);

  Ref<Block> block_;
  StreamId base_;
  uint32_t entries_ = 0;
  uint32_t bytes_ = 0;
  uint32_t last_memory_ = 0;  // what the last sealed block took: the next one will be similar
  uint16_t schemas_seen_ = 0;
  bool owns_room_ = false;
  Schema schemas_[kSchemas];
};

// The payload without its free room and offsets, which LoadStreamBlock finds again. REQUIRES:
// `bytes` is what the writer said of a block with that many entries.
std::string_view StreamBlockPayload(const Block& block, size_t bytes);

// What a payload holds.
struct LoadedStreamBlock {
  Ref<Block> block;
  StreamId first;
  StreamId last;
};
// Reads a payload of `entries` >= 1 entries from bytes that may be damaged, and checks everything
// that the trusted readers above rely on. Returns nothing if a check fails. Takes memory in the
// order of the input's size.
std::optional<LoadedStreamBlock> LoadStreamBlock(std::string_view payload, size_t entries);

}  // namespace runnel
