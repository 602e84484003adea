#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "tests/support/eventually.h"
#include "tests/support/program.h"
#include "tests/support/resp_client.h"
#include "tests/support/server_process.h"

namespace runnel::test {

// A test with a server of its own. What it cannot go on without (a server that starts, a
// connection) throws, which ends the test as failed.
class ServerTest : public testing::Test {
 protected:
  // Starts the server, in place of the one before, with these options after --port, --bind and
  // --dir.
  void StartServer(const Argv& args = {});
  void StartServer(ServerProcess::Options options);
  // Ends the server by SIGKILL and starts another.
  void KillAndStart(const ServerProcess::Options& options);
  // A new connection to it.
  std::unique_ptr<RespClient> Client() const;
  // Waits until the server's log has this text: the server writes it beside the replies.
  bool LogShows(std::string_view text) const;

  std::unique_ptr<ServerProcess> server_;

 private:
  void StopServer();
};

// The server's program with these arguments, for a test that expects it to end, or that connects to
// a unix socket which it names.
Program::Options ServerCommand(const Argv& args);

// runnel-check with these arguments: what it says, and its wait status as text. RUNNEL_CHECK in the
// environment names another program than the one that was built along with the tests.
struct Checked {
  std::string text;
  std::string exit;
};
Checked RunCheck(const Argv& args);

// A connection to the unix socket as soon as the server takes one; null if it ends instead. It may
// still be loading.
std::unique_ptr<RespClient> ConnectTo(Program& server, const std::string& socket);

// Sends a command, written as one line with quotes where needed, and returns the reply in words:
// see ToText.
std::string Ask(RespClient& client, std::string_view line);

// The value of a field of a map, as RESP2 or RESP3 has it; <no such field> if there is none.
Reply FieldOf(const Reply& map, std::string_view name);

// The value of a line of INFO; empty if there is no such line.
std::string InfoField(RespClient& client, std::string_view name);
// The same for a number.
int64_t InfoNumber(RespClient& client, std::string_view name);

// Waits until the server has read all that was sent to it before by whatever connection: it reads
// in the order in which requests arrive, and one that comes later has its reply here.
void WaitUntilRead(RespClient& other_client);

}  // namespace runnel::test
