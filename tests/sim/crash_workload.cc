#include "tests/sim/crash_workload.h"

#include <algorithm>
#include <utility>

namespace runnel::sim {
namespace {

constexpr size_t kKnownIds = 12;
constexpr size_t kLargeBytes = 3000;
constexpr size_t kBlockBytes = 5000;  // more than half of a list's block

}  // namespace

CrashWorkload::CrashWorkload(uint64_t seed) : draw_(seed) {
  draw_.waits_for_several = draw_.OneIn(2);
}

Argv CrashWorkload::Next(bool may_wait) {
  if (long_lists && draw_.OneIn(2)) return DrawLongList(may_wait);
  if (compacted_topic && draw_.OneIn(2)) return DrawCompactedTopic(may_wait);
  const uint64_t roll = draw_.Below(100);
  // What the longer streams are for, files of their entries, needs most of the commands.
  if (long_streams && roll >= 45 && roll < 67 && !draw_.OneIn(4)) return DrawClocked();
  Argv command;
  if (may_wait && roll < 8) {
    command = draw_.OneIn(3)   ? DrawSortedSetWait(&draw_)
              : draw_.OneIn(2) ? DrawListWait(&draw_)
                               : DrawStreamWait(&draw_);
  } else if (roll < 20) {
    command = DrawListCommand(&draw_);
  } else if (roll < 31) {
    command = DrawStreamCommand(&draw_);
  } else if (roll < 40) {
    command = DrawGroupCommand(&draw_);
  } else if (roll < 45) {
    command = DrawStringCommand(&draw_);
  } else if (roll < 49) {
    command = DrawHashCommand(&draw_);
  } else if (roll < 53) {
    command = draw_.OneIn(6) ? DrawChance() : DrawSetCommand(&draw_);
  } else if (roll < 58) {
    command = DrawSortedSetCommand(&draw_);
  } else if (roll < 60) {
    command = DrawSortCommand(&draw_);
  } else if (roll < 62) {
    command = DrawFunctions();
  } else if (roll < 67) {
    command = DrawKeyCommand(&draw_);
  } else if (roll < 69) {
    return DrawTransfer(may_wait);
  } else if (roll < 73) {
    return DrawExpiring();
  } else if (roll < 75) {
    return DrawGroupRead(may_wait);
  } else if (roll < 82) {
    return DrawTopic(may_wait);
  } else if (roll < 87) {
    return DrawTopicGroup(may_wait);
  } else if (roll < 89) {
    return DrawCompactedTopic(may_wait);
  } else {
    return DrawClocked();
  }
  // Spoilt, it would exchange databases that others rely on.
  if (draw_.OneIn(16) && command[0] != "SWAPDB") command = Spoil(command, &draw_);
  return command;
}

void CrashWorkload::Learn(const Argv& command, const test::Reply& reply) {
  if (command[0] == "TREADGROUP" && reply.kind == test::Reply::Kind::kArray) {
    for (const test::Reply& part : reply.items) {
      given_.push_back({part.items[0].text, std::to_string(part.items[1].integer),
                        part.items[2].items.back().items[0].text});
    }
    while (given_.size() > kKnownIds) {
      given_.pop_front();
    }
    return;
  }
  if (reply.kind == test::Reply::Kind::kArray && reply.items.size() == 2) {
    if (command[0] == "TPRODUCER") {
      producer_epoch_ = reply.items[0].integer;
      producer_seq_ = reply.items[1].integer + 1;
    } else if (command[0] == "TADD") {
      if (command.size() > 4 && command[2] == "PRODUCER") producer_seq_++;
      std::deque<std::string>& ids = known_ids_[reply.items[0].text];
      ids.push_back(reply.items[1].text);
      if (ids.size() > kKnownIds) ids.pop_front();
    }
  }
  if (reply.kind != test::Reply::Kind::kBulk) return;
  if (command[0] == "DUMP") dump_ = reply.text;
  if (command[0] == "FUNCTION" && command.size() == 2) function_dump_ = reply.text;
  if (command[0] == "XADD") {
    std::deque<std::string>& ids = known_ids_[command[1]];
    ids.push_back(reply.text);
    if (ids.size() > kKnownIds) ids.pop_front();
  }
}

Argv CrashWorkload::DrawFunctions() {
  if (draw_.OneIn(8)) return {"FUNCTION", "DUMP"};
  if (!function_dump_.empty() && draw_.OneIn(8)) {
    return {"FUNCTION", "RESTORE", function_dump_, draw_.Pick({"FLUSH", "REPLACE", "APPEND"})};
  }
  return DrawFunctionCommand(&draw_);
}

Argv CrashWorkload::DrawClocked() {
  switch (draw_.Below(long_streams ? 20 : 12)) {
    case 12:
    case 13:
      if (draw_.OneIn(2)) return {"XRANGE", ClockedKey(), "-", "+"};
      return {"XREVRANGE", ClockedKey(), "+", "-"};
    case 14:
      return {"XREAD", "STREAMS", "t1", "t2", KnownId("t1"), "0"};
    case 15:
    case 16:
    case 17:
    case 18:
    case 19:
    case 0:
    case 1:
    case 2:
    case 3:
      return DrawAdd();
    case 4:
      return DrawTrim();
    case 5:
    case 6:
      return DrawAcknowledgement();
    case 7:
    case 8:
      return DrawGroupRead(false);
    case 9:
      return DrawGroupChange();
    case 10:
      return DrawClaim();
    default:
      break;
  }
  if (draw_.OneIn(2)) return {"COPY", "t1", "t2", "REPLACE"};
  switch (draw_.Below(6)) {
    case 0:
      return {"XCFGSET", ClockedKey(), "IDMP-MAXSIZE", draw_.Pick({"1", "2", "3"})};
    case 1:
      return {"XCFGSET", ClockedKey(), "IDMP-DURATION", draw_.Pick({"1", "2", "100"})};
    case 2:
      return {"XCFGSET", ClockedKey(), "RETENTION-MS", draw_.Pick({"0", "0", "30", "200"})};
    case 3:
      return {"XCFGSET", ClockedKey(), "RETENTION-BYTES", draw_.Pick({"0", "0", "400", "9000"})};
    case 4:
      return {"XCFGSET", ClockedKey(), "RETENTION-ENTRIES", draw_.Pick({"0", "0", "5", "30"})};
    default:
      return {"XCFGSET", ClockedKey(), "ON-ACK", draw_.Pick({"KEEP", "KEEP", "DELETE"})};
  }
}

std::string CrashWorkload::KnownId(const std::string& key) {
  const std::deque<std::string>& ids = known_ids_[key];
  return ids.empty() || draw_.OneIn(20) ? draw_.OldId() : ids[draw_.Below(ids.size())];
}

void CrashWorkload::AppendReferences(Argv* command) {
  if (draw_.OneIn(2)) command->push_back(draw_.Pick({"KEEPREF", "DELREF", "ACKED"}));
}

void CrashWorkload::AppendIds(const std::string& key, Argv* command) {
  const uint64_t count = 1 + draw_.Below(3);
  command->insert(command->end(), {"IDS", std::to_string(count)});
  for (uint64_t i = 0; i < count; ++i)
    command->push_back(KnownId(key));
}

Argv CrashWorkload::DrawAdd() {
  Argv command = {"XADD", ClockedKey()};
  if (draw_.OneIn(10)) command.push_back("NOMKSTREAM");
  if (draw_.OneIn(3)) {
    if (draw_.OneIn(2)) {
      command.insert(command.end(), {"IDMP", draw_.Pick({"p", "q"}), draw_.Pick({"1", "2", "3"})});
    } else {
      command.insert(command.end(), {"IDMPAUTO", draw_.Pick({"p", "q"})});
    }
  }
  if (draw_.OneIn(4)) {
    AppendReferences(&command);
    command.insert(command.end(),
                   {"MAXLEN", draw_.Pick({"=", "~"}),
                    long_streams ? draw_.Pick({"9", "30", "50"}) : draw_.Pick({"1", "5", "9"})});
  }
  command.push_back("*");
  for (uint64_t left = 1 + draw_.Below(3); left > 0; --left) {
    command.insert(command.end(), {draw_.Pick({"f", "g"}), draw_.Element()});
  }
  if (long_streams) command.back().append(300 + draw_.Below(600), 'y');
  if (draw_.OneIn(30)) command.back() = std::string(kLargeBytes, 'x');
  return command;
}

Argv CrashWorkload::DrawTrim() {
  const std::string key = ClockedKey();
  if (draw_.OneIn(3)) {
    Argv command = {"XDELEX", key};
    AppendReferences(&command);
    AppendIds(key, &command);
    return command;
  }
  if (draw_.OneIn(2)) return {"XDEL", key, KnownId(key), KnownId(key)};
  Argv command = {"XTRIM", key};
  AppendReferences(&command);
  if (draw_.OneIn(2)) {
    command.insert(command.end(), {"MAXLEN", draw_.Pick({"=", "~"}),
                                   long_streams ? draw_.Pick({"0", "7", "15", "40"})
                                                : draw_.Pick({"0", "3", "6"})});
  } else {
    command.insert(command.end(), {"MINID", draw_.Pick({"=", "~"}), KnownId(key)});
  }
  return command;
}

Argv CrashWorkload::DrawAcknowledgement() {
  const std::string key = ClockedKey();
  const std::string group = draw_.Group();
  switch (draw_.Below(4)) {
    case 0: {
      Argv command = {"XACKDEL", key, group};
      AppendReferences(&command);
      AppendIds(key, &command);
      return command;
    }
    case 1: {
      Argv command = {"XNACK", key, group, draw_.Pick({"SILENT", "FAIL", "FATAL"})};
      AppendIds(key, &command);
      if (draw_.OneIn(3)) command.push_back("FORCE");
      if (draw_.OneIn(4)) command.insert(command.end(), {"RETRYCOUNT", draw_.Pick({"0", "7"})});
      return command;
    }
    default:
      return {"XACK", key, group, KnownId(key), KnownId(key)};
  }
}

Argv CrashWorkload::DrawGroupRead(bool may_wait) {
  Argv command = {"XREADGROUP", "GROUP", draw_.Group(), draw_.Consumer()};
  if (draw_.OneIn(2)) command.insert(command.end(), {"COUNT", draw_.Pick({"1", "2", "5"})});
  if (may_wait) command.insert(command.end(), {"BLOCK", draw_.Pick({"0", "50", "200"})});
  if (draw_.OneIn(3)) command.insert(command.end(), {"CLAIM", draw_.Pick({"0", "20", "100"})});
  if (draw_.OneIn(8)) command.push_back("NOACK");
  command.insert(command.end(), {"STREAMS", ClockedKey(), draw_.OneIn(6) ? "0" : ">"});
  return command;
}

Argv CrashWorkload::DrawGroupChange() {
  const std::string key = ClockedKey();
  const std::string group = draw_.Group();
  switch (draw_.Below(10)) {
    case 0:
      return {"XGROUP", "DESTROY", key, group};
    case 1:
      return {"XGROUP", "DELCONSUMER", key, group, draw_.Consumer()};
    case 2:
      return {"XGROUP", "CREATECONSUMER", key, group, draw_.Consumer()};
    case 3:
      return {"XGROUP", "SETID", key, group, KnownId(key), "ENTRIESREAD", draw_.Pick({"0", "4"})};
    case 4:
      return {"XSETID", key, KnownId(key), "ENTRIESADDED", draw_.Pick({"3", "100"})};
    default:
      return {"XGROUP", "CREATE", key, group, draw_.Pick({"0", "$"}), "MKSTREAM"};
  }
}

Argv CrashWorkload::DrawClaim() {
  const std::string key = ClockedKey();
  const std::string idle = draw_.Pick({"0", "20", "100"});
  if (draw_.OneIn(2)) {
    Argv command = {"XAUTOCLAIM", key, draw_.Group(), draw_.Consumer(), idle, "-"};
    if (draw_.OneIn(2)) command.insert(command.end(), {"COUNT", draw_.Pick({"1", "3"})});
    if (draw_.OneIn(3)) command.push_back("JUSTID");
    return command;
  }
  Argv command = {"XCLAIM", key, draw_.Group(), draw_.Consumer(), idle, KnownId(key), KnownId(key)};
  if (draw_.OneIn(4)) command.push_back("FORCE");
  if (draw_.OneIn(4)) command.insert(command.end(), {"IDLE", "30"});
  return command;
}

Argv CrashWorkload::DrawTransfer(bool may_wait) {
  if (draw_.OneIn(3)) return {"DUMP", draw_.OneIn(2) ? ClockedKey() : AnyKey()};
  if (draw_.OneIn(3) && !dump_.empty()) {
    return {"RESTORE", AnyKey(), draw_.Pick({"0", "0", "150"}), dump_, "REPLACE"};
  }
  Argv command = {may_wait ? "BLMOVEM" : "LMOVEM", draw_.ListKey(), draw_.ListKey(),
                  draw_.Pick({"LEFT", "RIGHT"}), draw_.Pick({"LEFT", "RIGHT"})};
  if (may_wait) command.push_back(draw_.Pick({"0", "0.1"}));
  command.insert(command.end(), {draw_.Pick({"COUNT", "EXACTLY"}), draw_.Pick({"1", "2", "3"}),
                                 draw_.Pick({"BULK", "OBO"})});
  return command;
}

// What the comparison with Redis cannot draw, because chance decides it.
Argv CrashWorkload::DrawChance() {
  switch (draw_.Below(6)) {
    case 0:
      return {"SRANDMEMBER", draw_.SetKey(), draw_.Pick({"-3", "1"})};
    case 1:
      return {draw_.Pick({"ZRANDMEMBER", "HRANDFIELD"}),
              draw_.OneIn(2) ? draw_.SortedSetKey() : draw_.HashKey(), draw_.Pick({"-3", "1"})};
    case 2:
    case 3:
      return {"SPOP", draw_.SetKey(), draw_.Pick({"1", "2"})};
    default:
      return {"SPOP", draw_.SetKey()};
  }
}

Argv CrashWorkload::DrawExpiring() {
  const std::string ms = draw_.Pick({"1", "30", "100", "400"});
  switch (draw_.Below(8)) {
    case 4:
      return {"HPEXPIRE", draw_.HashKey(), ms, "FIELDS", "2", draw_.Pick({"f", "g"}), "n"};
    case 5:
      return {"HPERSIST", draw_.HashKey(), "FIELDS", "1", draw_.Pick({"f", "n"})};
    case 6:
      // The first of these is over at once, and takes the field away.
      return {draw_.Pick({"HEXPIREAT", "HPEXPIREAT", "HEXPIRE"}),
              draw_.HashKey(),
              draw_.Pick({"1", "4102444800000"}),
              draw_.Pick({"NX", "XX", "GT", "LT"}),
              "FIELDS",
              "2",
              draw_.Pick({"f", "g"}),
              draw_.Pick({"h", "n"})};
    case 7:
      return {draw_.Pick({"COPY", "RENAME"}), draw_.HashKey(), draw_.HashKey()};
    case 0:
      return {"SET", draw_.StringKey(), draw_.Element(), "PX", ms};
    case 1:
      return {"GETEX", draw_.StringKey(), "PX", ms};
    default:
      return {"PEXPIRE", draw_.OneIn(3) ? ClockedKey() : AnyKey(), ms};
  }
}

Argv CrashWorkload::DrawRecord() {
  Argv command = {"TADD", draw_.OneIn(3) ? "tp/0" : "tp"};
  if (draw_.OneIn(3)) {
    // Now and then the number of a command before, or one too far.
    const int64_t seq = producer_seq_ - (draw_.OneIn(4) ? 1 : 0) + (draw_.OneIn(20) ? 1 : 0);
    command.insert(command.end(), {"PRODUCER", "p", std::to_string(producer_epoch_),
                                   std::to_string(std::max<int64_t>(seq, 0))});
  }
  if (draw_.OneIn(2)) {
    command.insert(command.end(), {"KEY", draw_.Element()});
    if (draw_.OneIn(6)) {
      command.push_back("TOMBSTONE");
      return command;
    }
  }
  command.insert(command.end(), {"*", draw_.Pick({"f", "g"}), draw_.Element()});
  if (long_streams) command.back().append(300 + draw_.Below(600), 'y');
  return command;
}

Argv CrashWorkload::DrawPartitionAsStream(bool may_wait) {
  switch (draw_.Below(6)) {
    case 0:
      return {"XGROUP", "CREATE", "tp/0", draw_.Group(), draw_.Pick({"0", "$"})};
    case 1:
      return {"XACK", "tp/0", draw_.Group(), KnownId("tp/0"), KnownId("tp/0")};
    case 2:
      return {"XRANGE", "tp/0", "-", "+", "COUNT", "3"};
    default:
      break;
  }
  Argv command = {"XREADGROUP", "GROUP", draw_.Group(), draw_.Consumer()};
  if (may_wait) command.insert(command.end(), {"BLOCK", draw_.Pick({"0", "50"})});
  command.insert(command.end(), {"STREAMS", "tp/0", draw_.OneIn(6) ? "0" : ">"});
  return command;
}

Argv CrashWorkload::DrawTopic(bool may_wait) {
  switch (draw_.Below(24)) {
    case 0:
    case 1:
      return {"TOPIC", "CREATE", "tp", "NX", "PARTITIONS", draw_.Pick({"1", "2", "3"})};
    case 2:
      if (draw_.OneIn(2)) return {"TOPIC", "ALTER", "tp", "PARTITIONS", draw_.Pick({"3", "4"})};
      return {"TOPIC", "ALTER", "tp", "RETENTION-ENTRIES", draw_.Pick({"0", "0", "5", "30"})};
    case 3:
      switch (draw_.Below(6)) {
        case 0:
          return {"TOPIC", "DELETE", "tp"};
        case 1:
          return {"PEXPIRE", "tp", draw_.Pick({"30", "400"})};
        case 2:
          return {"SET", "tp", "v", "PX", "30"};
        default:
          return {"TOPIC", "ALTER", "tp", "RETENTION-MS", draw_.Pick({"0", "200"})};
      }
    case 4:
      return {"TOPIC", "TRIM", "tp/0", draw_.OneIn(6) ? std::string("LATEST") : KnownId("tp/0")};
    case 5:
      return draw_.OneIn(12) ? Argv{"TPRODUCER", "CLOSE", "tp", "p"}
                             : Argv{"TPRODUCER", "OPEN", "tp", "p"};
    case 6:
    case 7: {
      Argv command = {"TADDM", "tp", "FIELDS", "1", "f", "RECORDS"};
      for (uint64_t left = 1 + draw_.Below(5); left > 0; --left) {
        command.insert(command.end(), {draw_.Element(), draw_.Element()});
      }
      return command;
    }
    case 8: {
      Argv command = {"TREAD"};
      if (may_wait) command.insert(command.end(), {"BLOCK", draw_.Pick({"0", "50"})});
      command.insert(command.end(), {"PARTITIONS", "tp/0", draw_.Pick({"EARLIEST", "LATEST"})});
      return command;
    }
    case 9:
    case 10:
    case 11:
      return DrawPartitionAsStream(may_wait);
    default:
      return DrawRecord();
  }
}

Argv CrashWorkload::DrawTopicCommit() {
  if (given_.empty()) return {"TCOMMIT", "tg", "tp/0", "0", draw_.Pick({"0", "1", "LATEST"})};
  const auto& [partition, epoch, id] = given_[draw_.Below(given_.size())];
  if (draw_.OneIn(3)) {
    // Now and then one that does not exist, or is not the last one that was given.
    return {"TACK", "tg", partition, epoch, draw_.OneIn(3) ? KnownId(partition) : id};
  }
  return {"TCOMMIT", "tg", partition, epoch, id};
}

Argv CrashWorkload::DrawTopicGroup(bool may_wait) {
  const std::string member = draw_.Pick({"m1", "m2", "m3"});
  switch (draw_.Below(16)) {
    case 0:
      return {"TGROUP", "CREATE", "tg", "SESSION-MS", "300", "GRACE-MS", "50", "MOVE-MS", "100"};
    case 1:
      return {"TGROUP", "ALTER", "tg", "ASSIGN", draw_.Pick({"UNIFORM", "RANGE"})};
    case 2:
      return draw_.OneIn(6) ? Argv{"TGROUP", "DELETE", "tg", "FORCE"}
                            : Argv{"TGROUP", "LEAVE", "tg", member};
    case 3:
      return {"TGROUP", "RESET",
              "tg",     draw_.Pick({"tp", "tp", "tc"}),
              "TO",     draw_.Pick({"EARLIEST", "+1", "-2", "LATEST"})};
    case 4:
      return {"TGROUP", "HEARTBEAT", "tg", member};
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
      return DrawTopicCommit();
    default:
      break;
  }
  Argv command = {"TREADGROUP", "tg", member, "COUNT", draw_.Pick({"1", "2", "5"})};
  if (may_wait) command.insert(command.end(), {"BLOCK", draw_.Pick({"0", "50", "200"})});
  if (draw_.OneIn(6)) command.push_back(draw_.Pick({"NOACK", "AUTOCOMMIT"}));
  command.insert(command.end(), {"FROM", draw_.Pick({"EARLIEST", "LATEST"}), "TOPICS",
                                 draw_.Pick({"tp", "tp", "tc", "t*"})});
  return command;
}

std::string CrashWorkload::RecordKey() {
  const uint64_t many = long_streams ? 40 : 15;
  return "k" + std::to_string(draw_.Below(draw_.OneIn(2) ? many : 4));
}

Argv CrashWorkload::CreateCompactedTopic() {
  return {"TOPIC",
          "CREATE",
          "tc",
          "NX",
          "PARTITIONS",
          draw_.Pick({"1", "1", "2"}),
          "CLEANUP",
          draw_.Pick({"COMPACT", "BOTH"}),
          "TOMBSTONE-MS",
          draw_.Pick({"0", "30", "100", "400"}),
          "RETENTION-ENTRIES",
          draw_.Pick({"0", "6", "20"}),
          "RETENTION-MS",
          draw_.Pick({"0", "0", "300"})};
}

// Topic tc keeps the newest record of each key.
Argv CrashWorkload::DrawCompactedTopic(bool may_wait) {
  switch (draw_.Below(32)) {
    case 0:
      return CreateCompactedTopic();
    case 2:
      return {"TOPIC", "ALTER", "tc", "TOMBSTONE-MS", draw_.Pick({"0", "30", "100", "400"})};
    case 3:
      switch (draw_.Below(6)) {
        case 0:
          return draw_.OneIn(3) ? Argv{"TOPIC", "DELETE", "tc"} : CreateCompactedTopic();
        case 1:
          return {"TOPIC", "ALTER", "tc", "PARTITIONS", "2"};
        case 2:
          return {"TOPIC", "ALTER", "tc", "RETENTION-MS", draw_.Pick({"0", "200"})};
        default:
          return {"TOPIC", "ALTER", "tc", "RETENTION-ENTRIES", draw_.Pick({"0", "4", "15"})};
      }
    case 4:
      return {"TOPIC", "TRIM", "tc/0", draw_.OneIn(8) ? std::string("LATEST") : KnownId("tc/0")};
    case 5:
      // Refused.
      return {"TADD", "tc", "*", "f", draw_.Element()};
    case 6:
    case 7:
    case 8: {
      Argv command = {"TADDM", draw_.OneIn(2) ? "tc" : "tc/0", "FIELDS", "1", "f", "RECORDS"};
      for (uint64_t left = 1 + draw_.Below(6); left > 0; --left) {
        command.insert(command.end(), {RecordKey(), draw_.Element()});
        if (long_streams) command.back().append(300 + draw_.Below(600), 'y');
      }
      return command;
    }
    case 9:
      return {"TREAD", "WITHKEY", "PARTITIONS", "tc/0", draw_.Pick({"EARLIEST", "LATEST"})};
    case 10:
      return draw_.OneIn(2) ? Argv{"XRANGE", "tc/0", "-", "+"}
                            : Argv{"XREVRANGE", "tc/0", "+", "-"};
    case 11:
      return {"XGROUP", "CREATE", "tc/0", draw_.Group(), draw_.Pick({"0", "$"})};
    case 12:
      return {"XACK", "tc/0", draw_.Group(), KnownId("tc/0"), KnownId("tc/0")};
    case 13: {
      Argv command = {"XREADGROUP", "GROUP", draw_.Group(), draw_.Consumer()};
      if (may_wait) command.insert(command.end(), {"BLOCK", draw_.Pick({"0", "50"})});
      command.insert(command.end(), {"STREAMS", "tc/0", draw_.OneIn(6) ? "0" : ">"});
      return command;
    }
    case 14:
    case 15:
    case 16: {
      Argv command = {"TREADGROUP", "tg", draw_.Pick({"m1", "m2"}), "COUNT",
                      draw_.Pick({"1", "2", "5"})};
      if (may_wait) command.insert(command.end(), {"BLOCK", draw_.Pick({"0", "50"})});
      command.insert(command.end(), {"FROM", "EARLIEST", "TOPICS", draw_.Pick({"tc", "t*"})});
      return command;
    }
    case 17:
    case 18:
    case 19:
      return DrawTopicCommit();
    default:
      break;
  }
  Argv command = {"TADD", draw_.OneIn(2) ? "tc/0" : "tc", "KEY", RecordKey()};
  if (draw_.OneIn(4)) {
    command.push_back("TOMBSTONE");
    return command;
  }
  command.insert(command.end(), {"*", draw_.Pick({"f", "g"}), draw_.Element()});
  if (long_streams) command.back().append(300 + draw_.Below(600), 'y');
  return command;
}

Argv CrashWorkload::DrawLongList(bool may_wait) {
  const std::string key = draw_.Pick({"q1", "q2"});
  const std::string end = draw_.Pick({"LEFT", "RIGHT"});
  const std::string other_end = draw_.Pick({"LEFT", "RIGHT"});
  const std::string index = std::to_string(static_cast<int64_t>(draw_.Below(40)) - 20);
  const auto element = [this] { return draw_.Element() + std::string(kBlockBytes, 'z'); };
  switch (draw_.Below(24)) {
    case 0:
      return {"LSET", key, index, element()};
    case 1:
      return {"LINSERT", key, draw_.Pick({"BEFORE", "AFTER"}), element(), element()};
    case 2:
      return {"LREM", key, draw_.Pick({"0", "1", "-2"}), element()};
    case 3:
      return {"LTRIM", key, draw_.Pick({"0", "2", "5"}), draw_.Pick({"-1", "-3", "30"})};
    case 4:
      return {"LRANGE", key, index, draw_.Pick({"-1", "10", "25"})};
    case 5:
      return {"LINDEX", key, index};
    case 6:
      return {"LPOS", key, element()};
    case 7:
      if (may_wait) return {"BLMOVE", "q1", "q2", end, other_end, "0.05"};
      return {"LMOVE", "q1", "q2", end, other_end};
    case 8:
      return {"COPY", "q1", draw_.Pick({"q2", "q3"}), "REPLACE"};
    case 9:
      return draw_.OneIn(4) ? Argv{"DEL", key} : Argv{"RENAME", "q3", key};
    case 10:
      return {"LMPOP", "2", "q1", "q2", end, "COUNT", draw_.Pick({"1", "4"})};
    case 11:
    case 12:
      return {draw_.Pick({"LPOP", "RPOP"}), key, draw_.Pick({"1", "3", "9"})};
    case 13:
      return {draw_.Pick({"LPOP", "RPOP"}), key};
    default:
      break;
  }
  Argv command = {draw_.Pick({"LPUSH", "RPUSH"}), key};
  for (uint64_t left = 1 + draw_.Below(5); left > 0; --left) {
    command.push_back(element());
  }
  return command;
}

}  // namespace runnel::sim
