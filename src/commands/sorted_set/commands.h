#pragma once

#include "commands/context.h"

// The sorted-set commands, for the table in commands.cc.

namespace runnel::commands {

// change.cc: changing single members
void ZAdd(Context& context);
void ZIncrBy(Context& context);
void ZRem(Context& context);

// look.cc: looking at members, and counting them
void ZScore(Context& context);
void ZMScore(Context& context);
void ZCard(Context& context);
void ZCount(Context& context);
void ZLexCount(Context& context);
void ZRank(Context& context);
void ZRevRank(Context& context);
void ZRandMember(Context& context);
void ZScan(Context& context);

// range.cc: members in a row
void ZRange(Context& context);
void ZRangeStore(Context& context);
void ZRevRange(Context& context);
void ZRangeByScore(Context& context);
void ZRevRangeByScore(Context& context);
void ZRangeByLex(Context& context);
void ZRevRangeByLex(Context& context);
void ZRemRangeByRank(Context& context);
void ZRemRangeByScore(Context& context);
void ZRemRangeByLex(Context& context);

// pop.cc: taking the first or the last members
void ZPopMin(Context& context);
void ZPopMax(Context& context);
void ZMPop(Context& context);
void BZPopMin(Context& context);
void BZPopMax(Context& context);
void BZMPop(Context& context);

// combine.cc: making one sorted set of several
void ZUnion(Context& context);
void ZInter(Context& context);
void ZDiff(Context& context);
void ZUnionStore(Context& context);
void ZInterStore(Context& context);
void ZDiffStore(Context& context);
void ZInterCard(Context& context);

}  // namespace runnel::commands
