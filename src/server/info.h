#pragma once

#include <span>
#include <string>
#include <string_view>

#include "server/server_host.h"

namespace runnel {

// The text of INFO: the sections with these names (in any case), in a fixed order. Unknown names
// are ignored. No name or "default" gives the default sections, "all" and "everything" give all but
// "debug". What the server does not have has no field, unless clients read that field.
std::string FormatInfo(ServerHost& host, std::span<const std::string_view> names);

}  // namespace runnel
