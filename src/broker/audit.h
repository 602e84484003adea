#pragma once

#include <cstdint>
#include <string_view>

namespace runnel {

// Log lines about actions that matter for security: what was done, and from which address. They
// never contain arguments, because these may be secrets.

// Whether each successful call of the command with this full name ("client|kill") is logged.
bool IsAudited(std::string_view full_name);
// Logs a call of such a command.
void LogAudited(std::string_view full_name, std::string_view peer);

// Wrong passwords. A client can send as many as it likes, so the log has at most one line a second.
class WrongPasswords {
 public:
  // A connection is closed after this many in a row.
  static constexpr uint32_t kMostOnAConnection = 10;

  void Note(std::string_view peer, int64_t steady_ms);
  uint64_t count() const { return count_; }

 private:
  static constexpr int64_t kLineEveryMs = 1000;

  uint64_t count_ = 0;
  uint64_t unsaid_ = 0;  // since the last line
  int64_t last_line_ms_ = INT64_MIN / 2;
};

}  // namespace runnel
