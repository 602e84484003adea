#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Compression of stored data: snapshots and cold blocks.

namespace runnel {

// The numbers are stored in files: never reuse one.
enum class Codec : uint8_t {
  kNone = 0,
  kLz4 = 1,
  kZstd = 2,
};

// Compresses `raw` at the codec's fastest level (for kZstd: level 1) and returns the codec of the
// result. `*stored` points into `*buffer`, which is reused from call to call; or it is `raw`
// itself, with kNone, if compression does not make it smaller.
Codec Compress(Codec codec, std::string_view raw, std::string* buffer, std::string_view* stored);

// Decompresses `stored` to `raw`, which takes exactly `raw_bytes` bytes. Returns false if the
// result has another size, or if the codec is not known. Any input is safe, and nothing is written
// beyond `raw_bytes`.
bool Decompress(Codec codec, std::string_view stored, char* raw, size_t raw_bytes);

}  // namespace runnel
