#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace runnel {
namespace {

// Prints the mark that Redis's log has for each level; see SpdlogLevel.
class LevelMark : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const char mark = message.level <= spdlog::level::debug  ? '.'
                      : message.level == spdlog::level::info ? '-'
                      : message.level == spdlog::level::warn ? '*'
                                                             : '#';
    out.push_back(mark);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelMark>();
  }
};

// Redis's four levels are carried by spdlog's neighbours.
spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kVerbose:
      return spdlog::level::info;
    case LogLevel::kNotice:
      return spdlog::level::warn;
    case LogLevel::kWarning:
      return spdlog::level::err;
    case LogLevel::kNothing:
      break;
  }
  return spdlog::level::off;
}

}  // namespace

std::string OpenLog(const std::string& path) {
  try {
    std::shared_ptr<spdlog::logger> logger;
    if (path.empty()) {
      logger =
          std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::stdout_sink_mt>());
    } else {
      logger = std::make_shared<spdlog::logger>(
          "", std::make_shared<spdlog::sinks::basic_file_sink_mt>(path, false));
    }
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<LevelMark>('*').set_pattern("%P %d %b %Y %H:%M:%S.%e %* %v");
    logger->set_formatter(std::move(formatter));
    logger->flush_on(spdlog::level::trace);
    logger->set_level(spdlog::get_level());
    spdlog::set_default_logger(std::move(logger));
    return "";
  } catch (const spdlog::spdlog_ex& error) {
    return error.what();
  }
}

void SetLogLevel(LogLevel level) {
  spdlog::set_level(SpdlogLevel(level));
}

void LogLine(LogLevel level, fmt::string_view format, fmt::format_args args) {
  const spdlog::level::level_enum carried = SpdlogLevel(level);
  spdlog::logger* const logger = spdlog::default_logger_raw();
  if (!logger->should_log(carried)) return;
  fmt::memory_buffer line;
  fmt::vformat_to(fmt::appender(line), format, args);
  logger->log(carried, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace runnel
