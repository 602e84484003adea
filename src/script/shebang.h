#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runnel {

// The words of a line: separated by blanks, or quoted ("\x41\n" or '\''). Nothing if a quote is not
// closed, or something follows it directly.
std::optional<std::vector<std::string>> SplitWords(std::string_view line);

// The first line of a script or library that begins with #!, and what comes after it, with the end
// of the line, so that lines keep their numbers.
struct Shebang {
  std::string_view line;
  std::string_view body;
};
// Nothing if the text has no end of the line.
std::optional<Shebang> SplitShebang(std::string_view text);

}  // namespace runnel
