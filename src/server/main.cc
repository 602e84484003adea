#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/version.h"
#include "fmt/format.h"
#include "server/config.h"
#include "server/server.h"
#include "server/supervisor.h"

namespace runnel {
namespace {

constexpr const char* kUsage =
    "Usage: runnel-server [configuration file] [--directive value ...]\n"
    "       runnel-server - (read the configuration from standard input)\n"
    "       runnel-server --check-config [configuration file] [--directive value ...]\n"
    "       runnel-server -v | --version\n"
    "       runnel-server -h | --help\n"
    "\n"
    "Examples:\n"
    "       runnel-server\n"
    "       runnel-server conf/runnel.conf --port 7000 --loglevel verbose\n"
    "       echo 'maxmemory 1gb' | runnel-server -\n"
    "\n"
    "conf/runnel.conf lists all directives with their defaults.\n"
    "\n"
    "Exit codes: 0 after an orderly end, 1 if the configuration is wrong or the start failed.\n";

// Continues in a child that has no terminal; the parent exits with success.
Status Daemonize() {
  const pid_t child = fork();
  if (child < 0) return Status::SystemError("cannot fork", errno);
  if (child > 0) _exit(0);
  setsid();
  const int null = open("/dev/null", O_RDWR);
  if (null < 0) return Status::SystemError("cannot open /dev/null", errno);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    dup2(null, fd);
  }
  if (null > STDERR_FILENO) close(null);
  return Status();
}

// A file with this process's ID, removed at the end. If it cannot be written, the log says so and
// the start goes on.
class PidFile {
 public:
  explicit PidFile(const std::string& path) : path_(path) {
    if (path_.empty()) return;
    std::FILE* file = std::fopen(path_.c_str(), "w");
    if (file == nullptr) {
      LogWarning("Cannot write the pidfile {}: {}", path_, std::strerror(errno));
      path_.clear();
      return;
    }
    fmt::print(file, "{}\n", getpid());
    std::fclose(file);
  }
  ~PidFile() {
    if (!path_.empty()) unlink(path_.c_str());
  }

 private:
  std::string path_;
};

Status OpenLog(const ServerOptions& options) {
  LogOptions log;
  // A relative log path starts in `dir`, as every other path does.
  log.path = options.logfile.empty() || options.logfile.starts_with('/')
                 ? options.logfile
                 : options.dir + "/" + options.logfile;
  log.format = options.log_format;
  log.syslog = options.syslog_enabled;
  log.syslog_ident = options.syslog_ident;
  log.syslog_facility = options.syslog_facility;
  const std::string error = runnel::OpenLog(log);
  if (error.empty()) return Status();
  return Status::Error(fmt::format("cannot open the log file {}: {}", log.path, error));
}

// The log thread, for as long as this object lives.
class LogThread {
 public:
  LogThread() {
    FlushLogOnFatalSignals();
    StartLogThread();
  }
  ~LogThread() { StopLogThread(); }
  LogThread(const LogThread&) = delete;
  LogThread& operator=(const LogThread&) = delete;
};

// What the server runs with, for a later reader of the log.
void LogStart(const Config& config) {
  const ServerOptions& options = config.options();
  LogNotice("Runnel {} starts: process {}, {}, directory {}", kVersion, getpid(),
            config.file().empty() ? "no configuration file" : "configuration " + config.file(),
            options.dir);
  const std::string_view names[] = {"appendfsync", "save"};
  const auto values = config.Get(names);  // in the order of the table: save, appendfsync
  LogNotice("Persistence: {}, {}",
            options.journal ? "journal with appendfsync " + values[1].second : "no journal",
            values[0].second.empty() ? "no save points" : "save points " + values[0].second);
  const Config::Ignored ignored = config.WithoutEffect();
  std::vector<std::string> parts;
  if (!ignored.changed.empty()) {
    parts.push_back(
        fmt::format("{} (not set to Redis's default)", fmt::join(ignored.changed, ", ")));
  }
  if (!ignored.at_default.empty()) {
    parts.push_back(
        fmt::format("{} (set to Redis's default)", fmt::join(ignored.at_default, ", ")));
  }
  if (!parts.empty()) {
    LogNotice("Directives that are accepted without effect: {}", fmt::join(parts, "; "));
  }
}

int Fail(std::string_view what) {
  fmt::print(stderr, "runnel-server: {}\n", what);
  return 1;
}

int Main(const std::vector<std::string>& arguments) {
  if (arguments.size() == 1 && (arguments[0] == "-v" || arguments[0] == "--version")) {
    fmt::print("Runnel server v={} (serves Redis {} clients)\n", kVersion, kRedisVersion);
    return 0;
  }
  if (arguments.size() == 1 && (arguments[0] == "-h" || arguments[0] == "--help")) {
    fmt::print("{}", kUsage);
    return 0;
  }
  Config config;
  std::span<const std::string> directives = arguments;
  const bool check = !directives.empty() && directives.front() == "--check-config";
  if (check) directives = directives.subspan(1);
  if (const Status loaded = config.LoadArguments(directives); !loaded.ok())
    return Fail(loaded.message());
  if (check) {
    fmt::print("The configuration is good.\n");
    return 0;
  }
  const ServerOptions& options = config.options();
  SetLogLevel(options.loglevel);
  if (const Status opened = OpenLog(options); !opened.ok()) return Fail(opened.message());
  const Supervisor supervisor(options.supervised);
  const bool daemonize = options.daemonize && !supervisor.notified();
  if (daemonize) {
    if (const Status gone = Daemonize(); !gone.ok()) return Fail(gone.message());
  }
  LogThread log_thread;  // after the fork
  LogStart(config);

  const auto cannot_start = [&options, daemonize](const Status& why) {
    LogWarning("Cannot start: {}", why.message());
    return options.logfile.empty() && !daemonize ? 1 : Fail(why.message());
  };
  Server server(config, supervisor);
  if (const Status started = server.Start(); !started.ok()) return cannot_start(started);
  const PidFile pidfile(options.pidfile);
  if (const Status loaded = server.Run(); !loaded.ok()) return cannot_start(loaded);
  LogNotice("Bye");
  return 0;
}

}  // namespace
}  // namespace runnel

int main(int argc, char** argv) {
  return runnel::Main(std::vector<std::string>(argv + 1, argv + argc));
}
