// Commands on sets, and SORT.
#include "tests/compat/generator/draw.h"

namespace runnel::compat {
namespace {

// Half of all sets are of integers only, which have a form of their own.
std::string DrawMember(const std::string& key, Draw* draw) {
  const bool integers = !key.empty() && key.back() == '1';
  if (integers && !draw->OneIn(20)) {
    return draw->Pick({"0", "1", "2", "3", "5", "-7", "300", "70000", "-9223372036854775808"});
  }
  return draw->Element();
}

Argv DrawMembers(const std::string& name, Draw* draw) {
  Argv command = {name, draw->SetKey()};
  for (uint64_t left = 1 + draw->Below(4); left > 0; --left)
    command.push_back(DrawMember(command[1], draw));
  return command;
}

void AppendSets(Draw* draw, uint64_t count, Argv* command) {
  for (; count > 0; --count)
    command->push_back(draw->OneIn(12) ? "none" : draw->SetKey());
}

Argv DrawInterCard(Draw* draw) {
  const uint64_t keys = 1 + draw->Below(3);
  Argv command = {"SINTERCARD", std::to_string(keys)};
  AppendSets(draw, keys, &command);
  if (draw->OneIn(2)) command.insert(command.end(), {"LIMIT", draw->Pick({"0", "1", "2", "100"})});
  return command;
}

// A transaction's array would have to be sorted as a whole.
Argv DrawWholeSet(Draw* draw) {
  if (draw->in_transaction()) return {"SCARD", draw->SetKey()};
  switch (draw->Below(8)) {
    case 0: {
      // All at once: where the walk goes on depends on the server.
      Argv command = {"SSCAN", draw->SetKey(), "0", "COUNT", "1000"};
      if (draw->OneIn(2)) command.insert(command.end(), {"MATCH", draw->Pick({"*", "1*", "?"})});
      return command;
    }
    case 1:
      return {"SRANDMEMBER", draw->SetKey(), draw->Pick({"0", "100"})};
    case 2:
      // Which members go must not be chance.
      return {"SPOP", draw->SetKey(), draw->OneIn(3) ? "100" : "0"};
    case 3:
    case 4: {
      Argv command = {draw->Pick({"SINTER", "SUNION", "SDIFF"})};
      AppendSets(draw, 1 + draw->Below(4), &command);
      return command;
    }
    default:
      return {"SMEMBERS", draw->SetKey()};
  }
}

}  // namespace

Argv DrawSetCommand(Draw* draw) {
  switch (draw->Below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return DrawMembers("SADD", draw);
    case 4:
    case 5:
      return DrawMembers("SREM", draw);
    case 6: {
      const std::string key = draw->SetKey();
      return {"SMOVE", key, draw->SetKey(), DrawMember(key, draw)};
    }
    case 7: {
      const std::string key = draw->SetKey();
      return {"SISMEMBER", key, DrawMember(key, draw)};
    }
    case 8:
      return DrawMembers("SMISMEMBER", draw);
    case 9:
      return {"SCARD", draw->SetKey()};
    case 10:
      return DrawInterCard(draw);
    case 11:
    case 12: {
      Argv command = {draw->Pick({"SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"}), draw->SetKey()};
      AppendSets(draw, 1 + draw->Below(4), &command);
      return command;
    }
    default:
      return DrawWholeSet(draw);
  }
}

// Redis does not keep the order of equal elements, so none are sorted that could be told apart. A
// set has no order that LIMIT could cut without sorting.
Argv DrawSortCommand(Draw* draw) {
  const bool may_store = !draw->OneIn(4);
  std::string key = draw->OneIn(2) ? draw->ListKey() : draw->SetKey();
  // Redis gives a sorted set that was sorted its large form, which writes some scores otherwise.
  if (key[0] == 'z') key = "l1";
  Argv command = {may_store ? "SORT" : "SORT_RO", key};
  const bool in_order = draw->OneIn(5) && !draw->in_transaction();
  const bool alpha = draw->OneIn(2);
  if (in_order) {
    command.insert(command.end(), {"BY", "nosort"});
  } else if (!alpha && draw->OneIn(3)) {
    command.insert(command.end(), {"BY", draw->Pick({"v*", "h*->n", "h1->*", "none*"})});
  }
  if (!in_order && draw->OneIn(3)) {
    command.insert(command.end(), {"LIMIT", draw->Index(), draw->Count()});
  }
  for (uint64_t left = draw->OneIn(2) ? draw->Below(3) : 0; left > 0; --left) {
    command.insert(command.end(), {"GET", draw->Pick({"#", "v*", "h*->n", "h*->f", "none*", "v"})});
  }
  if (draw->OneIn(3)) command.push_back(draw->Pick({"ASC", "DESC"}));
  if (alpha) command.push_back("ALPHA");
  // What is stored has an order that can be compared.
  if (may_store && !in_order && draw->OneIn(3)) {
    command.insert(command.end(), {"STORE", draw->ListKey()});
  }
  return command;
}

}  // namespace runnel::compat
