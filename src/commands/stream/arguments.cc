#include "commands/stream/arguments.h"

#include <algorithm>

#include "fmt/format.h"

namespace runnel::commands {
namespace {

constexpr std::string_view kInvalidId =
    "ERR Invalid stream ID specified as stream command argument";
constexpr std::string_view kTwoStrategies =
    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible";

constexpr uint64_t kMaxSeq = std::numeric_limits<uint64_t>::max();

// An interval's end without the `(`.
bool ReadIntervalId(Context& context, std::string_view text, uint64_t missing_seq, StreamId* id) {
  if (text == "-") {
    *id = StreamId::Min();
    return true;
  }
  if (text == "+") {
    *id = StreamId::Max();
    return true;
  }
  const std::optional<StreamId> parsed = ParseStreamId(text, missing_seq);
  if (!parsed) {
    context.reply().Error(kInvalidId);
    return false;
  }
  *id = *parsed;
  return true;
}

// The ID after `(`, which must be followed or preceded by another one.
bool ReadExclusive(Context& context, std::string_view text, uint64_t missing_seq,
                   std::optional<StreamId> (StreamId::*neighbour)() const, std::string_view error,
                   StreamId* id) {
  const std::optional<StreamId> parsed = ParseStreamId(text, missing_seq);
  if (!parsed) {
    context.reply().Error(kInvalidId);
    return false;
  }
  const std::optional<StreamId> next = ((*parsed).*neighbour)();
  if (!next) {
    context.reply().Error(error);
    return false;
  }
  *id = *next;
  return true;
}

bool IsExclusive(std::string_view text) {
  return text.size() > 1 && text[0] == '(';
}

// The threshold of MAXLEN or MINID, which is argument *i or, if that is `=` or `~`, the one after
// it.
bool ReadThreshold(Context& context, StreamTrim::By by, size_t* i, TrimOptions* options) {
  if (options->given) {
    context.reply().Error(kTwoStrategies);
    return false;
  }
  options->given = true;
  options->trim.by = by;
  if (*i + 1 < context.argc() && (context.arg(*i) == "~" || context.arg(*i) == "=")) {
    options->trim.approximate = context.arg(*i) == "~";
    ++*i;
  }
  if (by == StreamTrim::By::kMinId) return ReadId(context, context.arg(*i), &options->trim.min_id);
  int64_t length;
  if (!ReadInteger(context, context.arg(*i), &length)) return false;
  if (length < 0) {
    context.reply().Error("ERR The MAXLEN argument must be >= 0.");
    return false;
  }
  options->trim.max_length = static_cast<uint64_t>(length);
  return true;
}

bool ReadLimit(Context& context, std::string_view text, TrimOptions* options) {
  int64_t limit;
  if (!ReadInteger(context, text, &limit)) return false;
  if (limit < 0) {
    context.reply().Error("ERR The LIMIT argument must be >= 0.");
    return false;
  }
  options->trim.limit = static_cast<uint64_t>(limit);
  options->has_limit = true;
  return true;
}

}  // namespace

bool ReadId(Context& context, std::string_view text, StreamId* id) {
  const std::optional<StreamId> parsed = ParseStreamId(text, 0);
  if (!parsed) {
    context.reply().Error(kInvalidId);
    return false;
  }
  *id = *parsed;
  return true;
}

bool ReadIds(Context& context, std::span<const std::string_view> texts, IdList* ids) {
  ids->resize(texts.size());
  for (size_t i = 0; i < texts.size(); i++) {
    if (!ReadId(context, texts[i], &(*ids)[i])) return false;
  }
  return true;
}

bool ReadIntervalStart(Context& context, std::string_view text, StreamId* first) {
  if (!IsExclusive(text)) return ReadIntervalId(context, text, 0, first);
  return ReadExclusive(context, text.substr(1), 0, &StreamId::Next,
                       "ERR invalid start ID for the interval", first);
}

bool ReadIntervalEnd(Context& context, std::string_view text, StreamId* last) {
  if (!IsExclusive(text)) return ReadIntervalId(context, text, kMaxSeq, last);
  return ReadExclusive(context, text.substr(1), kMaxSeq, &StreamId::Previous,
                       "ERR invalid end ID for the interval", last);
}

bool ParseReferences(std::string_view argument, References* references) {
  if (Is(argument, "KEEPREF")) {
    *references = References::kKeep;
  } else if (Is(argument, "DELREF")) {
    *references = References::kDelete;
  } else if (Is(argument, "ACKED")) {
    *references = References::kAcked;
  } else {
    return false;
  }
  return true;
}

OptionRead ReadTrimOption(Context& context, size_t* i, TrimOptions* options) {
  const std::string_view option = context.arg(*i);
  if (*i + 1 < context.argc()) {
    const bool by_length = Is(option, "MAXLEN");
    if (by_length || Is(option, "MINID")) {
      ++*i;
      const auto by = by_length ? StreamTrim::By::kLength : StreamTrim::By::kMinId;
      return ReadThreshold(context, by, i, options) ? OptionRead::kTaken : OptionRead::kError;
    }
    if (Is(option, "LIMIT")) {
      ++*i;
      return ReadLimit(context, context.arg(*i), options) ? OptionRead::kTaken : OptionRead::kError;
    }
  }
  if (!ParseReferences(option, &options->references)) return OptionRead::kUnknown;
  if (options->has_references) {
    context.reply().Error(kSyntaxError);
    return OptionRead::kError;
  }
  options->has_references = true;
  return OptionRead::kTaken;
}

bool FinishTrimOptions(Context& context, bool required, TrimOptions* options) {
  StreamTrim& trim = options->trim;
  if (trim.limit != 0 && !options->given) {
    context.reply().Error(
        "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
    return false;
  }
  if (required && !options->given) {
    context.reply().Error("ERR syntax error, XTRIM must be called with a trimming strategy");
    return false;
  }
  if (options->has_limit && !trim.approximate) {
    context.reply().Error("ERR syntax error, LIMIT cannot be used without the special ~ option");
    return false;
  }
  if (trim.approximate && !options->has_limit) {
    // Redis's bounds for the work that one `~` does.
    constexpr uint64_t kBlocks = 100;
    constexpr uint64_t kDefault = 10'000;
    constexpr uint64_t kMost = 1'000'000;
    const uint64_t limit = kBlocks * context.options().stream_node_max_entries;
    trim.limit = limit == 0 ? kDefault : std::min(limit, kMost);
  }
  return true;
}

bool ReadIdsBlock(Context& context, size_t begin, References* references,
                  std::span<const std::string_view>* ids) {
  bool has_references = false;
  bool has_ids = false;
  for (size_t i = begin; i < context.argc(); i++) {
    const std::string_view option = context.arg(i);
    if (!has_ids && Is(option, "IDS") && i + 1 < context.argc()) {
      int64_t count;
      if (!ReadInteger(context, context.arg(i + 1), &count,
                       "ERR Number of IDs must be a positive integer", 1)) {
        return false;
      }
      const auto rest = context.args().subspan(i + 2);
      if (static_cast<uint64_t>(count) > rest.size()) {
        context.reply().Error("ERR The `numids` parameter must match the number of arguments");
        return false;
      }
      *ids = rest.first(static_cast<size_t>(count));
      has_ids = true;
      i += 1 + ids->size();
    } else if (!has_references && ParseReferences(option, references)) {
      has_references = true;
    } else {
      context.reply().Error(kSyntaxError);
      return false;
    }
  }
  if (!has_ids) context.reply().Error("ERR IDS option is required");
  return has_ids;
}

RepeatFinder::RepeatFinder(const IdList& ids) {
  IdList sorted = ids;
  std::sort(sorted.begin(), sorted.end());
  any_ = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
}

void ReplyNoKeyOrGroup(Context& context, std::string_view key, std::string_view group,
                       std::string_view appended) {
  context.reply().Error(
      fmt::format("NOGROUP No such key '{}' or consumer group '{}'{}", key, group, appended));
}

void ReplyNoGroup(Context& context, std::string_view key, std::string_view group) {
  context.reply().Error(
      fmt::format("NOGROUP No such consumer group '{}' for key name '{}'", group, key));
}

void ReplySubcommandSyntax(Context& context, std::string_view command) {
  constexpr size_t kMostShown = 128;
  context.reply().Error(
      fmt::format("ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.",
                  context.arg(1).substr(0, kMostShown), command));
}

bool FindGroup(Context& context, const KeyRef& key, std::string_view name, const Stream** stream,
               const ConsumerGroup** group) {
  *group = nullptr;
  if (!context.Read(key, stream)) return false;
  if (*stream != nullptr) *group = (*stream)->FindGroup(name);
  return true;
}

}  // namespace runnel::commands
