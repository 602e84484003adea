#pragma once

#include <cstddef>
#include <string>
#include <string_view>

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

// Reads the texts of the libraries in a dump, one after the other: together they may be much larger
// than the dump, which outlives this.
class FunctionDumpReader {
 public:
  // `most_bytes` bounds each text. Fails if the version or the checksum is wrong; the messages of
  // failures, here and below, have no code.
  static Result<FunctionDumpReader> Open(std::string_view dump, size_t most_bytes);

  bool done() const { return rest_.empty(); }
  // The next text. There is no further one after a failure. REQUIRES: !done().
  Result<std::string> Next();

 private:
  FunctionDumpReader(std::string_view rest, size_t most_bytes)
      : rest_(rest), most_bytes_(most_bytes) {}

  std::string_view rest_;
  size_t most_bytes_;
};

}  // namespace runnel
