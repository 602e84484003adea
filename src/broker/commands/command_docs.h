#pragma once

#include <span>
#include <string_view>

#include "broker/command_table.h"
#include "resp/reply_writer.h"

namespace runnel {

// The replies of COMMAND and its subcommands: what the command table says, in the shapes that Redis
// 7 gives it. A name is "xadd" or "xgroup|create", in any case.

using CommandNames = std::span<const std::string_view>;

// COMMAND INFO: an array of ten for each name, null for those that are unknown; for all commands,
// as COMMAND gives them, if there are no names.
void WriteCommandInfo(ReplyWriter& reply, const CommandTable& table, CommandNames names);
// COMMAND DOCS: a map by name, without those that are unknown; of all commands if there are no
// names.
void WriteCommandDocs(ReplyWriter& reply, const CommandTable& table, CommandNames names);
// COMMAND COUNT.
void WriteCommandCount(ReplyWriter& reply, const CommandTable& table);
// COMMAND LIST with the arguments after it: none, or FILTERBY and MODULE, ACLCAT or PATTERN with a
// value. Writes an error for other arguments.
void WriteCommandList(ReplyWriter& reply, const CommandTable& table,
                      std::span<const std::string_view> arguments);
// COMMAND GETKEYS and GETKEYSANDFLAGS: the keys among the arguments of the call `args`, or an
// error. REQUIRES: `args` has at least its name.
void WriteCommandKeys(ReplyWriter& reply, const CommandTable& table,
                      std::span<const std::string_view> args, bool with_flags);

}  // namespace runnel
