#pragma once

#include "commands/context.h"

// The commands on consumer groups, by file. XINFO, which shows groups too, is among the commands on
// streams.

namespace runnel::commands {

// admin.cc
void XGroupCreate(Context& context);
void XGroupSetId(Context& context);
void XGroupDestroy(Context& context);
void XGroupCreateConsumer(Context& context);
void XGroupDelConsumer(Context& context);
void XGroupHelp(Context& context);

// read.cc
void XReadGroup(Context& context);

// ack.cc
void XAck(Context& context);
void XAckDel(Context& context);
void XNack(Context& context);

// claim.cc
void XClaim(Context& context);
void XAutoClaim(Context& context);

// pending.cc
void XPending(Context& context);

}  // namespace runnel::commands
