#pragma once

#include "commands/stream_arguments.h"

namespace runnel::commands {

// Trims the stream at the key and notifies "xtrim" if that removed anything. Returns the number of
// entries removed. Each counts as a change, unless the trim is a part of one. REQUIRES: `stream` is
// the key's; FinishTrimOptions() was content.
enum class TrimCounts { kEntries, kNothing };
uint64_t Trim(Context& context, const KeyRef& key, const Stream& stream, const TrimOptions& options,
              TrimCounts counts);

// Before XADD appends `added`: sees to it that the trim behind it finds in memory what it looks at.
void FetchForTrim(const Stream& stream, const TrimOptions& options,
                  const EntryLog::Addition& added);

}  // namespace runnel::commands
