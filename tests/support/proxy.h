#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "tests/support/resp_client.h"

namespace runnel::test {

// Stands between a client and a server, both on this machine, as the network between them: it
// passes on what either sends, and does harm to it when it is told. It needs no privileges. One
// thread of its own moves the bytes. What is said here of a direction holds for each connection,
// those to come included.
//
// A network that is gone does not lose bytes of a connection, it delays them: see Hold. So a
// connection some of whose bytes were swallowed does not get those after them: it ends when the
// harm does.
class Proxy {
 public:
  enum class Direction : uint8_t { kToServer, kToClient };

  struct Options {
    int server_port = 0;
    std::string server = "127.0.0.1";
    // The address that it listens on, at a free port: one in 127.0.0.0/8.
    std::string address = "127.0.0.1";
  };

  // Throws if it cannot listen.
  explicit Proxy(Options options);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  const std::string& address() const { return options_.address; }
  int port() const { return port_; }

  // Each piece that arrives is passed on so much later.
  void Delay(Direction direction, std::chrono::milliseconds delay);
  // Passes nothing on, and accepts what comes: at most as much as buffers hold. Heal passes it on.
  void Hold(Direction direction);
  // Reads what comes, and forgets it.
  void Swallow(Direction direction);
  // Ends all connections at once; those that come are ended at once, too, until Heal.
  void Cut();
  // Passes so many bytes on, over all connections together, and ends them all then: once. The
  // connections after that are not harmed.
  void CutAfter(Direction direction, uint64_t bytes);
  // Does no more harm of any kind. What is held is passed on; connections with a gap end.
  void Heal();

  // Bytes that were passed on since the start.
  uint64_t passed(Direction direction) const;
  // Connections that were accepted, and those that there are.
  uint64_t accepted() const;
  size_t connections() const;
  // How often CutAfter has ended connections.
  uint64_t cuts() const;

 private:
  // One direction of one connection.
  struct Flow {
    struct Piece {
      Clock::time_point due;
      std::string bytes;
    };
    std::deque<Piece> pieces;
    size_t held = 0;  // bytes in these
    bool ended = false;
    bool end_passed_on = false;
    bool gap = false;  // bytes of it were swallowed
  };
  struct Connection {
    int fds[2] = {-1, -1};  // of the client, of the server: flow i goes from fds[i] to the other
    Flow flows[2];
    bool broken = false;  // nothing passes any more; the thread closes it
  };
  struct Harm {
    std::chrono::milliseconds delay{0};
    bool holds = false;
    bool swallows = false;
    std::optional<uint64_t> bytes_left;
  };

  // These run in the thread, with the lock.
  void Run();
  void Wait(std::unique_lock<std::mutex>& lock);
  void Accept();
  void Move(Connection& connection, size_t direction);
  void Read(Connection& connection, size_t direction);
  void Write(Connection& connection, size_t direction);
  static bool MayWrite(const Flow& flow, const Harm& harm, Clock::time_point now);
  static void Close(const Connection& connection);

  void BreakAll();
  void Wake() const;

  const Options options_;
  int port_ = 0;
  int listener_ = -1;
  int wake_[2] = {-1, -1};

  mutable std::mutex mutex_;
  bool ends_ = false;
  bool cut_ = false;
  Harm harms_[2];
  uint64_t passed_[2] = {0, 0};
  uint64_t accepted_ = 0;
  uint64_t cuts_ = 0;
  std::list<Connection> connections_;  // only the thread adds and removes some

  std::thread thread_;
};

}  // namespace runnel::test
