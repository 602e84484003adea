// Effects of a journal: any records are applied or refused, what is refused changes nothing, and
// what is there then is a state that can be kept. Strings and lists are left out, because a short
// effect on them may rightly take much memory.
//
// Input: the records of a batch.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "data/stream/stream.h"
#include "data/testing.h"
#include "data/topic/group.h"
#include "data/topic/topic.h"
#include "effects/batch.h"
#include "effects/families.h"

namespace {

using namespace runnel;

bool IsTried(EffectType type) {
  for (const auto family :
       {KeyspaceEffects(), StreamEffects(), GroupEffects(), TopicEffects(), TopicGroupEffects()}) {
    for (const EffectKind& kind : family) {
      if (kind.type == type) return true;
    }
  }
  return false;
}

// A partition belongs to a topic that has it, and its offsets have no gap.
void CheckPartition(const Keyspace& keyspace, uint32_t db, const KeyEntry& entry) {
  const Stream* stream = entry.As<Stream>();
  CHECK(stream != nullptr && stream->is_partition());
  CHECK(FindTopicOf(keyspace, db, entry.name()) != nullptr);
  CHECK(stream->next_offset() - stream->first_offset() == stream->length());
  uint64_t offset = stream->first_offset();
  uint64_t ms = 0;
  for (auto at = stream->SeekOffset(offset); at.valid(); at.Next()) {
    CHECK(at->id().seq == offset++ && at->id().ms >= ms);
    ms = at->id().ms;
  }
  CHECK(offset == stream->next_offset());
}

// A group and the topics that it has seen know each other.
void CheckGroup(const Keyspace& keyspace, uint32_t db, const KeyEntry& entry) {
  const TopicGroup& group = *entry.As<TopicGroup>();
  const auto name = ParseTopicGroupKey(entry.name());
  CHECK(name.has_value());
  uint64_t owned = 0;
  for (const auto& [topic_name, known] : group.topics()) {
    const KeyEntry* topic_entry = keyspace.Find(KeyRef(DatabaseOf(db), topic_name));
    CHECK(topic_entry != nullptr && topic_entry->type() == ObjectType::kTopic);
    const Topic& topic = *topic_entry->As<Topic>();
    CHECK(topic.readers().contains(std::string(*name)));
    CHECK(known->partitions.size() <= topic.partitions());
    for (const GroupPartition& partition : known->partitions) {
      owned += partition.owner != kNobody;
    }
  }
  for (const auto& [member_name, member] : group.members()) {
    owned -= member->partitions;
  }
  CHECK(owned == 0);
}

// And the topics' readers are groups that have seen them.
void CheckTopic(const Keyspace& keyspace, uint32_t db, const KeyEntry& entry) {
  for (const std::string& reader : entry.As<Topic>()->readers()) {
    const std::string name = TopicGroupKey(reader);
    const KeyEntry* group = keyspace.Find(KeyRef(CompanionOf(db), name));
    CHECK(group != nullptr && group->type() == ObjectType::kTopicGroup);
    CHECK(group->As<TopicGroup>()->FindTopic(entry.name()) != nullptr);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Keyspace keyspace(2);
  bool stopped = false;
  Batch::ForEach(bytes, [&](const Record& record) {
    if (stopped || record.kind == nullptr || !IsTried(record.kind->type)) return;
    const KeyspaceContent before = ContentOf(keyspace);
    if (Replay(record, keyspace).ok()) return;
    CHECK(ContentOf(keyspace) == before);
    stopped = true;
  });
  for (const auto& [key, content] : ContentOf(keyspace)) {
    const std::unique_ptr<Object> again = FindObjectKind(content.type)->Load(content.payload);
    CHECK(again != nullptr);
    std::string payload;
    again->Serialize(&payload);
    CHECK(payload == content.payload);
    const KeyEntry& entry = *keyspace.Find(KeyRef(key.first, key.second));
    if (content.type == ObjectType::kTopicGroup) {
      CheckGroup(keyspace, key.first, entry);
    } else if (IsCompanion(key.first)) {
      CheckPartition(keyspace, key.first, entry);
    } else if (content.type == ObjectType::kTopic) {
      CheckTopic(keyspace, key.first, entry);
    }
  }
  return 0;
}
