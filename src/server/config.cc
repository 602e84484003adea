#include "server/config.h"

#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <mutex>
#include <optional>

#include "base/assert.h"
#include "base/glob.h"
#include "base/text.h"
#include "fmt/format.h"
#include "resp/request_parser.h"
#include "server/config_directives.h"
#include "server/config_rewrite.h"

namespace runnel {
namespace {

// Limit for files that include each other.
constexpr int kMaxIncludeDepth = 16;

// Reads to the end of the stream. Returns nothing on an error; errno has its code.
std::optional<std::string> ReadAll(std::FILE* in) {
  std::string text;
  char buffer[4096];
  while (const size_t bytes = std::fread(buffer, 1, sizeof(buffer), in)) {
    text.append(buffer, bytes);
  }
  if (std::ferror(in)) return std::nullopt;
  return text;
}

bool IsComment(std::string_view line) {
  const size_t first = line.find_first_not_of(" \t\r");
  return first != std::string_view::npos && line[first] == '#';
}

// The files that an `include` names: all that match a pattern (perhaps none), or the one with this
// name.
std::vector<std::string> Included(const std::string& pattern) {
  if (pattern.find_first_of("*?[") == std::string::npos) return {pattern};
  glob_t found;
  std::vector<std::string> paths;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  ::globfree(&found);
  return paths;
}

Status LoadLines(std::string_view text, const std::string& source, int depth, ConfigValues* values);

Status LoadInclude(const std::string& pattern, int depth, ConfigValues* values) {
  if (depth > kMaxIncludeDepth) {
    return Status::Error(
        fmt::format("files include each other more than {} deep", kMaxIncludeDepth));
  }
  const std::filesystem::path from = values->working_dir;
  for (const std::string& path : Included((from / pattern).string())) {
    const Result<std::string> text = ReadConfigFile(path);
    if (!text.ok()) return text.status();
    const Status status = LoadLines(*text, path, depth, values);
    if (!status.ok()) return status;
  }
  return {};
}

// Loads one directive with its words. The error has no file and line.
Status LoadWords(std::span<const std::string> words, int depth, ConfigValues* values) {
  if (EqualsIgnoreCase(words[0], "include") && words.size() == 2) {
    return LoadInclude(words[1], depth + 1, values);
  }
  const Directive* directive = FindDirective(words[0]);
  if (directive == nullptr) {
    const std::string_view why = WhyRefused(words[0]);
    return Status::Error(
        fmt::format("'{}': {}", words[0], why.empty() ? "there is no such directive" : why));
  }
  const Status status = ParseDirective(*directive, words.subspan(1), values);
  // The value is not shown: it may be a password.
  if (!status.ok()) return Status::Error(fmt::format("'{}': {}", words[0], status.message()));
  return {};
}

Status LoadLines(std::string_view text, const std::string& source, int depth,
                 ConfigValues* values) {
  std::vector<std::string> words;
  for (int line = 1; !text.empty(); line++) {
    const std::string_view content = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(content.size() + 1, text.size()));
    if (IsComment(content)) continue;
    const bool quotes_match = SplitWords(content, &words);
    if (quotes_match && words.empty()) continue;
    const Status status =
        quotes_match ? LoadWords(words, depth, values) : Status::Error("the quotes do not match");
    if (!status.ok()) {
      return Status::Error(fmt::format("{}:{}: {}", source, line, status.message()));
    }
  }
  return {};
}

// Loads the directives of the command line.
Status LoadOptions(std::span<const std::string> arguments, ConfigValues* values) {
  size_t i = 0;
  while (i < arguments.size()) {
    const std::string& option = arguments[i++];
    if (!option.starts_with("--") || option.size() == 2) {
      return Status::Error(fmt::format("command line: '{}' belongs to no --directive", option));
    }
    std::vector<std::string> words = {option.substr(2)};
    const bool may_be_empty = EqualsIgnoreCase(words[0], "save");
    if (i < arguments.size() && !(may_be_empty && arguments[i].starts_with("--"))) {
      words.push_back(arguments[i++]);
    }
    while (i < arguments.size() && !arguments[i].starts_with("--")) {
      words.push_back(arguments[i++]);
    }
    if (may_be_empty && words.size() == 1) words.emplace_back();
    const Status status = LoadWords(words, 0, values);
    if (!status.ok()) return Status::Error("command line: " + status.message());
  }
  return {};
}

std::string SetFailed(std::string_view name, std::string_view reason) {
  return fmt::format("CONFIG SET failed (possibly related to argument '{}') - {}", name, reason);
}

// The directives that the pairs name, if all of them may be set.
Result<std::vector<const Directive*>> FindSettable(std::span<const Config::Pair> pairs) {
  std::vector<const Directive*> directives;
  for (const auto& [name, value] : pairs) {
    const Directive* directive = FindDirective(name);
    if (directive == nullptr) {
      return Status::Error(
          fmt::format("Unknown option or number of arguments for CONFIG SET - '{}'", name));
    }
    if (directive->change != Directive::kAnyTime) {
      const bool at_start = directive->change == Directive::kAtStart;
      return Status::Error(
          SetFailed(name, at_start ? "can't set immutable config" : "can't set protected config"));
    }
    for (const Directive* other : directives) {
      if (other == directive) return Status::Error(SetFailed(name, "duplicate parameter"));
    }
    directives.push_back(directive);
  }
  return directives;
}

}  // namespace

