#pragma once

#include <array>
#include <deque>
#include <map>
#include <string>

#include "tests/compat/generator/draw.h"
#include "tests/support/reply.h"

namespace runnel::sim {

using test::Argv;

// Draws what the clients of a crash simulation ask: commands that change values of every type, with
// few keys so that they meet. It learns from replies which IDs streams have given.
class CrashWorkload {
 public:
  explicit CrashWorkload(uint64_t seed);

  // Streams of some KiB instead of a few entries.
  bool long_streams = false;
  // Two more lists, each of a block for each of its elements, so that the middle is worth the disk.
  bool long_lists = false;
  // Half of the commands are about the topic that keeps the newest record of each key.
  bool compacted_topic = false;

  // A command on data; one that may wait for a key if `may_wait`.
  Argv Next(bool may_wait);
  // The compacted topic, with some options.
  Argv CreateCompactedTopic();
  std::string AnyKey() { return draw_.AnyKey(); }
  // A reply to a command of this workload.
  void Learn(const Argv& command, const test::Reply& reply);

 private:
  // What the families of the comparison with Redis do not draw: IDs and expiries that hang on the
  // clock, and commands that only some versions know.
  Argv DrawFunctions();
  Argv DrawClocked();
  Argv DrawAdd();
  Argv DrawTrim();
  Argv DrawAcknowledgement();
  Argv DrawGroupRead(bool may_wait);
  Argv DrawGroupChange();
  Argv DrawClaim();
  Argv DrawTransfer(bool may_wait);
  Argv DrawChance();
  Argv DrawExpiring();
  Argv DrawLongList(bool may_wait);
  Argv DrawTopic(bool may_wait);
  Argv DrawRecord();
  Argv DrawPartitionAsStream(bool may_wait);
  Argv DrawTopicGroup(bool may_wait);
  Argv DrawTopicCommit();
  Argv DrawCompactedTopic(bool may_wait);
  std::string RecordKey();

  std::string ClockedKey() { return draw_.Pick({"t1", "t2"}); }
  std::string KnownId(const std::string& key);
  void AppendReferences(Argv* command);
  void AppendIds(const std::string& key, Argv* command);

  compat::Draw draw_;
  std::map<std::string, std::deque<std::string>> known_ids_;  // by key
  // The idempotent producer of topic tp, as its replies tell.
  int64_t producer_epoch_ = 0;
  int64_t producer_seq_ = 0;
  // What members of topic groups were given last: partition, epoch, ID of the last record.
  std::deque<std::array<std::string, 3>> given_;
  std::string dump_;           // the last payload that DUMP gave
  std::string function_dump_;  // the last one of FUNCTION DUMP
};

}  // namespace runnel::sim
