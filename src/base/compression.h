#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Compression of what is stored: snapshots and cold blocks.

namespace runnel {

// The numbers are stored in files: never reuse one.
enum class Codec : uint8_t {
  kNone = 0,
  kLz4 = 1,
  kZstd = 2,
};

// Compresses `raw` at the codec's fastest level (for kZstd: level 1) and returns how it is to be
// stored: `*stored` points into `*buffer`, which is reused from call to call, or is `raw` itself,
// with kNone, if compressing does not make it smaller.
Codec Compress(Codec codec, std::string_view raw, std::string* buffer, std::string_view* stored);

// Writes the `raw_bytes` bytes that `stored` was made from to `raw`. False if that is not what
// `stored` gives, or the codec is not known: any input is safe, and nothing is written beyond
// `raw_bytes`.
bool Decompress(Codec codec, std::string_view stored, char* raw, size_t raw_bytes);

}  // namespace runnel