// The rewrites of the file, on whatever threads.
struct Config::Rewrites {
  std::mutex mutex;
  uint64_t asked = 0;    // numbers them; of the loop's thread
  uint64_t written = 0;  // the newest that has been written
};

Config::Config()
    : values_(std::filesystem::current_path().string()), rewrites_(std::make_shared<Rewrites>()) {}

Result<std::string> ReadConfigFile(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  std::optional<std::string> text;
  if (file != nullptr) text = ReadAll(file);
  const int error = errno;
  if (file != nullptr) std::fclose(file);
  if (!text) return Status::SystemError(fmt::format("cannot read {}", path), error);
  return *text;
}

Status LoadConfigText(std::string_view text, const std::string& source, ConfigValues* values) {
  return LoadLines(text, source, 0, values);
}

Status Config::LoadText(std::string_view text, const std::string& source) {
  return LoadConfigText(text, source, &values_);
}

Status Config::LoadArguments(std::span<const std::string> arguments) {
  std::string path;
  if (!arguments.empty() && !arguments.front().starts_with("-")) {
    path = arguments.front();
    arguments = arguments.subspan(1);
  }
  bool from_stdin = false;
  if (!arguments.empty() && arguments.front() == "-") {
    from_stdin = true;
    arguments = arguments.subspan(1);
  } else if (!arguments.empty() && arguments.back() == "-") {
    from_stdin = true;
    arguments = arguments.first(arguments.size() - 1);
  }

  if (!path.empty()) {
    const Result<std::string> text = ReadConfigFile(path);
    if (!text.ok()) return text.status();
    const Status status = LoadText(*text, path);
    if (!status.ok()) return status;
    file_ = (std::filesystem::path(values_.working_dir) / path).lexically_normal().string();
  }
  if (from_stdin) {
    const std::optional<std::string> text = ReadAll(stdin);
    if (!text) return Status::SystemError("standard input", errno);
    const Status status = LoadText(*text, "standard input");
    if (!status.ok()) return status;
  }
  Status loaded = LoadOptions(arguments, &values_);
  // Where there is a journal, snapshots follow its length.
  ServerOptions& options = values_.options;
  if (loaded.ok() && !options.journal && !options.save_given) {
    options.save = {{3600, 1}, {300, 100}, {60, 10000}};
  }
  return loaded;
}

Status Config::Set(std::span<const Pair> pairs) {
  const Result<std::vector<const Directive*>> directives = FindSettable(pairs);
  if (!directives.ok()) return directives.status();

  ConfigValues next = values_;
  for (size_t i = 0; i < pairs.size(); i++) {
    const Directive& directive = *(*directives)[i];
    const std::vector<std::string> words = {std::string(pairs[i].second)};
    if (directive.adds) CHECK(directive.parse(directive, {}, &next).ok());
    const Status status = ParseDirective(directive, words, &next);
    if (!status.ok()) return Status::Error(SetFailed(pairs[i].first, status.message()));
  }

  // The values change in place, because others hold references to them.
  std::swap(values_, next);
  std::vector<const Action*> done;
  for (size_t i = 0; i < pairs.size(); i++) {
    const Directive& directive = *(*directives)[i];
    const auto action = actions_.find(directive.name);
    if (action == actions_.end() ||
        directive.format(directive, values_) == directive.format(directive, next)) {
      continue;
    }
    const Status status = action->second();
    if (!status.ok()) {
      std::swap(values_, next);
      CallAgain(done);
      return Status::Error(SetFailed(pairs[i].first, status.message()));
    }
    done.push_back(&action->second);
  }
  return {};
}

