#include "tests/compat/differences.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <cstdlib>

#include "tests/compat/view.h"

namespace runnel::compat {
namespace {

using test::Reply;
using Kind = Reply::Kind;

// Milliseconds since 1970 that any run of the tests will see are above this, and nothing else that
// the scripts count is.
constexpr int64_t kFirstTime = 1000LL * 1000 * 1000 * 1000;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  return text;
}

std::vector<std::string> Split(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  while (true) {
    const size_t end = text.find(separator);
    const std::string_view part = Trim(text.substr(0, end));
    if (!part.empty()) parts.emplace_back(part);
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + separator.size());
  }
}

// "verb COMMAND values": lower-case words after the command are values; `reply` has its two
// patterns after bars.
std::optional<Rule> ParseRule(std::string_view text) {
  const std::vector<std::string> parts = Split(text, " | ");
  const std::vector<std::string> words = parts.empty() ? parts : Split(parts[0], " ");
  if (words.empty()) return std::nullopt;
  Rule rule{words[0], {}, {}};
  for (size_t i = 1; i < words.size(); ++i) {
    const bool capital = words[i][0] >= 'A' && words[i][0] <= 'Z';
    (capital ? rule.command : rule.values).push_back(words[i]);
  }
  if (rule.verb == "reply") {
    if (parts.size() != 3) return std::nullopt;
    rule.values = {parts[1], parts[2]};
    return rule;
  }
  const bool known = rule.verb == "drop" || rule.verb == "mask" || rule.verb == "mask-item" ||
                     rule.verb == "mask-in-random" || rule.verb == "mask-times" ||
                     rule.verb == "near" || rule.verb == "avoid" || rule.verb == "messages-apart" ||
                     rule.verb == "patterns-unordered";
  return known ? std::optional<Rule>(rule) : std::nullopt;
}

bool Concerns(const Rule& rule, const Argv& command) {
  if (rule.command.empty() || rule.command.size() > command.size()) return false;
  for (size_t i = 0; i < rule.command.size(); ++i) {
    if (strcasecmp(rule.command[i].c_str(), command[i].c_str()) != 0) return false;
  }
  return true;
}

// Whether `text` is `pattern`, whose '*' stands for anything.
bool Matches(std::string_view pattern, std::string_view text) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (text.substr(0, star) != pattern.substr(0, star)) return false;
  for (size_t at = star; at <= text.size(); ++at) {
    if (Matches(pattern.substr(star + 1), text.substr(at))) return true;
  }
  return false;
}

void MaskTimes(Reply* reply) {
  for (Reply& item : reply->items)
    MaskTimes(&item);
  if (reply->kind == Kind::kInteger && reply->integer >= kFirstTime) *reply = Reply::Note("time");
}

// Replaces the integer in place `index` of each item by a note.
void MaskItem(size_t index, Reply* reply) {
  for (Reply& item : reply->items) {
    if (index < item.items.size() && item.items[index].kind == Kind::kInteger) {
      item.items[index] = Reply::Note("masked");
    }
  }
}

bool Near(const Reply& a, const Reply& b, int64_t distance) {
  return a.kind == Kind::kInteger && b.kind == Kind::kInteger && a.integer > 0 && b.integer > 0 &&
         std::abs(a.integer - b.integer) <= distance;
}

}  // namespace

std::optional<Differences> Differences::Parse(std::string_view text, std::string* error) {
  Differences differences;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const std::string_view content = Trim(line);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (content.empty() || content.front() == '#') continue;
    if (line.front() != ' ') {
      const size_t colon = content.find(": ");
      if (colon != std::string_view::npos) {
        differences.all_.push_back(
            {std::string(content.substr(0, colon)), std::string(content.substr(colon + 2)), {}});
        continue;
      }
    } else if (!differences.all_.empty() && content.substr(0, 2) == "- ") {
      const std::optional<Rule> rule = ParseRule(content.substr(2));
      if (rule.has_value()) {
        differences.all_.back().rules.push_back(*rule);
        continue;
      }
    } else if (!differences.all_.empty()) {
      differences.all_.back().reason += fmt::format(" {}", content);
      continue;
    }
    *error = fmt::format("line {}: neither 'name: reason' nor a known rule", number);
    return std::nullopt;
  }
  return differences;
}

const Difference* Differences::Find(std::string_view name) const {
  for (const Difference& difference : all_) {
    if (difference.name == name) return &difference;
  }
  return nullptr;
}

std::vector<std::string> Differences::NamesWith(std::string_view verb) const {
  std::vector<std::string> names;
  for (const Difference& difference : all_) {
    for (const Rule& rule : difference.rules) {
      if (rule.verb == verb) names.push_back(difference.name);
    }
  }
  return names;
}

Reply Differences::Normalised(const Argv& command, Reply reply) const {
  for (const Difference& difference : all_) {
    for (const Rule& rule : difference.rules) {
      if (!Concerns(rule, command)) continue;
      if (rule.verb == "drop") DropFields(rule.values, &reply);
      if (rule.verb == "mask") MaskFields(rule.values, &reply);
      if (rule.verb == "mask-in-random" && random_) MaskFields(rule.values, &reply, true);
      if (rule.verb == "mask-times") MaskTimes(&reply);
      if (rule.verb == "mask-item") {
        MaskItem(static_cast<size_t>(atoi(rule.values.at(0).c_str())), &reply);
      }
    }
  }
  return reply;
}

bool Differences::Same(const Argv& command, const Reply& ours, const Reply& theirs) const {
  if (ours == theirs) return true;
  const Reply our_view = Normalised(command, ours);
  const Reply their_view = Normalised(command, theirs);
  if (our_view == their_view) return true;
  const std::string our_text = test::ToText(our_view);
  const std::string their_text = test::ToText(their_view);
  for (const Difference& difference : all_) {
    for (const Rule& rule : difference.rules) {
      if (!Concerns(rule, command)) continue;
      if (rule.verb == "near" && Near(ours, theirs, atoi(rule.values.at(0).c_str()))) return true;
      if (rule.verb == "reply" && Matches(rule.values[0], their_text) &&
          Matches(rule.values[1], our_text)) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace runnel::compat
