#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "utils/bench_request.h"

namespace runnel::bench {

// Where the server listens, and how connections speak to it.
struct Endpoint {
  std::string host = "127.0.0.1";
  int port = 6379;
  std::string unix_path;  // wins over host and port unless empty
  bool resp3 = false;
};

// A connection that never blocks after it has been made. Any failure ends the process: a server
// that closes a connection in the middle of a measurement has no figure.
class Connection {
 public:
  // Connects. Unless `silent`, it also waits for the answer to a first request (HELLO 3 for RESP3,
  // else PING), so that the server's work of accepting is over when this returns.
  explicit Connection(const Endpoint& endpoint, bool silent = false);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  // Bytes given to Send() that the kernel has not taken yet.
  bool has_unsent() const { return !unsent_.empty(); }

  // Sends `bytes`, or keeps a copy of what the kernel does not take now; has_unsent() tells.
  void Send(std::string_view bytes);
  // Goes on with what Send() kept.
  void Flush();
  // Takes what has arrived, at most `size` bytes; 0 if there is nothing.
  size_t Receive(char* buffer, size_t size);
  // Like Receive(), but the bytes are thrown away where the kernel can do so without copying them;
  // `buffer` is there for where it cannot.
  size_t Discard(char* buffer, size_t size);
  // Sends a request and waits for its reply or push; an error reply ends the process.
  void Exchange(const Words& words);

 private:
  size_t TryWrite(std::string_view bytes);
  size_t Read(char* buffer, size_t size, int flags);

  int fd_ = -1;
  std::string unsent_;
};

// Raises this process's limit of open files to what it is allowed to have.
void AllowManyFiles();

// Waits for many connections at once.
class Poller {
 public:
  struct Event {
    void* tag;
    bool readable;  // or closed: reading tells
    bool writable;
  };
  static constexpr uint64_t kForever = UINT64_MAX;

  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // `connection` is reported with `tag` when it can be read; it outlives the poller or is never
  // reported again once it is destroyed.
  void Add(const Connection& connection, void* tag);
  // Whether to report also when it can be written.
  void WatchWrite(const Connection& connection, void* tag, bool on);
  // Waits up to `timeout_ns` for events; the result is valid until the next call and empty after a
  // timeout. Short timeouts return at once, so that a caller that waits for a point in time meets
  // it: he has to ask again. Waiting kForever ends the process after a minute without any event,
  // because then the server hangs.
  const std::vector<Event>& Wait(uint64_t timeout_ns);

 private:
  int fd_;
  std::vector<Event> events_;
};

}  // namespace runnel::bench
