#include "tests/support/program.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "tests/support/eventually.h"

namespace runnel::test {
namespace {

bool Redirect(int fd, const std::string& path, int flags) {
  const int file = open(path.c_str(), flags | O_CLOEXEC, 0644);
  return file >= 0 && dup2(file, fd) == fd;
}

}  // namespace

Program::Program(const Options& options) {
  std::ofstream(files_.path() / "in", std::ios::binary) << options.input;
  pid_ = fork();
  if (pid_ == 0) Become(options);
  if (pid_ < 0) {
    perror("fork");
    abort();
  }
}

void Program::Become(const Options& options) const {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const std::string files = files_.string();
  constexpr int kWrite = O_WRONLY | O_CREAT | O_APPEND;
  if (!Redirect(STDIN_FILENO, files + "/in", O_RDONLY) ||
      !Redirect(STDOUT_FILENO, files + "/out", kWrite) ||
      !Redirect(STDERR_FILENO, files + "/err", kWrite)) {
    _exit(126);
  }
  const rlimit limit{options.max_files, options.max_files};
  if (options.max_files != 0 && setrlimit(RLIMIT_NOFILE, &limit) != 0) _exit(126);
  if (!options.dir.empty() && chdir(options.dir.c_str()) != 0) _exit(126);
  for (const std::string& setting : options.environment) {
    putenv(const_cast<char*>(setting.c_str()));
  }
  std::vector<char*> argv;
  for (const std::string& arg : options.command)
    argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
  _exit(127);
}

Program::~Program() {
  if (!Running()) return;
  Signal(SIGKILL);
  WaitExit();
}

void Program::Signal(int number) const {
  if (!status_.has_value()) kill(pid_, number);
}

std::optional<int> Program::WaitExit(Clock::duration patience) {
  Eventually(
      [this] {
        int status = 0;
        if (!status_.has_value() && waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
        return status_.has_value();
      },
      patience);
  return status_;
}

bool Program::WaitForOutput(std::string_view text) {
  bool found = false;
  Eventually([&] {
    const bool ended = !Running();
    found = Output().find(text) != std::string::npos;
    return found || ended;
  });
  return found;
}

std::string Program::Output() const {
  return ReadFile((files_.path() / "out").string());
}

std::string Program::Errors() const {
  return ReadFile((files_.path() / "err").string());
}

std::string ToText(std::optional<int> wait_status) {
  if (!wait_status.has_value()) return "running";
  if (WIFSIGNALED(*wait_status)) return fmt::format("signal {}", WTERMSIG(*wait_status));
  return fmt::format("exit {}", WEXITSTATUS(*wait_status));
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace runnel::test
