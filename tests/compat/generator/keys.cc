// Commands on keys of any type.
#include "tests/compat/generator/draw.h"

namespace runnel::compat {
namespace {

Argv DrawExpire(Draw* draw) {
  Argv command;
  switch (draw->Below(4)) {
    case 0:
      command = {"EXPIRE", draw->AnyKey(), draw->FarSeconds()};
      break;
    case 1:
      command = {"PEXPIRE", draw->AnyKey(), draw->FarMilliseconds()};
      break;
    case 2:
      command = {"EXPIREAT", draw->AnyKey(), draw->Pick({"4102444800", "4102444900", "1"})};
      break;
    default:
      command = {"PEXPIREAT", draw->AnyKey(), draw->Pick({"4102444800123", "4102444900000", "1"})};
      break;
  }
  // A flag compares with what is there, and what was set relative to now is not the same there.
  if (draw->OneIn(4)) command.push_back(draw->Pick({"NX", "XX"}));
  return command;
}

Argv DrawCopy(Draw* draw) {
  const std::string source = draw->AnyKey();
  Argv command = {"COPY", source, draw->KeyLike(source)};
  if (draw->OneIn(3)) command.insert(command.end(), {"DB", draw->Pick({"0", "1", "1", "16"})});
  if (draw->OneIn(2)) command.push_back("REPLACE");
  return command;
}

Argv DrawLook(Draw* draw) {
  // A transaction's array would have to be sorted as a whole.
  if (draw->in_transaction()) return {draw->Pick({"TYPE", "TTL", "EXISTS"}), draw->AnyKey()};
  switch (draw->Below(8)) {
    case 0:
      return {"EXISTS", draw->AnyKey(), draw->AnyKey()};
    case 1:
      return {"TYPE", draw->AnyKey()};
    case 2:
      return {draw->Pick({"TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"}), draw->AnyKey()};
    case 3:
      return {"TOUCH", draw->AnyKey(), draw->AnyKey()};
    case 4:
      return {"KEYS", draw->Pick({"*", "l*", "?1", "s[12]", "none"})};
    case 5:
      return {"SCAN", "0", "COUNT", "1000"};
    case 6:
      return {"OBJECT", draw->Pick({"FREQ", "FOO"}), draw->AnyKey()};
    default:
      return {"DBSIZE"};
  }
}

}  // namespace

Argv DrawKeyCommand(Draw* draw) {
  // What moves a whole stream may bring along an id without its entry (woken-by-nothing), and in a
  // transaction it may replace what somebody waits for by something like it.
  const bool careful = draw->in_transaction() || draw->somebody_waits;
  switch (draw->Below(16)) {
    case 0:
    case 1:
      if (draw->only_stream()) break;
      return {draw->Pick({"DEL", "UNLINK"}), draw->AnyKey()};
    case 2:
      if (draw->only_stream()) break;
      return {"DEL", draw->AnyKey(), draw->AnyKey()};
    case 3:
      if (careful) break;
      {
        const std::string source = draw->AnyKey();
        return {draw->Pick({"RENAME", "RENAMENX"}), source, draw->KeyLike(source)};
      }
    case 4:
      if (careful) break;
      return DrawCopy(draw);
    case 5:
      if (careful) break;
      return {"MOVE", draw->AnyKey(), draw->Pick({"0", "1", "1", "16", "x"})};
    case 6:
    case 7:
      if (draw->only_stream()) break;
      return DrawExpire(draw);
    case 8:
      return {"PERSIST", draw->AnyKey()};
    case 9:
      if (careful || !draw->OneIn(10)) break;
      return {draw->Pick({"SWAPDB", "SWAPDB"}), "0", "1"};
    case 10:
      if (draw->in_transaction() || !draw->OneIn(15)) break;
      return {draw->Pick({"FLUSHDB", "FLUSHALL"})};
    default:
      break;
  }
  return DrawLook(draw);
}

}  // namespace runnel::compat
