#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/numbers.h"
#include "resp/reply_writer.h"

// How sorted-set commands write scores and members.

namespace runnel::commands {

// A score: a bulk in RESP2, a double in RESP3.
inline void WriteScore(ReplyWriter& reply, double score) {
  if (reply.protocol() != 3) {
    const bool whole = std::abs(score) < 1e15 && score == std::trunc(score);
    if (whole && !std::signbit(score)) return reply.BulkInteger(static_cast<int64_t>(score));
    return reply.Bulk(FormatScore(score));
  }
  reply.Raw("," + FormatScore(score) + "\r\n");
}

// The head of an array of so many members. With their scores it has twice as many items in RESP2;
// in RESP3 each member is in an array with its score.
inline void BeginMembers(ReplyWriter& reply, uint64_t count, bool with_scores) {
  reply.Array(with_scores && reply.protocol() != 3 ? 2 * count : count);
}
// One of them.
inline void WriteMember(ReplyWriter& reply, std::string_view member, double score,
                        bool with_scores) {
  if (!with_scores) return reply.Bulk(member);
  if (reply.protocol() == 3) reply.Array(2);
  reply.Bulk(member);
  WriteScore(reply, score);
}

}  // namespace runnel::commands
