#pragma once

#include "commands/context.h"

// The set commands, for the table in commands.cc.

namespace runnel::commands {

// members.cc: members of one set
void SAdd(Context& context);
void SRem(Context& context);
void SMove(Context& context);
void SIsMember(Context& context);
void SMIsMember(Context& context);
void SCard(Context& context);
void SMembers(Context& context);
void SScan(Context& context);

// random.cc: members by chance
void SPop(Context& context);
void SRandMember(Context& context);

// algebra.cc: several sets
void SInter(Context& context);
void SUnion(Context& context);
void SDiff(Context& context);
void SInterStore(Context& context);
void SUnionStore(Context& context);
void SDiffStore(Context& context);
void SInterCard(Context& context);

}  // namespace runnel::commands
