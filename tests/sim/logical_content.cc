#include "tests/sim/logical_content.h"

#include <string>

#include "base/coding.h"
#include "data/stream/stream.h"

namespace runnel::sim {
namespace {

void AddId(StreamId id, Encoder* out) {
  out->Varint(id.ms);
  out->Varint(id.seq);
}

std::string Describe(const Stream& stream) {
  std::string text;
  Encoder out(&text);
  AddId(stream.last_id(), &out);
  AddId(stream.max_deleted_id(), &out);
  out.Varint(stream.entries_added());
  out.Varint(stream.length());
  for (EntryCursor at = stream.Seek(StreamId::Min()); at.valid(); at.Next()) {
    AddId(at->id(), &out);
    out.Varint(at->size());
    for (const EntryView::Field& field : *at) {
      out.Bytes(field.name);
      out.Bytes(field.value);
    }
  }
  for (const auto& [name, group] : stream.groups()) {
    group->Serialize(&out);
  }
  if (stream.idempotence() != nullptr) stream.idempotence()->Serialize(&out);
  const Retention& retention = stream.retention();
  out.Varint(retention.ms);
  out.Varint(retention.bytes);
  out.Varint(retention.entries);
  out.Byte(retention.delete_on_ack ? 1 : 0);
  if (stream.is_partition()) out.Varint(stream.first_offset());
  return text;
}

}  // namespace

KeyspaceContent LogicalContentOf(const Keyspace& keyspace) {
  KeyspaceContent content = ContentOf(keyspace);
  for (auto& [key, held] : content) {
    const KeyEntry* entry = keyspace.Find(KeyRef(key.first, key.second));
    if (const Stream* stream = entry->As<Stream>()) held.payload = Describe(*stream);
  }
  return content;
}

}  // namespace runnel::sim
