#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/compression.h"
#include "base/status.h"
#include "data/cold.h"

// The bytes of cold files: see README.md.

namespace runnel::cold {

inline constexpr size_t kFileHeaderBytes = 32;
inline constexpr size_t kExtentHeaderBytes = 40;

// What a file begins with. `object` is the number of the value.
std::string EncodeFileHeader(uint64_t object);
// Whether a file begins with that; the message says what is wrong otherwise.
Status CheckFileHeader(std::string_view bytes, uint64_t object);

// Appends the run as an extent that will lie at `offset` of a file of that object.
void AppendExtent(const BlockRun& run, Codec codec, uint64_t object, uint64_t offset,
                  std::string* out);

// The run of that kind back from the bytes of an extent, which may be damaged or those of another
// one: then the message says what is wrong with them. Takes memory in the order of what the extent
// holds, and none before the checksum is right.
Result<std::shared_ptr<const BlockRun>> DecodeExtent(std::string_view bytes, RunKind kind,
                                                     uint64_t object, uint64_t offset);

}  // namespace runnel::cold
