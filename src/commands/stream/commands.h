#pragma once

#include "commands/context.h"

// The commands on streams, by file. Those on consumer groups are in commands/group/commands.h.

namespace runnel::commands {

// add.cc
void XAdd(Context& context);

// remove.cc
void XTrim(Context& context);
void XDel(Context& context);
void XDelEx(Context& context);

// read.cc
void XLen(Context& context);
void XRange(Context& context);
void XRevRange(Context& context);
void XRead(Context& context);

// info.cc
void XInfoStream(Context& context);
void XInfoGroups(Context& context);
void XInfoConsumers(Context& context);
void XInfoHelp(Context& context);

// settings.cc
void XSetId(Context& context);
void XCfgSet(Context& context);
void XIdmpRecord(Context& context);

}  // namespace runnel::commands
