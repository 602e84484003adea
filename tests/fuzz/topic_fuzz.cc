// Commands on topics: any arguments are answered, an error has changed nothing, and the effects
// lead to the state that the commands have led to.
//
// Input: lines. The first byte of a line chooses the command, its words are the arguments.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "commands/families.h"
#include "commands/testing.h"
#include "data/stream/stream.h"

namespace {

using namespace runnel;

constexpr std::array<std::string_view, 16> kCommands = {
    "TADDM t",        "TADDM",           "TADD t",           "TADD",          "TREAD",
    "TOPIC TRIM",     "TOPIC OFFSETS",   "TOPIC ALTER",      "TOPIC CREATE",  "DEL",
    "TPRODUCER OPEN", "TPRODUCER CLOSE", "TREAD PARTITIONS", "XGROUP CREATE", "XREADGROUP",
    "TOPIC DESCRIBE"};

void CheckPartitions(const Keyspace& keyspace) {
  keyspace.table(CompanionOf(0)).ForEach([](const KeyEntry* entry) {
    const Stream* stream = entry->As<Stream>();
    if (stream == nullptr) return;
    CHECK(stream->is_partition());
    CHECK(stream->next_offset() - stream->first_offset() == stream->length());
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  CommandRunner runner({TopicCommands(), StreamCommands(), GroupCommands(), KeyspaceCommands()});
  runner.options.topic_max_partitions = 50;
  runner.Run("TOPIC CREATE t PARTITIONS 3 MAX-RECORD-BYTES 300");
  runner.Run("TPRODUCER OPEN t p");
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) continue;
    std::string command(kCommands[static_cast<uint8_t>(line[0]) % kCommands.size()]);
    command.append(" ").append(line.substr(1));
    runner.now_ms++;
    const std::string reply = runner.Run(command.c_str());
    CHECK(runner.blocked() || !reply.empty());
    if (reply.starts_with('-')) CHECK(runner.effects().empty());
    if (reply.starts_with("-DUPLICATE") || !reply.starts_with('*')) continue;
    // What a producer sends again gets its first reply, and adds nothing.
    if (command.starts_with("TADD") && command.find(" PRODUCER ") != std::string::npos &&
        !runner.effects().empty() && runner.effects().back() == "producer-accept") {
      CHECK(runner.Run(command.c_str()) == reply);
      CHECK(runner.effects().empty());
    }
  }
  CheckPartitions(runner.keyspace());
  CHECK(runner.Replayed() == ContentOf(runner.keyspace()));
  return 0;
}
