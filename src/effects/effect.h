#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>

#include "base/status.h"
#include "data/keyspace.h"
#include "effects/codec.h"
#include "effects/describe.h"
#include "effects/misfit.h"

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
// An effect is a struct of views with four members:
//
//   static constexpr EffectType kType = ...;
//   template <class Self> static auto Fields(Self& self) { return std::tie(self.key, ...); }
//   Misfit Fits(const Keyspace& keyspace) const;
//   void Apply(Keyspace& keyspace) const;
//
// Fits says whether the state is one that Apply can change. A command that states an effect knows
// that; a reader of a journal asks, because the journal may be that of another state. Databases are
// compared before (DatabasesNeeded): Fits may look at every key that the effect names. An effect
// whose databases are not those of its keys alone says so with `uint64_t Databases() const`. One
// that can find out only by doing half the work has `Misfit ApplyIfFits(Keyspace& keyspace) const`
// besides.
//
// Entries of streams and elements of lists may be on the disk. An effect whose Apply looks at such
// says at which, before it is applied, with `void Foresee(Foresight& foresight) const`. One that
// looks at none, but changes where later effects look (it renames a key, pops from a list, moves a
// group), tells that with `void Shift(Foresight& foresight) const`. See foresight.h.
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
  kStreamRemoveRanges = 59,
  kStreamSwept = 60,
  kStreamForget = 61,

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

  // Topics: 90-109, topic_effects.h
  kTopicCreate = 90,
  kTopicConfigure = 91,
  kPartitionCreate = 92,
  kRecordAdd = 93,
  kRecordsAdd = 94,
  kPartitionTrim = 95,
  kProducerOpen = 96,
  kProducerAccept = 97,
  kProducerClose = 98,
  kTombstonesDrop = 99,
  kTopicDemand = 100,

  // Topic groups: 110-119, topic_group_effects.h
  kTopicGroupCreate = 110,
  kTopicGroupConfigure = 111,
  kTopicGroupSubscribe = 112,
  kTopicGroupLeave = 113,
  kTopicGroupSee = 114,
  kTopicGroupAssign = 115,
  kTopicGroupCommit = 116,
  kTopicGroupAcknowledge = 117,
  kTopicGroupReset = 118,
  kTopicGroupSkip = 119,

  // Hashes: 120-122, hash_effects.h
  kHashSet = 120,
  kHashRemove = 121,
  kHashExpire = 122,

  // Sets: 123-124, set_effects.h
  kSetAdd = 123,
  kSetRemove = 124,

  // Sorted sets: 125-126, sorted_set_effects.h
  kSortedSetAdd = 125,
  kSortedSetRemove = 126,

  // Libraries of functions: 127, function_effects.h
  kFunctionLibrary = 127,
};

struct EffectKind;
class Foresight;

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
  std::string_view fields;           // what follows the head
  bool has_head = false;             // false: the bytes are no such effect
};

// How an effect of one type is read from a record and applied.
struct EffectKind {
  EffectType type;
  std::string_view name;  // for people who read a journal
  bool begins_with_key;
  // Reads the fields and applies them, if they fit. Returns false, with nothing changed, if the
  // bytes are no such effect; sets `*misfit`, with nothing changed, if they do not fit the state.
  // REQUIRES: record.has_head.
  bool (*replay)(const Record& record, Keyspace& keyspace, Misfit* misfit);
  // How many databases a keyspace must have for the effect; 0 if the bytes are no such effect.
  // REQUIRES: record.has_head.
  uint64_t (*databases)(const Record& record);
  // Reads the fields and describes them. Returns false if the bytes are no such effect. REQUIRES:
  // record.has_head.
  bool (*describe)(const Record& record, Describer& out);
  // Whether it may look at something on the disk.
  bool looks;
  // Reads the fields and tells what it looks at, or how it changes where others look; nothing
  // happens if the bytes are no such effect. nullptr: it does neither. REQUIRES: record.has_head.
  void (*foresee)(const Record& record, Foresight& foresight);
};

