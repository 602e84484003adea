#include "commands/topic/options.h"

#include <limits>

#include "commands/topic/arguments.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

// An option with a number.
struct NumberOption {
  std::string_view name;
  uint64_t TopicOptions::*value;
  int64_t least;
  uint64_t most = INT64_MAX;
};
constexpr NumberOption kNumberOptions[] = {
    {"RETENTION-MS", &TopicOptions::retention_ms, 0},
    {"RETENTION-BYTES", &TopicOptions::retention_bytes, 0},
    {"RETENTION-ENTRIES", &TopicOptions::retention_entries, 0},
    {"TOMBSTONE-MS", &TopicOptions::tombstone_ms, 0},
    {"MAX-RECORD-BYTES", &TopicOptions::max_record_bytes, 1},
    {"MIN-INSYNC", &TopicOptions::min_insync, 0, TopicOptions::kMostInSync},
};

// Options that are words. Their bits in the set of options seen come after those of the numbers.
constexpr size_t kPartitions = std::size(kNumberOptions);
constexpr size_t kCleanup = kPartitions + 1;
constexpr size_t kPartitioner = kPartitions + 2;
constexpr size_t kNone = kPartitions + 3;

size_t FindOption(std::string_view name) {
  for (size_t i = 0; i < std::size(kNumberOptions); i++) {
    if (Is(name, kNumberOptions[i].name)) return i;
  }
  if (Is(name, "PARTITIONS")) return kPartitions;
  if (Is(name, "CLEANUP")) return kCleanup;
  return Is(name, "PARTITIONER") ? kPartitioner : kNone;
}

bool ReadCleanup(Context& context, std::string_view word, Cleanup* cleanup) {
  if (Is(word, "DELETE")) {
    *cleanup = Cleanup::kDelete;
  } else if (Is(word, "COMPACT")) {
    *cleanup = Cleanup::kCompact;
  } else if (Is(word, "BOTH")) {
    *cleanup = Cleanup::kBoth;
  } else {
    return Fail(context,
                fmt::format("ERR CLEANUP must be DELETE, COMPACT or BOTH, not '{}'", word));
  }
  return true;
}

bool ReadPartitioner(Context& context, std::string_view word, Partitioner* partitioner) {
  if (Is(word, "MURMUR2")) {
    *partitioner = Partitioner::kMurmur2;
  } else if (Is(word, "CRC32")) {
    *partitioner = Partitioner::kCrc32;
  } else {
    return Fail(context, fmt::format("ERR PARTITIONER must be MURMUR2 or CRC32, not '{}'", word));
  }
  return true;
}

bool ReadTopicOption(Context& context, size_t option, std::string_view text,
                     TopicSettings* settings) {
  if (option == kCleanup) return ReadCleanup(context, text, &settings->options.cleanup);
  if (option == kPartitioner) {
    return ReadPartitioner(context, text, &settings->options.partitioner);
  }
  if (option == kPartitions) {
    int64_t number;
    if (!ReadInteger(context, text, &number)) return false;
    settings->partitions = number;
    return true;
  }
  const NumberOption& known = kNumberOptions[option];
  uint64_t& value = settings->options.*known.value;
  if (!ReadNumberOption(context, known.name, text, known.least, &value)) return false;
  if (value <= known.most) return true;
  return Fail(context,
              fmt::format("ERR {} must be at most {}, not {}", known.name, known.most, value));
}

}  // namespace

bool ReadTopicSettings(Context& context, size_t i, bool creating, TopicSettings* settings) {
  uint32_t seen = 0;
  for (; i < context.argc(); i++) {
    const std::string_view name = context.arg(i);
    if (creating && Is(name, "NX")) {
      if (settings->only_new) return Fail(context, "ERR NX is given twice");
      settings->only_new = true;
      continue;
    }
    const size_t option = FindOption(name);
    if (option == kNone) return Fail(context, fmt::format("ERR unknown option '{}'", name));
    if (!creating && (option == kCleanup || option == kPartitioner)) {
      return Fail(context, fmt::format("ERR {} of a topic cannot be changed", name));
    }
    if ((seen & (1u << option)) != 0) {
      return Fail(context, fmt::format("ERR {} is given twice", name));
    }
    seen |= 1u << option;
    if (i + 1 == context.argc()) return Fail(context, fmt::format("ERR {} needs a value", name));
    if (!ReadTopicOption(context, option, context.arg(++i), settings)) return false;
  }
  return true;
}

std::string_view NameOf(Cleanup cleanup) {
  switch (cleanup) {
    case Cleanup::kDelete:
      return "delete";
    case Cleanup::kCompact:
      return "compact";
    case Cleanup::kBoth:
      return "both";
  }
  return "";
}

std::string_view NameOf(Partitioner partitioner) {
  return partitioner == Partitioner::kCrc32 ? "crc32" : "murmur2";
}

}  // namespace runnel::commands
