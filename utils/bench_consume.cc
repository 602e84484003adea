#include "utils/bench_consume.h"

#include <fmt/format.h>

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "utils/bench_clock.h"
#include "utils/bench_control.h"
#include "utils/bench_fail.h"
#include "utils/bench_reply.h"
#include "utils/bench_topics.h"

namespace runnel::bench {

namespace {

// Several replies of a hundred entries of a kilobyte.
constexpr size_t kBufferSize = 512 * 1024;
constexpr uint64_t kUsualEntries = 500'000;
constexpr int kFillConnections = 4;
constexpr int kFillPipeline = 256;

struct Consumer {
  Consumer(const Endpoint& endpoint, std::string stream)
      : connection(endpoint), stream(std::move(stream)) {}

  // Whether all that it sent is answered.
  bool finished() const { return reads_ns.empty() && unacknowledged == 0; }

  Connection connection;
  const std::string stream;  // empty for a member of a topic group
  std::string group_read;    // the request that it repeats; empty without a group
  ReplyScanner scanner;
  std::string cut_reply;          // the beginning of a reply that is not whole
  std::deque<uint64_t> reads_ns;  // when the reads that are not answered were sent
  uint64_t unacknowledged = 0;    // XACK and TCOMMIT that are not answered
  std::string unsent;             // requests
  bool watching_write = false;
};

class Consumption {
 public:
  explicit Consumption(const Settings& settings)
      : settings_(settings), count_(std::to_string(settings.count)), buffer_(kBufferSize) {}

  // Connects consumers, of kGroup if `in_group`, else of none.
  void AddConsumer(const std::string& stream, bool in_group);
  // Connects members of the topic group kGroup, which then begins at the first records.
  void AddMembers(Control* control);
  ConsumeResult Run();

 private:
  void Begin(Consumer* consumer);
  void AskAfter(Consumer* consumer, std::string_view id);
  void Ask(Consumer* consumer, std::string_view read);
  void Receive(Consumer* consumer);
  void TakeReply(Consumer* consumer, std::string_view reply);
  void TakeEntries(Consumer* consumer);
  void TakeRecords(Consumer* consumer, std::string_view reply);
  void Send(Consumer* consumer);

