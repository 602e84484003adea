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
#include "data/topic/topic.h"
#include "effects/batch.h"
#include "effects/families.h"

namespace {

using namespace runnel;

bool IsTried(EffectType type) {
  for (const auto family : {KeyspaceEffects(), StreamEffects(), GroupEffects(), TopicEffects()}) {
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
    if (!IsCompanion(key.first)) continue;
    CheckPartition(keyspace, key.first, *keyspace.Find(KeyRef(key.first, key.second)));
  }
  return 0;
}
