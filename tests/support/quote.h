#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runnel::test {

// "text" with every byte outside printable ASCII, and the quote and backslash themselves, escaped:
// \r \n \t \" \\ or \xHH. Always in double quotes, so that an empty string is visible.
std::string Quote(std::string_view text);

// Like Quote, but a word that needs no quotes (not empty, printable, without space, quote or
// backslash) is returned bare. Unquote of SplitWords gives it back.
std::string QuoteIfNeeded(std::string_view word);

// Cuts a line at its spaces into words; a word that starts with a double quote reaches to the
// closing one and may hold the escapes that Quote writes. Nothing if a quote is left open or an
// escape is unknown.
std::optional<std::vector<std::string>> SplitWords(std::string_view line);

}  // namespace runnel::test
