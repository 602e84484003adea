#pragma once

#include "commands/context.h"

// The commands on keys of any type, for the table in commands.cc.

namespace runnel::commands {

// names.cc: which keys there are and what they are called
void Del(Context& context);
void Exists(Context& context);
void Touch(Context& context);
void Type(Context& context);
void Rename(Context& context);
void RenameNx(Context& context);
void Copy(Context& context);
void Move(Context& context);
void SwapDb(Context& context);
void FlushAll(Context& context);
void FlushDb(Context& context);

// expiry.cc: how long they stay
void Expire(Context& context);
void PExpire(Context& context);
void ExpireAt(Context& context);
void PExpireAt(Context& context);
void Ttl(Context& context);
void PTtl(Context& context);
void ExpireTime(Context& context);
void PExpireTime(Context& context);
void Persist(Context& context);

// browse.cc: looking around
void Scan(Context& context);
void Keys(Context& context);
void RandomKey(Context& context);
void DbSize(Context& context);
void ObjectEncoding(Context& context);
void ObjectFreq(Context& context);
void ObjectIdleTime(Context& context);
void ObjectRefCount(Context& context);
void ObjectHelp(Context& context);

// dump.cc: values as bytes
void Dump(Context& context);
void Restore(Context& context);

// sort.cc: the elements of a value in another order
void Sort(Context& context);
void SortRo(Context& context);

}  // namespace runnel::commands
