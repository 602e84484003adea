#pragma once

#include <string>
#include <string_view>

// Small things done to text: case, blanks, quoting. All of it works on bytes, in no locale.

namespace runnel {

inline char ToLower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
inline char ToUpper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}
inline bool IsSpace(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

std::string LowerCase(std::string_view text);
std::string UpperCase(std::string_view text);

bool EqualsIgnoreCase(std::string_view a, std::string_view b);

// `text` in double quotes, with \n \r \t \a \b \\ \" and \xHH for what does not print: the form of
// MONITOR's lines.
std::string Quote(std::string_view text);

}  // namespace runnel
