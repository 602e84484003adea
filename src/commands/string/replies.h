#pragma once

#include <cstddef>

#include "commands/context.h"
#include "data/string_object.h"

namespace runnel::commands {

// Replies `count` bytes of the string from `offset` on, which are there, as a bulk.
inline void ReplyBytes(Context& context, const StringObject& string, size_t offset, size_t count) {
  ReplyWriter& reply = context.reply();
  const std::string_view head = string.head();
  if (offset + count <= head.size()) return reply.Bulk(head.substr(offset, count));
  Rope& rope = reply.rope();
  rope.Commit(ReplyWriter::WriteHeader(rope.Reserve(ReplyWriter::kMaxHeader), '$', count));
  string.ForEachPiece(offset, count, [&](std::string_view piece) { rope.Append(piece); });
  rope.Append("\r\n");
}

}  // namespace runnel::commands
