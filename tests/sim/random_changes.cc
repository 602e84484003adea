#include "tests/sim/random_changes.h"

#include <limits>

#include "data/hash/hash.h"
#include "data/list/list.h"
#include "data/set/set.h"
#include "data/sorted_set/sorted_set.h"
#include "data/stream/stream.h"
#include "data/string_object.h"

namespace runnel::sim {
namespace {

// The key as a T, made if there is none; nullptr if it holds something else.
template <class T>
T* Have(Keyspace& keyspace, const KeyRef& key) {
  if (keyspace.Find(key) == nullptr) keyspace.Put(key, std::make_unique<T>());
  return keyspace.MutableIf<T>(key);
}

}  // namespace

void RandomChanges::Make(Keyspace& keyspace) {
  // Step by step, here and below: compilers evaluate operands and arguments in different orders.
  if (Below(20) == 0) return ChangeLibraries(keyspace);
  std::string name(1, "slxhkez"[Below(7)]);
  name += std::to_string(Below(8));
  const KeyRef key(static_cast<uint32_t>(Below(keyspace.databases())), name);
  if (Below(8) == 0) return ChangeKeys(keyspace, key);
  switch (name[0]) {
    case 's':
      return ChangeStrings(keyspace, key);
    case 'l':
      return ChangeLists(keyspace, key);
    case 'h':
      return ChangeHashes(keyspace, key);
    case 'e':
      return ChangeSets(keyspace, key);
    case 'z':
      return ChangeSortedSets(keyspace, key);
    case 'x':
      return ChangeStreams(keyspace, key);
    default:
      keyspace.Put(key, std::make_unique<StringObject>(Text(20)));
  }
}

std::string RandomChanges::Text(uint64_t most) {
  std::string text(Below(most + 1), '\0');
  for (char& c : text) {
    c = static_cast<char>('a' + Below(26));
  }
  return text;
}

void RandomChanges::ChangeLibraries(Keyspace& keyspace) {
  FunctionCatalog& functions = keyspace.functions();
  StoredLibrary library;
  library.name = "l" + std::to_string(Below(4));
  const uint64_t what = Below(12);
  if (what == 0) return functions.Clear();
  if (what < 4) {
    if (functions.Find(library.name) != nullptr) functions.Remove(library.name);
    return;
  }
  library.code = Text(Below(10) == 0 ? 5000 : 30);
  for (uint64_t left = 1 + Below(3); left > 0; left--) {
    StoredFunction& function = library.functions.emplace_back();
    function.name = library.name + "f" + std::to_string(left);
    function.flags = static_cast<uint32_t>(Below(32));
    if (Below(2) == 0) function.description = Text(9);
  }
  functions.Put(std::move(library));
}

void RandomChanges::ChangeStrings(Keyspace& keyspace, const KeyRef& key) {
  if (keyspace.Find(key) == nullptr) {
    keyspace.Put(key, std::make_unique<StringObject>(Text(Below(10) == 0 ? 5000 : 30)));
  } else if (StringObject* string = keyspace.MutableIf<StringObject>(key)) {
    Below(2) == 0 ? string->Append(Text(9)) : string->SetRange(3, "over");
  }
}

void RandomChanges::ChangeLists(Keyspace& keyspace, const KeyRef& key) {
  List* list = Have<List>(keyspace, key);
  if (list == nullptr) return;
  for (uint64_t left = 1 + Below(30); left > 0; left--) {
    Below(2) == 0 ? list->PushBack(Text(200)) : list->PushFront(Text(40));
    if (Below(3) == 0) Below(2) == 0 ? list->PopFront() : list->PopBack();
    if (list->empty()) list->PushBack("x");
    if (Below(6) == 0) {
      const uint64_t index = Below(list->size());
      list->Set(index, Text(30));
    }
  }
}

void RandomChanges::ChangeHashes(Keyspace& keyspace, const KeyRef& key) {
  Hash* hash = Have<Hash>(keyspace, key);
  if (hash == nullptr) return;
  const int64_t next_expiry_ms = hash->NextExpiry();
  for (uint64_t left = 1 + Below(40); left > 0; left--) {
    const std::string field = std::to_string(Below(100));
    const std::string value = Text(Below(20) == 0 ? 300 : 20);
    hash->Set(field, value);
    if (Below(4) == 0) hash->SetExpiry(field, static_cast<int64_t>(1 + Below(1000)));
    if (Below(4) == 0 && hash->size() > 1) hash->Remove(field);
  }
  keyspace.NoteFieldExpiry(key, next_expiry_ms);
}

void RandomChanges::ChangeSets(Keyspace& keyspace, const KeyRef& key) {
  Set* set = Have<Set>(keyspace, key);
  if (set == nullptr) return;
  // Half of them are of integers only.
  const bool integers = key.name.back() % 2 == 0;
  for (uint64_t left = 1 + Below(60); left > 0; left--) {
    std::string member = std::to_string(Below(200));
    if (!integers) member += Text(Below(20) == 0 ? 300 : 3);
    set->Add(member);
    if (Below(4) == 0 && set->size() > 1) set->Remove(member);
  }
}

void RandomChanges::ChangeSortedSets(Keyspace& keyspace, const KeyRef& key) {
  SortedSet* set = Have<SortedSet>(keyspace, key);
  if (set == nullptr) return;
  for (uint64_t left = 1 + Below(60); left > 0; left--) {
    std::string member = "m" + std::to_string(Below(300));
    if (Below(20) == 0) member += Text(100);
    const double score = static_cast<double>(Below(1000)) / 4;
    set->Set(member, score);
    if (Below(6) == 0 && set->size() > 1) set->Remove(member);
  }
  if (Below(5) == 0) {
    const uint64_t begin = 1 + Below(set->size());
    const uint64_t end = begin + Below(set->size() - begin + 1);
    set->RemoveRange({begin, end});
  }
}

void RandomChanges::ChangeStreams(Keyspace& keyspace, const KeyRef& key) {
  Stream* stream = Have<Stream>(keyspace, key);
  if (stream == nullptr) return;
  for (uint64_t left = 1 + Below(20); left > 0; left--) {
    const std::string value = Text(60);
    const std::string_view fields[] = {"field", value};
    now_ms_ += Below(3);
    const StreamId id =
        stream->last_id() < StreamId{now_ms_, 0} ? StreamId{now_ms_, 0} : *stream->last_id().Next();
    stream->Append(id, fields, {});
  }
  if (Below(4) == 0) stream->Delete({now_ms_ - Below(10), 0});
  if (Below(10) == 0) stream->DropOldest(Below(stream->length() + 1), true);
  ConsumerGroup* group = stream->FindGroup("g");
  if (group == nullptr) group = &stream->CreateGroup("g", {}, 0);
  const ConsumerIndex consumer =
      group->CreateConsumer(Below(2) == 0 ? "anna" : "bert", static_cast<int64_t>(now_ms_)).index;
  stream->Deliver(group, consumer, stream->last_id(), static_cast<int64_t>(now_ms_), false);
  for (uint64_t left = Below(30); left > 0 && !group->pending().empty(); left--) {
    group->Ack(Below(2) == 0 ? group->pending().first_id() : group->pending().last_id());
  }
  if (!group->pending().empty() && Below(3) == 0) group->Release(group->pending().first_id(), 2);
  if (Below(5) == 0) {
    stream->CreateIdempotence(100, 10).Record("p", Text(3), stream->last_id());
  }
}

void RandomChanges::ChangeKeys(Keyspace& keyspace, const KeyRef& key) {
  const bool exists = keyspace.Find(key) != nullptr;
  const std::string other_name = "k" + std::to_string(Below(8));
  const KeyRef other(static_cast<uint32_t>(Below(keyspace.databases())), other_name);
  switch (Below(20)) {
    case 0:
      return keyspace.Flush(key.db);
    case 1:
    case 2:
      return keyspace.Swap(key.db, other.db);
    case 3:
    case 4:
    case 5:
      return keyspace.Remove(key);
    case 6:
    case 7:
    case 8:
      if (exists && !(key.db == other.db && key.name == other.name)) keyspace.Rename(key, other);
      return;
    case 9:
    case 10:
      if (exists) keyspace.Put(other, keyspace.Find(key)->value().Clone());
      return;
    default:
      if (!exists) return;
      keyspace.SetExpiry(key, Below(3) == 0 ? kNoExpiry : static_cast<int64_t>(Below(1'000'000)));
  }
}

}  // namespace runnel::sim
