#include "tests/compat/script.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "tests/support/quote.h"

namespace runnel::compat {
namespace {

constexpr std::array<std::string_view, 20> kModifiers = {
    "sort", "type", "digits", "fields", "have",    "names", "drop", "cut",   "mask", "error",
    "raw",  "wait", "blocks", "close",  "replies", "until", "save", "fence", "head", "mirror"};

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

// Takes the first word off *text.
std::string_view TakeWord(std::string_view* text) {
  const size_t end = std::min(text->find(' '), text->size());
  const std::string_view word = text->substr(0, end);
  *text = Trim(text->substr(end));
  return word;
}

// Takes "@name(arguments)" off *text. Nothing if there is none or it is not known.
std::optional<Modifier> TakeModifier(std::string_view* text) {
  const size_t end = std::min(text->find_first_of(" ("), text->size());
  Modifier modifier{std::string(text->substr(1, end - 1)), {}};
  if (std::find(kModifiers.begin(), kModifiers.end(), modifier.name) == kModifiers.end()) {
    return std::nullopt;
  }
  text->remove_prefix(end);
  if (!text->empty() && text->front() == '(') {
    const size_t close = text->find(')');
    if (close == std::string_view::npos) return std::nullopt;
    std::string_view list = text->substr(1, close - 1);
    while (!list.empty()) {
      const size_t comma = std::min(list.find(','), list.size());
      modifier.arguments.emplace_back(list.substr(0, comma));
      list.remove_prefix(std::min(comma + 1, list.size()));
    }
    text->remove_prefix(close + 1);
  }
  *text = Trim(*text);
  return modifier;
}

// Reads the lines of one file into cases.
class Parser {
 public:
  explicit Parser(const std::string& file) : file_(file) {}

  // Empty if the line is fine, else what is wrong with it.
  std::string Line(int number, std::string_view text) {
    line_ = number;
    text = Trim(text);
    if (text.empty() || text.front() == '#') return "";
    if (text.substr(0, 3) == "== ") return Title(Trim(text.substr(3)));
    if (cases_.empty()) return "expected a title: == ...";
    if (text.front() >= 'a' && text.front() <= 'z' && text.size() > 1) {
      if (text[1] == '>') return Command(text);
      if (text == std::string{text[0], '-'}) return Disconnect(text[0]);
      if (text[1] == '=') return Expected(text[0], text.substr(2));
    }
    if (text.front() == '=') {
      return steps().empty() ? "no command before" : Expected(last().connection, text.substr(1));
    }
    return Directive(text);
  }

  std::vector<Case> Finish() { return std::move(cases_); }

 private:
  Script& steps() { return cases_.back().steps; }
  Step& last() { return steps().back(); }

  std::string Title(std::string_view title) {
    cases_.push_back({});
    cases_.back().file = file_;
    cases_.back().title = title;
    cases_.back().line = line_;
    return "";
  }

  std::string Directive(std::string_view text) {
    const std::string_view word = TakeWord(&text);
    if (word == "why" || word == "only") {
      cases_.back().reason = text;
      cases_.back().only_ours = word == "only";
      return text.empty() ? "expected a name of differences.txt" : "";
    }
    if (word == "resp2" || word == "resp3") {
      cases_.back().protocol = word == "resp2" ? 2 : 3;
      return "";
    }
    return fmt::format("'{}' is no directive", word);
  }

  std::string Command(std::string_view text) {
    Step step;
    step.connection = text[0];
    step.line = line_;
    step.more = text.substr(1, 2) == ">>";
    text = Trim(text.substr(step.more ? 3 : 2));
    while (!text.empty() && text.front() == '@') {
      std::optional<Modifier> modifier = TakeModifier(&text);
      if (!modifier.has_value()) return fmt::format("unknown modifier at '{}'", text);
      step.modifiers.push_back(std::move(*modifier));
    }
    std::optional<std::vector<std::string>> words = test::SplitWords(text);
    if (!words.has_value()) return "open quote or unknown escape";
    if (words->empty() && !step.Has("close")) return "no command";
    if (step.Has("raw") && words->size() != 1) return "@raw takes one quoted word";
    const bool joined = step.more || (!steps().empty() && last().more);
    if (step.Has("mirror") && joined) return "@mirror stands alone";
    if (!steps().empty() && last().more && last().connection != step.connection) {
      return "'>>' must be followed by a command of the same connection";
    }
    step.words = std::move(*words);
    steps().push_back(std::move(step));
    return "";
  }

  std::string Disconnect(char connection) {
    Step step;
    step.connection = connection;
    step.disconnect = true;
    step.line = line_;
    steps().push_back(std::move(step));
    return "";
  }

  std::string Expected(char connection, std::string_view text) {
    if (steps().empty()) return "no command before";
    if (cases_.back().reason.empty()) return "an expectation needs 'why' or 'only' in its case";
    int protocol = 0;
    if (text.substr(0, 2) == "2 " || text.substr(0, 2) == "3 ") {
      protocol = text.front() - '0';
      text.remove_prefix(1);
    }
    last().expected.push_back({connection, protocol, std::string(Trim(text))});
    return "";
  }

  const std::string file_;
  int line_ = 0;
  std::vector<Case> cases_;
};

}  // namespace

const Modifier* Step::Find(std::string_view name) const {
  for (const Modifier& modifier : modifiers) {
    if (modifier.name == name) return &modifier;
  }
  return nullptr;
}

bool Mirrors(const Script& script) {
  return std::any_of(script.begin(), script.end(),
                     [](const Step& step) { return step.Has("mirror"); });
}

std::vector<Case> ParseCases(const std::string& file, std::string_view text, std::string* error) {
  Parser parser(file);
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string problem = parser.Line(number, text.substr(0, end));
    if (!problem.empty()) {
      *error = fmt::format("{}:{}: {}", file, number, problem);
      return {};
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parser.Finish();
}

std::string ToText(const Step& step) {
  if (step.disconnect) return fmt::format("{}-", step.connection);
  std::string text = fmt::format("{}{}", step.connection, step.more ? ">>" : ">");
  for (const Modifier& modifier : step.modifiers) {
    text += " @" + modifier.name;
    if (!modifier.arguments.empty())
      text += fmt::format("({})", fmt::join(modifier.arguments, ","));
  }
  for (const std::string& word : step.words)
    text += " " + test::QuoteIfNeeded(word);
  return text;
}

std::string ToText(const Script& script) {
  std::string text;
  for (const Step& step : script)
    text += ToText(step) + "\n";
  return text;
}

}  // namespace runnel::compat
