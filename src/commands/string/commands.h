#pragma once

#include "commands/context.h"

// The string commands, for the table in commands.cc.

namespace runnel::commands {

// whole.cc: setting and getting whole values
void Set(Context& context);
void SetNx(Context& context);
void SetEx(Context& context);
void PSetEx(Context& context);
void MSet(Context& context);
void MSetNx(Context& context);
void Get(Context& context);
void GetSet(Context& context);
void GetDel(Context& context);
void GetEx(Context& context);
void MGet(Context& context);

// parts.cc: numbers and parts of values
void Incr(Context& context);
void Decr(Context& context);
void IncrBy(Context& context);
void DecrBy(Context& context);
void IncrByFloat(Context& context);
void Append(Context& context);
void StrLen(Context& context);
void GetRange(Context& context);
void SetRange(Context& context);

// bits.cc: strings as rows of bits
void SetBit(Context& context);
void GetBit(Context& context);
void BitCount(Context& context);
void BitPos(Context& context);
void BitOp(Context& context);

// common.cc: what two strings have in common
void Lcs(Context& context);

}  // namespace runnel::commands
