#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "commands/context.h"
#include "commands/stream/replies.h"
#include "data/stream/stream.h"

// What XREAD and XREADGROUP have in common: options, limits of one call, and the structure of the
// reply.

namespace runnel::commands {

struct ReadArguments {
  // GROUP; has_group says whether it was given.
  bool has_group = false;
  std::string_view group;
  std::string_view consumer;
  uint64_t count = kNoCount;      // entries of one stream
  uint64_t max_count = kNoCount;  // entries of all streams
  uint64_t max_bytes = kNoCount;  // of the reply
  bool block = false;
  int64_t deadline_ms = 0;
  bool no_ack = false;
  int64_t min_idle = -1;  // CLAIM; negative if not given
  // From argument first_key on there are `streams` keys, and then as many IDs.
  size_t first_key = 0;
  size_t streams = 0;

  size_t first_id() const { return first_key + streams; }
};

// Reads the arguments of XREADGROUP (`of_group`) or XREAD. Options that only the other command has
// get an error of their own.
[[nodiscard]] bool ReadReadArguments(Context& context, bool of_group, ReadArguments* arguments);

// What one call may still return: COUNT entries of each stream, and MAXCOUNT entries and MAXSIZE
// bytes of all streams. MAXSIZE never refuses the call's first entry; after that, an entry that
// does not fit ends the call.
class ReadBudget {
 public:
  explicit ReadBudget(const ReadArguments& arguments)
      : count_(arguments.count),
        entries_left_(arguments.max_count),
        bytes_left_(arguments.max_bytes),
        by_bytes_(arguments.max_bytes != kNoCount) {}

  // Nothing more may be returned from the present stream.
  bool stream_spent() const { return stream_left_ == 0 || entries_left_ == 0; }
  // Nothing more may be returned, from any stream.
  bool spent() const { return entries_left_ == 0; }

  // Goes on to the next stream, whose name is part of the reply.
  void NextStream(std::string_view key) {
    stream_left_ = count_;
    TakeBytes(kFrameBytes + key.size());
  }
  // Takes as many of the entries from the cursor on as may be returned; returns their number.
  // `added` is how many bytes each takes in the reply in addition to EntryReplyBytes().
  uint64_t TakeEntries(EntryCursor at, size_t added = 0);
  // Takes one entry, if it may be returned.
  bool TakeEntry(const EntryView& entry, size_t added = 0);
  // Takes one entry that the stream no longer has; the reply has only its ID.
  bool TakeMissing();

 private:
  // An array header for the pair, the header of the key's bulk, and the header of the entries.
  static constexpr size_t kFrameBytes = 16;
  static constexpr size_t kMissingBytes = 32;

  bool Take(size_t bytes);
  void TakeBytes(size_t bytes) { bytes_left_ -= std::min<uint64_t>(bytes, bytes_left_); }

  const uint64_t count_;
  uint64_t stream_left_ = 0;
  uint64_t entries_left_;
  uint64_t bytes_left_;
  const bool by_bytes_;
  bool first_ = true;
};

// The frame of the reply, and of each stream in it.
void WriteStreamsHeader(ReplyWriter& reply, size_t streams);
void WriteStreamHeader(ReplyWriter& reply, std::string_view key);

// The ID of an entry that the stream no longer has, and a null array.
void WriteMissingEntry(ReplyWriter& reply, StreamId id);

}  // namespace runnel::commands
