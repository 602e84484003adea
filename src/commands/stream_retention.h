#pragma once

#include <span>

#include "commands/context.h"
#include "data/stream.h"

namespace runnel::commands {

// Removes the entries that are beyond the stream's bounds now, and notifies "xtrim" if there were
// any. For a command that has added to the stream or changed the bounds; upkeep does it as time
// passes.
void KeepRetention(Context& context, const KeyRef& key, const Stream& stream);

// If the stream has ON-ACK DELETE: removes those of these entries that no group needs any more. For
// a command that has acknowledged them.
void DropAcknowledged(Context& context, const KeyRef& key, const Stream& stream,
                      std::span<const StreamId> ids);
// The same for all entries. For a command that has created, removed or moved a group.
void DropAllAcknowledged(Context& context, const KeyRef& key, const Stream& stream);

}  // namespace runnel::commands
