#include "commands/stream/retention.h"

#include <algorithm>

#include "commands/stream/arguments.h"
#include "effects/retention.h"
#include "effects/stream_effects.h"

namespace runnel::commands {
namespace {

// Removes what a search has found. False if it has found nothing.
bool DropFound(Context& context, const KeyRef& key, const AckedEntries& found) {
  if (found.entries == 0) return false;
  RemoveRanges(context, key, found.bounds);
  context.Notify(kNotifyStream, "xdel", key);
  return true;
}

}  // namespace

void KeepRetention(Context& context, const KeyRef& key, const Stream& stream) {
  // The usual answer, without a look at the oldest entry.
  const Retention& keep = stream.retention();
  const bool by_age = keep.bytes == 0 && keep.entries == 0;
  if (by_age && context.now_ms() < stream.noted_due()) return;
  const auto apply = [&context](const auto& effect) { context.Apply(effect, 0); };
  if (!KeepWithinBounds(key, stream, context.now_ms(), apply)) return;
  context.Notify(kNotifyStream, "xtrim", key);
}

IdList PlanDropAcknowledged(const Stream& stream, const ConsumerGroup& group, const IdList& ids) {
  IdList dropped;
  if (!stream.retention().delete_on_ack) return dropped;
  for (const StreamId id : ids) {
    if (!stream.IsReferencedIfAcked(id, &group)) dropped.push_back(id);
  }
  stream.Require(dropped);
  dropped.erase(std::remove_if(dropped.begin(), dropped.end(),
                               [&](StreamId id) { return !stream.Contains(id); }),
                dropped.end());
  return dropped;
}

// As a part of the command that does not need them any more. As a trim removes them, not as XDEL
// does: all groups are past them, so what lies ahead of a group
// can still be told by subtraction.
void DropAcknowledged(Context& context, const KeyRef& key, const IdList& ids) {
  if (ids.empty()) return;
  context.Apply(StreamRemove{key, Removal::kTrimmed, ids}, 0);
  context.Notify(kNotifyStream, "xdel", key);
}

void DropGiven(Context& context, const KeyRef& key, const Stream& stream, StreamId first,
               StreamId last) {
  if (!stream.retention().delete_on_ack) return;
  const AckedEntries found = stream.PlanAcked({.first = first, .last = last});
  if (!DropFound(context, key, found)) return;
  // Upkeep does the rest.
  const StreamId next = std::min(found.next, stream.unswept().value_or(StreamId::Max()));
  if (found.next != StreamId::Max()) context.Apply(StreamSwept{key, next}, 0);
}

void SweepAcknowledged(Context& context, const KeyRef& key, const Stream& stream) {
  if (!stream.unswept()) return;
  const AckedEntries found = stream.PlanSweep(0);
  DropFound(context, key, found);
  if (found.next != *stream.unswept()) context.Apply(StreamSwept{key, found.next}, 0);
}

void RemoveRanges(Context& context, const KeyRef& key, std::span<const StreamId> bounds) {
  constexpr size_t kMostBounds = 64 * 1024;
  while (!bounds.empty()) {
    const auto part = bounds.first(std::min(bounds.size(), kMostBounds));
    context.Apply(StreamRemoveRanges{key, part}, 0);
    bounds = bounds.subspan(part.size());
  }
}

}  // namespace runnel::commands
