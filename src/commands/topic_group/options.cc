#include "commands/topic_group/options.h"

#include "commands/topic_group/arguments.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

struct GroupNumberOption {
  std::string_view name;
  uint64_t TopicGroupOptions::*value;
  int64_t least;
};
constexpr GroupNumberOption kGroupNumberOptions[] = {
    {"SESSION-MS", &TopicGroupOptions::session_ms, 1},
    {"GRACE-MS", &TopicGroupOptions::grace_ms, 0},
    {"MOVE-MS", &TopicGroupOptions::move_ms, 0},
    {"EXPIRE-MS", &TopicGroupOptions::expire_ms, 0},
};
constexpr size_t kFrom = std::size(kGroupNumberOptions);
constexpr size_t kAssign = kFrom + 1;
constexpr size_t kNoGroupOption = kFrom + 2;

size_t FindGroupOption(std::string_view name) {
  for (size_t i = 0; i < std::size(kGroupNumberOptions); i++) {
    if (Is(name, kGroupNumberOptions[i].name)) return i;
  }
  if (Is(name, "FROM")) return kFrom;
  return Is(name, "ASSIGN") ? kAssign : kNoGroupOption;
}

bool ReadAssignor(Context& context, std::string_view word, Assignor* assignor) {
  if (Is(word, "UNIFORM")) {
    *assignor = Assignor::kUniform;
  } else if (Is(word, "RANGE")) {
    *assignor = Assignor::kRange;
  } else {
    return Fail(context, fmt::format("ERR ASSIGN must be UNIFORM or RANGE, not '{}'", word));
  }
  return true;
}

bool ReadGroupOption(Context& context, size_t option, std::string_view text,
                     TopicGroupOptions* options) {
  if (option == kFrom) return ReadStart(context, text, options);
  if (option == kAssign) return ReadAssignor(context, text, &options->assignor);
  const GroupNumberOption& known = kGroupNumberOptions[option];
  return ReadNumberOption(context, known.name, text, known.least, &(options->*known.value));
}

}  // namespace

bool ReadGroupOptions(Context& context, size_t i, bool creating, TopicGroupOptions* options) {
  uint32_t seen = 0;
  for (; i < context.argc(); i += 2) {
    const std::string_view name = context.arg(i);
    const size_t option = FindGroupOption(name);
    if (option == kNoGroupOption) {
      return Fail(context, fmt::format("ERR unknown option '{}'", name));
    }
    if (option == kFrom && !creating) {
      return Fail(context, "ERR FROM of a group cannot be changed: use TGROUP RESET");
    }
    if ((seen & (1u << option)) != 0) {
      return Fail(context, fmt::format("ERR {} is given twice", name));
    }
    seen |= 1u << option;
    if (i + 1 == context.argc()) return Fail(context, fmt::format("ERR {} needs a value", name));
    if (!ReadGroupOption(context, option, context.arg(i + 1), options)) return false;
  }
  return true;
}

std::string_view NameOf(Assignor assignor) {
  return assignor == Assignor::kRange ? "range" : "uniform";
}

}  // namespace runnel::commands
