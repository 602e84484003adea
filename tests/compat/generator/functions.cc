// Libraries of functions, and calls of their functions.
#include "tests/compat/generator/draw.h"

namespace runnel::compat {
namespace {

// Two libraries may want to have the function "shared". Each has one function: no order is seen.
std::string DrawLibrary(Draw* draw) {
  if (draw->OneIn(12)) {
    return draw->Pick({"", "#!lua name=l\nreturn 1", "#!lua name=l\nreturn ((", "#!lua\n",
                       "#!lua name=l x=y\n", "#!js name=l\n"});
  }
  const std::string name = draw->Pick({"l", "m", "n"});
  const std::string function = draw->OneIn(3) ? "shared" : "of_" + name;
  std::string code = "#!lua name=" + name + "\nredis.register_function";
  switch (draw->Below(4)) {
    case 0:
      return code + "('" + function + "', function(keys, args) return {keys, args} end)";
    case 1:
      return code + "{function_name='" + function +
             "', callback=function(keys) return redis.call('strlen', keys[1]) end, "
             "flags={'no-writes'}, description='a length'}";
    case 2:
      return code + "('" + function +
             "', function(keys, args) return redis.call('append', keys[1], args[1]) end)";
    default:
      return code + "('" + function +
             "', function(keys, args) redis.call('incr', keys[1]) return "
             "redis.call('set', keys[1], args[1]) end)";
  }
}

}  // namespace

Argv DrawFunctionCommand(Draw* draw) {
  switch (draw->Below(14)) {
    case 0:
    case 1:
    case 2:
      return {"FUNCTION", "LOAD", DrawLibrary(draw)};
    case 3:
    case 4:
      return {"FUNCTION", "LOAD", "REPLACE", DrawLibrary(draw)};
    case 5:
      return {"FUNCTION", "DELETE", draw->Pick({"l", "m", "n"})};
    case 6:
      if (!draw->OneIn(3)) return {"FUNCTION", "STATS"};
      return {"FUNCTION", "FLUSH", draw->Pick({"SYNC", "ASYNC"})};
    case 7:
      // A transaction's array would have to be sorted as a whole.
      if (draw->in_transaction()) return {"FUNCTION", "STATS"};
      if (draw->OneIn(2)) return {"FUNCTION", "LIST"};
      return {"FUNCTION", "LIST", "WITHCODE", "LIBRARYNAME", draw->Pick({"*", "l", "[mn]"})};
    case 8:
      return {draw->Pick({"FCALL", "FCALL_RO"}), draw->Pick({"shared", "of_l"}), "0"};
    default:
      return {draw->Pick({"FCALL", "FCALL", "FCALL_RO"}),
              draw->Pick({"shared", "of_l", "OF_M", "of_n"}), "1", draw->StringKey(),
              draw->OneIn(2) ? draw->Element() : draw->Pick({"1", "7"})};
  }
}

}  // namespace runnel::compat
