#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/history.h"
#include "tests/support/resp_client.h"

namespace runnel::test {

// A key whose changes and reads are logged.
struct LoggedKey {
  enum class Type { kList, kStream };

  std::string name;
  Type type = Type::kList;
  History history;
};

// One client of one server that appends to a key and reads it, and logs that. A reply that is an
// error is taken for a refusal without effect. A read asks for the server's role, too, because what
// a follower shows may be old.
class LoggedClient {
 public:
  // The key outlives the client.
  LoggedClient(LoggedKey& key, std::unique_ptr<RespClient> client)
      : key_(key), client_(std::move(client)), connection_(key.history.NewConnection()) {}

  // Sends so many appends in one write. TakeReplies gets the replies to all that was sent.
  void SendAppends(size_t count);
  void SendRead();
  // Returns how many requests a leader has fulfilled. The first reply that does not come within
  // `patience` ends the connection.
  size_t TakeReplies(Clock::duration patience = kPatience);

  // Whether more can be sent.
  bool open() const { return client_ != nullptr; }
  // The last error that was read; empty if there was none.
  const std::string& error() const { return error_; }
  RespClient& client() { return *client_; }

 private:
  struct Sent {
    std::optional<History::Value> value;  // of an append
    size_t read = 0;
  };
  // Whether a leader has fulfilled it.
  bool Take(const Sent& sent, const Reply& reply);

  LoggedKey& key_;
  std::unique_ptr<RespClient> client_;
  const History::Connection connection_;
  std::vector<Sent> sent_;
  std::string error_;
};

// Several such clients, each in a thread of its own, that append and read until they are told to
// stop. After a refusal, or the end of a connection, each connects anew.
class LoggedLoad {
 public:
  // Makes a connection to the server that leads; null if none does. Called by the threads.
  using Connect = std::function<std::unique_ptr<RespClient>()>;

  // Begins with `clients` clients of each key. The keys outlive it.
  LoggedLoad(std::vector<LoggedKey*> keys, size_t clients, Connect connect, uint64_t seed);
  // Stops.
  ~LoggedLoad();
  LoggedLoad(const LoggedLoad&) = delete;
  LoggedLoad& operator=(const LoggedLoad&) = delete;

  // Each client waits for its last reply, and ends.
  void Stop();

  // Requests that were fulfilled so far.
  uint64_t fulfilled() const { return fulfilled_; }
  // Waits until so many more are. False if that takes too long.
  bool WaitForMore(uint64_t count) const;
  // The last error of any client, for messages.
  std::string error() const;

 private:
  void Run(LoggedKey& key, uint64_t seed);

  const Connect connect_;
  std::atomic<bool> stops_ = false;
  std::atomic<uint64_t> fulfilled_ = 0;
  mutable std::mutex mutex_;
  std::string error_;
  std::vector<std::thread> threads_;
};

// Reads the key once more, and returns what is wrong with its whole history: see History::Faults.
// That the client, a new connection to the server that leads, cannot read is a fault, too.
std::vector<std::string> JudgeAtTheEnd(LoggedKey& key, std::unique_ptr<RespClient> client);

}  // namespace runnel::test
