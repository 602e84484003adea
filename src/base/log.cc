#include "base/log.h"

#include <fmt/format.h>
#include <signal.h>
#include <time.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/log_output.h"
#include "base/memory.h"

namespace runnel {
namespace {

// What the queue holds at most while the output is slow.
constexpr size_t kMostQueuedLines = 8192;
constexpr size_t kMostQueuedBytes = 4 << 20;
constexpr size_t kMostLineBytes = 16 << 10;
constexpr int kFlushMs = 1000;

constexpr int kFatalSignals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

class Log {
 public:
  std::string Open(const LogOptions& options) {
    const std::lock_guard lock(output_mutex_);
    return output_.Open(options);
  }

  void Start() {
    const std::lock_guard lock(mutex_);
    if (running_) return;
    running_ = true;
    stop_ = false;
    ended_ = false;
    thread_ = std::thread([this] { Run(); });
  }

  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      if (!running_) return;
      stop_ = true;
    }
    given_.notify_one();
    // A thread that is stuck in its output keeps it to the end of the process; what is logged now
    // stays in the queue.
    if (!WaitFor([this] { return ended_.load(std::memory_order_acquire); })) {
      thread_.detach();
      return;
    }
    thread_.join();
    const std::lock_guard lock(mutex_);
    running_ = false;
  }

  void Reopen() {
    {
      const std::lock_guard lock(mutex_);
      if (running_) {
        reopen_ = true;
        given_.notify_one();
        return;
      }
    }
    ReopenNow();
  }

  void Add(LogRecord record) {
    {
      const std::lock_guard lock(mutex_);
      if (running_) {
        if (queue_.size() >= kMostQueuedLines || queued_bytes_ > kMostQueuedBytes) {
          dropped_++;
          return;
        }
        queued_bytes_ += record.text.size();
        queue_.push_back(std::move(record));
        given_lines_.fetch_add(1, std::memory_order_relaxed);
        given_.notify_one();
        return;
      }
    }
    const std::lock_guard lock(output_mutex_);
    output_.Write(record);
  }

  bool Flush() const {
    const uint64_t given = given_lines_.load(std::memory_order_acquire);
    return WaitFor([&] { return written_lines_.load(std::memory_order_acquire) >= given; });
  }

 private:
  // Asks once in a millisecond, for a second at most. Only this may be done in a signal handler.
  template <class Condition>
  static bool WaitFor(Condition holds) {
    for (int ms = 0; !holds(); ms++) {
      if (ms == kFlushMs) return false;
      const timespec pause{0, 1000000};
      nanosleep(&pause, nullptr);
    }
    return true;
  }

  void Run() {
    CountThisThread();
    std::vector<LogRecord> records;
    for (;;) {
      uint64_t dropped = 0;
      bool reopen = false;
      bool stop = false;
      {
        std::unique_lock lock(mutex_);
        given_.wait(lock, [this] { return !queue_.empty() || reopen_ || stop_; });
        records.clear();
        records.swap(queue_);
        queued_bytes_ = 0;
        dropped = std::exchange(dropped_, 0);
        reopen = std::exchange(reopen_, false);
        stop = stop_;
      }
      WriteBatch(records, dropped);
      if (reopen) ReopenNow();
      if (stop) break;
    }
    ended_.store(true, std::memory_order_release);
  }

  void WriteBatch(const std::vector<LogRecord>& records, uint64_t dropped) {
    const std::lock_guard lock(output_mutex_);
    for (const LogRecord& record : records) {
      output_.Write(record);
      written_lines_.fetch_add(1, std::memory_order_release);
    }
    if (dropped > 0) {
      output_.Write({LogLevel::kWarning, records.back().unix_us,
                     fmt::format("{} log lines after this time were dropped, because the log "
                                 "could not be written as fast as they came",
                                 dropped)});
    }
  }

  void ReopenNow() {
    const std::lock_guard lock(output_mutex_);
    const std::string error = output_.Reopen();
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t now_us = int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
    if (error.empty()) {
      output_.Write({LogLevel::kNotice, now_us, "The log file was reopened"});
    } else {
      output_.Write({LogLevel::kWarning, now_us,
                     fmt::format("The log file cannot be reopened, so the log stays with the old "
                                 "file: {}",
                                 error)});
    }
  }

  std::mutex mutex_;
  std::condition_variable given_;
  std::vector<LogRecord> queue_;
  size_t queued_bytes_ = 0;
  uint64_t dropped_ = 0;
  bool reopen_ = false;
  bool running_ = false;
  bool stop_ = false;
  std::atomic<bool> ended_ = false;
  std::atomic<uint64_t> given_lines_ = 0;
  std::atomic<uint64_t> written_lines_ = 0;

  std::mutex output_mutex_;  // held while output_ is used
  LogOutput output_;
  std::thread thread_;
};

// Never destroyed: threads may log until the process is gone.
Log& TheLog() {
  static Log* const log = new Log;
  return *log;
}

std::atomic<LogLevel> shown_level = LogLevel::kNotice;

// The length of the UTF-8 sequence at the beginning of `text` that may be shown; 0 if there is
// none. C1 controls (U+0080 to U+009F), surrogates and overlong forms may not.
size_t ShownSequence(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  uint32_t code = first & (0xff >> (length + 1));
  for (size_t i = 1; i < length; i++) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0xa0, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < kLeast[length] || code > 0x10ffff || surrogate ? 0 : length;
}

void OnFatalSignal(int number) {
  FlushLog();
  // The default action is in place again (SA_RESETHAND).
  raise(number);
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    size_t length = ShownSequence(text);
    if (length > 0) {
      shown += text.substr(0, length);
    } else {
      length = 1;
      switch (text[0]) {
        case '\n':
          shown += "\\n";
          break;
        case '\r':
          shown += "\\r";
          break;
        case '\t':
          shown += "\\t";
          break;
        default:
          shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
      }
    }
    text.remove_prefix(length);
  }
  return shown;
}

std::string OpenLog(const LogOptions& options) {
  return TheLog().Open(options);
}

void ReopenLog() {
  TheLog().Reopen();
}

void StartLogThread() {
  TheLog().Start();
}

void StopLogThread() {
  TheLog().Stop();
}

bool FlushLog() {
  return TheLog().Flush();
}

void FlushLogOnFatalSignals() {
  TheLog();  // so that the handler does not make it
  for (const int number : kFatalSignals) {
#ifdef RUNNEL_SANITIZE
    // The sanitizers report the others themselves.
    if (number != SIGABRT) continue;
#endif
    struct sigaction action {};
    action.sa_handler = OnFatalSignal;
    action.sa_flags = SA_RESETHAND | SA_NODEFER;
    sigaction(number, &action, nullptr);
  }
}

void SetLogLevel(LogLevel level) {
  shown_level.store(level, std::memory_order_relaxed);
}

void LogLine(LogLevel level, fmt::string_view format, fmt::format_args args) {
  if (level < shown_level.load(std::memory_order_relaxed)) return;
  fmt::memory_buffer line;
  fmt::vformat_to(fmt::appender(line), format, args);
  std::string_view text(line.data(), line.size());
  const bool cut = text.size() > kMostLineBytes;
  if (cut) text = text.substr(0, kMostLineBytes);
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  TheLog().Add({level, int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000,
                Printable(text) + (cut ? "..." : "")});
}

}  // namespace runnel