// Returns whether the record is such an effect.
template <class E>
bool DecodeRecord(const Record& record, DecodeArena& arena, E& effect) {
  if constexpr (kBeginsWithKey<E>) std::get<0>(E::Fields(effect)) = record.key;
  Decoder in(record.fields);
  DecodeAfterKey(in, arena, effect);
  return in.ok() && in.done();
}

inline constexpr Misfit kTooFewDatabases("the database does not exist");

// How many databases a keyspace must have so that all exist that the effect names.
template <class E>
uint64_t DatabasesNeeded(const E& effect) {
  if constexpr (requires { effect.Databases(); }) {
    return effect.Databases();
  } else {
    uint64_t needed = 0;
    const auto look = [&needed](const auto& field) {
      if constexpr (std::same_as<std::remove_cvref_t<decltype(field)>, KeyRef>) {
        needed = std::max(needed, uint64_t{DatabaseOf(field.db)} + 1);
      }
    };
    std::apply([&](const auto&... fields) { (look(fields), ...); }, E::Fields(effect));
    return needed;
  }
}

// Applies the effect if it fits.
template <class E>
Misfit ApplyIfFits(const E& effect, Keyspace& keyspace) {
  if (DatabasesNeeded(effect) > keyspace.databases()) return kTooFewDatabases;
  if constexpr (requires { effect.ApplyIfFits(keyspace); }) {
    return effect.ApplyIfFits(keyspace);
  } else {
    const Misfit misfit = effect.Fits(keyspace);
    if (misfit.fits()) effect.Apply(keyspace);
    return misfit;
  }
}

template <class E>
concept Looks = requires(const E& effect, Foresight& foresight) {
  effect.Foresee(foresight);
};
template <class E>
concept Shifts = requires(const E& effect, Foresight& foresight) {
  effect.Shift(foresight);
};

template <class E>
void ForeseeRecord(const Record& record, Foresight& foresight) {
  E effect;
  DecodeArena arena;
  if (!DecodeRecord(record, arena, effect)) return;
  if constexpr (Looks<E>) {
    effect.Foresee(foresight);
  } else {
    effect.Shift(foresight);
  }
}

// nullptr for effects that do not matter to others.
template <class E>
constexpr auto ForeseeFunction() -> void (*)(const Record&, Foresight&) {
  if constexpr (Looks<E> || Shifts<E>) {
    return ForeseeRecord<E>;
  } else {
    return nullptr;
  }
}

template <class E>
constexpr EffectKind KindOf(std::string_view name) {
  static_assert((static_cast<uint8_t>(E::kType) & kSameKey) == 0);
  return {E::kType,
          name,
          kBeginsWithKey<E>,
          [](const Record& record, Keyspace& keyspace, Misfit* misfit) {
            E effect;
            DecodeArena arena;
            if (!DecodeRecord(record, arena, effect)) return false;
            *misfit = ApplyIfFits(effect, keyspace);
            return true;
          },
          [](const Record& record) {
            E effect;
            DecodeArena arena;
            return DecodeRecord(record, arena, effect) ? DatabasesNeeded(effect) : 0;
          },
          [](const Record& record, Describer& out) {
            E effect;
            DecodeArena arena;
            if (!DecodeRecord(record, arena, effect)) return false;
            out.Effect(effect);
            return true;
          },
          Looks<E>,
          ForeseeFunction<E>()};
}

// Applies one record. A failure changes nothing: it names the effect and its fields, if the record
// does not fit the state of the keyspace, or the type, if the bytes are no effect. Throws
// ColdFailure (data/cold.h) if a value has to be read from the disk for that and cannot be.
Status Replay(const Record& record, Keyspace& keyspace);

// How many databases a keyspace must have for the record; 0 if it is no effect.
uint64_t DatabasesNeeded(const Record& record);

// One record in words, with the key that it may leave out. Fails with the same text where Replay
// would.
Result<Description> Describe(const Record& record, const DescribeLimits& limits);

// nullptr for a number that no effect has.
const EffectKind* FindEffectKind(EffectType type);

}  // namespace runnel
