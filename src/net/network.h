#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "broker/front.h"
#include "env/loop.h"
#include "net/connection.h"
#include "net/output_pool.h"

namespace runnel {

// All listeners and client connections of the server.
class Network {
 public:
  // Everything is borrowed and outlives the network, which must be closed (Close, then the loop run
  // until empty()) before it is destroyed.
  Network(Loop& loop, Front& broker, const Settings& settings);
  ~Network();

  // `address` is an IPv4 or IPv6 address.
  Status ListenTcp(const std::string& address, int port, int backlog);
  Status ListenUnix(const std::string& path, int backlog, unsigned mode);

  // Closes all listeners and connections; replies that are not sent are lost.
  void Close();
  // A turn of the loop is over and the next begins: connections continue what the budget of the
  // last turn has stopped. Called once in each round of the loop, after Broker::EndTurn. Returns
  // true if there is more to do, so that the next round must not wait for events.
  bool NextTurn();

  // Inside of a command of `running` that takes long: accepts connections, reads once from each of
  // the others, and answers what came. The broker refuses most of it.
  void ServeOthers(const Session& running);

  bool empty() const { return connections_.empty(); }
  size_t connections() const { return connections_.size(); }

  // --- For connections ---

  std::span<char> shared_buffer() { return {shared_buffer_.get(), kSharedBytes}; }
  // Destroys the connection.
  void Remove(Connection* connection);
  // A connection begins to close, and has closed: it is no client any more.
  void NoteClosing() {
    ++*closing_;
    closing_connections_++;
  }
  void NoteClosed() {
    --*closing_;
    closing_connections_--;
  }
  // The number of the turn. Each turn has new budgets.
  uint64_t turn() const { return turn_; }
  // Connection::NextTurn will be called once, in the next turn.
  void CallNextTurn(Connection* connection) { unfinished_.push_back(connection); }
  // Until Unwatch, Connection::Reconsider is called about ten times a second.
  void Watch(Connection* connection) { watched_.insert(connection); }
  void Unwatch(Connection* connection) { watched_.erase(connection); }
  // See OutputPool.
  void NoteOutput(size_t before, size_t after) { output_.Note(before, after); }
  bool HoldsBack(size_t memory) const { return output_.HoldsBack(memory, MostOutput()); }
  size_t unsent_memory() const { return output_.total(); }

 private:
  // The most that one read takes: enough for a deep pipeline of small requests, and small enough
  // for the second-level cache.
  static constexpr size_t kSharedBytes = 32 * 1024;

  void Accept(std::unique_ptr<ByteStream> stream);
  // The limit of memory for all unread output, in bytes.
  size_t MostOutput() const;
  void ReconsiderWatched();

  Loop& loop_;
  Front& broker_;
  const Settings& settings_;
  std::unique_ptr<char[]> shared_buffer_;
  std::unique_ptr<char[]> inner_buffer_;  // takes its place in ServeOthers
  std::vector<std::unique_ptr<Listener>> listeners_;
  absl::flat_hash_set<Connection*> connections_;
  OutputPool output_;
  uint64_t turn_ = 1;
  // Streams that the loop has yet to close: those of connections, and of clients that were refused,
  // which may outlive this.
  std::shared_ptr<size_t> closing_ = std::make_shared<size_t>(0);
  size_t closing_connections_ = 0;
  // Connections with work for the next turn; nullptr in the place of a removed one.
  std::vector<Connection*> unfinished_;
  absl::flat_hash_set<Connection*> watched_;
  int64_t reconsidered_ms_ = 0;
};

}  // namespace runnel
