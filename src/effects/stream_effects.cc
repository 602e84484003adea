#include "effects/stream_effects.h"

#include <algorithm>

#include "data/stream/stream.h"
#include "effects/families.h"
#include "effects/foresight.h"

namespace runnel {

namespace {

// Partitions of topics have effects of their own.
constexpr Misfit kInCompanion("a companion has no streams but partitions");

}  // namespace

Misfit StreamCreate::Fits(const Keyspace& keyspace) const {
  if (IsCompanion(key.db)) return kInCompanion;
  return keyspace.Find(key) == nullptr ? Misfit() : Misfit("there is such a key");
}

void StreamCreate::Apply(Keyspace& keyspace) const {
  keyspace.Put(key, std::make_unique<Stream>());
}

Misfit StreamAdd::Fits(const Keyspace& keyspace) const {
  if (IsCompanion(key.db)) return kInCompanion;
  if (fields.empty() || fields.size() % 2 != 0) return Misfit("names and values do not pair");
  const Stream* stream = nullptr;
  const Misfit misfit = FitsValueOrNothing(keyspace, key, &stream);
  if (!misfit.fits()) return misfit;
  const StreamId last = stream == nullptr ? StreamId() : stream->last_id();
  return id <= last ? Misfit("the ID is not above the stream's last one") : Misfit();
}

void StreamAdd::Apply(Keyspace& keyspace) const {
  const StreamLimits limits{max_block_entries, max_block_bytes};
  if (Stream* stream = keyspace.MutableIf<Stream>(key)) {
    stream->Append(id, fields, limits);
    keyspace.Changed(key, KeyChange::kGrown);
    return;
  }
  auto stream = std::make_unique<Stream>();
  stream->Append(id, fields, limits);
  keyspace.Put(key, std::move(stream));
}

Misfit StreamDropOldest::Fits(const Keyspace& keyspace) const {
  const Stream* stream = nullptr;
  const Misfit misfit = FitsValue(keyspace, key, &stream);
  if (!misfit.fits()) return misfit;
  if (stream->is_compacted()) return Misfit("a compacted partition is trimmed by an offset");
  return stream->length() < count ? Misfit("the stream has fewer entries") : Misfit();
}

void StreamDropOldest::Foresee(Foresight& foresight) const {
  if (ForeseenStream* stream = foresight.StreamAt(key)) stream->DropOldest(count, references);
}

void StreamDropOldest::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).DropOldest(count, references);
  keyspace.Changed(key, KeyChange::kModified);
}

Misfit StreamRemove::Fits(const Keyspace& keyspace) const {
  if (removal > Removal::kTrimmed) return Misfit("there is no such way to remove");
  return FitsValue<Stream>(keyspace, key);
}

void StreamRemove::Foresee(Foresight& foresight) const {
  if (ForeseenStream* stream = foresight.StreamAt(key)) stream->Remove(ids, foresight.looks());
}

void StreamRemove::Apply(Keyspace& keyspace) const {
  Stream& stream = keyspace.Mutable<Stream>(key);
  for (const StreamId id : ids) {
    if (removal == Removal::kTrimmed) {
      stream.Remove(id);
    } else {
      stream.Delete(id);
    }
    if (removal == Removal::kDeletedWithReferences) stream.DropReferences(id);
  }
  keyspace.Changed(key, KeyChange::kModified);
}

Misfit StreamRemoveRanges::Fits(const Keyspace& keyspace) const {
  if (bounds.size() % 2 != 0) return Misfit("a range has no end");
  if (!std::is_sorted(bounds.begin(), bounds.end())) return Misfit("the ranges are not in order");
  return FitsValue<Stream>(keyspace, key);
}

void StreamRemoveRanges::Foresee(Foresight& foresight) const {
  if (ForeseenStream* stream = foresight.StreamAt(key)) {
    stream->RemoveRanges(bounds, foresight.looks());
  }
}

void StreamRemoveRanges::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).RemoveRanges(bounds);
  keyspace.Changed(key, KeyChange::kModified);
}

Misfit StreamSwept::Fits(const Keyspace& keyspace) const {
  return FitsValue<Stream>(keyspace, key);
}

void StreamSwept::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).SetSwept(next);
  keyspace.NoteUpkeep(key);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit StreamForget::Fits(const Keyspace& keyspace) const {
  return FitsValue<Stream>(keyspace, key);
}

void StreamForget::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).ForgetUpTo(last);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit StreamSetId::Fits(const Keyspace& keyspace) const {
  if (IsCompanion(key.db)) return kInCompanion;
  const Stream* stream = nullptr;
  const Misfit misfit = FitsValue(keyspace, key, &stream);
  if (!misfit.fits()) return misfit;
  if (last_id < stream->newest_id()) return Misfit("the stream has an entry with a higher ID");
  if (entries_added < stream->length()) return Misfit("the stream has more entries");
  return {};
}

void StreamSetId::Apply(Keyspace& keyspace) const {
  Stream& stream = keyspace.Mutable<Stream>(key);
  stream.SetLastId(last_id);
  stream.SetEntriesAdded(entries_added);
  stream.SetMaxDeletedId(max_deleted_id);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit StreamConfigure::Fits(const Keyspace& keyspace) const {
  return FitsValue<Stream>(keyspace, key);
}

void StreamConfigure::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key)
      .CreateIdempotence(duration_s, max_size)
      .Configure(duration_s, max_size);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit StreamRetain::Fits(const Keyspace& keyspace) const {
  return FitsValue<Stream>(keyspace, key);
}

void StreamRetain::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).Retain({ms, bytes, entries, delete_on_ack});
  keyspace.NoteUpkeep(key);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit StreamRecordMessage::Fits(const Keyspace& keyspace) const {
  return FitsValue<Stream>(keyspace, key);
}

void StreamRecordMessage::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).CreateIdempotence(duration_s, max_size).Record(pid, iid, id);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit StreamCountDuplicate::Fits(const Keyspace& keyspace) const {
  const Stream* stream = nullptr;
  const Misfit misfit = FitsValue(keyspace, key, &stream);
  if (!misfit.fits()) return misfit;
  return stream->idempotence() == nullptr ? Misfit("the stream remembers no messages") : Misfit();
}

void StreamCountDuplicate::Apply(Keyspace& keyspace) const {
  Idempotence* idempotence = keyspace.Mutable<Stream>(key).mutable_idempotence();
  CHECK(idempotence != nullptr);
  idempotence->CountDuplicate();
  keyspace.Changed(key, KeyChange::kBeside);
}

std::span<const EffectKind> StreamEffects() {
  static constexpr EffectKind kKinds[] = {
      KindOf<StreamAdd>("stream-add"),
      KindOf<StreamCreate>("stream-create"),
      KindOf<StreamDropOldest>("stream-drop-oldest"),
      KindOf<StreamRemove>("stream-remove"),
      KindOf<StreamSetId>("stream-set-id"),
      KindOf<StreamConfigure>("stream-configure"),
      KindOf<StreamRetain>("stream-retain"),
      KindOf<StreamRecordMessage>("stream-record-message"),
      KindOf<StreamCountDuplicate>("stream-count-duplicate"),
      KindOf<StreamRemoveRanges>("stream-remove-ranges"),
      KindOf<StreamSwept>("stream-swept"),
      KindOf<StreamForget>("stream-forget"),
  };
  return kKinds;
}

}  // namespace runnel
