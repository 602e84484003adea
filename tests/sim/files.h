#pragma once

#include <string>
#include <string_view>

#include "env/disk.h"

namespace runnel::sim {

// The content of a file; aborts the test program if it cannot be read.
std::string ReadFile(Disk& disk, const std::string& path);
// Makes or replaces a file, durable with its name; the directory too if it is missing.
void WriteFile(Disk& disk, const std::string& path, std::string_view bytes);
bool Exists(Disk& disk, const std::string& path);

}  // namespace runnel::sim
