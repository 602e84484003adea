// Payloads of DUMP and snapshots: any bytes are refused or make an object that works, and that is
// written and read again as the same bytes.
//
// Input: the type (1 byte), the payload.

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "data/hash/hash.h"
#include "data/list/list.h"
#include "data/object.h"
#include "data/set/set.h"
#include "data/sorted_set/sorted_set.h"
#include "data/stream/stream.h"
#include "data/string_object.h"
#include "data/topic/group.h"
#include "data/topic/topic.h"

namespace {

using runnel::Hash;
using runnel::List;
using runnel::Object;
using runnel::Set;
using runnel::SortedSet;
using runnel::Stream;
using runnel::StreamId;
using runnel::StringObject;
using runnel::Topic;
using runnel::TopicGroup;

void Use(StringObject& string) {
  string.Append("tail");
  string.SetRange(0, "head");
  CHECK(string.head().starts_with("head"));
}

void Use(List& list) {
  size_t elements = 0;
  for (List::Iterator at = list.Seek(0); at.Valid(); at.Next()) {
    CHECK(list.At(elements) == at.value());
    elements++;
  }
  CHECK(elements == list.size());
  list.Insert(elements / 2, "between");
  list.PushFront("front");
  list.PushBack("back");
  while (!list.empty()) {
    list.PopBack();
    if (!list.empty()) list.PopFront();
  }
}

void Use(Stream& stream) {
  uint64_t entries = 0;
  StreamId newest;
  for (auto at = stream.Seek({}); at.valid(); at.Next()) {
    CHECK(entries == 0 || at->id() > newest);
    CHECK(stream.Contains(at->id()));
    newest = at->id();
    entries++;
    size_t bytes = 0;
    for (const auto& field : *at) {
      bytes += field.name.size() + field.value.size();
    }
    CHECK(bytes == at->PayloadBytes());
  }
  CHECK(entries == stream.length());
  CHECK(newest <= stream.last_id());
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  if (stream.is_partition()) {
    CHECK(stream.first_offset() <= stream.next_offset());
    stream.CountBelowOffset(stream.first_offset() + 1);
    stream.OffsetAt(stream.last_id().ms);
  }
  for (auto at = stream.SeekBack({kMax, kMax}); at.valid(); at.Previous()) {
    entries--;
  }
  CHECK(entries == 0);
  for (const auto& [name, group] : stream.groups()) {
    CHECK(stream.FindGroup(name) == group.get());
    stream.Lag(*group);
    for (const auto& [consumer_name, consumer] : group->consumers()) {
      CHECK(group->FindConsumer(consumer_name) == consumer.get());
    }
  }
  stream.Delete(stream.first_id());
  if (stream.last_id() < StreamId{kMax, kMax}) {
    const std::string_view pair[] = {"field", "value"};
    stream.Append({kMax, kMax}, pair, {});
  }
  stream.DropOldest(stream.length() / 2, true);
  stream.DropOldest(stream.length());
  CHECK(stream.length() == 0);
}

void Use(Topic& topic) {
  CHECK(topic.partitions() > 0);
  for (const auto& [name, producer] : topic.producers().all()) {
    for (size_t i = 0; i < producer->commands(); i++) {
      const auto& command = producer->command(i);
      CHECK(producer->Find(command.first_seq) == &command);
    }
  }
  topic.AddReader("reader");
  topic.mutable_producers().Open("producer", 1);
  topic.mutable_producers().Close("producer");
}

void Use(TopicGroup& group) {
  uint64_t owned = 0;
  for (const auto& [name, topic] : group.topics()) {
    CHECK(group.FindTopic(name) == topic.get() && group.FindTopic(topic->slot) == topic.get());
    CHECK(!topic->partitions.empty());
    for (uint32_t number = 0; number < topic->partitions.size(); number++) {
      const runnel::GroupPartition& partition = topic->partitions[number];
      CHECK(group.FindPartition(name, number) == &partition);
      CHECK(partition.owner == runnel::kNobody || group.FindMember(partition.owner) != nullptr);
      owned += partition.owner != runnel::kNobody;
      partition.live.position = std::numeric_limits<uint64_t>::max();
      CHECK((partition.CountInFlight() > 0) == partition.in_flight());
      if (partition.acknowledged == nullptr) continue;
      uint64_t last = partition.committed;
      for (const auto& [first, end] : partition.acknowledged->all()) {
        CHECK(first > last && end > first);
        last = end;
      }
      CHECK(partition.acknowledged->NextContained(0) > partition.committed);
    }
  }
  for (const auto& [name, member] : group.members()) {
    CHECK(group.FindMember(name) == member.get() && group.FindMember(member->id) == member.get());
    CHECK(owned >= member->partitions);
    owned -= member->partitions;
  }
  CHECK(owned == 0);
  // Changes end where nothing is left.
  while (!group.members().empty()) {
    group.Remove(std::string(group.members().begin()->first));
  }
  for (const auto& [name, topic] : group.topics()) {
    for (uint32_t number = 0; number < topic->partitions.size(); number++) {
      const std::array<uint64_t, 2> offsets = {topic->partitions[number].committed, 7};
      if (offsets[0] < std::numeric_limits<uint64_t>::max()) {
        group.Acknowledge(name, number, offsets);
      }
      group.Commit(name, number, std::numeric_limits<uint64_t>::max());
      CHECK(topic->partitions[number].acknowledged == nullptr);
    }
  }
  while (!group.topics().empty()) {
    group.RemoveTopic(std::string(group.topics().begin()->first));
  }
}

void Use(Hash& hash) {
  size_t expiring = 0;
  std::vector<std::string> names;
  hash.fields().ForEach([&](const runnel::Field& field) {
    const auto found = hash.Find(field.name);
    CHECK(found && found->value == field.value);
    expiring += hash.ExpiryOf(field.name) != runnel::kNoExpiry;
    names.emplace_back(field.name);
  });
  CHECK(names.size() == hash.size() && expiring == hash.expiring());
  int64_t last = hash.NextExpiry();
  for (const std::string& field : hash.ExpiredFields(int64_t{1} << 53, expiring)) {
    CHECK(hash.ExpiryOf(field) >= last);
    last = hash.ExpiryOf(field);
    expiring--;
  }
  CHECK(expiring == 0);
  hash.Set(names.front(), std::string(200, 'v'));
  hash.Set(names.back(), "short");
  hash.SetExpiry(names.back(), 1);
  for (const std::string& name : names) {
    CHECK(hash.Remove(name));
  }
  CHECK(hash.empty() && hash.expiring() == 0);
}

void Use(Set& set) {
  std::vector<std::string> members;
  set.ForEach([&](std::string_view member) {
    CHECK(set.Contains(member));
    members.emplace_back(member);
  });
  CHECK(members.size() == set.size());
  Set::Buffer buffer;
  CHECK(set.Contains(set.Random(members.size() * 0x9e3779b97f4a7c15, &buffer)));
  set.Add("12");
  set.Add("no number");
  for (const std::string& member : members) {
    CHECK(set.Remove(member) && !set.Contains(member));
  }
  CHECK(set.size() <= 2);
}

void Use(SortedSet& set) {
  std::vector<std::string> members;
  for (SortedSet::Iterator at = set.Seek(0); at.Valid(); at.Next()) {
    CHECK(set.Score(at.member()) == at.score());
    CHECK(set.Rank(at.member()) == at.rank());
    const runnel::RankRange equal = set.Find({at.score()}, {at.score()});
    CHECK(equal.begin <= at.rank() && at.rank() < equal.end);
    members.emplace_back(at.member());
  }
  CHECK(members.size() == set.size());
  set.Set(members.front(), 5);
  set.Set("another", -5);
  for (size_t i = 0; i < members.size(); i += 2) {
    CHECK(set.Remove(members[i]));
  }
  set.RemoveRange({0, set.size()});
  CHECK(set.empty());
}

void UseAs(Object& object) {
  switch (object.type()) {
    case runnel::ObjectType::kString:
      return Use(static_cast<StringObject&>(object));
    case runnel::ObjectType::kList:
      return Use(static_cast<List&>(object));
    case runnel::ObjectType::kStream:
      return Use(static_cast<Stream&>(object));
    case runnel::ObjectType::kTopic:
      return Use(static_cast<Topic&>(object));
    case runnel::ObjectType::kTopicGroup:
      return Use(static_cast<TopicGroup&>(object));
    case runnel::ObjectType::kHash:
      return Use(static_cast<Hash&>(object));
    case runnel::ObjectType::kSet:
      return Use(static_cast<Set&>(object));
    case runnel::ObjectType::kSortedSet:
      return Use(static_cast<SortedSet&>(object));
  }
}

std::string Serialized(const Object& object) {
  std::string payload;
  object.Serialize(&payload);
  return payload;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const runnel::ObjectKind* kind = runnel::FindObjectKind(static_cast<runnel::ObjectType>(data[0]));
  if (kind == nullptr) return 0;
  const std::unique_ptr<Object> object =
      kind->Load(std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  if (object == nullptr) return 0;

  CHECK(object->type() == kind->type);
  CHECK(object->MemoryBytes(0) > 0);
  CHECK(!object->encoding().empty());
  const std::string payload = Serialized(*object);
  const std::unique_ptr<Object> again = kind->Load(payload);
  CHECK(again != nullptr);
  CHECK(Serialized(*again) == payload);

  // The copy shares blocks with the object and must not change with it.
  const std::unique_ptr<Object> clone = object->Clone();
  UseAs(*object);
  CHECK(Serialized(*clone) == payload);
  return 0;
}
