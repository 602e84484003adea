#include "base/compression.h"

#include <lz4.h>
#include <zstd.h>

#include <cstring>
#include <limits>

#include "base/assert.h"

namespace runnel {

Codec Compress(Codec codec, std::string_view raw, std::string* buffer, std::string_view* stored) {
  CHECK(raw.size() <= size_t{LZ4_MAX_INPUT_SIZE});
  size_t bytes = 0;
  switch (codec) {
    case Codec::kNone:
      break;
    case Codec::kLz4: {
      buffer->resize(static_cast<size_t>(LZ4_compressBound(static_cast<int>(raw.size()))));
      bytes = static_cast<size_t>(LZ4_compress_default(raw.data(), buffer->data(),
                                                       static_cast<int>(raw.size()),
                                                       static_cast<int>(buffer->size())));
      break;
    }
    case Codec::kZstd: {
      buffer->resize(ZSTD_compressBound(raw.size()));
      bytes = ZSTD_compress(buffer->data(), buffer->size(), raw.data(), raw.size(), 1);
      if (ZSTD_isError(bytes) != 0) bytes = 0;
      break;
    }
  }
  if (bytes == 0 || bytes >= raw.size()) {
    *stored = raw;
    return Codec::kNone;
  }
  *stored = std::string_view(*buffer).substr(0, bytes);
  return codec;
}

bool Decompress(Codec codec, std::string_view stored, char* raw, size_t raw_bytes) {
  constexpr auto kMost = static_cast<size_t>(std::numeric_limits<int>::max());
  switch (codec) {
    case Codec::kNone:
      if (stored.size() != raw_bytes) return false;
      if (raw_bytes > 0) std::memcpy(raw, stored.data(), raw_bytes);
      return true;
    case Codec::kLz4:
      if (stored.size() > kMost || raw_bytes > kMost) return false;
      return LZ4_decompress_safe(stored.data(), raw, static_cast<int>(stored.size()),
                                 static_cast<int>(raw_bytes)) == static_cast<int>(raw_bytes);
    case Codec::kZstd:
      return ZSTD_decompress(raw, raw_bytes, stored.data(), stored.size()) == raw_bytes;
  }
  return false;
}

}  // namespace runnel
