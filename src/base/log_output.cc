#include "base/log_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/datagram.h"

namespace runnel {
namespace {

constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kVerbose:
      return "verbose";
    case LogLevel::kNotice:
      return "notice";
    case LogLevel::kWarning:
    case LogLevel::kNothing:
      break;
  }
  return "warning";
}

// The marks of Redis's log.
char LevelMark(LogLevel level) {
  constexpr char kMarks[] = {'.', '-', '*', '#', '#'};
  return kMarks[static_cast<size_t>(level)];
}

int SyslogSeverity(LogLevel level) {
  constexpr int kSeverities[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING, LOG_WARNING};
  return kSeverities[static_cast<size_t>(level)];
}

std::tm LocalTime(int64_t unix_us) {
  const std::time_t seconds = unix_us / 1000000;
  std::tm time{};
  localtime_r(&seconds, &time);
  return time;
}

std::string JsonString(std::string_view printable) {
  std::string text = "\"";
  for (const char c : printable) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + '"';
}

// The errno of what failed; 0 on success.
int WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      // Somebody has made the pipe or terminal non-blocking.
      pollfd wait{fd, POLLOUT, 0};
      poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

int64_t UnixMicros() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
}

int OpenFile(const std::string& path) {
  constexpr mode_t kMode = 0644;
  return open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kMode);
}

}  // namespace

std::string FormatLogRecord(const LogRecord& record, LogFormat format) {
  const auto millis = static_cast<int>(record.unix_us / 1000 % 1000);
  if (format == LogFormat::kPlain) {
    const std::tm time = LocalTime(record.unix_us);
    return fmt::format("{} {:02} {} {} {:02}:{:02}:{:02}.{:03} {} {}\n", getpid(), time.tm_mday,
                       kMonths[time.tm_mon], time.tm_year + 1900, time.tm_hour, time.tm_min,
                       time.tm_sec, millis, LevelMark(record.level), record.text);
  }
  const std::time_t seconds = record.unix_us / 1000000;
  std::tm time{};
  gmtime_r(&seconds, &time);
  return fmt::format(
      "{{\"time\":\"{}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\",\"level\":\"{}\",\"pid\":{},"
      "\"message\":{}}}\n",
      time.tm_year + 1900, time.tm_mon + 1, time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec,
      millis, LevelName(record.level), getpid(), JsonString(record.text));
}

LogOutput::~LogOutput() {
  if (owns_fd_) close(fd_);
}

std::string LogOutput::Open(const LogOptions& options) {
  const int fd = options.path.empty() ? STDOUT_FILENO : OpenFile(options.path);
  if (fd < 0) return std::strerror(errno);
  if (owns_fd_) close(fd_);
  fd_ = fd;
  owns_fd_ = !options.path.empty();
  options_ = options;
  return "";
}

std::string LogOutput::Reopen() {
  if (options_.path.empty()) return "";
  const int fd = OpenFile(options_.path);
  if (fd < 0) return std::strerror(errno);
  if (owns_fd_) close(fd_);
  fd_ = fd;
  owns_fd_ = true;
  return "";
}

void LogOutput::Write(const LogRecord& record) {
  if (const int error = WriteAll(fd_, FormatLogRecord(record, options_.format)); error != 0) {
    lost_++;
    lost_error_ = error;
  } else if (lost_ > 0) {
    const uint64_t lost = lost_;
    lost_ = 0;
    Tell(fmt::format("{} log lines before this one could not be written: {}", lost,
                     std::strerror(lost_error_)));
  }
  if (options_.syslog) SendToSyslog(record);
}

void LogOutput::SendToSyslog(const LogRecord& record) {
  const std::tm time = LocalTime(record.unix_us);
  constexpr int kFacilities[] = {LOG_USER,   LOG_LOCAL0, LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3,
                                 LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7};
  const int priority =
      kFacilities[static_cast<size_t>(options_.syslog_facility)] | SyslogSeverity(record.level);
  const int error =
      SendDatagram(options_.syslog_socket,
                   fmt::format("<{}>{} {:2} {:02}:{:02}:{:02} {}[{}]: {}", priority,
                               kMonths[time.tm_mon], time.tm_mday, time.tm_hour, time.tm_min,
                               time.tm_sec, options_.syslog_ident, getpid(), record.text));
  const bool was_ok = syslog_ok_;
  syslog_ok_ = error == 0;
  if (was_ok && error != 0) {
    Tell(fmt::format("The system's log daemon at {} does not take lines: {}",
                     options_.syslog_socket, std::strerror(error)));
  }
}

// A line about the log itself. It does not go to syslog.
void LogOutput::Tell(std::string text) {
  const LogRecord record{LogLevel::kWarning, UnixMicros(), std::move(text)};
  if (WriteAll(fd_, FormatLogRecord(record, options_.format)) != 0) lost_++;
}

}  // namespace runnel
