#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "utils/bench_connection.h"
#include "utils/bench_reply.h"
#include "utils/bench_request.h"

namespace runnel::bench {

// Many clients that wait for one key with a blocking request, and wait again as soon as they got
// something, so that always all or all but one are blocked.
class BlockedClients {
 public:
  // Connects the clients and sends each one's request, whose number is that of the client.
  BlockedClients(const Endpoint& endpoint, int clients, const Words& request);

  // Sends `requests` times `push`, whose number grows, each when the one before has been answered
  // and has been delivered to a client. Returns when the last one has.
  void Push(const Words& push, uint64_t requests);

 private:
  struct Client {
    explicit Client(const Endpoint& endpoint) : connection(endpoint) {}

    Connection connection;
    ReplyScanner scanner;
    std::string request;  // empty for the one that pushes
  };

  void Read(Client* client);

  std::vector<std::unique_ptr<Client>> clients_;
  Client pusher_;
  Poller poller_;
  std::vector<char> buffer_;
  uint64_t answered_ = 0;   // pushes
  uint64_t delivered_ = 0;  // blocking requests that were answered
};

}  // namespace runnel::bench
