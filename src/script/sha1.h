#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace runnel {

// SHA-1 of the bytes as 40 lower-case hexadecimal digits: the name of a script. It protects
// nothing.
std::string Sha1Hex(std::string_view bytes);
// The same, written at `out`.
void WriteSha1Hex(std::string_view bytes, std::array<char, 40>* out);

}  // namespace runnel
