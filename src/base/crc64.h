#pragma once

#include <cstdint>
#include <string_view>

namespace runnel {

// The CRC-64 with the polynomial 0xad93d23594c935a9, least significant bit first, that begins with
// 0 and is not inverted: that of "123456789" is 0xe9c6d914c4b8d9ca. It ends the dumps of Redis.
uint64_t Crc64(std::string_view bytes);

}  // namespace runnel
