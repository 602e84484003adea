#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/support/resp_client.h"
#include "tests/support/temp_dir.h"

namespace runnel::test {

// A process that a test starts, waits for and ends by its process id. Its standard input is a file,
// its output goes to files that can be looked at while it runs. It dies with the thread that
// started it, however that ends.
class Program {
 public:
  struct Options {
    // The path of the program and its arguments.
    Argv command;
    // What it reads from its standard input.
    std::string input;
    // Where it works; empty: where the test does.
    std::string dir;
    // Set in its environment, each "NAME=value".
    std::vector<std::string> environment;
    // How many files it may have open (RLIMIT_NOFILE, soft and hard); 0: as many as the test.
    rlim_t max_files = 0;
  };

  explicit Program(const Options& options);
  // Kills it if it still runs.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Sends the signal. The program is not waited for.
  void Signal(int number) const;
  // Waits for it to end: its wait status (see waitpid), or nothing if it still runs.
  std::optional<int> WaitExit(Clock::duration patience = kPatience);
  // Waits until its standard output holds this text. False if it ended without, or takes too long.
  bool WaitForOutput(std::string_view text);
  bool Running() { return !WaitExit(Clock::duration::zero()).has_value(); }

  pid_t pid() const { return pid_; }
  // What it wrote so far.
  std::string Output() const;
  std::string Errors() const;

 private:
  // Runs in the child.
  [[noreturn]] void Become(const Options& options) const;

  TempDir files_;
  pid_t pid_ = -1;
  std::optional<int> status_;  // set once the process was waited for
};

// A wait status in words: "exit 0", "signal 9"; "running" if there is none.
std::string ToText(std::optional<int> wait_status);

// The content of a file; empty if it cannot be read.
std::string ReadFile(const std::string& path);

}  // namespace runnel::test
