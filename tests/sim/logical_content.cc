#include "tests/sim/logical_content.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/coding.h"
#include "data/stream/stream.h"
#include "data/topic/compaction.h"
#include "data/topic/record.h"
#include "data/topic/topic.h"

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

// What a partition knows of its keys is the end of its stored form, and follows from the records
// that live. Expects that, and returns it.
std::string DescribeKeys(const Stream& stream, const Topic& topic, const std::string& stored) {
  Compaction keys(topic.id(), topic.options().tombstone_ms);
  std::vector<std::string_view> fields;
  for (EntryCursor at = stream.Seek(StreamId::Min()); at.valid(); at.Next()) {
    fields.clear();
    for (const EntryView::Field& field : *at) {
      fields.insert(fields.end(), {field.name, field.value});
    }
    EXPECT_TRUE(RecordView(*at).has_key);
    EXPECT_EQ(
        keys.Append(at->id(), keys.Fetch(fields[1]), fields.size() == 2, stream.first_offset()),
        Compaction::kNone)
        << "two records of one key";
  }
  std::string text;
  Encoder out(&text);
  keys.Serialize(&out, stream.first_offset());
  EXPECT_TRUE(stored.ends_with(text)) << "the index is not what lives";
  return text;
}

}  // namespace

KeyspaceContent LogicalContentOf(const Keyspace& keyspace) {
  KeyspaceContent content = ContentOf(keyspace);
  for (auto& [key, held] : content) {
    if (key.first == kContentOfLibraries) continue;
    const KeyEntry* entry = keyspace.Find(KeyRef(key.first, key.second));
    const Stream* stream = entry->As<Stream>();
    if (stream == nullptr) continue;
    std::string text = Describe(*stream);
    if (stream->is_compacted()) {
      const std::string topic = key.second.substr(0, key.second.rfind('/'));
      text += DescribeKeys(
          *stream, *keyspace.Find(KeyRef(DatabaseOf(key.first), topic))->As<Topic>(), held.payload);
    }
    held.payload = std::move(text);
  }
  return content;
}

}  // namespace runnel::sim
