#include "broker/audit.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "base/log.h"
#include "base/text.h"

namespace runnel {

bool IsAudited(std::string_view full_name) {
  // SHUTDOWN and CONFIG SET write lines of their own.
  constexpr std::string_view kAudited[] = {"flushall",        "flushdb",       "client|kill",
                                           "client|no-evict", "client|pause",  "config|resetstat",
                                           "slowlog|reset",   "latency|reset", "monitor"};
  return std::find(std::begin(kAudited), std::end(kAudited), full_name) != std::end(kAudited);
}

void LogAudited(std::string_view full_name, std::string_view peer) {
  std::string name = UpperCase(full_name);
  std::replace(name.begin(), name.end(), '|', ' ');
  LogNotice("{} by client {}", name, peer);
}

void WrongPasswords::Note(std::string_view peer, int64_t steady_ms) {
  count_++;
  unsaid_++;
  if (steady_ms - last_line_ms_ < kLineEveryMs) return;
  if (unsaid_ == 1) {
    LogNotice("Wrong password from client {}", peer);
  } else {
    LogNotice("Wrong password from client {}; {} more since the last such line", peer, unsaid_ - 1);
  }
  last_line_ms_ = steady_ms;
  unsaid_ = 0;
}

}  // namespace runnel
