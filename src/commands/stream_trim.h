#pragma once

#include "commands/stream_arguments.h"

namespace runnel::commands {

// Trims the stream at the key and notifies "xtrim" if that removed anything. Returns the number of
// entries removed. REQUIRES: `stream` is the key's; FinishTrimOptions() was content.
uint64_t Trim(Context& context, const KeyRef& key, const Stream& stream,
              const TrimOptions& options);

// Before XADD appends `added`: sees to it that the trim behind it finds in memory what it looks at.
void FetchForTrim(const Stream& stream, const TrimOptions& options,
                  const EntryLog::Addition& added);

}  // namespace runnel::commands
