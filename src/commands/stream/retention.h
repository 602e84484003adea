#pragma once

#include <span>

#include "commands/context.h"
#include "commands/stream/arguments.h"
#include "data/stream/stream.h"

namespace runnel::commands {

// Removes the entries that are beyond the stream's bounds now, and notifies "xtrim" if there were
// any. For a command that has added to the stream or changed the bounds; upkeep does it as time
// passes.
void KeepRetention(Context& context, const KeyRef& key, const Stream& stream);

// ON-ACK DELETE, where the stream has it: those of the entries that no group needs any more once
// `group`, which has all of them pending, has acknowledged them. For a command that is about to do
// that; it looks at entries.
IdList PlanDropAcknowledged(const Stream& stream, const ConsumerGroup& group, const IdList& ids);
// Removes them.
void DropAcknowledged(Context& context, const KeyRef& key, const IdList& ids);
// The same for the entries from `first` to `last`, which a group was given just now and need not
// acknowledge: they are in memory.
void DropGiven(Context& context, const KeyRef& key, const Stream& stream, StreamId first,
               StreamId last);
// For a command that has changed what groups there are or where they stand: removes what of all
// entries no group needs any more, as far as that takes about a millisecond and no look at the
// disk. Upkeep does the rest.
void SweepAcknowledged(Context& context, const KeyRef& key, const Stream& stream);

// States the removal of entries (AckedEntries::bounds) in effects that are not too large.
void RemoveRanges(Context& context, const KeyRef& key, std::span<const StreamId> bounds);

}  // namespace runnel::commands
