#include "data/object.h"

#include "base/text.h"
#include "data/hash/hash.h"
#include "data/list/list.h"
#include "data/set/set.h"
#include "data/sorted_set/sorted_set.h"
#include "data/stream/stream.h"
#include "data/string_object.h"
#include "data/topic/group.h"
#include "data/topic/topic.h"

namespace runnel {
namespace {

constexpr ObjectKind kKinds[] = {
    {ObjectType::kString, "string", StringObject::Load},
    {ObjectType::kList, "list", List::Load, List::LoadStored},
    {ObjectType::kStream, "stream", Stream::Load, Stream::LoadWithRuns},
    {ObjectType::kTopic, "topic", Topic::Load, nullptr, false},
    {ObjectType::kTopicGroup, "topic-group", TopicGroup::Load, nullptr, false},
    {ObjectType::kHash, "hash", Hash::Load, Hash::LoadStored, true, true},
    {ObjectType::kSet, "set", Set::Load, Set::LoadStored, true, true},
    {ObjectType::kSortedSet, "zset", SortedSet::Load},
};

}  // namespace

std::span<const ObjectKind> ObjectKinds() {
  return kKinds;
}

const ObjectKind* FindObjectKind(ObjectType type) {
  for (const ObjectKind& kind : kKinds) {
    if (kind.type == type) return &kind;
  }
  return nullptr;
}

const ObjectKind* FindObjectKind(std::string_view name) {
  for (const ObjectKind& kind : kKinds) {
    if (EqualsIgnoreCase(kind.name, name)) return &kind;
  }
  return nullptr;
}

}  // namespace runnel
