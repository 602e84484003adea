#include "effects/stream_effects.h"

#include "data/stream.h"
#include "effects/families.h"

namespace runnel {

void StreamCreate::Apply(Keyspace& keyspace) const {
  keyspace.Put(key, std::make_unique<Stream>());
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

void StreamDropOldest::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).DropOldest(count, references);
  keyspace.Changed(key, KeyChange::kModified);
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

void StreamSetId::Apply(Keyspace& keyspace) const {
  Stream& stream = keyspace.Mutable<Stream>(key);
  stream.SetLastId(last_id);
  stream.SetEntriesAdded(entries_added);
  stream.SetMaxDeletedId(max_deleted_id);
  keyspace.Changed(key, KeyChange::kBeside);
}

void StreamConfigure::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key)
      .CreateIdempotence(duration_s, max_size)
      .Configure(duration_s, max_size);
  keyspace.Changed(key, KeyChange::kBeside);
}

void StreamRetain::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).Retain({ms, bytes, entries, delete_on_ack});
  keyspace.NoteUpkeep(key);
  keyspace.Changed(key, KeyChange::kBeside);
}

void StreamRecordMessage::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).CreateIdempotence(duration_s, max_size).Record(pid, iid, id);
  keyspace.Changed(key, KeyChange::kBeside);
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
  };
  return kKinds;
}

}  // namespace runnel
