#pragma once

#include "commands/context.h"

namespace runnel::commands {

// The commands on topic groups, for the table in commands.cc.

// read.cc
void TReadGroup(Context& context);

// commit.cc
void TCommit(Context& context);
void TAck(Context& context);

// admin.cc
void TGroupCreate(Context& context);
void TGroupAlter(Context& context);
void TGroupDelete(Context& context);
void TGroupReset(Context& context);
void TGroupHeartbeat(Context& context);
void TGroupLeave(Context& context);

// describe.cc
void TGroupList(Context& context);
void TGroupDescribe(Context& context);
void TGroupLag(Context& context);
void TGroupHelp(Context& context);

}  // namespace runnel::commands
