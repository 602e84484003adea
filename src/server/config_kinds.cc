#include "server/config_kinds.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <vector>

#include "base/numbers.h"
#include "base/text.h"

namespace runnel::config {
namespace {

constexpr size_t kMaxAddresses = 16;

Status CheckRange(const Directive& directive, int64_t value) {
  if (value >= directive.least && value <= directive.most) return {};
  return Status::Error(
      fmt::format("argument must be between {} and {} inclusive", directive.least, directive.most));
}

struct OutputClass {
  std::string_view name;
  std::string_view alias;
  OutputLimit Settings::*limit;
};
constexpr OutputClass kOutputClasses[] = {
    {"normal", "normal", &Settings::output_normal},
    {"slave", "replica", &Settings::output_replica},  // Redis shows the old name
    {"pubsub", "pubsub", &Settings::output_pubsub},
};

const OutputClass* FindOutputClass(std::string_view name) {
  for (const OutputClass& known : kOutputClasses) {
    if (EqualsIgnoreCase(name, known.name) || EqualsIgnoreCase(name, known.alias)) return &known;
  }
  return nullptr;
}

}  // namespace

Result<bool> ReadFlag(const std::string& word) {
  if (EqualsIgnoreCase(word, "yes")) return true;
  if (EqualsIgnoreCase(word, "no")) return false;
  return Status::Error("argument must be 'yes' or 'no'");
}

Result<int64_t> ReadInteger(const Directive& directive, const std::string& word) {
  const std::optional<int64_t> value = ParseInteger(word);
  if (!value) return Status::Error("argument couldn't be parsed into an integer");
  const Status status = CheckRange(directive, *value);
  if (!status.ok()) return status;
  return *value;
}

Result<int64_t> ReadSize(const Directive& directive, const std::string& word) {
  const std::optional<uint64_t> value = ParseMemorySize(word);
  if (!value || *value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return Status::Error("argument must be a memory value");
  }
  const Status status = CheckRange(directive, static_cast<int64_t>(*value));
  if (!status.ok()) return status;
  return static_cast<int64_t>(*value);
}

Result<size_t> ReadChoice(const Directive& directive, const std::string& word) {
  for (size_t i = 0; i < directive.choices.size(); i++) {
    if (EqualsIgnoreCase(word, directive.choices[i])) return i;
  }
  return Status::Error(fmt::format("argument(s) must be one of the following: {}",
                                   fmt::join(directive.choices, ", ")));
}

Status ParseBind(const Directive&, Directive::Words words, ConfigValues* values) {
  if (words.size() > kMaxAddresses) {
    return Status::Error("Too many bind addresses specified.");
  }
  values->options.bind.assign(words.begin(), words.end());
  return {};
}

std::string FormatBind(const Directive&, const ConfigValues& values) {
  return fmt::format("{}", fmt::join(values.options.bind, " "));
}

Status ParseReplicaOf(const Directive&, Directive::Words words, ConfigValues* values) {
  ServerOptions& options = values->options;
  const bool nobody =
      words.empty() || (words.size() == 1 && words[0].empty()) ||
      (words.size() == 2 && EqualsIgnoreCase(words[0], "no") && EqualsIgnoreCase(words[1], "one"));
  if (nobody) {
    options.leader_host.clear();
    options.leader_port = 0;
    return {};
  }
  const auto port = words.size() == 2 ? ParseInteger(words[1]) : std::nullopt;
  if (!port || *port < 1 || *port > 65535 || words[0].empty()) {
    return Status::Error("argument must be a host and a port, or no one");
  }
  options.leader_host = words[0];
  options.leader_port = static_cast<uint16_t>(*port);
  return {};
}

std::string FormatReplicaOf(const Directive&, const ConfigValues& values) {
  const ServerOptions& options = values.options;
  if (options.leader_host.empty()) return "";
  return fmt::format("{} {}", options.leader_host, options.leader_port);
}

Status ParseAnnouncedHost(const Directive&, Directive::Words words, ConfigValues* values) {
  constexpr size_t kMostBytes = 255;
  const std::string& host = words[0];
  const bool good = host.size() <= kMostBytes && std::all_of(host.begin(), host.end(), [](char c) {
                      return c > ' ' && c <= '~' && c != ',' && c != '=';
                    });
  if (!good) return Status::Error("argument must be a name or an address");
  values->options.replica_announce_ip = host;
  return {};
}

std::string FormatAnnouncedHost(const Directive&, const ConfigValues& values) {
  return values.options.replica_announce_ip;
}

Status ParseMode(const Directive&, Directive::Words words, ConfigValues* values) {
  uint32_t mode = 0;
  bool octal = !words[0].empty();
  for (const char c : words[0]) {
    octal = octal && c >= '0' && c <= '7' && mode <= 0777;
    mode = mode * 8 + static_cast<uint32_t>(c - '0');
  }
  if (!octal) return Status::Error("argument couldn't be parsed as an octal number");
  if (mode > 0777) return Status::Error("argument must be between 0 and 777 inclusive");
  values->options.unixsocketperm = mode;
  return {};
}

std::string FormatMode(const Directive&, const ConfigValues& values) {
  return fmt::format("{:o}", values.options.unixsocketperm);
}

Status ParseDir(const Directive&, Directive::Words words, ConfigValues* values) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path path = fs::path(values->working_dir) / words[0];
  const bool is_dir = fs::is_directory(path, error);
  if (error) return Status::Error(error.message());
  if (!is_dir) return Status::Error("Not a directory");
  std::string dir = path.lexically_normal().string();
  while (dir.size() > 1 && dir.back() == '/') {
    dir.pop_back();
  }
  values->options.dir = std::move(dir);
  return {};
}

