#include "broker/commands/command_syntax.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "fmt/format.h"

namespace runnel {
namespace {

using Arguments = std::vector<CommandArgument>;

constexpr std::string_view kPunctuation = "[]<>()|";

constexpr struct {
  std::string_view name;
  std::string_view type;
} kTypesByName[] = {
    {"key", "key"},         {"pattern", "pattern"}, {"count", "integer"},
    {"numkeys", "integer"}, {"seconds", "integer"}, {"milliseconds", "integer"},
};

// Tokens that are no names.
constexpr struct {
  std::string_view token;
  std::string_view name;
} kTokenNames[] = {
    {"=", "equal"},
    {"~", "approximately"},
    {"*", "auto-id"},
    {"$", "last-id"},
};

bool IsWord(std::string_view text) {
  return text[0] >= 'a' && text[0] <= 'z';
}

std::string_view TypeOf(std::string_view name) {
  for (const auto& known : kTypesByName) {
    if (known.name == name) return known.type;
  }
  return "string";
}

std::string NameOfToken(std::string_view token) {
  for (const auto& known : kTokenNames) {
    if (known.token == token) return std::string(known.name);
  }
  return LowerCase(token);
}

CommandArgument Combine(std::string_view type, Arguments parts) {
  CommandArgument whole;
  whole.type = type;
  for (const CommandArgument& part : parts) {
    whole.name += (whole.name.empty() ? "" : "_") + part.name;
  }
  whole.parts = std::move(parts);
  return whole;
}

// Recursive descent over the text. Each step gives nothing after a failure, whose reason stays in
// error().
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  const std::string& error() const { return error_; }

  std::optional<Arguments> Whole() {
    std::optional<Arguments> items = Sequence();
    if (items && !Next().empty()) return Fail(fmt::format("'{}' closes nothing", Next()));
    return items;
  }

 private:
  // The next symbol: a mark of punctuation, "..." or a run of other characters. Empty at the end.
  std::string_view Next() {
    while (!text_.empty() && text_[0] == ' ')
      text_.remove_prefix(1);
    if (text_.empty()) return text_;
    if (kPunctuation.find(text_[0]) != std::string_view::npos) return text_.substr(0, 1);
    if (text_.starts_with("...")) return text_.substr(0, 3);
    const size_t end = std::min(
        {text_.find_first_of(kPunctuation), text_.find("..."), text_.find(' '), text_.size()});
    return text_.substr(0, end);
  }
  std::string_view Take() {
    const std::string_view symbol = Next();
    text_.remove_prefix(symbol.size());
    return symbol;
  }
  std::nullopt_t Fail(std::string error) {
    error_ = std::move(error);
    return std::nullopt;
  }
  bool AtEnd() {
    const std::string_view symbol = Next();
    return symbol.empty() || symbol == "]" || symbol == ">" || symbol == ")" || symbol == "|";
  }

  std::optional<Arguments> Sequence() {
    Arguments items;
    while (!AtEnd()) {
      std::optional<CommandArgument> item = Item();
      if (!item) return std::nullopt;
      items.push_back(std::move(*item));
    }
    return items;
  }

  std::optional<CommandArgument> Item() {
    const std::string_view symbol = Next();
    const bool in_group = kPunctuation.find(symbol[0]) != std::string_view::npos;
    std::optional<CommandArgument> item = in_group ? Group() : IsWord(symbol) ? Word() : Token();
    if (item && Next() == "...") {
      Take();
      item->multiple = true;
      item->multiple_token = in_group && !item->token.empty();
    }
    return item;
  }

  std::optional<CommandArgument> Word() {
    const std::string_view word = Take();
    const size_t colon = word.find(':');
    CommandArgument argument;
    argument.name = word.substr(0, colon);
    argument.type =
        colon == std::string_view::npos ? TypeOf(argument.name) : word.substr(colon + 1);
    if (argument.type.empty()) return Fail(fmt::format("'{}' has no type", word));
    return argument;
  }

  std::optional<CommandArgument> Token() {
    const std::string_view token = Take();
    if (token == "...") return Fail("'...' follows nothing");
    const std::string_view next = Next();
    const std::string_view rest = text_;
    std::optional<CommandArgument> argument = CommandArgument();
    if (!next.empty() && IsWord(next)) argument = Word();
    if (next == "<" || next == "(") argument = Group();
    if (!argument) return std::nullopt;
    if (argument->type.empty() || !argument->token.empty()) {
      // Nothing follows that the token could belong to: it stands for itself.
      text_ = rest;
      argument = CommandArgument();
      argument->name = NameOfToken(token);
      argument->type = "pure-token";
    }
    argument->token = token;
    return argument;
  }

  std::optional<CommandArgument> Group() {
    const std::string_view open = Take();
    const std::string_view close = open == "[" ? "]" : open == "<" ? ">" : ")";
    Arguments choices;
    do {
      std::optional<Arguments> items = Sequence();
      if (!items) return std::nullopt;
      if (items->empty()) return Fail(fmt::format("nothing after '{}'", open));
      choices.push_back(Block(std::move(*items)));
    } while (Next() == "|" && !Take().empty());
    if (Take() != close) return Fail(fmt::format("'{}' is not closed", open));
    CommandArgument group =
        choices.size() == 1 ? std::move(choices[0]) : Combine("oneof", std::move(choices));
    if (open == "[") group.optional = true;
    return group;
  }

  // One argument for all the items of a group.
  static CommandArgument Block(Arguments items) {
    if (items.size() == 1) return std::move(items[0]);
    // [TOKEN word word]: the token is that of the whole.
    const auto is_word = [](const CommandArgument& item) {
      return !item.optional && item.parts.empty() && item.type != "pure-token";
    };
    const bool words_follow = std::all_of(items.begin() + 1, items.end(), [&](const auto& item) {
      return is_word(item) && item.token.empty();
    });
    std::string_view token;
    if (is_word(items[0]) && words_follow) std::swap(token, items[0].token);
    CommandArgument block = Combine("block", std::move(items));
    block.token = token;
    return block;
  }

  std::string_view text_;
  std::string error_;
};

}  // namespace

Result<std::vector<CommandArgument>> ParseCommandSyntax(std::string_view syntax) {
  Parser parser(syntax);
  std::optional<Arguments> arguments = parser.Whole();
  if (!arguments) return Status::Error(fmt::format("\"{}\": {}", syntax, parser.error()));
  return std::move(*arguments);
}

}  // namespace runnel
