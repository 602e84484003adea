#pragma once

#include <span>
#include <string>
#include <string_view>

#include "server/server_host.h"

namespace runnel {

// The text of INFO: the sections of these names, in any case, in an order of its own; unknown names
// mean nothing. "default" stands for what one sees without a name, "all" and "everything" for all
// sections. There is no field for what the server does not have, unless clients look at it.
std::string FormatInfo(ServerHost& host, std::span<const std::string_view> names);

}  // namespace runnel
