// Commands on streams and their consumer groups.
#include "tests/compat/generator/draw.h"

namespace runnel::compat {
namespace {

Argv DrawAdd(Draw* draw) {
  Argv command = {"XADD", draw->StreamKey()};
  if (draw->OneIn(10)) command.push_back("NOMKSTREAM");
  // In a transaction, or with somebody waiting, an entry must not be trimmed away by the command
  // that adds it (woken-by-nothing).
  const bool careful = draw->in_transaction() || draw->somebody_waits;
  if (draw->OneIn(5)) {
    command.push_back("MAXLEN");
    if (draw->OneIn(2)) command.push_back(draw->OneIn(2) ? "=" : "~");
    const bool about = command.back() == "~";
    // With ~ the server chooses how much it trims; beyond the length of any stream here it is none.
    command.push_back(about ? "100000" : careful ? "5" : draw->Pick({"0", "1", "3", "5", "20"}));
    if (about && draw->OneIn(3)) command.insert(command.end(), {"LIMIT", draw->Pick({"0", "5"})});
  } else if (draw->OneIn(8) && !careful) {
    command.insert(command.end(), {"MINID", draw->OldId()});
  }
  command.push_back(draw->NewId());
  for (uint64_t left = 1 + draw->Below(3); left > 0; --left) {
    command.insert(command.end(), {draw->Pick({"f", "g", "h", ""}), draw->Element()});
  }
  return command;
}

Argv DrawTrim(Draw* draw) {
  if (draw->OneIn(2))
    return {"XTRIM", draw->StreamKey(), "MAXLEN", draw->Pick({"0", "2", "5", "10"})};
  return {"XTRIM", draw->StreamKey(), "MINID", draw->OldId()};
}

std::string DrawEnd(Draw* draw, const char* open) {
  if (draw->OneIn(3)) return open;
  return (draw->OneIn(4) ? "(" : "") + draw->OldId();
}

Argv DrawRange(Draw* draw) {
  Argv command = {"XRANGE", draw->StreamKey(), DrawEnd(draw, "-"), DrawEnd(draw, "+")};
  if (draw->OneIn(2)) {
    command[0] = "XREVRANGE";
    std::swap(command[2], command[3]);
  }
  if (draw->OneIn(2)) command.insert(command.end(), {"COUNT", draw->Count()});
  return command;
}

void AppendStreams(Draw* draw, bool group, bool wait, Argv* command) {
  // One that wakes up looks at all its streams again (order-of-ready-keys).
  const uint64_t streams = !wait && draw->OneIn(3) ? 2 : 1;
  command->push_back("STREAMS");
  for (uint64_t i = 0; i < streams; ++i)
    command->push_back(draw->StreamKey());
  for (uint64_t i = 0; i < streams; ++i) {
    const std::string open = group ? ">" : "$";
    command->push_back(draw->OneIn(3) ? draw->OldId() : draw->OneIn(4) ? "0" : open);
  }
}

Argv DrawRead(Draw* draw, bool wait) {
  Argv command = {"XREAD"};
  if (draw->OneIn(2)) command.insert(command.end(), {"COUNT", draw->Count()});
  if (wait) command.insert(command.end(), {"BLOCK", draw->Pick({"0", "0", "100000000"})});
  AppendStreams(draw, false, wait, &command);
  return command;
}

Argv DrawGroupRead(Draw* draw, bool wait) {
  Argv command = {"XREADGROUP", "GROUP", draw->Group(), draw->Consumer()};
  if (draw->OneIn(2)) command.insert(command.end(), {"COUNT", draw->Count()});
  if (wait) command.insert(command.end(), {"BLOCK", draw->Pick({"0", "0", "100000000"})});
  if (draw->OneIn(8)) command.push_back("NOACK");
  AppendStreams(draw, true, wait, &command);
  return command;
}

Argv DrawClaim(Draw* draw) {
  Argv command = {"XCLAIM", draw->StreamKey(), draw->Group(), draw->Consumer(),
                  draw->Pick({"0", "0", "0", "-1", "100000000"})};
  for (uint64_t left = 1 + draw->Below(4); left > 0; --left)
    command.push_back(draw->OldId());
  if (draw->OneIn(4)) command.insert(command.end(), {"IDLE", draw->Pick({"0", "200000000"})});
  if (draw->OneIn(6)) command.insert(command.end(), {"TIME", draw->Pick({"0", "1000"})});
  if (draw->OneIn(4)) command.insert(command.end(), {"RETRYCOUNT", draw->Pick({"0", "1", "5"})});
  if (draw->OneIn(4)) command.push_back("FORCE");
  if (draw->OneIn(4)) command.push_back("JUSTID");
  if (draw->OneIn(10)) command.insert(command.end(), {"LASTID", draw->OldId()});
  return command;
}

Argv DrawAutoClaim(Draw* draw) {
  Argv command = {"XAUTOCLAIM",
                  draw->StreamKey(),
                  draw->Group(),
                  draw->Consumer(),
                  draw->Pick({"0", "0", "100000000"}),
                  draw->OneIn(2) ? "0" : DrawEnd(draw, "-")};
  if (draw->OneIn(2)) command.insert(command.end(), {"COUNT", draw->Count()});
  if (draw->OneIn(3)) command.push_back("JUSTID");
  return command;
}

Argv DrawPending(Draw* draw) {
  Argv command = {"XPENDING", draw->StreamKey(), draw->Group()};
  if (draw->OneIn(3)) return command;
  if (draw->OneIn(4)) command.insert(command.end(), {"IDLE", draw->Pick({"0", "100000000"})});
  command.insert(command.end(), {DrawEnd(draw, "-"), DrawEnd(draw, "+"), draw->Count()});
  if (draw->OneIn(3)) command.push_back(draw->Consumer());
  return command;
}

Argv DrawGroupChange(Draw* draw) {
  const std::string key = draw->StreamKey();
  const uint64_t roll = draw->Below(20);
  if (roll < 11) {
    Argv command = {"XGROUP", "CREATE", key, draw->Pick({"g1", "g1", "g2"}),
                    draw->OneIn(4) ? draw->OldId() : draw->Pick({"0", "$"})};
    if (!draw->OneIn(4)) command.push_back("MKSTREAM");
    return command;
  }
  if (roll < 14) {
    return {"XGROUP", "SETID", key, draw->Group(), draw->OneIn(2) ? draw->OldId() : "0"};
  }
  if (roll < 16) return {"XGROUP", "CREATECONSUMER", key, draw->Group(), draw->Consumer()};
  // A consumer that is deleted while others wait could be created again by a look that finds
  // nothing (consumer-created-at-once); a group that a transaction destroys and makes again would
  // keep its waiters (unblocked-without-group).
  if (roll < 18 && !draw->somebody_waits && !draw->in_transaction()) {
    return {"XGROUP", "DELCONSUMER", key, draw->Group(), draw->Consumer()};
  }
  // The oracle lets all readers of the stream look when a group goes (woken-by-nothing).
  if (roll == 18 && !draw->somebody_waits && !draw->in_transaction()) {
    return {"XGROUP", "DESTROY", key, draw->Group()};
  }
  return {"XINFO", "GROUPS", key};
}

Argv DrawInfo(Draw* draw) {
  switch (draw->Below(4)) {
    case 0:
      return {"XINFO", "STREAM", draw->StreamKey()};
    case 1:
      return {"XINFO", "STREAM", draw->StreamKey(), "FULL"};
    case 2:
      return {"XINFO", "GROUPS", draw->StreamKey()};
    default:
      return {"XINFO", "CONSUMERS", draw->StreamKey(), draw->Group()};
  }
}

Argv DrawIds(const char* name, bool group, Draw* draw) {
  Argv command = {name, draw->StreamKey()};
  if (group) command.push_back(draw->Group());
  for (uint64_t left = 1 + draw->Below(4); left > 0; --left)
    command.push_back(draw->OldId());
  return command;
}

}  // namespace

Argv DrawStreamCommand(Draw* draw) {
  switch (draw->Below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
      return DrawAdd(draw);
    case 6:
      return {"XLEN", draw->StreamKey()};
    case 7:
    case 8:
    case 9:
      return DrawRange(draw);
    case 10:
      return DrawInfo(draw);
    case 11:
    case 12:
      // Not together with an XADD in one transaction: woken-by-nothing.
      return draw->in_transaction() ? DrawRange(draw) : DrawIds("XDEL", false, draw);
    case 13:
      return draw->in_transaction() ? DrawRead(draw, false) : DrawTrim(draw);
    case 14:
      // Always above everything: setid-below-deleted. Not with an XGROUP CREATE in one transaction:
      // woken-by-nothing.
      return draw->OneIn(3) && !draw->in_transaction()
                 ? Argv{"XSETID", draw->StreamKey(), draw->FreshId()}
                 : Argv{"XLEN", draw->StreamKey()};
    default:
      return DrawRead(draw, false);
  }
}

Argv DrawGroupCommand(Draw* draw) {
  switch (draw->Below(12)) {
    case 0:
    case 1:
      return DrawGroupChange(draw);
    case 2:
    case 3:
    case 4:
    case 5:
      return DrawGroupRead(draw, false);
    case 6:
    case 7:
      return DrawIds("XACK", true, draw);
    case 8:
      return DrawPending(draw);
    case 9:
      return DrawClaim(draw);
    case 10:
      return DrawAutoClaim(draw);
    default:
      return DrawInfo(draw);
  }
}

Argv DrawStreamWait(Draw* draw) {
  return draw->OneIn(2) ? DrawRead(draw, true) : DrawGroupRead(draw, true);
}

}  // namespace runnel::compat
