#include "utils/bench_worker.h"

#include <algorithm>
#include <utility>

#include "utils/bench_clock.h"
#include "utils/bench_control.h"
#include "utils/bench_fail.h"

namespace runnel::bench {

namespace {

constexpr size_t kBufferSize = 256 * 1024;
// How long to wait when only another worker can tell that one may go on.
constexpr uint64_t kOthersPollNs = 200'000;
// How far each subscriber may be behind before publishers wait.
constexpr uint64_t kMostUndeliveredBytes = 1 << 20;

}  // namespace

Worker::Worker(const LoadPlan& plan, const Workload& workload, const Share& share,
               Together* together)
    : plan_(plan),
      workload_(workload),
      share_(share),
      together_(together),
      buffer_(kBufferSize),
      unassigned_(share.requests),
      next_(share.first) {
  if (!workload.own_requests) batch_.emplace(workload.requests, plan.pipeline);
  for (int i = 0; i < share.connections; ++i)
    AddSender(share.first_connection + i);
  for (int i = 0; i < share.subscribers; ++i)
    AddClient(true)->connection.Exchange({"SUBSCRIBE", kChannel});
}

void Worker::AddSender(int number) {
  Client* client = AddClient(false);
  if (!workload_.greeting.empty()) client->connection.Exchange(workload_.greeting);
  if (workload_.own_requests) {
    client->own = std::make_unique<RequestBatch>(workload_.own_requests(number), plan_.pipeline);
  }
}

Worker::Client* Worker::AddClient(bool subscriber) {
  clients_.push_back(std::make_unique<Client>(plan_.endpoint, workload_.silent, subscriber));
  Client* client = clients_.back().get();
  poller_.Add(client->connection, client);
  return client;
}

void Worker::Run(uint64_t start_ns) {
  start_ns_ = start_ns;
  if (plan_.seconds > 0) deadline_ns_ = start_ns + static_cast<uint64_t>(plan_.seconds * 1e9);
  if (share_.rate == 0) {
    for (int i = 0; i < share_.connections; ++i)
      Assign(clients_[i].get(), start_ns);
  }
  while (unassigned_ > 0 || unanswered_ > 0) {
    uint64_t wait_ns = Poller::kForever;
    if (share_.rate > 0) {
      AssignAllDue(NowNs());
      if (unassigned_ > 0) wait_ns = NextDue() - std::min(NextDue(), NowNs());
    } else if (!waiting_.empty()) {
      AssignWaiting();
      if (!waiting_.empty()) wait_ns = kOthersPollNs;
    }
    HandleEvents(wait_ns);
    if (deadline_ns_ != UINT64_MAX && NowNs() >= deadline_ns_) unassigned_ = 0;
    if (Interrupted()) unassigned_ = 0;
  }
  --together_->unfinished;
  if (share_.subscribers > 0) FinishDelivery();
}

// With a fixed rate: batches are due at equal distances, in turn on all connections.
uint64_t Worker::NextDue() const {
  const double seconds =
      static_cast<double>(batches_) * static_cast<double>(plan_.pipeline) / share_.rate;
  return start_ns_ + static_cast<uint64_t>(seconds * 1e9);
}

void Worker::AssignAllDue(uint64_t now_ns) {
  while (unassigned_ > 0 && NextDue() <= now_ns) {
    const uint64_t turn = batches_ % static_cast<uint64_t>(share_.connections);
    Assign(clients_[turn].get(), NextDue());
  }
}

void Worker::Assign(Client* client, uint64_t due_ns) {
  const uint64_t requests = std::min<uint64_t>(unassigned_, static_cast<uint64_t>(plan_.pipeline));
  if (requests == 0) return;
  unassigned_ -= requests;
  unanswered_ += requests;
  ++batches_;
  client->due.push_back({due_ns, requests});
  SendDue(client);
}

void Worker::SendDue(Client* client) {
  Connection& connection = client->connection;
  while (!client->due.empty() && !connection.has_unsent()) {
    const Batch batch = client->due.front();
    client->due.pop_front();
    connection.Send(Take(client, batch.unanswered));
    client->sent.push_back(batch);
  }
  if (connection.has_unsent() != client->watching_write) {
    client->watching_write = connection.has_unsent();
    poller_.WatchWrite(connection, client, client->watching_write);
  }
}

// The bytes of the next requests.
std::string_view Worker::Take(Client* client, uint64_t requests) {
  uint64_t& next = client->own == nullptr ? next_ : client->own_next;
  RequestBatch& batch = client->own == nullptr ? *batch_ : *client->own;
  const uint64_t first = std::exchange(next, next + requests);
  return batch.Take(first, requests, workload_.numbers);
}

void Worker::HandleEvents(uint64_t timeout_ns) {
  for (const Poller::Event& event : poller_.Wait(timeout_ns)) {
    auto* client = static_cast<Client*>(event.tag);
    if (client->subscriber) {
      together_->delivered_bytes += client->connection.Discard(buffer_.data(), buffer_.size());
      continue;
    }
    if (event.readable) ReadReplies(client);
    if (event.writable) {
      client->connection.Flush();
      SendDue(client);
    }
  }
}

void Worker::ReadReplies(Client* client) {
  const size_t got = client->connection.Receive(buffer_.data(), buffer_.size());
  const uint64_t now_ns = NowNs();
  const char* at = buffer_.data();
  const char* const end = at + got;
  const uint64_t before = client->scanner.counts().replies;
  while (at != end)
    at = client->scanner.Scan(at, end);
  const uint64_t replies = client->scanner.counts().replies - before;
  if (replies > 0) TakeAnswers(client, replies, now_ns);
}

void Worker::TakeAnswers(Client* client, uint64_t replies, uint64_t now_ns) {
  together_->replies.fetch_add(replies, std::memory_order_relaxed);
  unanswered_ -= replies;
  while (replies > 0) {
    if (client->sent.empty()) Fail("the server sent a reply that nobody asked for");
    Batch& batch = client->sent.front();
    const uint64_t answered = std::min(replies, batch.unanswered);
    latency_.Record(now_ns - batch.due_ns, answered);
    replies -= answered;
    batch.unanswered -= answered;
    if (batch.unanswered > 0) break;
    client->sent.pop_front();
    if (share_.rate > 0) continue;
    if (SubscribersLag()) {
      waiting_.push_back(client);
    } else {
      Assign(client, now_ns);
    }
  }
}

// What all subscribers together get for the requests that are answered.
uint64_t Worker::DueBytes() const {
  return together_->replies * workload_.message_bytes *
         static_cast<uint64_t>(workload_.subscribers);
}

bool Worker::SubscribersLag() const {
  return DueBytes() > together_->delivered_bytes +
                          kMostUndeliveredBytes * static_cast<uint64_t>(workload_.subscribers);
}

void Worker::AssignWaiting() {
  if (SubscribersLag()) return;
  const uint64_t now_ns = NowNs();
  for (Client* client : std::exchange(waiting_, {}))
    Assign(client, now_ns);
}

ReplyCounts Worker::Counts() const {
  ReplyCounts counts;
  for (const auto& client : clients_)
    counts.Add(client->scanner.counts());
  return counts;
}

std::string Worker::FirstError() const {
  for (const auto& client : clients_) {
    if (!client->scanner.first_error().empty()) return client->scanner.first_error();
  }
  return {};
}

// The messages of the last requests may come after their replies. Messages may also come before the
// replies, so only now can it be told whether there were too many.
void Worker::FinishDelivery() {
  while (together_->unfinished > 0 || together_->delivered_bytes < DueBytes()) {
    HandleEvents(together_->unfinished > 0 ? kOthersPollNs : Poller::kForever);
  }
  if (together_->delivered_bytes > DueBytes()) {
    Fail("subscribers got {} bytes, not {}", together_->delivered_bytes.load(), DueBytes());
  }
}

}  // namespace runnel::bench
