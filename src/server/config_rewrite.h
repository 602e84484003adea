#pragma once

#include <string>

#include "base/status.h"
#include "server/config_values.h"

namespace runnel {

// Makes the file say `values`. Comments, the order of lines, and every line whose directive the
// file sets to the right value already stay byte for byte; other lines of known directives are
// replaced, and what is missing is added at the end. The new file takes the old one's place at once
// and as a whole, with the same mode, and is synced before.
Status RewriteConfigFile(const std::string& path, const ConfigValues& values);

}  // namespace runnel
