#include "utils/bench_groups.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "utils/bench_clock.h"
#include "utils/bench_control.h"
#include "utils/bench_fail.h"
#include "utils/bench_reply.h"

namespace runnel::bench {

namespace {

constexpr size_t kBufferSize = 256 * 1024;
constexpr size_t kStampDigits = 19;  // a time in nanoseconds, at the start of every value
constexpr const char* kReadCount = "10";

std::string GroupName(int group) {
  return kGroup + "-" + std::to_string(group);
}

struct Peer {
  explicit Peer(const Endpoint& endpoint) : connection(endpoint) {}

  Connection connection;
  ReplyScanner scanner;
  bool watching_write = false;
  // Of a producer: requests sent and not answered.
  uint64_t unanswered = 0;
  // Of a consumer, which has these: the requests that it repeats, and a reply that is not whole.
  Words acknowledge;
  std::string read;
  std::string cut_reply;
  uint64_t committing = 0;  // records, if it is a member of a topic group
};

class Flow {
 public:
  // With the topic, else with a stream.
  Flow(const Settings& settings, bool topic);
  GroupsResult Run();

 private:
  bool is_consumer(const Peer& peer) const { return !peer.read.empty(); }
  void AddConsumer(const std::string& group, int number);
  void AddMember(const std::string& group, int number);
  uint64_t NextDue() const;
  void Produce(Peer* producer, uint64_t due_ns);
  void ProduceAllDue(uint64_t now_ns);
  void Receive(Peer* peer);
  void TakeReply(Peer* consumer, std::string_view reply, int64_t integer, uint64_t now_ns);
  void TakeEntries(Peer* consumer, std::string_view reply, uint64_t now_ns);
  void TakeRecords(Peer* member, std::string_view reply, uint64_t now_ns);
  void TakeValue(std::string_view value, uint64_t now_ns);
  void Send(Peer* peer, std::string_view bytes);

