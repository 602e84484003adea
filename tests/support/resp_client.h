#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/environment.h"
#include "tests/support/reply.h"

namespace runnel::test {

using Argv = std::vector<std::string>;
using Clock = std::chrono::steady_clock;

// How long a test waits for something that must happen before it calls it a failure. Long, because
// it is only ever used up when the test fails. RUNNEL_TEST_PATIENCE says how many seconds, for
// servers that are built to be slow.
inline const std::chrono::seconds kPatience{FromEnvironment("RUNNEL_TEST_PATIENCE", 15)};

// The command as a RESP array of bulks.
std::string EncodeCommand(const Argv& argv);

// A RESP connection for tests: sends what it is told, byte for byte, and hands out the replies in
// order. It interprets nothing, so pushes come out where they arrived. Not thread-safe.
class RespClient {
 public:
  // Connects to 127.0.0.1:port or to a Unix socket. Null if nobody listens there.
  static std::unique_ptr<RespClient> Connect(int port) { return Connect("127.0.0.1", port); }
  // The same with another address, IPv4 or IPv6; `from`, if not empty, is the one of this machine's
  // IPv4 addresses that the server shall see.
  static std::unique_ptr<RespClient> Connect(const std::string& address, int port,
                                             const std::string& from = "");
  static std::unique_ptr<RespClient> ConnectUnix(const std::string& path);

  ~RespClient();
  RespClient(const RespClient&) = delete;
  RespClient& operator=(const RespClient&) = delete;

  // Sends all bytes, and meanwhile takes in what the server sends, so that a long pipeline cannot
  // get stuck with both ends writing. Bytes sent to a closed connection are lost in silence: the
  // next Read tells.
  void SendRaw(std::string_view bytes);
  void Send(const Argv& argv) { SendRaw(EncodeCommand(argv)); }

  // The next reply. Instead of one, a note: <closed>, <timed out>, or <not RESP: ...> (after which
  // the connection is of no use).
  Reply Read(Clock::duration patience = kPatience);

  // Ends our side of the connection: the server has nothing more to read, but may still send.
  void CloseWriting();

  // Sends a command and returns the next reply.
  Reply Call(const Argv& argv) {
    Send(argv);
    return Read();
  }

  // Whether Read would return at once, with a reply or with the news that there will be none.
  bool Ready();

  // Waits for the server to close; returns the replies that came before. The last item is <closed>,
  // or <timed out>.
  std::vector<Reply> ReadUntilClosed(Clock::duration patience = kPatience);

  // "ip:port" of our end, as the server sees it. Empty for a Unix socket.
  std::string local_address() const;
  int fd() const { return fd_; }

 private:
  explicit RespClient(int fd) : fd_(fd) {}
  // Takes in what has arrived; waits for it at most until `deadline`. False if nothing came.
  bool Receive(Clock::time_point deadline);
  // Parses the next reply out of buffer_ into next_.
  ParseResult ParseNext();

  const int fd_;
  bool closed_ = false;
  std::string buffer_;  // bytes from taken_ on are not parsed yet
  size_t taken_ = 0;
  bool has_next_ = false;
  Reply next_;
};

}  // namespace runnel::test
