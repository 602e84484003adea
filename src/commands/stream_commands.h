#pragma once

#include "commands/context.h"

// The commands on streams, by file. Those on consumer groups are in group_commands.h.

namespace runnel::commands {

// stream_commands_add.cc
void XAdd(Context& context);

// stream_commands_remove.cc
void XTrim(Context& context);
void XDel(Context& context);
void XDelEx(Context& context);

// stream_commands_read.cc
void XLen(Context& context);
void XRange(Context& context);
void XRevRange(Context& context);
void XRead(Context& context);

// stream_commands_info.cc
void XInfoStream(Context& context);
void XInfoGroups(Context& context);
void XInfoConsumers(Context& context);
void XInfoHelp(Context& context);

// stream_commands_settings.cc
void XSetId(Context& context);
void XCfgSet(Context& context);
void XIdmpRecord(Context& context);

}  // namespace runnel::commands
