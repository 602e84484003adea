// Commands on hashes.
#include "tests/compat/generator/draw.h"

namespace runnel::compat {
namespace {

std::string DrawField(Draw* draw) {
  if (draw->OneIn(12)) return draw->Pick({"", "\xff\r\n", "a longer name of a field"});
  return draw->Pick({"f", "g", "h", "i", "n", "n"});
}

std::string DrawFieldNumber(Draw* draw) {
  if (draw->OneIn(8)) return draw->Pick({"9223372036854775807", "-9223372036854775808", "x", ""});
  return draw->Pick({"0", "1", "-1", "5", "100"});
}

std::string DrawFieldValue(Draw* draw) {
  return draw->OneIn(2) ? DrawFieldNumber(draw) : draw->Element();
}

Argv DrawFieldPairs(const char* name, Draw* draw) {
  Argv command = {name, draw->HashKey()};
  for (uint64_t left = 1 + draw->Below(4); left > 0; --left) {
    command.insert(command.end(), {DrawField(draw), DrawFieldValue(draw)});
  }
  return command;
}

Argv DrawFieldNames(const std::string& name, Draw* draw) {
  Argv command = {name, draw->HashKey()};
  for (uint64_t left = 1 + draw->Below(3); left > 0; --left)
    command.push_back(DrawField(draw));
  return command;
}

// A transaction's array would have to be sorted as a whole.
Argv DrawWholeHash(Draw* draw) {
  if (draw->in_transaction()) return {"HLEN", draw->HashKey()};
  switch (draw->Below(5)) {
    case 0:
      return {draw->Pick({"HKEYS", "HVALS"}), draw->HashKey()};
    case 1: {
      Argv command = {"HSCAN", draw->HashKey(), "0"};
      if (draw->OneIn(2)) command.insert(command.end(), {"MATCH", draw->Pick({"*", "f*", "?"})});
      if (draw->OneIn(2)) command.insert(command.end(), {"COUNT", draw->Pick({"1", "100"})});
      return command;
    }
    case 2:
      return {"HRANDFIELD", draw->HashKey(), draw->Pick({"0", "100"})};
    case 3:
      return {"HRANDFIELD", draw->HashKey(), "100", "WITHVALUES"};
    default:
      return {"HGETALL", draw->HashKey()};
  }
}

}  // namespace

Argv DrawHashCommand(Draw* draw) {
  switch (draw->Below(16)) {
    case 0:
    case 1:
    case 2:
      return DrawFieldPairs("HSET", draw);
    case 3:
      return DrawFieldPairs("HMSET", draw);
    case 4:
      return {"HSETNX", draw->HashKey(), DrawField(draw), DrawFieldValue(draw)};
    case 5:
      return {"HGET", draw->HashKey(), DrawField(draw)};
    case 6:
      return DrawFieldNames("HMGET", draw);
    case 7:
    case 8:
      return DrawFieldNames("HDEL", draw);
    case 9:
      return {draw->Pick({"HEXISTS", "HSTRLEN"}), draw->HashKey(), DrawField(draw)};
    case 10:
    case 11:
      return {"HINCRBY", draw->HashKey(), DrawField(draw), DrawFieldNumber(draw)};
    case 12:
      return {"HINCRBYFLOAT", draw->HashKey(), DrawField(draw),
              draw->Pick({"0.1", "-1.5", "3e2", "1", "nan", "x"})};
    case 13:
      return {"HLEN", draw->HashKey()};
    default:
      return DrawWholeHash(draw);
  }
}

}  // namespace runnel::compat
