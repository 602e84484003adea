#pragma once

#include "env/disk.h"

namespace runnel {

// The disk of the machine. Lives as long as the process.
Disk& SystemDisk();

}  // namespace runnel
