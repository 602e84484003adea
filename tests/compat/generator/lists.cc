// Commands on lists.
#include "tests/compat/generator/draw.h"

namespace runnel::compat {
namespace {

Argv DrawPush(Draw* draw) {
  Argv command = {draw->Pick({"LPUSH", "RPUSH", "LPUSH", "RPUSH", "LPUSHX", "RPUSHX"}),
                  draw->ListKey()};
  for (uint64_t left = 1 + draw->Below(4); left > 0; --left)
    command.push_back(draw->Element());
  return command;
}

Argv DrawPop(Draw* draw) {
  Argv command = {draw->Pick({"LPOP", "RPOP"}), draw->ListKey()};
  if (draw->OneIn(2)) command.push_back(draw->Count());
  return command;
}

Argv DrawPosition(Draw* draw) {
  Argv command = {"LPOS", draw->ListKey(), draw->Element()};
  if (draw->OneIn(2)) command.insert(command.end(), {"RANK", draw->Index()});
  if (draw->OneIn(2)) command.insert(command.end(), {"COUNT", draw->Count()});
  if (draw->OneIn(3)) command.insert(command.end(), {"MAXLEN", draw->Count()});
  return command;
}

void AppendKeys(Draw* draw, uint64_t count, Argv* command) {
  for (; count > 0; --count)
    command->push_back(draw->ListKey());
}

Argv DrawMultiPop(Draw* draw) {
  const uint64_t keys = 1 + draw->Below(3);
  Argv command = {"LMPOP", std::to_string(keys)};
  AppendKeys(draw, keys, &command);
  command.push_back(draw->Side());
  if (draw->OneIn(2)) command.insert(command.end(), {"COUNT", draw->Count()});
  return command;
}

}  // namespace

Argv DrawListCommand(Draw* draw) {
  switch (draw->Below(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
      return DrawPush(draw);
    case 6:
    case 7:
      return DrawPop(draw);
    case 8:
      return DrawMultiPop(draw);
    case 9:
      return {"LLEN", draw->ListKey()};
    case 10:
      return {"LRANGE", draw->ListKey(), draw->Index(), draw->Index()};
    case 11:
      return {"LINDEX", draw->ListKey(), draw->Index()};
    case 12:
      return {"LSET", draw->ListKey(), draw->Index(), draw->Element()};
    case 13:
      return {"LINSERT", draw->ListKey(), draw->Pick({"BEFORE", "AFTER", "after"}), draw->Element(),
              draw->Element()};
    case 14:
      return {"LREM", draw->ListKey(), draw->Index(), draw->Element()};
    case 15:
      return {"LTRIM", draw->ListKey(), draw->Pick({"0", "1", "-5", "-2"}),
              draw->Pick({"-1", "-2", "4", "0"})};
    case 16:
      return DrawPosition(draw);
    case 17:
    case 18:
      return {"LMOVE", draw->ListKey(), draw->ListKey(), draw->Side(), draw->Side()};
    default:
      return {"RPOPLPUSH", draw->ListKey(), draw->ListKey()};
  }
}

Argv DrawListWait(Draw* draw) {
  const uint64_t keys = draw->waits_for_several ? 1 + draw->Below(3) : 1;
  switch (draw->Below(draw->waits_for_several ? 3 : 5)) {
    case 0:
    case 1: {
      Argv command = {draw->Pick({"BLPOP", "BRPOP"})};
      AppendKeys(draw, keys, &command);
      command.push_back(draw->Timeout());
      return command;
    }
    case 2: {
      Argv command = {"BLMPOP", draw->Timeout(), std::to_string(keys)};
      AppendKeys(draw, keys, &command);
      command.push_back(draw->Side());
      if (draw->OneIn(2)) command.insert(command.end(), {"COUNT", draw->Count()});
      return command;
    }
    case 3:
      return {"BLMOVE",     draw->ListKey(), draw->ListKey(),
              draw->Side(), draw->Side(),    draw->Timeout()};
    default:
      return {"BRPOPLPUSH", draw->ListKey(), draw->ListKey(), draw->Timeout()};
  }
}

}  // namespace runnel::compat
