#include "commands/wait.h"

#include "data/list/list.h"
#include "data/stream/stream.h"

namespace runnel {
namespace {

// A group that is not there, whatever the reason, is something to tell a waiter: the command
// answers with the error.
bool CanServeGroup(std::string_view name, const KeyEntry* entry) {
  const Stream* stream = entry == nullptr ? nullptr : entry->As<Stream>();
  if (stream == nullptr) return true;
  const ConsumerGroup* group = stream->FindGroup(name);
  if (group == nullptr) return true;
  // Released entries are for clients that wait with CLAIM.
  return group->nacked() > 0 || stream->HasNew(*group);
}

}  // namespace

bool CanServe(WaitKind kind, std::string_view group, const KeyEntry* entry) {
  switch (kind) {
    case WaitKind::kList:
      return entry != nullptr && entry->type() == ObjectType::kList;
    case WaitKind::kSortedSet:
      return entry != nullptr && entry->type() == ObjectType::kSortedSet;
    case WaitKind::kStream:
      return entry != nullptr && entry->type() == ObjectType::kStream;
    case WaitKind::kGroup:
      return CanServeGroup(group, entry);
    case WaitKind::kPartition:
    case WaitKind::kMember:
      return true;
    case WaitKind::kDurable:
    case WaitKind::kEvent:
      return false;
  }
  return false;
}

}  // namespace runnel