void Config::CallAgain(std::span<const Action* const> actions) {
  for (const Action* action : actions) {
    const Status status = (*action)();
    if (!status.ok()) LogWarning("CONFIG SET cannot be taken back: {}", status.message());
  }
}

std::vector<std::pair<std::string, std::string>> Config::Get(
    std::span<const std::string_view> patterns) const {
  // A name is returned in the case in which the client wrote it.
  const auto shown = [&](std::string_view name) -> std::optional<std::string_view> {
    for (const std::string_view pattern : patterns) {
      if (EqualsIgnoreCase(pattern, name)) return pattern;
      if (GlobMatch(pattern, name, true)) return name;
    }
    return std::nullopt;
  };
  std::vector<std::pair<std::string, std::string>> found;
  for (const Directive& directive : Directives()) {
    for (const std::string_view name : {directive.name, directive.alias}) {
      if (name.empty()) continue;
      if (const auto as = shown(name))
        found.emplace_back(*as, directive.format(directive, values_));
    }
  }
  return found;
}

void Config::NoteLeader(const std::string& host, uint16_t port) {
  values_.options.leader_host = host;
  values_.options.leader_port = port;
}

Result<std::function<Status()>> Config::Rewrite() const {
  if (file_.empty()) return Status::Error("The server is running without a config file");
  const uint64_t number = ++rewrites_->asked;
  return std::function<Status()>([file = file_, values = values_, rewrites = rewrites_, number] {
    const std::lock_guard<std::mutex> lock(rewrites->mutex);
    if (rewrites->written > number) return Status();
    const Status status = RewriteConfigFile(file, values);
    if (status.ok()) rewrites->written = number;
    return status;
  });
}

void Config::OnChange(std::string_view name, Action action) {
  const Directive* directive = FindDirective(name);
  CHECK(directive != nullptr);
  const bool added = actions_.emplace(directive->name, std::move(action)).second;
  CHECK(added);
}

replication::ReplicationSettings ReplicationSettingsOf(const ServerOptions& options) {
  constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
  replication::ReplicationSettings settings;
  settings.tail_bytes = options.replica_tail_bytes;
  settings.window_bytes = options.replica_window_bytes;
  settings.backlog_bytes = std::max(options.repl_backlog_size, options.journal_segment_bytes);
  settings.backlog_ttl_ms =
      options.repl_backlog_ttl_s == 0 ? kForever : options.repl_backlog_ttl_s * 1000;
  settings.hold_max_bytes = options.replica_hold_max;
  settings.sync_rate = options.replica_sync_rate;
  settings.silence_max_ms = options.replica_silence_max_ms;
  settings.lag_max_ms = options.replica_lag_time_max_ms;
  settings.min_insync = options.min_insync_replicas;
  settings.timeout_ms = options.repl_timeout_s * 1000;
  return settings;
}

std::span<const char* const> ReplicationDirectives() {
  static constexpr const char* kNames[] = {
      "repl-backlog-size",   "repl-backlog-ttl",     "replica-hold-max",    "replica-sync-rate",
      "replica-silence-max", "replica-lag-time-max", "min-insync-replicas", "repl-timeout",
      "replica-tail-bytes",  "replica-window-bytes",
  };
  return kNames;
}

ColdSettings ColdSettingsOf(const Settings& settings) {
  ColdSettings cold = settings.cold;
  if (settings.maxmemory == 0 || cold.stream_memory == 0) return cold;
  // At least 1: 0 means that there is no bound.
  cold.stream_memory =
      std::min<uint64_t>(cold.stream_memory, std::max<uint64_t>(settings.maxmemory / 2, 1));
  return cold;
}

Config::Ignored Config::WithoutEffect() const {
  Ignored ignored;
  for (const Directive& directive : Directives()) {
    const auto given = values_.kept.find(directive.name);
    if (given == values_.kept.end()) continue;
    auto& names = given->second == directive.value ? ignored.at_default : ignored.changed;
    names.push_back(directive.name);
  }
  return ignored;
}

}  // namespace runnel
