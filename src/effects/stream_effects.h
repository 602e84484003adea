#pragma once

#include <tuple>

#include "effects/effect.h"

namespace runnel {

// The effects on entries and counters of streams. Unless another thing is said, the key must be a
// stream.

// There is a new, empty stream in the place of nothing. REQUIRES: no such key.
struct StreamCreate {
  static constexpr EffectType kType = EffectType::kStreamCreate;
  KeyRef key;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// An entry was appended; the stream was made if there was no such key. The limits of blocks are
// part of the effect because `~` trims whole blocks: those must be the same wherever the effect is
// applied.
struct StreamAdd {
  static constexpr EffectType kType = EffectType::kStreamAdd;
  KeyRef key;
  StreamId id;  // above the stream's last ID
  uint32_t max_block_entries = 0;
  uint32_t max_block_bytes = 0;
  std::span<const std::string_view> fields;  // names and values by turns
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.id, self.max_block_entries, self.max_block_bytes, self.fields);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The `count` oldest entries are gone, and, with `references`, what the groups' pending lists had
// of them. (Only journals of earlier versions have records with `references`; see StreamForget.)
struct StreamDropOldest {
  static constexpr EffectType kType = EffectType::kStreamDropOldest;
  KeyRef key;
  uint64_t count = 0;
  bool references = false;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.count, self.references);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Foresee(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// How entries went that were named one by one. The numbers are stored in the journal.
enum class Removal : uint8_t {
  kDeleted = 0,  // on demand: the stream's max-deleted-entry-id rises
  kDeletedWithReferences =
      1,         // the same, and the groups' pending lists know nothing of them any more
  kTrimmed = 2,  // by a trim that passed over entries that were still needed
};

// The entries with these IDs are gone, as far as they were there.
struct StreamRemove {
  static constexpr EffectType kType = EffectType::kStreamRemove;
  KeyRef key;
  Removal removal = Removal::kDeleted;
  std::span<const StreamId> ids;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.removal, self.ids);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Foresee(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// All entries are gone whose IDs lie in one of the ranges, as a trim removes them. `bounds` are the
// first and the last ID of each range by turns, and never fall.
struct StreamRemoveRanges {
  static constexpr EffectType kType = EffectType::kStreamRemoveRanges;
  KeyRef key;
  std::span<const StreamId> bounds;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.bounds);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Foresee(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// ON-ACK DELETE has removed what no group needs of all entries before `next`; StreamId::Max() for
// all entries.
struct StreamSwept {
  static constexpr EffectType kType = EffectType::kStreamSwept;
  KeyRef key;
  StreamId next;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.next);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The groups' pending lists know nothing any more of IDs up to `last`: DELREF.
struct StreamForget {
  static constexpr EffectType kType = EffectType::kStreamForget;
  KeyRef key;
  StreamId last;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.last);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The stream's counters are now these: XSETID.
struct StreamSetId {
  static constexpr EffectType kType = EffectType::kStreamSetId;
  KeyRef key;
  StreamId last_id;
  uint64_t entries_added = 0;
  StreamId max_deleted_id;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.last_id, self.entries_added, self.max_deleted_id);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The stream remembers messages of idempotent producers for so long and so many of each: XCFGSET.
// If that changes a value, all that it remembered is forgotten.
struct StreamConfigure {
  static constexpr EffectType kType = EffectType::kStreamConfigure;
  KeyRef key;
  int64_t duration_s = 0;
  uint64_t max_size = 0;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.duration_s, self.max_size);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The stream keeps its entries as long as this says from now on: XCFGSET.
struct StreamRetain {
  static constexpr EffectType kType = EffectType::kStreamRetain;
  KeyRef key;
  uint64_t ms = 0;  // as in Retention
  uint64_t bytes = 0;
  uint64_t entries = 0;
  bool delete_on_ack = false;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.ms, self.bytes, self.entries, self.delete_on_ack);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// Message `iid` of producer `pid` became entry `id`. The last two fields are the server's
// configuration, which holds for a stream that has none of its own and has not begun to remember
// messages.
struct StreamRecordMessage {
  static constexpr EffectType kType = EffectType::kStreamRecordMessage;
  KeyRef key;
  std::string_view pid;
  std::string_view iid;
  StreamId id;
  int64_t duration_s = 0;
  uint64_t max_size = 0;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.pid, self.iid, self.id, self.duration_s, self.max_size);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// A message that the stream remembers was sent again, which is counted. REQUIRES: the stream
// remembers messages.
struct StreamCountDuplicate {
  static constexpr EffectType kType = EffectType::kStreamCountDuplicate;
  KeyRef key;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

}  // namespace runnel
