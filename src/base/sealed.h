#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace runnel {

// The content of a small file that is written as a whole: a title, which names the kind and the
// version, a body, and eight bytes with the XXH3-64 of both.

// Appends the checksum. `content` begins with the title.
std::string Seal(std::string content);
// The body, which points into `bytes`; nothing if the bytes do not begin with the title, or if the
// checksum does not hold.
std::optional<std::string_view> Unseal(std::string_view bytes, std::string_view title);

}  // namespace runnel
