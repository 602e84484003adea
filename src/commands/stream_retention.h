#pragma once

#include <span>

#include "commands/context.h"
#include "data/stream.h"

namespace runnel::commands {

// Drops what is beyond the stream's bounds now, and notifies "xtrim" if that was anything. For a
// command that has added to the stream, or changed the bounds; otherwise time does it.
void KeepRetention(Context& context, const KeyRef& key, const Stream& stream);

// ON-ACK DELETE, where the stream has it: removes those of the entries that no group needs any
// more. For a command that has acknowledged them.
void DropAcknowledged(Context& context, const KeyRef& key, const Stream& stream,
                      std::span<const StreamId> ids);
// The same for all entries: for a command that has changed what groups there are or where they
// stand.
void DropAllAcknowledged(Context& context, const KeyRef& key, const Stream& stream);

}  // namespace runnel::commands
