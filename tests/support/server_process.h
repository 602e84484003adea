#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/program.h"
#include "tests/support/resp_client.h"
#include "tests/support/temp_dir.h"

namespace runnel::test {

// Paths of the two servers: RUNNEL_SERVER, or the one that was built along with the tests;
// REDIS_SERVER, or the distribution's.
std::string RunnelServerPath();
std::string RedisServerPath();

// A port of 127.0.0.1 that nobody listens on now. Somebody may take it before it is used, so the
// user must be ready to try another.
int FreePort();

// A server that a test starts, on 127.0.0.1 and a free port, and ends by its process id. Both
// servers take the same options. It dies with the process of the test, however that ends.
class ServerProcess {
 public:
  struct Options {
    std::string binary;
    // Further options, after --port, --bind and --dir.
    std::vector<std::string> args;
    // The data directory; empty: a fresh one that is removed with this object.
    std::string dir;
    // 0: a free one, and another if the server finds it taken.
    int port = 0;
    // Set in the server's environment, each "NAME=value".
    std::vector<std::string> environment;
    // How many files it may have open; 0: as many as the test.
    rlim_t max_files = 0;
  };

  // Starts the server and returns when it answers PING (with any reply but LOADING). Null, with
  // the reason and the end of the server's log in *error, if it does not.
  static std::unique_ptr<ServerProcess> Start(const Options& options, std::string* error);

  // The destructor kills the server if it still runs.
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // A new connection. Null if the server does not accept one.
  std::unique_ptr<RespClient> Connect() const { return RespClient::Connect(port_); }

  // Sends the signal. The server is not waited for.
  void Signal(int number) const { program_->Signal(number); }
  // Waits for the server to end: its wait status (see waitpid), or nothing if it still runs.
  std::optional<int> WaitExit(Clock::duration patience = kPatience) {
    return program_->WaitExit(patience);
  }
  // SIGTERM, then waits; kills what does not go. The wait status.
  int Stop();
  // SIGKILL, then waits: what the disk holds is what was written before.
  int Kill();
  bool Running() { return program_->Running(); }

  int port() const { return port_; }
  pid_t pid() const { return program_->pid(); }
  const std::string& dir() const { return dir_; }
  // What the server wrote to standard output so far, and after it what it wrote to standard error.
  std::string Log() const { return program_->Output() + program_->Errors(); }

 private:
  explicit ServerProcess(const Options& options);
  void Spawn(const Options& options);
  // Waits until the server itself, not another one on the same port, answers.
  bool WaitUntilItAnswers();

  TempDir scratch_;  // the data, unless Options names a directory
  std::string dir_;
  int port_ = 0;
  std::unique_ptr<Program> program_;
};

}  // namespace runnel::test
