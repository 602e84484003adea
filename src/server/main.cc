#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/version.h"
#include "fmt/format.h"
#include "server/config.h"
#include "server/server.h"

namespace runnel {
namespace {

constexpr const char* kUsage =
    "Usage: runnel-server [configuration file] [--directive value ...]\n"
    "       runnel-server - (read the configuration from standard input)\n"
    "       runnel-server -v | --version\n"
    "       runnel-server -h | --help\n"
    "\n"
    "Examples:\n"
    "       runnel-server\n"
    "       runnel-server conf/runnel.conf --port 7000 --loglevel verbose\n"
    "       echo 'maxmemory 1gb' | runnel-server -\n"
    "\n"
    "conf/runnel.conf lists all directives with their defaults.\n";

// Goes on in a child that has no terminal; the parent ends well.
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

// A file with this process's ID, removed at the end. That it cannot be written is worth a line, not
// the start.
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
  if (const Status loaded = config.LoadArguments(arguments); !loaded.ok())
    return Fail(loaded.message());
  const ServerOptions& options = config.options();
  SetLogLevel(options.loglevel);
  // A relative log path counts from `dir`, as everything else does.
  const std::string logfile = options.logfile.empty() || options.logfile.starts_with('/')
                                  ? options.logfile
                                  : options.dir + "/" + options.logfile;
  if (const std::string error = OpenLog(logfile); !error.empty()) {
    return Fail(fmt::format("cannot open the log file {}: {}", logfile, error));
  }
  if (options.daemonize) {
    if (const Status gone = Daemonize(); !gone.ok()) return Fail(gone.message());
  }
  for (const std::string_view name : config.WithoutEffect()) {
    LogNotice("The directive {} is accepted, but has no effect here", name);
  }

  const auto cannot_start = [&options](const Status& why) {
    LogWarning("Cannot start: {}", why.message());
    return options.logfile.empty() && !options.daemonize ? 1 : Fail(why.message());
  };
  Server server(config);
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
