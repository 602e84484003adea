#include "journal/copy_bytes.h"

#include <algorithm>
#include <string>

namespace runnel::journal {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{1} << 20;

}  // namespace

Status CopyBytes(const File& from, uint64_t offset, uint64_t bytes, File* to) {
  std::string buffer;
  for (uint64_t at = 0; at < bytes; at += buffer.size()) {
    buffer.resize(std::min(kPieceBytes, bytes - at));
    const auto read = from.ReadAt(offset + at, buffer.data(), buffer.size());
    if (!read.ok()) return read.status();
    if (*read < buffer.size()) return Status::Error("a segment became shorter while it was copied");
    const Status written = to->WriteAt(at, buffer);
    if (!written.ok()) return written;
  }
  return to->Sync();
}

}  // namespace runnel::journal
