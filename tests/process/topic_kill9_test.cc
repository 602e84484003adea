// kill -9 while producers write numbered records by key into a topic and readers follow it, again
// and again on the same directory. After each restart: offsets have no gap and no repeat, what was
// acknowledged or read is where it was, records of a key are in order, and what a producer sends
// again with the same sequence number is there once.
//
// RUNNEL_KILL9_SEED=n begins with another seed, RUNNEL_KILL9_ROUNDS=n makes more rounds.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <thread>

#include "tests/process/numbered_record.h"
#include "tests/process/server_test.h"
#include "tests/support/environment.h"

namespace runnel::test {
namespace {

using Random = std::mt19937_64;

constexpr uint64_t kDefaultRounds = 20;
constexpr uint64_t kMostReplies = 4'000;  // of a round
constexpr int kPartitions = 12;
constexpr int kProducers = 4;
constexpr int kReaders = 3;

std::string PartitionName(int number) {
  return fmt::format("orders/{}", number);
}

// One entry of a TREAD with WITHKEY: its ID and the record, whose key must be the right one.
struct ReadRecord {
  explicit ReadRecord(const Reply& entry) {
    EXPECT_EQ(entry.items.size(), 3u) << ToText(entry);
    const std::string& id = entry.items[0].text;
    ms = std::stoll(id);
    offset = NumberBehind(id, '-');
    name = RecordName::Of(entry.items[1].items[1].text);
    EXPECT_EQ(entry.items[2].text, name.Key());
  }

  int64_t ms = 0;
  int64_t offset = 0;
  RecordName name;
};

// Calls `visit(partition, record)` for each record of a reply to TREAD with WITHKEY.
template <class Visit>
void ForEachRecord(const Reply& reply, Visit visit) {
  for (const Reply& partition : reply.items) {
    const int number = static_cast<int>(NumberBehind(partition.items[0].text, '/'));
    for (const Reply& entry : partition.items[1].items) {
      visit(number, ReadRecord(entry));
    }
  }
}

// Writes with sequence numbers, and after a restart either goes on where the server says that it
// stands, or sends again what was not answered.
class TopicProducer {
 public:
  explicit TopicProducer(int number) : number_(number), name_(fmt::format("p{}", number)) {}

  // Some requests. Returns how many were answered, 0 if not all were: the server has ended.
  size_t Run(RespClient& client, Random& random) {
    if (restarted_ && !Resume(client, random)) return 0;
    restarted_ = false;
    for (uint64_t left = 1 + random() % 8; left > 0; left--) {
      unanswered_.push_back(MakeCommand(random));
    }
    return SendUnanswered(client);
  }

  // What was acknowledged: so many records from this offset on are among those that the command
  // with these sequence numbers has added.
  struct Share {
    int partition = 0;
    int64_t offset = 0;
    int64_t count = 0;
    int64_t first_seq = 0;
    int64_t end_seq = 0;
  };
  std::vector<Share> TakeAcknowledged() { return std::move(acknowledged_); }
  int64_t acknowledged_seq() const { return acknowledged_seq_; }
  const std::string& name() const { return name_; }
  void NoteRestart() { restarted_ = true; }

 private:
  struct Command {
    Argv argv;
    int64_t first_seq = 0;
    int64_t end_seq = 0;
  };

  Command MakeCommand(Random& random) {
    Command command;
    command.first_seq = next_seq_;
    const std::vector<std::string> producer = {"PRODUCER", name_, std::to_string(epoch_),
                                               std::to_string(next_seq_)};
    if (random() % 4 != 0) {
      const RecordName record{number_, next_seq_++};
      command.argv = {"TADD", "orders", "KEY", record.Key()};
      command.argv.insert(command.argv.end(), producer.begin(), producer.end());
      command.argv.insert(command.argv.end(), {"*", "v", record.Value()});
    } else {
      command.argv = {"TADDM", "orders"};
      command.argv.insert(command.argv.end(), producer.begin(), producer.end());
      command.argv.insert(command.argv.end(), {"FIELDS", "1", "v", "RECORDS"});
      for (uint64_t left = 1 + random() % 20; left > 0; left--) {
        const RecordName record{number_, next_seq_++};
        command.argv.insert(command.argv.end(), {record.Key(), record.Value()});
      }
    }
    command.end_seq = next_seq_;
    return command;
  }

