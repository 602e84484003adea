// Commands on strings.
#include "tests/compat/generator/draw.h"

namespace runnel::compat {
namespace {

std::string DrawNumber(Draw* draw) {
  if (draw->OneIn(8))
    return draw->Pick({"9223372036854775807", "-9223372036854775808", "x", "1.5"});
  return draw->Pick({"0", "1", "-1", "5", "100"});
}

// GETEX deletes at once what it makes expire in the past; SET lets it expire, at a moment of the
// server's choice, so `past` must not be asked for it.
void AppendExpiry(bool past, Draw* draw, Argv* command) {
  switch (draw->Below(4)) {
    case 0:
      command->insert(command->end(), {"EX", draw->FarSeconds()});
      return;
    case 1:
      command->insert(command->end(), {"PX", draw->FarMilliseconds()});
      return;
    case 2:
      command->insert(command->end(),
                      {"EXAT", past ? "1" : draw->Pick({"4102444800", "4102444801"})});
      return;
    default:
      command->insert(command->end(),
                      {"PXAT", past ? "1" : draw->Pick({"4102444800123", "4102444800000"})});
      return;
  }
}

Argv DrawSet(Draw* draw) {
  Argv command = {"SET", draw->StringKey(), draw->OneIn(3) ? DrawNumber(draw) : draw->Element()};
  if (draw->OneIn(4)) command.push_back(draw->Pick({"NX", "XX"}));
  if (draw->OneIn(4)) command.push_back("GET");
  if (draw->OneIn(4)) {
    AppendExpiry(false, draw, &command);
  } else if (draw->OneIn(6)) {
    command.push_back("KEEPTTL");
  }
  return command;
}

Argv DrawGetEx(Draw* draw) {
  Argv command = {"GETEX", draw->StringKey()};
  if (draw->OneIn(3)) {
    AppendExpiry(draw->OneIn(4), draw, &command);
  } else if (draw->OneIn(3)) {
    command.push_back("PERSIST");
  }
  return command;
}

Argv DrawPairs(const char* name, Draw* draw) {
  Argv command = {name};
  for (uint64_t left = 1 + draw->Below(3); left > 0; --left) {
    command.insert(command.end(), {draw->StringKey(), draw->Element()});
  }
  return command;
}

std::string DrawOffset(Draw* draw) {
  return draw->Pick({"0", "1", "6", "7", "8", "13", "30", "100", "-1", "4294967296"});
}

Argv DrawBits(Draw* draw) {
  const std::string key = draw->StringKey();
  const auto append_range = [draw](Argv* command) {
    command->insert(command->end(), {draw->Index(), draw->Index()});
    if (draw->OneIn(2)) command->push_back(draw->Pick({"BIT", "BYTE", "bit", "x"}));
  };
  Argv command;
  switch (draw->Below(6)) {
    case 0:
    case 1:
      return {"SETBIT", key, DrawOffset(draw), draw->OneIn(20) ? "2" : draw->Pick({"0", "1"})};
    case 2:
      return {"GETBIT", key, DrawOffset(draw)};
    case 3:
      command = {"BITCOUNT", key};
      if (draw->OneIn(2)) append_range(&command);
      return command;
    case 4:
      command = {"BITPOS", key, draw->Pick({"0", "1"})};
      if (draw->OneIn(2)) append_range(&command);
      return command;
    default:
      command = {"BITOP", draw->Pick({"AND", "OR", "XOR", "NOT"}), key};
      for (uint64_t left = command[1] == "NOT" ? 1 : 1 + draw->Below(3); left > 0; --left)
        command.push_back(draw->StringKey());
      return command;
  }
}

}  // namespace

Argv DrawStringCommand(Draw* draw) {
  const std::string key = draw->StringKey();
  switch (draw->Below(23)) {
    case 0:
    case 1:
    case 2:
      return DrawSet(draw);
    case 20:
    case 21:
    case 22:
      return DrawBits(draw);
    case 3:
    case 4:
      return {"GET", key};
    case 5:
      return {draw->Pick({"GETSET", "SETNX", "APPEND"}), key, draw->Element()};
    case 6:
      return {"GETDEL", key};
    case 7:
      return DrawGetEx(draw);
    case 8:
      return {"SETEX", key, draw->FarSeconds(), draw->Element()};
    case 9:
      return {"PSETEX", key, draw->FarMilliseconds(), draw->Element()};
    case 10:
      // In one step several keys would come to be: order-of-ready-keys does not mind strings.
      return DrawPairs(draw->OneIn(2) ? "MSET" : "MSETNX", draw);
    case 11:
      return {"MGET", key, draw->StringKey(), draw->AnyKey()};
    case 12:
      return {"STRLEN", key};
    case 13:
    case 14:
      return {draw->Pick({"INCR", "DECR"}), key};
    case 15:
    case 16:
      return {draw->Pick({"INCRBY", "DECRBY"}), key, DrawNumber(draw)};
    case 17:
      return {"INCRBYFLOAT", key,
              draw->Pick({"0.1", "-1.5", "1e3", "3", "1e-7", "x", "inf", "nan"})};
    case 18:
      return {draw->Pick({"GETRANGE", "SUBSTR"}), key, draw->Index(), draw->Index()};
    default:
      return {"SETRANGE", key, draw->Pick({"0", "1", "5", "30", "-1", "9223372036854775807"}),
              draw->Element()};
  }
}

}  // namespace runnel::compat
