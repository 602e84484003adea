#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "env/disk.h"

namespace runnel {

// Puts a small file with this content in the place of `path`, whether there was one or not. After a
// power cut at any moment the file is the old one or the new one, whole; when this returns success,
// it is the new one. Uses the name `path`.tmp meanwhile. Blocks; any thread.
Status ReplaceFile(Disk& disk, const std::string& path, std::string_view content);

// The content of a small file, at most its first `most_bytes`; nothing if there is no such file.
// Blocks; any thread.
Result<std::optional<std::string>> ReadSmallFile(Disk& disk, const std::string& path,
                                                 size_t most_bytes);

}  // namespace runnel
