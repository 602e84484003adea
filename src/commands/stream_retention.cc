#include "commands/stream_retention.h"

#include <vector>

#include "commands/stream_arguments.h"
#include "effects/stream_effects.h"

namespace runnel::commands {
namespace {

// As a part of the command that does not need them any more. As a trim removes them, not as XDEL
// does: all groups are past them, so what lies ahead of a group can still be told by subtraction.
void Drop(Context& context, const KeyRef& key, std::span<const StreamId> ids) {
  if (ids.empty()) return;
  context.Apply(StreamRemove{key, Removal::kTrimmed, ids}, 0);
  context.Notify(kNotifyStream, "xdel", key);
}

}  // namespace

void KeepRetention(Context& context, const KeyRef& key, const Stream& stream) {
  const uint64_t count = stream.PlanRetention(context.now_ms());
  if (count == 0) return;
  context.Apply(StreamDropOldest{key, count, false}, 0);
  context.Notify(kNotifyStream, "xtrim", key);
}

void DropAcknowledged(Context& context, const KeyRef& key, const Stream& stream,
                      std::span<const StreamId> ids) {
  if (!stream.retention().delete_on_ack) return;
  IdList dropped;
  for (const StreamId id : ids) {
    if (!stream.IsReferenced(id) && stream.Contains(id)) dropped.push_back(id);
  }
  Drop(context, key, dropped);
}

void DropAllAcknowledged(Context& context, const KeyRef& key, const Stream& stream) {
  if (stream.retention().delete_on_ack) Drop(context, key, stream.PlanAcknowledged());
}

}  // namespace runnel::commands