  size_t SendUnanswered(RespClient& client) {
    std::string bytes;
    for (const Command& command : unanswered_) {
      bytes += EncodeCommand(command.argv);
    }
    const size_t sent = unanswered_.size();
    client.SendRaw(bytes);
    while (!unanswered_.empty()) {
      const Reply reply = client.Read();
      if (reply.is_note()) return 0;
      EXPECT_FALSE(reply.is_error()) << ToText(reply);
      if (reply.is_error()) return 0;
      Acknowledge(unanswered_.front(), reply);
      last_ = {std::move(unanswered_.front().argv), reply};
      unanswered_.pop_front();
    }
    return sent;
  }

  void Acknowledge(const Command& command, const Reply& reply) {
    const std::vector<Reply> one = {reply};
    int64_t records = 0;
    for (const Reply& share : command.argv[0] == "TADD" ? one : reply.items) {
      const int64_t count = share.items.size() > 2 ? share.items[2].integer : 1;
      acknowledged_.push_back({static_cast<int>(NumberBehind(share.items[0].text, '/')),
                               NumberBehind(share.items[1].text, '-'), count, command.first_seq,
                               command.end_seq});
      records += count;
    }
    EXPECT_EQ(records, command.end_seq - command.first_seq);
    acknowledged_seq_ = command.end_seq - 1;
  }

  bool Resume(RespClient& client, Random& random) {
    if (epoch_ != 0 && random() % 2 == 0) {
      if (last_ && random() % 2 == 0) {
        const Reply again = client.Call(last_->first);
        if (again.is_note()) return false;
        EXPECT_EQ(ToText(again), ToText(last_->second)) << "sent again, and answered otherwise";
      }
      return SendUnanswered(client) > 0 || unanswered_.empty();
    }
    const int64_t before = std::exchange(epoch_, 0);
    const Reply opened = client.Call({"TPRODUCER", "OPEN", "orders", name_});
    if (opened.is_note()) return false;
    EXPECT_GT(opened.items[0].integer, before);
    const int64_t last = opened.items[1].integer;
    EXPECT_GE(last, acknowledged_seq_) << "an acknowledged command is forgotten";
    EXPECT_LT(last, next_seq_) << "nobody has sent that";
    epoch_ = opened.items[0].integer;
    next_seq_ = last + 1;
    acknowledged_seq_ = last;
    unanswered_.clear();
    last_.reset();
    if (before == 0) return true;
    const Reply fenced = client.Call({"TADD", "orders", "PRODUCER", name_, std::to_string(before),
                                      std::to_string(next_seq_), "*", "v", "never"});
    if (fenced.is_note()) return false;
    EXPECT_EQ(fenced.text.substr(0, 7), "FENCED ");
    return true;
  }

  const int number_;
  const std::string name_;
  bool restarted_ = true;
  int64_t epoch_ = 0;  // 0: not known
  int64_t next_seq_ = 0;
  int64_t acknowledged_seq_ = -1;
  std::deque<Command> unanswered_;
  std::optional<std::pair<Argv, Reply>> last_;  // the last one that was answered
  std::vector<Share> acknowledged_;
};

// Follows all partitions from offsets of its own.
class TopicReader {
 public:
  size_t Run(RespClient& client, Random& random) {
    Argv command = {"TREAD", "WITHKEY", "COUNT", std::to_string(1 + random() % 200)};
    if (random() % 2 == 0) command.insert(command.end(), {"BLOCK", "10"});
    command.emplace_back("PARTITIONS");
    for (int i = 0; i < kPartitions; i++) {
      command.push_back(PartitionName(i));
    }
    for (const int64_t offset : next_) {
      command.push_back(std::to_string(offset));
    }
    const Reply reply = client.Call(command);
    if (reply.is_note()) return 0;
    EXPECT_FALSE(reply.is_error()) << ToText(reply);
    ForEachRecord(reply, [this](int partition, const ReadRecord& record) {
      EXPECT_EQ(record.offset, next_[partition]++) << PartitionName(partition);
      seen_.push_back({partition, record.offset, record.name});
    });
    return 1;
  }

