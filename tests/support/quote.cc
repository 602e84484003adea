#include "tests/support/quote.h"

#include <fmt/format.h>

#include <charconv>

namespace runnel::test {
namespace {

bool IsPlain(char c) {
  return c > ' ' && c < 0x7f && c != '"' && c != '\\';
}

// Appends the character that the escape at line[*at] (just past the backslash) stands for.
bool Unescape(std::string_view line, size_t* at, std::string* word) {
  if (*at >= line.size()) return false;
  const char kind = line[(*at)++];
  switch (kind) {
    case 'r':
      *word += '\r';
      return true;
    case 'n':
      *word += '\n';
      return true;
    case 't':
      *word += '\t';
      return true;
    case '"':
    case '\\':
      *word += kind;
      return true;
    case 'x': {
      if (*at + 2 > line.size()) return false;
      unsigned value = 0;
      const char* const digits = line.data() + *at;
      if (std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) return false;
      *word += static_cast<char>(value);
      *at += 2;
      return true;
    }
    default:
      return false;
  }
}

}  // namespace

std::string Quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\r') {
      quoted += "\\r";
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (c == ' ' || IsPlain(c)) {
      quoted += c;
    } else {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return quoted + '"';
}

std::string QuoteIfNeeded(std::string_view word) {
  bool plain = !word.empty();
  for (const char c : word)
    plain = plain && IsPlain(c);
  return plain ? std::string(word) : Quote(word);
}

std::optional<std::vector<std::string>> SplitWords(std::string_view line) {
  std::vector<std::string> words;
  size_t at = 0;
  while (true) {
    while (at < line.size() && (line[at] == ' ' || line[at] == '\t'))
      ++at;
    if (at == line.size()) return words;
    std::string& word = words.emplace_back();
    if (line[at] != '"') {
      while (at < line.size() && line[at] != ' ' && line[at] != '\t')
        word += line[at++];
      continue;
    }
    ++at;
    while (true) {
      if (at == line.size()) return std::nullopt;
      const char c = line[at++];
      if (c == '"') break;
      if (c != '\\') {
        word += c;
      } else if (!Unescape(line, &at, &word)) {
        return std::nullopt;
      }
    }
  }
}

}  // namespace runnel::test
