#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "commands/context.h"

// Replies, and parts of them, that commands of several families give.

namespace runnel::commands {

// A field of a map: its name, and a number or a text.
inline void WriteNumber(ReplyWriter& reply, std::string_view name, uint64_t value) {
  reply.Bulk(name);
  reply.Integer(static_cast<int64_t>(value));
}
inline void WriteText(ReplyWriter& reply, std::string_view name, std::string_view value) {
  reply.Bulk(name);
  reply.Bulk(value);
}

// What a HELP subcommand answers.
inline void WriteHelp(Context& context, std::span<const std::string_view> lines) {
  context.reply().Array(lines.size());
  for (const std::string_view line : lines) {
    context.reply().Simple(line);
  }
}

}  // namespace runnel::commands