  struct Seen {
    int partition = 0;
    int64_t offset = 0;
    RecordName name;
  };
  std::vector<Seen> TakeSeen() { return std::move(seen_); }
  int64_t next(int partition) const { return next_[partition]; }

 private:
  std::array<int64_t, kPartitions> next_{};
  std::vector<Seen> seen_;
};

class TopicKill9Test : public ServerTest {
 protected:
  void Run(const std::string& policy) {
    const uint64_t seed = FromEnvironment("RUNNEL_KILL9_SEED", std::random_device()());
    const uint64_t rounds = FromEnvironment("RUNNEL_KILL9_ROUNDS", kDefaultRounds);
    Random random(seed);
    for (uint64_t round = 0; round < rounds && !HasFailure(); round++) {
      SCOPED_TRACE(fmt::format("RUNNEL_KILL9_SEED={}, round {}", seed, round));
      Start(policy, random);
      Check(random);
      if (HasFailure()) return;
      LoadAndKill(random);
    }
    Start(policy, random);
    Check(random);
  }

 private:
  void Start(const std::string& policy, Random& random) {
    constexpr const char* kSegmentBytes[] = {"64kb", "256kb", "1mb"};
    constexpr const char* kSnapshotAfter[] = {"0", "64kb", "512kb"};
    constexpr const char* kStreamMemory[] = {"0", "64kb", "256kb"};
    ServerProcess::Options options;
    options.dir = dir_.string();
    options.args = {"--appendfsync",
                    policy,
                    "--journal-segment-bytes",
                    kSegmentBytes[random() % 3],
                    "--snapshot-journal-bytes",
                    kSnapshotAfter[random() % 3],
                    "--stream-memory",
                    kStreamMemory[random() % 3]};
    StartServer(options);
  }

  // Lets all run until so many replies have come as chance says, and kills the server.
  void LoadAndKill(Random& random) {
    std::atomic<uint64_t> replies = 0;
    std::vector<std::thread> threads;
    const auto run = [&](auto& worker) {
      threads.emplace_back([&replies, &worker, client = Client(), seed = random()] {
        Random own(seed);
        while (const size_t answered = worker.Run(*client, own)) {
          replies += answered;
        }
      });
    };
    for (TopicProducer& producer : producers_) {
      producer.NoteRestart();
      run(producer);
    }
    for (TopicReader& reader : readers_) {
      run(reader);
    }
    const uint64_t until = random() % kMostReplies;
    EXPECT_TRUE(
        EventuallyWhileItMoves([&] { return replies.load(); }, [&] { return replies >= until; }));
    EXPECT_EQ(ToText(server_->Kill()), "signal 9");
    for (std::thread& thread : threads) {
      thread.join();
    }
    server_ = nullptr;
  }

  void Check(Random& random) {
    const std::unique_ptr<RespClient> client = Client();
    client->Call({"TOPIC", "CREATE", "orders", "NX", "PARTITIONS", std::to_string(kPartitions)});
    for (int partition = 0; partition < kPartitions; partition++) {
      CheckPartition(*client, partition);
    }
    CheckProducers(*client);
    for (TopicReader& reader : readers_) {
      for (const TopicReader::Seen& seen : reader.TakeSeen()) {
        ASSERT_TRUE(IsAt(seen.partition, seen.offset, seen.name))
            << "read from " << PartitionName(seen.partition) << " at " << seen.offset
            << " before the end, and not there any more: " << seen.name.Value();
      }
    }
    if (!HasFailure()) Trim(*client, static_cast<int>(random() % kPartitions));
  }

  bool IsAt(int partition, int64_t offset, const RecordName& name) const {
    const auto& records = records_[partition];
    return offset < static_cast<int64_t>(records.size()) && records[offset] == name;
  }

