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

// The header of a file. `object` is the number of the value.
std::string EncodeFileHeader(uint64_t object);
// Whether `bytes` begin with the header of a file of this object; otherwise the message says what
// is wrong.
Status CheckFileHeader(std::string_view bytes, uint64_t object);

// Appends the run as an extent, which will be at `offset` in a file of this object.
void AppendExtent(const BlockRun& run, Codec codec, uint64_t object, uint64_t offset,
                  std::string* out);

// Makes a run of this kind from the bytes of an extent. If they are damaged, or belong to another
// extent, the message says what is wrong. Takes memory in the order of the extent's content, and
// none before the checksum has been verified.
Result<std::shared_ptr<const BlockRun>> DecodeExtent(std::string_view bytes, RunKind kind,
                                                     uint64_t object, uint64_t offset);

}  // namespace runnel::cold
