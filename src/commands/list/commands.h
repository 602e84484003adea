#pragma once

#include "commands/context.h"
#include "effects/list_effects.h"

// The list commands, for the table in commands.cc.

namespace runnel::commands {

// ends.cc: pushing and popping
void LPush(Context& context);
void RPush(Context& context);
void LPushX(Context& context);
void RPushX(Context& context);
void LPop(Context& context);
void RPop(Context& context);
void LMPop(Context& context);
void BLPop(Context& context);
void BRPop(Context& context);
void BLMPop(Context& context);

// move.cc: from one list to another
void LMove(Context& context);
void BLMove(Context& context);
void RPopLPush(Context& context);
void BRPopLPush(Context& context);
void LMoveM(Context& context);
void BLMoveM(Context& context);

// inside.cc: looking at a list and changing its middle
void LLen(Context& context);
void LIndex(Context& context);
void LRange(Context& context);
void LPos(Context& context);
void LSet(Context& context);
void LInsert(Context& context);
void LRem(Context& context);
void LTrim(Context& context);

// --- Shared by the files of the family ---

// LEFT or RIGHT. Writes the error and returns false for anything else.
[[nodiscard]] bool ReadListEnd(Context& context, std::string_view argument, ListEnd* end);

// Notifies that elements were taken from one end, and the key with the last one.
void NotifyPopped(Context& context, const KeyRef& key, ListEnd end, bool emptied);

}  // namespace runnel::commands