  const Settings settings_;
  const bool topic_;
  const uint64_t entries_;
  const uint64_t deliveries_;
  RequestBatch batch_;
  std::vector<char> buffer_;
  std::vector<std::unique_ptr<Peer>> producers_;
  std::vector<std::unique_ptr<Peer>> consumers_;
  Poller poller_;
  std::vector<std::string_view> bulks_;
  uint64_t start_ns_ = 0;
  uint64_t added_ = 0;         // entries sent
  uint64_t batches_ = 0;       // of entries
  uint64_t acknowledged_ = 0;  // deliveries
  Histogram latency_;
};

// The value begins with the place for the time at which the entry was due. Of the same time the key
// has the last digits.
Words AddStamped(size_t value_size, bool topic) {
  const std::string value =
      std::string(kStampDigits, '#') + MakeValue(value_size - std::min(value_size, kStampDigits));
  if (topic) return {"TADD", kTopic, "KEY", "key:--##########", "*", "f", value};
  return {"XADD", kStream, "*", "f", value};
}

Flow::Flow(const Settings& settings, bool topic)
    : settings_(settings),
      topic_(topic),
      entries_(settings.Requests(300'000)),
      deliveries_(entries_ * static_cast<uint64_t>(settings.groups)),
      batch_({AddStamped(settings.value_size, topic)}, settings.pipeline),
      buffer_(kBufferSize) {
  Control control(settings.endpoint);
  topic ? control.MakeTopic(settings.partitions) : control.DeleteKeys();
  for (int group = 0; group < settings.groups; ++group) {
    const std::string name = GroupName(group);
    if (topic) {
      control.Run({"TGROUP", "CREATE", name, "FROM", "LATEST"});
    } else {
      control.Run({"XGROUP", "CREATE", kStream, name, "$", "MKSTREAM"});
    }
    for (int i = 0; i < settings.consumers; ++i)
      topic ? AddMember(name, i) : AddConsumer(name, i);
    if (topic) control.WaitUntilStable(name);
  }
  for (int i = 0; i < settings.producers; ++i) {
    producers_.push_back(std::make_unique<Peer>(settings.endpoint));
    poller_.Add(producers_.back()->connection, producers_.back().get());
  }
}

void Flow::AddConsumer(const std::string& group, int number) {
  consumers_.push_back(std::make_unique<Peer>(settings_.endpoint));
  Peer* consumer = consumers_.back().get();
  consumer->acknowledge = {"XACK", kStream, group};
  consumer->read =
      EncodeRequest({"XREADGROUP", "GROUP", group, "consumer-" + std::to_string(number), "COUNT",
                     kReadCount, "BLOCK", "0", "STREAMS", kStream, ">"});
  poller_.Add(consumer->connection, consumer);
}

// It joins at once, so that the partitions are divided before the clock starts.
void Flow::AddMember(const std::string& group, int number) {
  consumers_.push_back(std::make_unique<Peer>(settings_.endpoint));
  Peer* member = consumers_.back().get();
  const std::string name = "member-" + std::to_string(number);
  member->acknowledge = {"TCOMMIT", group};
  member->connection.Exchange({"TREADGROUP", group, name, "TOPICS", kTopic});
  member->read = EncodeRequest(
      {"TREADGROUP", group, name, "COUNT", kReadCount, "BLOCK", "0", "TOPICS", kTopic});
  poller_.Add(member->connection, member);
}

GroupsResult Flow::Run() {
  const ProcessCpu server_cpu(settings_.server_pid);
  for (auto& consumer : consumers_)
    Send(consumer.get(), consumer->read);
  server_cpu.WaitUntilIdle();
  const uint64_t own_cpu_before = OwnCpuNs();
  const uint64_t server_cpu_before = server_cpu.Ns();
  start_ns_ = NowNs();
  if (settings_.rate == 0) {
    for (auto& producer : producers_)
      Produce(producer.get(), start_ns_);
  }
  while (acknowledged_ < deliveries_) {
    uint64_t wait_ns = Poller::kForever;
    if (settings_.rate > 0) {
      ProduceAllDue(NowNs());
      if (added_ < entries_) wait_ns = NextDue() - std::min(NextDue(), NowNs());
    }
    for (const Poller::Event& event : poller_.Wait(wait_ns)) {
      auto* peer = static_cast<Peer*>(event.tag);
      if (event.readable) Receive(peer);
      if (event.writable) {
        peer->connection.Flush();
        Send(peer, {});
      }
    }
  }
  GroupsResult result;
  result.seconds = static_cast<double>(NowNs() - start_ns_) / 1e9;
  result.server_cpu_ns = server_cpu.Ns() - server_cpu_before;
  result.own_cpu_ns = OwnCpuNs() - own_cpu_before;
  result.entries = entries_;
  result.deliveries = deliveries_;
  result.latency.Add(latency_);
  if (latency_.count() != deliveries_) {
    Fail("groups: {} entries were delivered, not {}", latency_.count(), deliveries_);
  }
  return result;
}

uint64_t Flow::NextDue() const {
  const double seconds =
      static_cast<double>(batches_) * static_cast<double>(settings_.pipeline) / settings_.rate;
  return start_ns_ + static_cast<uint64_t>(seconds * 1e9);
}

void Flow::ProduceAllDue(uint64_t now_ns) {
  while (added_ < entries_ && NextDue() <= now_ns) {
    Produce(producers_[batches_ % producers_.size()].get(), NextDue());
  }
}

void Flow::Produce(Peer* producer, uint64_t due_ns) {
  const uint64_t count = std::min(entries_ - added_, static_cast<uint64_t>(settings_.pipeline));
  if (count == 0) return;
  added_ += count;
  ++batches_;
  producer->unanswered += count;
  Send(producer, batch_.Take(0, count, {.first = due_ns, .stride = 0}));
}

void Flow::Receive(Peer* peer) {
  const size_t got = peer->connection.Receive(buffer_.data(), buffer_.size());
  const uint64_t now_ns = NowNs();
  const char* at = buffer_.data();
  const char* const end = at + got;
  while (at != end) {
    const char* const from = at;
    const int64_t integers_before = peer->scanner.counts().integers;
    at = peer->scanner.Scan(from, end);
    if (is_consumer(*peer)) peer->cut_reply.append(from, at);
    if (!peer->scanner.whole()) continue;
    if (peer->scanner.counts().errors > 0) Fail("groups: {}", peer->scanner.first_error());
    if (is_consumer(*peer)) {
      TakeReply(peer, peer->cut_reply, peer->scanner.counts().integers - integers_before, now_ns);
      peer->cut_reply.clear();
    } else if (--peer->unanswered == 0 && settings_.rate == 0) {
      Produce(peer, now_ns);
    }
  }
}

// An integer answers an XACK, which counts entries, or a TCOMMIT, which counts partitions.
void Flow::TakeReply(Peer* consumer, std::string_view reply, int64_t integer, uint64_t now_ns) {
  if (reply.front() != ':') {
    topic_ ? TakeRecords(consumer, reply, now_ns) : TakeEntries(consumer, reply, now_ns);
  } else if (topic_) {
    if (integer == 0) Fail("groups: TCOMMIT has committed nothing");
    acknowledged_ += std::exchange(consumer->committing, 0);
  } else {
    acknowledged_ += static_cast<uint64_t>(integer);
  }
}

// The strings of the reply: the key, then of each entry the ID, the field and the value.
void Flow::TakeEntries(Peer* consumer, std::string_view reply, uint64_t now_ns) {
  bulks_.clear();
  CollectBulks(reply, &bulks_);
  Words acknowledge = consumer->acknowledge;
  for (size_t i = 1; i + 2 < bulks_.size(); i += 3) {
    acknowledge.emplace_back(bulks_[i]);
    TakeValue(bulks_[i + 2], now_ns);
  }
  Send(consumer, EncodeRequest(acknowledge) + consumer->read);
}

// Of each partition the name, the epoch and the records: of each the ID and the fields. The commit
// before is answered, because the read that is answered now was sent after it.
void Flow::TakeRecords(Peer* member, std::string_view reply, uint64_t now_ns) {
  Words commit = member->acknowledge;
  ReplyReader reader(reply);
  const size_t partitions = reader.Array();
  for (size_t i = 0; i < partitions; ++i) {
    reader.Array();
    commit.emplace_back(reader.Bulk());
    commit.push_back(std::to_string(reader.Integer()));
    const size_t records = reader.Array();
    member->committing += records;
    for (size_t j = 0; j < records; ++j) {
      reader.Array();
      const std::string_view id = reader.Bulk();
      if (j + 1 == records) commit.emplace_back(id);
      reader.Array();
      reader.Bulk();
      TakeValue(reader.Bulk(), now_ns);
    }
  }
  Send(member, EncodeRequest(commit) + member->read);
}

void Flow::TakeValue(std::string_view value, uint64_t now_ns) {
  const uint64_t due_ns = std::stoull(std::string(value.substr(0, kStampDigits)));
  latency_.Record(now_ns - due_ns);
}

void Flow::Send(Peer* peer, std::string_view bytes) {
  peer->connection.Send(bytes);
  if (peer->connection.has_unsent() != peer->watching_write) {
    peer->watching_write = peer->connection.has_unsent();
    poller_.WatchWrite(peer->connection, peer, peer->watching_write);
  }
}

}  // namespace

GroupsResult RunGroups(const Settings& settings) {
  const GroupsResult result = Flow(settings, false).Run();
  Control(settings.endpoint).DeleteKeys();
  return result;
}

GroupsResult RunGroupsTopic(const Settings& settings) {
  const GroupsResult result = Flow(settings, true).Run();
  Control(settings.endpoint).DeleteTopic();
  return result;
}

}  // namespace runnel::bench
