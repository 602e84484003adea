#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "utils/bench_load.h"

namespace runnel::bench {

// What the threads of one run tell each other.
struct Together {
  std::atomic<uint64_t> replies{0};
  std::atomic<uint64_t> delivered_bytes{0};  // to all subscribers
  std::atomic<int> unfinished{0};            // workers that still wait for replies
};

// The part of a plan that one worker does.
struct Share {
  uint64_t first;  // number of its first request
  uint64_t requests;
  int first_connection;  // number of its first connection
  int connections;
  int subscribers;
  double rate;
};

// One thread's connections and its loop over them.
//
// A batch is `pipeline` requests of one connection. It is due at some time: with a fixed rate by
// the clock, else as soon as the connection's last batch has been answered. A batch that is due is
// sent unless the kernel still holds back bytes of the one before. Without a fixed rate, batches
// also wait while subscribers are far behind: else the run would measure how a server copes with
// messages that pile up.
class Worker {
 public:
  // Makes the connections. The plan, the workload and `together` outlive the worker.
  Worker(const LoadPlan& plan, const Workload& workload, const Share& share, Together* together);

  // Sends the share's requests and returns when all are answered and all messages delivered.
  // `start_ns` is the time of the first request for all workers.
  void Run(uint64_t start_ns);

  ReplyCounts Counts() const;
  // Empty if there was none.
  std::string FirstError() const;
  const Histogram& latency() const { return latency_; }

 private:
  struct Batch {
    uint64_t due_ns;
    uint64_t unanswered;  // requests
  };
  struct Client {
    Client(const Endpoint& endpoint, bool silent, bool subscriber)
        : connection(endpoint, silent), subscriber(subscriber) {}

    Connection connection;
    const bool subscriber;  // only gets messages
    ReplyScanner scanner;
    std::unique_ptr<RequestBatch> own;  // if its requests have numbers of their own,
    uint64_t own_next = 0;              // the next of which is this
    std::deque<Batch> due;              // not sent yet
    std::deque<Batch> sent;             // not wholly answered yet
    bool watching_write = false;
  };

  void AddSender(int number);
  Client* AddClient(bool subscriber);
  uint64_t NextDue() const;
  void AssignAllDue(uint64_t now_ns);
  void Assign(Client* client, uint64_t due_ns);
  void SendDue(Client* client);
  std::string_view Take(Client* client, uint64_t requests);
  void HandleEvents(uint64_t timeout_ns);
  void ReadReplies(Client* client);
  void TakeAnswers(Client* client, uint64_t replies, uint64_t now_ns);
  uint64_t DueBytes() const;
  bool SubscribersLag() const;
  void AssignWaiting();
  void FinishDelivery();

  const LoadPlan& plan_;
  const Workload& workload_;
  const Share share_;
  Together* const together_;
  std::optional<RequestBatch> batch_;  // unless each connection has its own
  std::vector<char> buffer_;
  Poller poller_;
  std::vector<std::unique_ptr<Client>> clients_;  // the subscribers come last
  std::vector<Client*> waiting_;                  // have no batch because subscribers are behind
  uint64_t start_ns_ = 0;
  uint64_t deadline_ns_ = UINT64_MAX;  // nothing is assigned from then on
  uint64_t unassigned_;                // requests
  uint64_t unanswered_ = 0;            // requests that are assigned and not answered
  uint64_t batches_ = 0;               // assigned so far
  uint64_t next_;                      // number of the next request to be sent
  Histogram latency_;
};

}  // namespace runnel::bench