  const Settings& settings_;
  const std::string count_;
  std::vector<char> buffer_;
  std::vector<std::unique_ptr<Consumer>> consumers_;
  Poller poller_;
  size_t unfinished_ = 0;  // consumers
  uint64_t now_ns_ = 0;    // when the bytes at hand were read
  uint64_t deadline_ns_ = UINT64_MAX;
  std::vector<std::string_view> bulks_;  // of the reply at hand
  ConsumeResult result_;
};

void Consumption::AddConsumer(const std::string& stream, bool in_group) {
  consumers_.push_back(std::make_unique<Consumer>(settings_.endpoint, stream));
  Consumer* consumer = consumers_.back().get();
  poller_.Add(consumer->connection, consumer);
  if (!in_group) return;
  const std::string name = "consumer-" + std::to_string(consumers_.size());
  consumer->group_read =
      EncodeRequest({"XREADGROUP", "GROUP", kGroup, name, "COUNT", count_, "STREAMS", stream, ">"});
}

// The members join while there is nothing to give, so that nothing has to move between them later.
void Consumption::AddMembers(Control* control) {
  control->DeleteTopicGroups();
  control->Run({"TGROUP", "CREATE", kGroup, "FROM", "LATEST"});
  for (int i = 0; i < settings_.connections; ++i) {
    consumers_.push_back(std::make_unique<Consumer>(settings_.endpoint, ""));
    Consumer* consumer = consumers_.back().get();
    const Words read{"TREADGROUP", kGroup, "member-" + std::to_string(i), "COUNT", count_,
                     "TOPICS",     kTopic};
    consumer->connection.Exchange(read);
    consumer->group_read = EncodeRequest(read);
    poller_.Add(consumer->connection, consumer);
  }
  control->WaitUntilStable(kGroup);
  control->Run({"TGROUP", "RESET", kGroup, kTopic, "TO", "EARLIEST"});
}

ConsumeResult Consumption::Run() {
  const ProcessCpu server_cpu(settings_.server_pid);
  server_cpu.WaitUntilIdle();
  const uint64_t own_cpu_before = OwnCpuNs();
  const uint64_t server_cpu_before = server_cpu.Ns();
  const uint64_t start_ns = NowNs();
  now_ns_ = start_ns;
  if (settings_.seconds > 0) {
    deadline_ns_ = start_ns + static_cast<uint64_t>(settings_.seconds * 1e9);
  }
  unfinished_ = consumers_.size();
  for (const auto& consumer : consumers_)
    Begin(consumer.get());
  while (unfinished_ > 0) {
    for (const Poller::Event& event : poller_.Wait(Poller::kForever)) {
      auto* consumer = static_cast<Consumer*>(event.tag);
      if (event.writable) consumer->connection.Flush();
      if (event.readable) Receive(consumer);
      Send(consumer);
    }
  }
  result_.seconds = static_cast<double>(NowNs() - start_ns) / 1e9;
  result_.server_cpu_ns = server_cpu.Ns() - server_cpu_before;
  result_.own_cpu_ns = OwnCpuNs() - own_cpu_before;
  for (const auto& consumer : consumers_)
    result_.requests += consumer->scanner.counts().replies;
  return result_;
}

// Without a group a read can only be asked for when the one before is there.
void Consumption::Begin(Consumer* consumer) {
  if (consumer->group_read.empty()) {
    AskAfter(consumer, "0-0");
  } else {
    for (int i = 0; i < settings_.pipeline; ++i)
      Ask(consumer, consumer->group_read);
  }
  Send(consumer);
}

void Consumption::AskAfter(Consumer* consumer, std::string_view id) {
  Ask(consumer,
      EncodeRequest({"XREAD", "COUNT", count_, "STREAMS", consumer->stream, std::string(id)}));
}

void Consumption::Ask(Consumer* consumer, std::string_view read) {
  if (now_ns_ >= deadline_ns_) return;
  consumer->unsent += read;
  consumer->reads_ns.push_back(now_ns_);
}

void Consumption::Receive(Consumer* consumer) {
  const size_t got = consumer->connection.Receive(buffer_.data(), buffer_.size());
  if (got == 0) return;
  if (consumer->finished()) Fail("the server sent a reply that nobody asked for");
  now_ns_ = NowNs();
  const char* at = buffer_.data();
  const char* const end = at + got;
  while (at != end) {
    const char* const from = at;
    at = consumer->scanner.Scan(from, end);
    const std::string_view part(from, static_cast<size_t>(at - from));
    if (consumer->scanner.whole() && consumer->cut_reply.empty()) {
      TakeReply(consumer, part);
      continue;
    }
    consumer->cut_reply += part;
    if (!consumer->scanner.whole()) break;
    TakeReply(consumer, consumer->cut_reply);
    consumer->cut_reply.clear();
  }
  if (consumer->finished()) --unfinished_;
}

// An integer answers an XACK or TCOMMIT, anything else a read; a read of nothing is the stream's
// end.
void Consumption::TakeReply(Consumer* consumer, std::string_view reply) {
  if (consumer->scanner.counts().errors > 0) Fail("{}", consumer->scanner.first_error());
  if (reply.front() == ':') {
    --consumer->unacknowledged;
    return;
  }
  if (consumer->reads_ns.empty()) Fail("the server sent a reply that nobody asked for");
  result_.latency.Record(now_ns_ - consumer->reads_ns.front());
  consumer->reads_ns.pop_front();
  if (consumer->stream.empty()) return TakeRecords(consumer, reply);
  bulks_.clear();
  CollectBulks(reply, &bulks_);
  if (!bulks_.empty()) TakeEntries(consumer);
}

// The strings of the reply: the key, then of each entry the ID, the field and the value.
void Consumption::TakeEntries(Consumer* consumer) {
  for (size_t i = 1; i + 2 < bulks_.size(); i += 3) {
    ++result_.entries;
    result_.payload_bytes += bulks_[i + 2].size();
  }
  if (consumer->group_read.empty()) return AskAfter(consumer, bulks_[bulks_.size() - 3]);
  std::string& out = consumer->unsent;
  AppendHead(&out, 3 + bulks_.size() / 3);
  AppendWord(&out, "XACK");
  AppendWord(&out, consumer->stream);
  AppendWord(&out, kGroup);
  for (size_t i = 1; i < bulks_.size(); i += 3)
    AppendWord(&out, bulks_[i]);
  ++consumer->unacknowledged;
  Ask(consumer, consumer->group_read);
}

// Of each partition the name, the epoch and the records: of each the ID and the fields.
void Consumption::TakeRecords(Consumer* consumer, std::string_view reply) {
  ReplyReader reader(reply);
  const size_t partitions = reader.Array();
  if (partitions == 0) return;
  std::string& out = consumer->unsent;
  AppendHead(&out, 2 + 3 * partitions);
  AppendWord(&out, "TCOMMIT");
  AppendWord(&out, kGroup);
  for (size_t i = 0; i < partitions; ++i) {
    reader.Array();
    AppendWord(&out, reader.Bulk());
    AppendWord(&out, fmt::format_int(reader.Integer()).c_str());
    std::string_view id;
    const size_t records = reader.Array();
    for (size_t j = 0; j < records; ++j) {
      reader.Array();
      id = reader.Bulk();
      reader.Array();
      reader.Bulk();
      result_.payload_bytes += reader.Bulk().size();
    }
    result_.entries += records;
    AppendWord(&out, id);
  }
  ++consumer->unacknowledged;
  Ask(consumer, consumer->group_read);
}

void Consumption::Send(Consumer* consumer) {
  Connection& connection = consumer->connection;
  if (!consumer->unsent.empty()) {
    connection.Send(consumer->unsent);
    consumer->unsent.clear();
  }
  if (connection.has_unsent() != consumer->watching_write) {
    consumer->watching_write = connection.has_unsent();
    poller_.WatchWrite(connection, consumer, consumer->watching_write);
  }
}

}  // namespace

ConsumeResult RunConsume(const Settings& settings) {
  const uint64_t entries = settings.Requests(kUsualEntries);
  Control control(settings.endpoint);
  if (!settings.keep) control.DeleteKeys();
  Fill(settings.endpoint, {"XADD", kStream, "*", "f", MakeValue(settings.value_size)}, {}, entries,
       kFillConnections, kFillPipeline);
  control.Run({"XGROUP", "CREATE", kStream, kGroup, "0"});

  Consumption consumption(settings);
  for (int i = 0; i < settings.connections; ++i)
    consumption.AddConsumer(kStream, true);
  const ConsumeResult result = consumption.Run();
  // Without a deadline everything has to be delivered; what was delivered, acknowledged.
  if (settings.seconds == 0 && result.entries != entries) {
    Fail("consume: {} entries were delivered, not {}", result.entries, entries);
  }
  const int64_t pending = control.Pending(kStream, kGroup);
  if (pending != 0) Fail("consume: {} entries are still pending", pending);
  if (!settings.keep) control.DeleteKeys();
  return result;
}

ConsumeResult RunCatchUp(const Settings& settings) {
  Consumption consumption(settings);
  for (int i = 0; i < settings.connections; ++i)
    consumption.AddConsumer(StreamName(static_cast<uint64_t>(i % settings.keys)), false);
  const ConsumeResult result = consumption.Run();
  if (result.entries == 0) Fail("catchup: the streams are empty; fill them (xadd-streams --keep)");
  return result;
}

ConsumeResult RunConsumeTopic(const Settings& settings) {
  const uint64_t records = settings.Requests(kUsualEntries);
  Control control(settings.endpoint);
  control.MakeTopic(settings.partitions);
  FillTopic(settings, records);
  const ConsumeResult result = RunCatchUpTopic(settings);
  if (settings.seconds == 0 && result.entries != records) {
    Fail("consume-topic: {} records were given, not {}", result.entries, records);
  }
  const auto open = control.Lag(kGroup) - static_cast<int64_t>(records - result.entries);
  if (open != 0) Fail("consume-topic: {} records were given and are not committed", open);
  if (!settings.keep) control.DeleteTopic();
  return result;
}

ConsumeResult RunCatchUpTopic(const Settings& settings) {
  Control control(settings.endpoint);
  Consumption consumption(settings);
  consumption.AddMembers(&control);
  const ConsumeResult result = consumption.Run();
  if (result.entries == 0) Fail("the topic is empty; fill it (tadd-key --keep)");
  return result;
}

}  // namespace runnel::bench
