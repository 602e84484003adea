// Publish and subscribe, and commands about the connection and the server.
#include "tests/compat/generator/draw.h"

namespace runnel::compat {

Argv DrawPubSubCommand(Draw* draw) {
  switch (draw->Below(10)) {
    case 0:
      if (draw->in_transaction()) return {"PUBSUB", "NUMPAT"};
      return {"PUBSUB", "CHANNELS"};
    case 1:
      return {"PUBSUB", "NUMSUB", draw->Channel(), draw->Channel()};
    case 2:
      return {"PUBSUB", "NUMPAT"};
    case 3:
      return {"PUBSUB", "SHARDNUMSUB", draw->Channel()};
    case 4:
    case 5:
      return {"SPUBLISH", draw->Channel(), draw->Element()};
    default:
      return {"PUBLISH", draw->Channel(), draw->Element()};
  }
}

Argv DrawSubscription(Draw* draw) {
  switch (draw->Below(8)) {
    case 0:
    case 1:
      return {"SUBSCRIBE", draw->Channel(), draw->Channel()};
    case 2:
      return {"PSUBSCRIBE", draw->Pattern()};
    case 3:
      return {"SSUBSCRIBE", draw->Channel()};
    case 4:
    case 5:
      return {"UNSUBSCRIBE", draw->Channel(), draw->Channel()};
    case 6:
      return {"PUNSUBSCRIBE", draw->Pattern()};
    default:
      return {"SUNSUBSCRIBE", draw->Channel()};
  }
}

Argv DrawConnectionCommand(Draw* draw) {
  switch (draw->Below(14)) {
    case 0:
      return {"PING"};
    case 1:
      return {"ECHO", draw->Element()};
    case 2:
      return {"SELECT", draw->Pick({"0", "0", "0", "0", "1", "16", "x"})};
    case 3:
      return {"CLIENT", "SETNAME", draw->Pick({"me", "you", "", "a b"})};
    case 4:
      return {"CLIENT", "GETNAME"};
    case 5:
      return {"WATCH", draw->AnyKey(), draw->AnyKey()};
    case 6:
      return {"UNWATCH"};
    case 7:
      return {draw->Pick({"FOO", "GETT", "XADDD"}), draw->Element(), draw->Element()};
    case 8:
      return {draw->Pick({"CLIENT", "XGROUP", "PUBSUB", "CONFIG"}), draw->Element()};
    case 9:
      return {"HELLO", draw->Pick({"1", "4", "x", ""})};
    case 10:
      return {draw->Pick({"EXEC", "DISCARD", "AUTH", "READONLY"})};
    case 11:
      return {"CONFIG", "GET", draw->Pick({"maxmemory", "none", "databases"})};
    case 12:
      return {"COMMAND", "GETKEYS", "LMOVE", draw->AnyKey(), draw->AnyKey(), "LEFT", "LEFT"};
    default:
      return {"CLIENT", "UNBLOCK", "{" + draw->Pick({"a", "b", "c", "d"}) + ".id}",
              draw->Pick({"TIMEOUT", "ERROR", "timeout", "FOO"})};
  }
}

}  // namespace runnel::compat
