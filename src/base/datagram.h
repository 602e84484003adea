#pragma once

#include <string>
#include <string_view>

namespace runnel {

// Sends one datagram to the Unix socket at `path`; a path that begins with '@' is an abstract
// address. Does not wait: a receiver whose queue is full is an error. Returns 0, or the errno.
int SendDatagram(const std::string& path, std::string_view bytes);

}  // namespace runnel
