#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "env/byte_stream.h"

namespace runnel {

// Calls back once at a time that can be set again and again.
class Timer {
 public:
  virtual ~Timer() = default;
  // In `ms` milliseconds (0: in the next round of the loop), instead of what was set before.
  virtual void StartAfter(int64_t ms) = 0;
  virtual void Stop() = 0;
};

// Calls the loop from other threads.
class Wakeup {
 public:
  virtual ~Wakeup() = default;
  // Makes the loop's thread call back soon: once for all signals that gather until then. From any
  // thread, as long as the object lives.
  virtual void Signal() = 0;
};

// A connection that is being made; see Loop::ConnectTcp.
class Attempt {
 public:
  virtual ~Attempt() = default;
};
using ConnectFunction = std::function<void(Result<std::unique_ptr<ByteStream>>)>;

struct TcpOptions {
  int backlog = 511;
  int64_t keepalive_s = 300;  // 0: off
};

// The event loop: sockets, timers, signals and helper threads, all of whose callbacks run on the
// one thread that calls Run(). What it hands out must be destroyed before the loop.
class Loop {
 public:
  virtual ~Loop() = default;

  // Runs until Stop() was called.
  virtual void Run() = 0;
  virtual void Stop() = 0;

  // `turn` runs once per round, after the round's events and timers were told and before the loop
  // waits for more.
  virtual void OnTurn(std::function<void()> turn) = 0;

  virtual Result<std::unique_ptr<Listener>> ListenTcp(const std::string& address, int port,
                                                      const TcpOptions& options,
                                                      AcceptFunction accept) = 0;
  // Replaces a socket file of this path. `mode` are its permission bits, 0 for the default.
  virtual Result<std::unique_ptr<Listener>> ListenUnix(const std::string& path, int backlog,
                                                       unsigned mode, AcceptFunction accept) = 0;

  // Connects to a server by name or address; names are looked up by a helper thread. Calls `done`
  // once, later: with the stream, which is not yet started, or with the reason. Destroying what is
  // returned gives the attempt up, and `done` is not called.
  virtual std::unique_ptr<Attempt> ConnectTcp(const std::string& host, int port,
                                              ConnectFunction done) = 0;

  virtual std::unique_ptr<Timer> NewTimer(std::function<void()> callback) = 0;
  virtual std::unique_ptr<Wakeup> NewWakeup(std::function<void()> callback) = 0;
  virtual void OnSignal(int signal, std::function<void()> callback) = 0;

  // Runs `work` on a helper thread, then `done` (may be empty) on the loop's thread.
  virtual void Submit(std::function<void()> work, std::function<void()> done) = 0;
};

// The loop of libuv.
std::unique_ptr<Loop> NewUvLoop();

}  // namespace runnel