std::string FormatDir(const Directive&, const ConfigValues& values) {
  return values.options.dir;
}

// Groups of class, hard limit, soft limit, soft seconds. All of them are good, or none is set.
Status ParseOutputLimits(const Directive&, Directive::Words words, ConfigValues* values) {
  if (words.size() % 4 != 0) {
    return Status::Error("Wrong number of arguments in buffer limit configuration.");
  }
  Settings settings = values->settings;
  for (size_t i = 0; i < words.size(); i += 4) {
    const OutputClass* output = FindOutputClass(words[i]);
    if (output == nullptr) {
      return Status::Error("Invalid client class specified in buffer limit configuration.");
    }
    const std::optional<uint64_t> hard = ParseMemorySize(words[i + 1]);
    const std::optional<uint64_t> soft = ParseMemorySize(words[i + 2]);
    const std::optional<int64_t> seconds = ParseInteger(words[i + 3]);
    if (!hard || !soft || !seconds || *seconds < 0) {
      return Status::Error(
          "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
    }
    settings.*output->limit = {*hard, *soft, *seconds};
  }
  for (const OutputClass& output : kOutputClasses) {
    values->settings.*output.limit = settings.*output.limit;
  }
  return {};
}

std::string FormatOutputLimits(const Directive&, const ConfigValues& values) {
  std::string text;
  for (const OutputClass& output : kOutputClasses) {
    const OutputLimit& limit = values.settings.*output.limit;
    text += fmt::format("{}{} {} {} {}", text.empty() ? "" : " ", output.name, limit.hard_bytes,
                        limit.soft_bytes, limit.soft_seconds);
  }
  return text;
}

Status ParseNotify(const Directive&, Directive::Words words, ConfigValues* values) {
  const std::optional<uint32_t> classes = ParseNotifyClasses(words[0]);
  if (!classes) {
    return Status::Error("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
  }
  values->settings.notify_classes = *classes;
  return {};
}

std::string FormatNotify(const Directive&, const ConfigValues& values) {
  return FormatNotifyClasses(values.settings.notify_classes);
}

Status ParseStreamBytes(const Directive& directive, Directive::Words words, ConfigValues* values) {
  const Result<int64_t> bytes = ReadSize(directive, words[0]);
  if (!bytes.ok()) return bytes.status();
  values->settings.data.stream_node_max_bytes =
      static_cast<uint32_t>(*bytes == 0 ? kMaxStreamBlock : *bytes);
  return {};
}

std::string FormatStreamBytes(const Directive&, const ConfigValues& values) {
  return fmt::to_string(values.settings.data.stream_node_max_bytes);
}

Status ParseLogFormat(const Directive& directive, Directive::Words words, ConfigValues* values) {
  // Valkey's name for a line that people read.
  const bool legacy = EqualsIgnoreCase(words[0], "legacy");
  const Result<size_t> format = legacy ? Result<size_t>(0) : ReadChoice(directive, words[0]);
  if (format.ok()) values->options.log_format = static_cast<LogFormat>(*format);
  return format.status();
}

std::string FormatLogFormat(const Directive& directive, const ConfigValues& values) {
  return std::string(directive.choices[static_cast<size_t>(values.options.log_format)]);
}

std::string FormatPercent(double percent) {
  std::string text = fmt::format("{:.6f}", percent);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

// All of them are good, or none is set.
Status ParsePercentiles(const Directive& directive, Directive::Words words, ConfigValues* values) {
  std::vector<double> percents;
  for (const std::string& word : words) {
    const std::optional<double> percent = ParseDouble(word);
    if (!percent) {
      return Status::Error(fmt::format("'{}' is no number", word));
    }
    if (!(*percent >= 0 && *percent <= 100)) {
      return Status::Error(
          fmt::format("{} parameters should sit between [0.0,100.0]", directive.name));
    }
    percents.push_back(*percent);
  }
  values->settings.latency_percentiles = std::move(percents);
  return {};
}

std::string FormatPercentiles(const Directive&, const ConfigValues& values) {
  std::string text;
  for (const double percent : values.settings.latency_percentiles) {
    text += fmt::format("{}{}", text.empty() ? "" : " ", FormatPercent(percent));
  }
  return text;
}

Status ParseJournalBytes(const Directive& directive, Directive::Words words, ConfigValues* values) {
  uint64_t& bytes = values->options.snapshot_journal_bytes;
  if (EqualsIgnoreCase(words[0], "auto")) {
    bytes = kAutomatic;
    return {};
  }
  const Result<int64_t> value = ReadSize(directive, words[0]);
  if (value.ok()) bytes = static_cast<uint64_t>(*value);
  return value.status();
}

std::string FormatJournalBytes(const Directive&, const ConfigValues& values) {
  const uint64_t bytes = values.options.snapshot_journal_bytes;
  return bytes == kAutomatic ? "auto" : fmt::to_string(bytes);
}

Status ParseSave(const Directive&, Directive::Words words, ConfigValues* values) {
  const Status invalid = Status::Error("Invalid save parameters");
  if (words.size() % 2 != 0) return invalid;
  std::vector<SavePoint> points;
  for (size_t i = 0; i < words.size(); i += 2) {
    const std::optional<int64_t> seconds = ParseInteger(words[i]);
    const std::optional<int64_t> changes = ParseInteger(words[i + 1]);
    if (!seconds || !changes || *seconds < 1 || *changes < 0) return invalid;
    points.push_back({*seconds, *changes});
  }
  std::vector<SavePoint>& save = values->options.save;
  values->options.save_given = true;
  if (points.empty()) save.clear();
  save.insert(save.end(), points.begin(), points.end());
  return {};
}

std::string FormatSave(const Directive&, const ConfigValues& values) {
  std::string text;
  for (const SavePoint& point : values.options.save) {
    text += fmt::format("{}{} {}", text.empty() ? "" : " ", point.seconds, point.changes);
  }
  return text;
}

Status ParseOnly(const Directive& directive, Directive::Words words, ConfigValues*) {
  const std::string value = fmt::format("{}", fmt::join(words, " "));
  if (EqualsIgnoreCase(value, directive.value)) return {};
  for (const std::string_view other : directive.choices) {
    if (EqualsIgnoreCase(value, other)) return {};
  }
  return Status::Error(std::string(directive.why));
}

std::string FormatOnly(const Directive& directive, const ConfigValues&) {
  return std::string(directive.value);
}

Status KeepFlag(const Directive& directive, Directive::Words words, ConfigValues* values) {
  const Result<bool> flag = ReadFlag(words[0]);
  if (flag.ok()) values->kept[directive.name] = *flag ? "yes" : "no";
  return flag.status();
}

Status KeepInteger(const Directive& directive, Directive::Words words, ConfigValues* values) {
  const Result<int64_t> number = ReadInteger(directive, words[0]);
  if (number.ok()) values->kept[directive.name] = fmt::to_string(*number);
  return number.status();
}

Status KeepSize(const Directive& directive, Directive::Words words, ConfigValues* values) {
  const Result<int64_t> bytes = ReadSize(directive, words[0]);
  if (bytes.ok()) values->kept[directive.name] = fmt::to_string(*bytes);
  return bytes.status();
}

Status KeepChoice(const Directive& directive, Directive::Words words, ConfigValues* values) {
  const Result<size_t> choice = ReadChoice(directive, words[0]);
  if (choice.ok()) values->kept[directive.name] = directive.choices[*choice];
  return choice.status();
}

Status KeepText(const Directive& directive, Directive::Words words, ConfigValues* values) {
  values->kept[directive.name] = fmt::format("{}", fmt::join(words, " "));
  return {};
}

std::string FormatKept(const Directive& directive, const ConfigValues& values) {
  const auto found = values.kept.find(directive.name);
  return found == values.kept.end() ? std::string(directive.value) : found->second;
}

}  // namespace runnel::config
