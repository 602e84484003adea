#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>

#include "base/status.h"
#include "data/keyspace.h"
#include "effects/codec.h"
#include "effects/describe.h"

namespace runnel {

// Effects: the facts that change durable state.
//
// A command never changes the keyspace itself. It decides, looking at const data, and then states
// what happened as one or more effects; Apply(effect, keyspace) makes it so. Recovery and followers
// apply the same effects read from the journal, so live state and replayed state cannot differ. An
// effect therefore carries everything that chance, the clock or an option decided (IDs, times,
// which elements), and applying it cannot fail: it is stated only when it is known to fit the state
// it meets.
//
// An effect is a struct of views with three members:
//
//   static constexpr EffectType kType = ...;
//   template <class Self> static auto Fields(Self& self) { return std::tie(self.key, ...); }
//   void Apply(Keyspace& keyspace) const;
//
// To add one: a number here, the struct in the file of its family, its line in that family's
// EffectKinds.

// The numbers are stored in the journal: never reuse one. Each family has a range of its own. They
// are below kSameKey.
enum class EffectType : uint8_t {
  // Keys of any type: 1-19, keyspace_effects.h
  kKeyRemove = 1,
  kKeyExpire = 2,
  kKeyRename = 3,
  kKeyCopy = 4,
  kKeyRestore = 5,
  kFlush = 6,
  kSwap = 7,

  // Strings: 20-29, string_effects.h
  kStringSet = 20,
  kStringAppend = 21,
  kStringSetRange = 22,

  // Lists: 30-49, list_effects.h
  kListPush = 30,
  kListPop = 31,
  kListSet = 32,
  kListInsert = 33,
  kListRemove = 34,
  kListTrim = 35,
  kListMove = 36,
  kListErase = 37,

  // Streams: 50-69, stream_effects.h
  kStreamAdd = 50,
  kStreamCreate = 51,
  kStreamDropOldest = 52,
  kStreamRemove = 53,
  kStreamSetId = 54,
  kStreamConfigure = 55,
  kStreamRecordMessage = 56,
  kStreamCountDuplicate = 57,
  kStreamRetain = 58,

  // Consumer groups: 70-89, group_effects.h
  kGroupCreate = 70,
  kGroupSetId = 71,
  kGroupDestroy = 72,
  kConsumerCreate = 73,
  kConsumerDelete = 74,
  kGroupDeliver = 75,
  kGroupRedeliver = 76,
  kGroupAck = 77,
  kGroupClaim = 78,
  kGroupRelease = 79,
  kConsumerSeen = 80,
};

struct EffectKind;

// Set in the byte of a record's type, this tells that the record leaves out the key.
inline constexpr uint8_t kSameKey = 0x80;

// One effect as bytes: its head, which is a byte for the type and the key if the effect's first
// field is one, and the other fields in their order.
//
// In a hot queue nearly all effects of a turn concern one key. So a record leaves its key out where
// the last record before it in the batch that has a key in its head has the same one, and says so
// by kSameKey. This goes for the key in the head only: the other key of a rename stands in full.
struct Record {
  // Reads the head. `last_key` is the key that this record may leave out, nothing if there is none,
  // and becomes the one that the next record may leave out. Behind a damaged head there is none.
  Record(std::string_view bytes, std::optional<KeyRef>* last_key);
  // The first record of a batch.
  explicit Record(std::string_view bytes);

  std::string_view bytes;
  EffectType type{};                 // maybe a number that no effect has
  const EffectKind* kind = nullptr;  // nullptr: no effect has it
  KeyRef key;                        // if the kind begins with one; a view into the batch
  std::string_view fields;           // what is behind the head
  bool has_head = false;             // false: the bytes are no such effect
};

// How an effect of one type is read from a record and applied.
struct EffectKind {
  EffectType type;
  std::string_view name;  // for people who read a journal
  bool begins_with_key;
  // Reads the fields and applies them. Returns false, with nothing changed, if the bytes are no
  // such effect. REQUIRES: record.has_head.
  bool (*replay)(const Record& record, Keyspace& keyspace);
  // Reads the fields and describes them. Returns false if the bytes are no such effect. REQUIRES:
  // record.has_head.
  bool (*describe)(const Record& record, Describer& out);
};

// Returns whether the record is such an effect.
template <class E>
bool DecodeRecord(const Record& record, DecodeArena& arena, E& effect) {
  if constexpr (kBeginsWithKey<E>) std::get<0>(E::Fields(effect)) = record.key;
  Decoder in(record.fields);
  DecodeBehindKey(in, arena, effect);
  return in.ok() && in.done();
}

template <class E>
constexpr EffectKind KindOf(std::string_view name) {
  static_assert((static_cast<uint8_t>(E::kType) & kSameKey) == 0);
  return {E::kType, name, kBeginsWithKey<E>,
          [](const Record& record, Keyspace& keyspace) {
            E effect;
            DecodeArena arena;
            if (!DecodeRecord(record, arena, effect)) return false;
            effect.Apply(keyspace);
            return true;
          },
          [](const Record& record, Describer& out) {
            E effect;
            DecodeArena arena;
            if (!DecodeRecord(record, arena, effect)) return false;
            out.Effect(effect);
            return true;
          }};
}

// Applies one record. An error names the type and changes nothing. The fields are trusted to fit
// the state of the keyspace: records are checked by checksum before they come here.
Status Replay(const Record& record, Keyspace& keyspace);

// One record in words, with the key that it may leave out. Fails with the same text where Replay
// would.
Result<Description> Describe(const Record& record, const DescribeLimits& limits);

// nullptr for a number that no effect has.
const EffectKind* FindEffectKind(EffectType type);

}  // namespace runnel