  // Reads what is new in the partition.
  void CheckPartition(RespClient& client, int partition) {
    std::vector<RecordName>& records = records_[partition];
    const std::string name = PartitionName(partition);
    while (true) {
      const Reply reply =
          client.Call({"TREAD", "WITHKEY", "PARTITIONS", name, std::to_string(records.size())});
      ASSERT_FALSE(reply.is_error()) << ToText(reply);
      if (reply.items.empty()) break;
      ForEachRecord(reply, [&](int, const ReadRecord& record) {
        EXPECT_EQ(record.offset, static_cast<int64_t>(records.size())) << name;
        EXPECT_GE(record.ms, last_ms_[partition]) << name;
        last_ms_[partition] = record.ms;
        records.push_back(record.name);
        int64_t& last = last_of_key_.try_emplace(record.name.Key(), -1).first->second;
        EXPECT_GT(record.name.seq, last) << "of a key, out of order or twice: " << name;
        last = record.name.seq;
        counts_[record.name.producer]++;
        newest_[record.name.producer] = std::max(newest_[record.name.producer], record.name.seq);
      });
    }
    const Reply next = client.Call({"TOPIC", "OFFSETS", name, "LATEST"});
    EXPECT_EQ(next.items[0].items[1].integer, static_cast<int64_t>(records.size()));
  }

  // Each sequence number up to the last one was written once: as many records are there, and those
  // of a key, which determine their numbers, are in strict order.
  void CheckProducers(RespClient& client) {
    std::map<std::string, int64_t> last_seqs;
    for (const Reply& producer : client.Call({"TPRODUCER", "LIST", "orders"}).items) {
      last_seqs[producer.items[1].text] = producer.items[5].integer;
    }
    for (int i = 0; i < kProducers; i++) {
      TopicProducer& producer = producers_[i];
      const auto found = last_seqs.find(producer.name());
      const int64_t last = found == last_seqs.end() ? -1 : found->second;
      EXPECT_EQ(counts_[i], last + 1) << producer.name() << ": records are missing, or twice";
      EXPECT_GE(last, producer.acknowledged_seq());
      EXPECT_LE(newest_[i], last) << "a record without its number";
      for (const TopicProducer::Share& share : producer.TakeAcknowledged()) {
        for (int64_t at = share.offset; at < share.offset + share.count; at++) {
          ASSERT_LT(at, static_cast<int64_t>(records_[share.partition].size()))
              << "acknowledged, and missing in " << PartitionName(share.partition);
          const RecordName& record = records_[share.partition][at];
          EXPECT_EQ(record.producer, i);
          EXPECT_GE(record.seq, share.first_seq);
          EXPECT_LT(record.seq, share.end_seq);
        }
      }
    }
  }

  // Drops what all have read: offsets stay as they are.
  void Trim(RespClient& client, int partition) {
    auto offset = static_cast<int64_t>(records_[partition].size());
    for (const TopicReader& reader : readers_) {
      offset = std::min(offset, reader.next(partition));
    }
    const std::string name = PartitionName(partition);
    const Reply trimmed = client.Call({"TOPIC", "TRIM", name, std::to_string(offset)});
    EXPECT_EQ(trimmed.integer, offset - std::exchange(earliest_[partition], offset)) << name;
    for (int i = 0; i < kPartitions; i++) {
      const Reply first = client.Call({"TOPIC", "OFFSETS", PartitionName(i), "EARLIEST"});
      EXPECT_EQ(first.items[0].items[1].integer, earliest_[i]) << PartitionName(i);
    }
  }

  TempDir dir_;
  std::array<TopicProducer, kProducers> producers_ = {TopicProducer(0), TopicProducer(1),
                                                      TopicProducer(2), TopicProducer(3)};
  std::array<TopicReader, kReaders> readers_;
  // What the partitions hold, by offset, as far as it was checked.
  std::array<std::vector<RecordName>, kPartitions> records_;
  std::array<int64_t, kPartitions> last_ms_{};
  std::array<int64_t, kPartitions> earliest_{};
  std::map<std::string, int64_t> last_of_key_;
  std::array<int64_t, kProducers> counts_{};  // records of each producer, and the newest
  std::array<int64_t, kProducers> newest_{-1, -1, -1, -1};
};

TEST_F(TopicKill9Test, Always) {
  Run("always");
}

TEST_F(TopicKill9Test, EverySecond) {
  Run("everysec");
}

}  // namespace
}  // namespace runnel::test
