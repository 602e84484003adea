#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/function_catalog.h"

// The payload of FUNCTION DUMP and RESTORE, which is that of Redis, so that libraries can be taken
// from one to the other:
//
//   for each library: byte 245, length, the text
//   version           2 bytes, little-endian: of the format
//   checksum          8 bytes, little-endian: Crc64 of all before it
//
// Texts may be compressed (LZF); those that are written here are not.

namespace runnel {

std::string DumpFunctions(const FunctionCatalog& functions);
// Bytes that the dump has, about.
size_t DumpBytes(const FunctionCatalog& functions);

// The texts of the libraries in a dump. `most_bytes` bounds each of them. The message of a failure
// has no code.
Result<std::vector<std::string>> ReadFunctionDump(std::string_view dump, size_t most_bytes);

}  // namespace runnel
