#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.h"

namespace runnel {

// One line of the log before it has its form.
struct LogRecord {
  LogLevel level;
  int64_t unix_us;
  std::string text;  // printable, without end of line
};

// The line as it stands in the log, with its end.
std::string FormatLogRecord(const LogRecord& record, LogFormat format);

// Writes the lines of the log to a file or standard output, and to the system's log daemon. Writing
// may block. Used by one thread at a time.
class LogOutput {
 public:
  LogOutput() = default;
  ~LogOutput();
  LogOutput(const LogOutput&) = delete;
  LogOutput& operator=(const LogOutput&) = delete;

  // Returns an error text, or "" on success; on failure nothing has changed.
  std::string Open(const LogOptions& options);
  // Opens the path anew. On failure the old file stays.
  std::string Reopen();
  // A line that cannot be written is counted; when lines can be written again, their number and the
  // reason follow the next line.
  void Write(const LogRecord& record);

 private:
  void SendToSyslog(const LogRecord& record);
  void Tell(std::string text);

  LogOptions options_;
  int fd_ = 1;
  bool owns_fd_ = false;
  uint64_t lost_ = 0;      // lines that could not be written
  int lost_error_ = 0;     // errno of the last of them
  bool syslog_ok_ = true;  // as far as the last line tells
};

}  // namespace runnel
