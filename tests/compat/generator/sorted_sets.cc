// Commands on sorted sets.
#include "tests/compat/generator/draw.h"

namespace runnel::compat {
namespace {

std::string DrawScore(Draw* draw) {
  // Not -0: which form a set has decides whether Redis keeps the sign.
  if (draw->OneIn(12)) return draw->Pick({"inf", "-inf", "+inf", "1e17", "nan", "x", ""});
  return draw->Pick({"0", "1", "2", "2", "3", "10", "-1", "-7", "0.5", "0.1", "1e3", "123456789"});
}

std::string DrawScoreEnd(Draw* draw, const char* open) {
  if (draw->OneIn(4)) return open;
  return (draw->OneIn(4) ? "(" : "") + DrawScore(draw);
}

std::string DrawMemberEnd(Draw* draw, const char* open) {
  if (draw->OneIn(3)) return open;
  if (draw->OneIn(20)) return draw->Pick({"a", "", "+x", "(", "["});
  return draw->Pick({"[", "("}) + draw->Element();
}

void AppendLimit(Draw* draw, Argv* command) {
  if (draw->OneIn(3)) {
    command->insert(command->end(),
                    {"LIMIT", draw->Pick({"0", "1", "2", "-1", "100"}), draw->Count()});
  }
}

Argv DrawAdd(Draw* draw) {
  Argv command = {"ZADD", draw->SortedSetKey()};
  if (draw->OneIn(4)) command.push_back(draw->Pick({"NX", "XX", "xx"}));
  if (draw->OneIn(4)) command.push_back(draw->Pick({"GT", "LT", "gt"}));
  if (draw->OneIn(5)) command.push_back("CH");
  const bool increments = draw->OneIn(6);
  if (increments) command.push_back("INCR");
  for (uint64_t left = increments && !draw->OneIn(10) ? 1 : 1 + draw->Below(4); left > 0; --left) {
    command.insert(command.end(), {DrawScore(draw), draw->Element()});
  }
  return command;
}

Argv DrawMembers(const std::string& name, Draw* draw) {
  Argv command = {name, draw->SortedSetKey()};
  for (uint64_t left = 1 + draw->Below(3); left > 0; --left)
    command.push_back(draw->Element());
  return command;
}

// The range of ZRANGE and ZRANGESTORE by rank or by score, with its options.
void AppendRange(bool stores, Draw* draw, Argv* command) {
  const bool reverse = draw->OneIn(3);
  if (draw->OneIn(2)) {
    command->insert(command->end(), {draw->Index(), draw->Index()});
  } else {
    std::string min = DrawScoreEnd(draw, "-inf");
    std::string max = DrawScoreEnd(draw, "+inf");
    if (reverse) std::swap(min, max);
    command->insert(command->end(), {min, max, "BYSCORE"});
    AppendLimit(draw, command);
  }
  if (reverse) command->push_back("REV");
  if (!stores && draw->OneIn(2)) command->push_back("WITHSCORES");
}

Argv DrawRange(Draw* draw) {
  const std::string key = draw->SortedSetKey();
  Argv command;
  switch (draw->Below(8)) {
    case 0:
    case 1:
    case 2:
      command = {"ZRANGE", key};
      AppendRange(false, draw, &command);
      return command;
    case 3:
      command = {"ZRANGESTORE", draw->SortedSetKey(), key};
      AppendRange(true, draw, &command);
      return command;
    case 4:
      command = {"ZREVRANGE", key, draw->Index(), draw->Index()};
      break;
    case 5:
      return {"ZCOUNT", key, DrawScoreEnd(draw, "-inf"), DrawScoreEnd(draw, "+inf")};
    case 6:
      command = {"ZRANGEBYSCORE", key, DrawScoreEnd(draw, "-inf"), DrawScoreEnd(draw, "+inf")};
      break;
    default:
      command = {"ZREVRANGEBYSCORE", key, DrawScoreEnd(draw, "+inf"), DrawScoreEnd(draw, "-inf")};
      break;
  }
  if (draw->OneIn(2)) command.push_back("WITHSCORES");
  if (command[0] != "ZREVRANGE") AppendLimit(draw, &command);
  return command;
}

// On a sorted set whose scores are all equal: with others, ranges of members mean nothing.
Argv DrawLex(Draw* draw) {
  const std::string key = Draw::kEqualScores;
  const std::string min = DrawMemberEnd(draw, "-");
  const std::string max = DrawMemberEnd(draw, "+");
  Argv command;
  switch (draw->Below(10)) {
    case 0:
      return {"ZLEXCOUNT", key, min, max};
    case 1:
      return {"ZREMRANGEBYLEX", key, min, max};
    case 2:
      command = {"ZRANGEBYLEX", key, min, max};
      break;
    case 3:
      command = {"ZREVRANGEBYLEX", key, max, min};
      break;
    case 4:
      command = {"ZRANGE", key, min, max, "BYLEX"};
      break;
    case 5:
      command = {"ZRANGE", key, max, min, "BYLEX", "REV"};
      break;
    case 6:
      command = {"ZRANGESTORE", draw->OneIn(3) ? key : draw->SortedSetKey(), key, min, max,
                 "BYLEX"};
      break;
    default:
      command = {"ZADD", key};
      for (uint64_t left = 1 + draw->Below(4); left > 0; --left)
        command.insert(command.end(), {"0", draw->Element()});
      return command;
  }
  AppendLimit(draw, &command);
  return command;
}

void AppendKeys(Draw* draw, uint64_t count, Argv* command) {
  command->push_back(std::to_string(count));
  for (; count > 0; --count) {
    command->push_back(draw->OneIn(12)  ? "none"
                       : draw->OneIn(5) ? draw->SetKey()
                                        : draw->SortedSetKey());
  }
}

Argv DrawCombination(Draw* draw) {
  const std::string operation = draw->Pick({"ZUNION", "ZUNION", "ZINTER", "ZINTER", "ZDIFF"});
  const bool stores = draw->OneIn(2);
  Argv command = {operation + (stores ? "STORE" : "")};
  if (stores) command.push_back(draw->SortedSetKey());
  const uint64_t keys = 1 + draw->Below(4);
  AppendKeys(draw, keys, &command);
  if (operation != "ZDIFF" && draw->OneIn(2)) {
    command.push_back("WEIGHTS");
    for (uint64_t i = 0; i < keys; ++i)
      command.push_back(draw->OneIn(2) ? "1" : DrawScore(draw));
  }
  if (operation != "ZDIFF" && draw->OneIn(2)) {
    command.insert(command.end(), {"AGGREGATE", draw->Pick({"SUM", "MIN", "MAX", "AVG"})});
  }
  if (!stores && draw->OneIn(2)) command.push_back("WITHSCORES");
  return command;
}

Argv DrawMultiPop(Draw* draw, Argv command) {
  const uint64_t keys = draw->waits_for_several || command[0] == "ZMPOP" ? 1 + draw->Below(3) : 1;
  command.push_back(std::to_string(keys));
  for (uint64_t i = 0; i < keys; ++i)
    command.push_back(draw->SortedSetKey());
  command.push_back(draw->OneIn(40) ? "MID" : draw->Pick({"MIN", "MAX"}));
  if (draw->OneIn(2)) command.insert(command.end(), {"COUNT", draw->Count()});
  return command;
}

Argv DrawPop(Draw* draw) {
  if (draw->OneIn(3)) return DrawMultiPop(draw, {"ZMPOP"});
  Argv command = {draw->Pick({"ZPOPMIN", "ZPOPMAX"}), draw->SortedSetKey()};
  if (draw->OneIn(2)) command.push_back(draw->Count());
  return command;
}

Argv DrawRemoval(Draw* draw) {
  switch (draw->Below(4)) {
    case 0:
      return {"ZREMRANGEBYRANK", draw->SortedSetKey(), draw->Index(), draw->Index()};
    case 1:
      return {"ZREMRANGEBYSCORE", draw->SortedSetKey(), DrawScoreEnd(draw, "-inf"),
              DrawScoreEnd(draw, "+inf")};
    default:
      return DrawMembers("ZREM", draw);
  }
}

// A transaction's array would have to be sorted as a whole.
Argv DrawUnordered(Draw* draw) {
  if (draw->in_transaction()) return {"ZCARD", draw->SortedSetKey()};
  if (draw->OneIn(2)) {
    Argv command = {"ZSCAN", draw->SortedSetKey(), "0", "COUNT", "1000"};
    if (draw->OneIn(2)) command.insert(command.end(), {"MATCH", draw->Pick({"*", "1*", "?"})});
    return command;
  }
  Argv command = {"ZRANDMEMBER", draw->SortedSetKey(), draw->Pick({"0", "100"})};
  if (draw->OneIn(2)) command.push_back("WITHSCORES");
  return command;
}

}  // namespace

Argv DrawSortedSetCommand(Draw* draw) {
  if (!draw->in_transaction() && draw->OneIn(8)) return DrawLex(draw);
  switch (draw->Below(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
      return DrawAdd(draw);
    case 5:
      return {"ZINCRBY", draw->SortedSetKey(), DrawScore(draw), draw->Element()};
    case 6:
      return DrawRemoval(draw);
    case 7:
      return {draw->Pick({"ZSCORE", "ZRANK", "ZREVRANK"}), draw->SortedSetKey(), draw->Element()};
    case 8:
      return DrawMembers("ZMSCORE", draw);
    case 9:
      return {"ZCARD", draw->SortedSetKey()};
    case 10: {
      Argv command = {"ZINTERCARD"};
      AppendKeys(draw, 1 + draw->Below(3), &command);
      if (draw->OneIn(2)) {
        command.insert(command.end(), {"LIMIT", draw->Pick({"0", "1", "2", "100"})});
      }
      return command;
    }
    case 11:
    case 12:
    case 13:
      return DrawCombination(draw);
    case 14:
    case 15:
      return DrawPop(draw);
    case 16:
      return DrawUnordered(draw);
    default:
      return DrawRange(draw);
  }
}

Argv DrawSortedSetWait(Draw* draw) {
  if (draw->OneIn(3)) return DrawMultiPop(draw, {"BZMPOP", draw->Timeout()});
  Argv command = {draw->Pick({"BZPOPMIN", "BZPOPMAX"})};
  for (uint64_t left = draw->waits_for_several ? 1 + draw->Below(3) : 1; left > 0; --left)
    command.push_back(draw->SortedSetKey());
  command.push_back(draw->Timeout());
  return command;
}

}  // namespace runnel::compat
