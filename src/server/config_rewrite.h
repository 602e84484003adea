#pragma once

#include <string>

#include "base/status.h"
#include "server/config_values.h"

namespace runnel {

// Changes the file so that it sets `values`. Comments, the order of lines, and every line whose
// directive already has the right value stay as they are. Other lines of known directives are
// replaced, and missing directives are added at the end. The new file is synced, then takes the old
// one's place in one step, with the same mode. Waits for the disk.
Status RewriteConfigFile(const std::string& path, const ConfigValues& values);

}  // namespace runnel
