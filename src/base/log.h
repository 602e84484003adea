#pragma once

#include <spdlog/spdlog.h>

// The server's log. One line an event, for the person who reads it at night: what happened, to
// whom, with which values. LogDebug is for tracing, LogVerbose for the course of things, LogNotice
// for what an operator should see, LogWarning for what needs somebody.

namespace runnel {

enum class LogLevel { kDebug, kVerbose, kNotice, kWarning };

// Sends the log to `path`, or to standard output if it is empty. Returns an error text, or "" on
// success.
std::string OpenLog(const std::string& path);
void SetLogLevel(LogLevel level);

template <class... Args>
void LogDebug(spdlog::format_string_t<Args...> format, Args&&... args) {
  spdlog::debug(format, std::forward<Args>(args)...);
}
template <class... Args>
void LogVerbose(spdlog::format_string_t<Args...> format, Args&&... args) {
  spdlog::info(format, std::forward<Args>(args)...);
}
template <class... Args>
void LogNotice(spdlog::format_string_t<Args...> format, Args&&... args) {
  spdlog::warn(format, std::forward<Args>(args)...);
}
template <class... Args>
void LogWarning(spdlog::format_string_t<Args...> format, Args&&... args) {
  spdlog::error(format, std::forward<Args>(args)...);
}

}  // namespace runnel
