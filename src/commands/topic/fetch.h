#pragma once

#include <cstdint>
#include <span>

#include "commands/stream/replies.h"
#include "data/stream/stream.h"

namespace runnel::commands {

// What TREAD and TREADGROUP may give in one call, of all partitions together.
struct FetchLimits {
  uint64_t records = 500;
  uint64_t bytes = 1'048'576;  // of the entries in the reply; the first record is always given
};

// One partition from which a call may give records.
struct FetchSource {
  EntryCursor at;              // the first record to be given; not valid if there is none
  uint64_t most = UINT64_MAX;  // no more records than this are given
  uint64_t count = 0;          // FetchRecords sets it: how many are given
  Rope written;                // FetchRecords may have written them already
};

// Divides the limits among the sources that have records, so that none starves: each gets the same
// share, and what one leaves goes to the others. Returns the number of records in all. `form` is
// how they will be written, `protocol` for which version of RESP. May look at records on the disk,
// and fetches all that will be given.
uint64_t FetchRecords(std::span<FetchSource> sources, const FetchLimits& limits, EntryForm form,
                      int protocol);
// The same for a caller that serves the sources in turn: each gets what the ones before it leave.
uint64_t FetchInTurn(std::span<FetchSource> sources, const FetchLimits& limits, EntryForm form,
                     int protocol);
// The array of what was fetched.
void WriteFetched(ReplyWriter& reply, EntryForm form, FetchSource& source);

}  // namespace runnel::commands
