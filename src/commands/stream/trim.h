#pragma once

#include "commands/stream/arguments.h"

namespace runnel::commands {

// Trims the stream at the key, and notifies "xtrim" if that removed entries. Returns the number of
// entries removed. Each counts as a change, unless the trim is a part of another change. REQUIRES:
// `stream` is the value of the key; FinishTrimOptions() has returned true.
enum class TrimCounts { kEntries, kNothing };
uint64_t Trim(Context& context, const KeyRef& key, const Stream& stream, const TrimOptions& options,
              TrimCounts counts);

// Before XADD appends `added`: fetches the entries that the trim after it looks at.
void FetchForTrim(const Stream& stream, const TrimOptions& options,
                  const EntryLog::Addition& added);

}  // namespace runnel::commands
