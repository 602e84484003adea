#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

// The server's log. Each event is one line for the operator: what happened, to whom, with which
// values. LogDebug traces the program, LogVerbose tells ordinary events, LogNotice tells what an
// operator should see, LogWarning tells what an operator must look at.
//
// After StartLogThread, a call only puts its line into a bounded queue. The log thread writes, so a
// stalled disk or a blocked pipe does not stop the caller. Lines that find the queue full are
// dropped, and their number is logged.
//
// This header is included nearly everywhere, so it includes little.

namespace runnel {

// kNothing is above all others: a log at this level shows nothing.
enum class LogLevel { kDebug, kVerbose, kNotice, kWarning, kNothing };
enum class LogFormat { kPlain, kJson };
enum class SyslogFacility {
  kUser,
  kLocal0,
  kLocal1,
  kLocal2,
  kLocal3,
  kLocal4,
  kLocal5,
  kLocal6,
  kLocal7
};

struct LogOptions {
  std::string path;  // empty: standard output
  LogFormat format = LogFormat::kPlain;
  // Also send each line to the system's log daemon, which listens at `syslog_socket`.
  bool syslog = false;
  std::string syslog_ident = "runnel";
  SyslogFacility syslog_facility = SyslogFacility::kLocal0;
  std::string syslog_socket = "/dev/log";
};

// Directs the log. Until the first call it goes to standard output. Returns an error text, or "" on
// success; on failure the log goes where it went before.
std::string OpenLog(const LogOptions& options);
// Opens the file anew under its path, for log rotation. The log thread does it if it runs. If that
// fails, the log stays with the old file and says so.
void ReopenLog();

// From now on the log thread writes; before, callers write their lines themselves. REQUIRES: the
// process does not fork afterwards.
void StartLogThread();
// Ends the log thread after the lines given so far. Waits at most a second for them.
void StopLogThread();
// Waits until the lines given so far are written, at most a second. Returns whether they are. May
// be called in a signal handler.
bool FlushLog();
// Flushes the log before a fatal signal (SIGABRT, SIGSEGV and the like) ends the process.
void FlushLogOnFatalSignals();

// Lines below `level` are not logged. Callable from any thread.
void SetLogLevel(LogLevel level);

// Writes one line if `level` is shown. Callable from any thread. Control bytes and bytes that are
// no UTF-8 appear as \xNN. Use the functions below.
void LogLine(LogLevel level, fmt::string_view format, fmt::format_args args);

// `text` with control bytes and bytes that are no UTF-8 as \xNN, and \n, \r, \t as such.
std::string Printable(std::string_view text);

template <class... Args>
void LogDebug(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kDebug, format, fmt::make_format_args(args...));
}
template <class... Args>
void LogVerbose(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kVerbose, format, fmt::make_format_args(args...));
}
template <class... Args>
void LogNotice(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kNotice, format, fmt::make_format_args(args...));
}
template <class... Args>
void LogWarning(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kWarning, format, fmt::make_format_args(args...));
}

}  // namespace runnel
