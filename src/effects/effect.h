#pragma once

#include <cstdint>
#include <span>
#include <string_view>

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

// The numbers are stored in the journal: never reuse one. Each family has a range of its own.
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

// How an effect of one type is read from a record and applied.
struct EffectKind {
  EffectType type;
  std::string_view name;  // for people who read a journal
  // Reads the fields and applies them. Returns false, with nothing changed, if the bytes are no
  // such effect.
  bool (*replay)(Decoder& in, Keyspace& keyspace);
  // Reads the fields and describes them. Returns false if the bytes are no such effect.
  bool (*describe)(Decoder& in, Describer& out);
};

template <class E>
constexpr EffectKind KindOf(std::string_view name) {
  return {E::kType, name,
          [](Decoder& in, Keyspace& keyspace) {
            E effect;
            DecodeArena arena;
            DecodeEffect(in, arena, effect);
            if (!in.ok() || !in.done()) return false;
            effect.Apply(keyspace);
            return true;
          },
          [](Decoder& in, Describer& out) {
            E effect;
            DecodeArena arena;
            DecodeEffect(in, arena, effect);
            if (!in.ok() || !in.done()) return false;
            out.Effect(effect);
            return true;
          }};
}

// Applies one record as a Batch holds it: the type's byte and the fields. An error names the type
// and changes nothing. The fields are trusted to fit the state of the keyspace: records are checked
// by checksum before they come here.
Status Replay(std::string_view record, Keyspace& keyspace);

// One record in words. Fails with the same text where Replay would.
Result<Description> Describe(std::string_view record, const DescribeLimits& limits);

// nullptr for a number that no effect has.
const EffectKind* FindEffectKind(EffectType type);

}  // namespace runnel
