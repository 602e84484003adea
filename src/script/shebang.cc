#include "script/shebang.h"

#include "base/text.h"

namespace runnel {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = ToLower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char UnescapedLetter(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Reads the quoted word whose opening quote is at the beginning of *rest; false if it has no end.
bool TakeQuoted(std::string_view* rest, std::string* word) {
  const char quote = rest->front();
  size_t i = 1;
  while (i < rest->size() && (*rest)[i] != quote) {
    const char c = (*rest)[i];
    const char next = i + 1 < rest->size() ? (*rest)[i + 1] : '\0';
    if (quote == '"' && c == '\\' && next == 'x' && i + 3 < rest->size() &&
        HexDigit((*rest)[i + 2]) >= 0 && HexDigit((*rest)[i + 3]) >= 0) {
      word->push_back(static_cast<char>(HexDigit((*rest)[i + 2]) * 16 + HexDigit((*rest)[i + 3])));
      i += 4;
    } else if (quote == '"' && c == '\\' && i + 1 < rest->size()) {
      word->push_back(UnescapedLetter(next));
      i += 2;
    } else if (quote == '\'' && c == '\\' && next == '\'') {
      word->push_back('\'');
      i += 2;
    } else {
      word->push_back(c);
      i++;
    }
  }
  if (i >= rest->size()) return false;
  rest->remove_prefix(i + 1);
  return rest->empty() || IsSpace(rest->front());
}

}  // namespace

std::optional<std::vector<std::string>> SplitWords(std::string_view line) {
  std::vector<std::string> words;
  while (true) {
    while (!line.empty() && IsSpace(line.front())) {
      line.remove_prefix(1);
    }
    if (line.empty()) return words;
    std::string& word = words.emplace_back();
    while (!line.empty() && !IsSpace(line.front())) {
      if (line.front() == '"' || line.front() == '\'') {
        if (!TakeQuoted(&line, &word)) return std::nullopt;
        break;
      }
      word.push_back(line.front());
      line.remove_prefix(1);
    }
  }
}

std::optional<Shebang> SplitShebang(std::string_view text) {
  const size_t end = text.find('\n');
  if (end == text.npos) return std::nullopt;
  return Shebang{text.substr(0, end), text.substr(end)};
}

}  // namespace runnel
