#pragma once

#include "commands/context.h"

// The hash commands, for the table in commands.cc.

namespace runnel::commands {

// fields.cc: named fields
void HSet(Context& context);
void HSetNx(Context& context);
void HMSet(Context& context);
void HGet(Context& context);
void HMGet(Context& context);
void HDel(Context& context);
void HLen(Context& context);
void HExists(Context& context);
void HStrLen(Context& context);
void HIncrBy(Context& context);
void HIncrByFloat(Context& context);

// walk.cc: all fields, some of them, any of them
void HGetAll(Context& context);
void HKeys(Context& context);
void HVals(Context& context);
void HScan(Context& context);
void HRandField(Context& context);

// expiry.cc: how long fields stay
void HExpire(Context& context);
void HPExpire(Context& context);
void HExpireAt(Context& context);
void HPExpireAt(Context& context);
void HTtl(Context& context);
void HPTtl(Context& context);
void HExpireTime(Context& context);
void HPExpireTime(Context& context);
void HPersist(Context& context);

}  // namespace runnel::commands
