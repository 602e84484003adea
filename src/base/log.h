#pragma once

#include <fmt/core.h>

#include <string>

// The server's log. Each event is one line, for the person who reads it at night: what happened, to
// whom, with which values. LogDebug traces the program, LogVerbose tells ordinary events, LogNotice
// tells what an operator should see, LogWarning tells what an operator must look at.
//
// This header is included nearly everywhere, so it does not include the logging library.

namespace runnel {

// kNothing is above all others: a log at this level shows nothing.
enum class LogLevel { kDebug, kVerbose, kNotice, kWarning, kNothing };

// Sends the log to `path`, or to standard output if it is empty. Returns an error text, or "" on
// success.
std::string OpenLog(const std::string& path);
// Lines below `level` are dropped. Callable from any thread.
void SetLogLevel(LogLevel level);

// Writes one line if `level` is shown. Callable from any thread. Use the functions below.
void LogLine(LogLevel level, fmt::string_view format, fmt::format_args args);

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
