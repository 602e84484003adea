#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "broker/broker.h"
#include "env/loop.h"
#include "net/connection.h"

namespace runnel {

// All listeners and client connections of the server.
class Network {
 public:
  // Everything is borrowed and outlives the network, which must be closed (Close, then the loop run
  // until empty()) before it is destroyed.
  Network(Loop& loop, Broker& broker, const Settings& settings);
  ~Network();

  // `address` is an IPv4 or IPv6 address.
  Status ListenTcp(const std::string& address, int port, int backlog);
  Status ListenUnix(const std::string& path, int backlog, unsigned mode);

  // Ends all listeners and connections; replies that wait are lost.
  void Close();
  bool empty() const { return connections_.empty(); }
  size_t connections() const { return connections_.size(); }

  // --- For connections ---

  std::span<char> shared_buffer() { return {shared_buffer_.get(), kSharedBytes}; }
  // Destroys the connection.
  void Remove(Connection* connection);

 private:
  // One read takes at most this much; enough for a deep pipeline of small requests, and little
  // enough to stay in the second-level cache.
  static constexpr size_t kSharedBytes = 32 * 1024;

  void Accept(std::unique_ptr<ByteStream> stream);

  Loop& loop_;
  Broker& broker_;
  const Settings& settings_;
  std::unique_ptr<char[]> shared_buffer_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  absl::flat_hash_set<Connection*> connections_;
};

}  // namespace runnel
