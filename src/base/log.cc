#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace runnel {
namespace {

// Redis's four levels are carried by spdlog's neighbours; the flag prints Redis's mark for each.
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
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::set_level(spdlog::level::debug);
    case LogLevel::kVerbose:
      return spdlog::set_level(spdlog::level::info);
    case LogLevel::kNotice:
      return spdlog::set_level(spdlog::level::warn);
    case LogLevel::kWarning:
      return spdlog::set_level(spdlog::level::err);
  }
}

}  // namespace runnel
