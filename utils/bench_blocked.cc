#include "utils/bench_blocked.h"

#include <string>

#include "utils/bench_fail.h"

namespace runnel::bench {

BlockedClients::BlockedClients(const Endpoint& endpoint, int clients, const Words& request)
    : pusher_(endpoint), buffer_(64 * 1024) {
  RequestBatch batch({request}, 1);
  for (int i = 0; i < clients; ++i) {
    clients_.push_back(std::make_unique<Client>(endpoint));
    Client* client = clients_.back().get();
    client->request = batch.Take(static_cast<uint64_t>(i), 1, {});
    client->connection.Send(client->request);
    poller_.Add(client->connection, client);
  }
  poller_.Add(pusher_.connection, &pusher_);
}

void BlockedClients::Push(const Words& push, uint64_t requests) {
  RequestBatch batch({push}, 1);
  for (uint64_t i = 0; i < requests; ++i) {
    pusher_.connection.Send(batch.Take(i, 1, {}));
    const uint64_t goal = answered_ + 1;
    while (answered_ < goal || delivered_ < goal) {
      for (const Poller::Event& event : poller_.Wait(Poller::kForever)) {
        Read(static_cast<Client*>(event.tag));
      }
    }
    if (delivered_ != goal) Fail("{} pushes were delivered {} times", goal, delivered_);
  }
}

void BlockedClients::Read(Client* client) {
  const size_t got = client->connection.Receive(buffer_.data(), buffer_.size());
  const char* at = buffer_.data();
  const char* const end = at + got;
  while (at != end) {
    at = client->scanner.Scan(at, end);
    if (client->scanner.counts().errors > 0) Fail("{}", client->scanner.first_error());
    if (!client->scanner.whole()) continue;
    if (client->request.empty()) {
      ++answered_;
    } else {
      ++delivered_;
      client->connection.Send(client->request);
    }
  }
}

}  // namespace runnel::bench
