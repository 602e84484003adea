// A topic group under faults: members lose their connections at random, with records in flight, and
// the server is killed with kill -9 and started again on the same directory, while producers write
// numbered records by key. Whatever happened, what the members were given and what they committed
// must fit together: see CheckPartition. Members that write what they read to a second topic, in
// transactions with their commits, leave each record there exactly once.
//
// RUNNEL_KILL9_SEED=n begins with another seed.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <optional>
#include <random>
#include <thread>

#include "tests/process/numbered_record.h"
#include "tests/process/server_test.h"
#include "tests/support/environment.h"

namespace runnel::test {
namespace {

using testing::AnyOf;
using testing::StartsWith;

using Random = std::mt19937_64;

constexpr int kPartitions = 12;
constexpr int kConsumers = 8;
constexpr int kProducers = 2;
constexpr int kKills = 5;
constexpr int kDrops = 20;
constexpr int64_t kMostGiven = 1'500;  // between two kills
constexpr int64_t kMostAhead = 1'000;  // records that producers are ahead of consumers

// What the threads of a test know of the server and of each other.
struct Scene {
  std::atomic<int> port = 0;   // of the server; 0: there is none now
  std::atomic<int> drops = 0;  // of connections, that are still to be made
  std::atomic<int64_t> added = 0;
  std::atomic<int64_t> given = 0;
  std::atomic<bool> producers_end = false;
  std::atomic<bool> consumers_end = false;

  // A connection as soon as there is a server. Null if there is none in time.
  std::unique_ptr<RespClient> Connect() const {
    std::unique_ptr<RespClient> client;
    const bool connected = Eventually([&] {
      const int at = port;
      if (at != 0) client = RespClient::Connect(at);
      return client != nullptr || consumers_end;
    });
    EXPECT_TRUE(connected) << "the server does not come back";
    return client;
  }
};

// Whether the reply has not come because the connection has ended.
bool IsLost(const Reply& reply) {
  EXPECT_NE(ToText(reply), "<timed out>");
  return reply.is_note();
}

// Threads that run until they are told to end, which they are at the latest with this object.
class Threads {
 public:
  explicit Threads(std::atomic<bool>* end) : end_(end) {}
  ~Threads() { End(); }

  template <class Function>
  void Start(Function function) {
    threads_.emplace_back(std::move(function));
  }
  void End() {
    *end_ = true;
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }

 private:
  std::atomic<bool>* const end_;
  std::vector<std::thread> threads_;
};

// Writes records with sequence numbers. What was not answered is sent again.
class NumberedProducer {
 public:
  explicit NumberedProducer(int number) : number_(number), name_(fmt::format("p{}", number)) {}

  void Run(Scene& scene, uint64_t seed) {
    Random random(seed);
    std::unique_ptr<RespClient> client;
    while (!command_.empty() || !scene.producers_end) {
      if (client == nullptr && (client = scene.Connect()) == nullptr) return;
      if (command_.empty()) {
        Eventually([&] { return scene.added - scene.given < kMostAhead || scene.producers_end; });
        MakeCommand(random);
      }
      client->Send(command_);
      // Now and then it gives up before the reply has come. (An OPEN that comes late would fence
      // it.)
      const bool gives_up = epoch_ != 0 && random() % 64 == 0;
      const Reply reply = gives_up ? Reply::Closed() : client->Read();
      if (IsLost(reply)) {
        client = nullptr;
        continue;
      }
      EXPECT_FALSE(reply.is_error()) << ToText(reply);
      if (reply.is_error()) return;
      command_.clear();
      if (epoch_ == 0) {
        epoch_ = reply.items[0].integer;
      } else {
        scene.added += next_seq_ - std::exchange(written_, next_seq_);
      }
    }
  }

  // How many records have been acknowledged: all, when it has ended.
  int64_t written() const { return written_; }

 private:
  void MakeCommand(Random& random) {
    if (epoch_ == 0) {
      command_ = {"TPRODUCER", "OPEN", "in", name_};
      return;
    }
    command_ = {
        "TADDM", "in", "PRODUCER", name_, std::to_string(epoch_), std::to_string(next_seq_)};
    command_.insert(command_.end(), {"FIELDS", "1", "v", "RECORDS"});
    for (uint64_t left = 1 + random() % 20; left > 0; left--) {
      const RecordName record{number_, next_seq_++};
      command_.insert(command_.end(), {record.Key(), record.Value()});
    }
  }

  const int number_;
  const std::string name_;
  int64_t epoch_ = 0;  // 0: not known yet
  int64_t next_seq_ = 0;
  int64_t written_ = 0;
  Argv command_;  // that was not answered; empty: none
};

// The records of one partition in a reply to TREADGROUP.
struct GivenPart {
  struct Record {
    int64_t offset = 0;
    std::string id;
    RecordName name;
  };

  explicit GivenPart(const Reply& part)
      : partition(part.items[0].text),
        number(static_cast<int>(NumberBehind(partition, '/'))),
        epoch(part.items[1].integer) {
    for (const Reply& entry : part.items[2].items) {
      const std::string& id = entry.items[0].text;
      records.push_back({NumberBehind(id, '-'), id, RecordName::Of(entry.items[1].items[1].text)});
      EXPECT_EQ(entry.items[2].text, records.back().name.Key());
    }
  }

  // The position behind the first `count` records.
  int64_t Behind(size_t count) const { return records[count - 1].offset + 1; }

  std::string partition;
  int number = 0;
  int64_t epoch = 0;
  std::vector<Record> records;
};
using Batch = std::vector<GivenPart>;

// What a member has said to be done in one partition.
struct Done {
  enum class Outcome {
    kTaken,
    kUnknown,  // the reply is lost
    kFenced,
  };

  int number = 0;
  int64_t epoch = 0;
  int64_t below = 0;             // all records below this offset,
  std::vector<int64_t> offsets;  // or these
  Outcome outcome = Outcome::kUnknown;
};

// A consumer: a member of the group, or one after the other, each with a name of its own.
class Consumer {
 public:
  // `renamed`: over each connection it is another member.
  Consumer(int number, bool renamed) : number_(number), renamed_(renamed) {}
  virtual ~Consumer() = default;

  void Run(Scene& scene, uint64_t seed) {
    scene_ = &scene;
    random_.seed(seed);
    while (!scene.consumers_end) {
      if (client_ == nullptr && !Return()) continue;
      client_->Send({"TREADGROUP", "g", member_, "COUNT", std::to_string(1 + random_() % 50),
                     "BLOCK", "50", "WITHKEY", "TOPICS", "in"});
      if (Drops(100)) continue;
      const Reply reply = client_->Read();
      if (Loses(reply)) continue;
      if (reply.is_error()) {
        // A call over a connection that was dropped may have come later than this one.
        EXPECT_THAT(reply.text, StartsWith("FENCED Member "));
        continue;
      }
      Batch batch;
      for (const Reply& part : reply.items) {
        Note(batch.emplace_back(part));
      }
      if (!Drops(10)) Finish(batch);
    }
  }

  struct Delivery {
    int number = 0;
    int64_t epoch = 0;
    std::string member;
    GivenPart::Record record;
  };
  const std::vector<Delivery>& deliveries() const { return deliveries_; }
  const std::vector<Done>& done() const { return done_; }

 protected:
  using Outcome = Done::Outcome;

  // There is a new connection.
  virtual void OnConnected() {}
  // Works on what was given. May end the connection.
  virtual void Finish(const Batch& batch) = 0;

  // Whether the connection ends here, which happens once in so many times.
  bool Drops(uint64_t one_in) {
    if (random_() % one_in != 0 || scene_->drops <= 0) return false;
    scene_->drops--;
    client_ = nullptr;
    return true;
  }
  bool Loses(const Reply& reply) {
    if (!IsLost(reply)) return false;
    client_ = nullptr;
    return true;
  }

  std::unique_ptr<RespClient> client_;
  Random random_;
  std::vector<Done> done_;

 private:
  // False if there is no connection.
  bool Return() {
    client_ = scene_->Connect();
    if (client_ == nullptr) return false;
    if (life_ == 0 || renamed_) member_ = fmt::format("c{}-{}", number_, ++life_);
    OnConnected();
    return client_ != nullptr;
  }

  void Note(const GivenPart& part) {
    for (const GivenPart::Record& record : part.records) {
      deliveries_.push_back({part.number, part.epoch, member_, record});
    }
    scene_->given += static_cast<int64_t>(part.records.size());
  }

  const int number_;
  const bool renamed_;
  Scene* scene_ = nullptr;
  int life_ = 0;
  std::string member_;
  std::vector<Delivery> deliveries_;
};

// Commits what it reads, in whole or piece by piece.
class Reader final : public Consumer {
 public:
  using Consumer::Consumer;

 private:
  // So much of a partition is to be committed.
  struct Share {
    const GivenPart* part = nullptr;
    size_t count = 0;
  };

  void Finish(const Batch& batch) override {
    std::vector<Share> whole;
    std::vector<Share> some;
    for (const GivenPart& part : batch) {
      whole.push_back({&part, part.records.size()});
      some.push_back({&part, 1 + random_() % part.records.size()});
    }
    if (batch.empty()) return;
    switch (random_() % 4) {
      case 0:
        Commit(whole);
        return;
      case 1:
        if (Commit(some)) Commit(whole);
        return;
      case 2:
        // What comes late changes nothing.
        if (Commit(whole)) Commit(some);
        return;
      default:
        for (const GivenPart& part : batch) {
          if (!Acknowledge(part)) return;
        }
    }
  }

  // False if the connection has ended.
  bool Commit(const std::vector<Share>& shares) {
    Argv command = {"TCOMMIT", "g"};
    for (const auto& [part, count] : shares) {
      command.insert(command.end(), {part->partition, std::to_string(part->epoch),
                                     std::to_string(part->Behind(count))});
    }
    const std::optional<Outcome> outcome = Say(command);
    if (outcome == Outcome::kFenced && shares.size() > 1) {
      // One of them has moved; the others are still to be committed.
      return std::all_of(shares.begin(), shares.end(),
                         [this](const Share& share) { return Commit({share}); });
    }
    for (const auto& [part, count] : shares) {
      done_.push_back({part->number,
                       part->epoch,
                       part->Behind(count),
                       {},
                       outcome.value_or(Outcome::kUnknown)});
    }
    return outcome.has_value();
  }

  // The same with single records in any order.
  bool Acknowledge(const GivenPart& part) {
    std::vector<GivenPart::Record> records = part.records;
    std::shuffle(records.begin(), records.end(), random_);
    while (!records.empty()) {
      Argv command = {"TACK", "g", part.partition, std::to_string(part.epoch)};
      Done done{part.number, part.epoch, 0, {}, Outcome::kUnknown};
      for (uint64_t left = 1 + random_() % records.size(); left > 0; left--) {
        command.push_back(records.back().id);
        done.offsets.push_back(records.back().offset);
        records.pop_back();
      }
      const std::optional<Outcome> outcome = Say(command);
      done.outcome = outcome.value_or(Outcome::kUnknown);
      done_.push_back(done);
      if (!outcome) return false;
    }
    return true;
  }

  // Nothing if the reply is lost.
  std::optional<Outcome> Say(const Argv& command) {
    client_->Send(command);
    if (Drops(10)) return std::nullopt;
    const Reply reply = client_->Read();
    if (Loses(reply)) return std::nullopt;
    if (!reply.is_error()) return Outcome::kTaken;
    EXPECT_THAT(reply.text, StartsWith("FENCED 'in/"));
    return Outcome::kFenced;
  }
};

// Writes what it reads to a second topic, in one transaction with the commit. If the reply is lost,
// the same transaction is sent again.
class Transformer final : public Consumer {
 public:
  using Consumer::Consumer;

 private:
  struct Transaction {
    std::string bytes;
    size_t commands = 0;  // that are queued
    std::vector<Done> done;
    bool again = false;  // it was sent before
  };

  void OnConnected() override {
    // Or only after the next call, which takes what was in flight away from it.
    if (random_() % 2 == 0) SendAgain();
  }

  void Finish(const Batch& batch) override {
    if (!SendAgain() || batch.empty()) return;
    Transaction& transaction = open_.emplace();
    Argv commit = {"TCOMMIT", "g"};
    transaction.bytes = EncodeCommand({"MULTI"});
    for (const GivenPart& part : batch) {
      for (const GivenPart::Record& record : part.records) {
        transaction.bytes +=
            EncodeCommand({"TADD", "out", "KEY", record.name.Key(), "*", "v", record.name.Value()});
        transaction.commands++;
      }
      const int64_t below = part.Behind(part.records.size());
      commit.insert(commit.end(),
                    {part.partition, std::to_string(part.epoch), std::to_string(below)});
      transaction.done.push_back({part.number, part.epoch, below, {}, Outcome::kUnknown});
    }
    transaction.bytes += EncodeCommand(commit) + EncodeCommand({"EXEC"});
    transaction.commands++;
    SendOpen();
  }

  // False if the connection has ended.
  bool SendAgain() { return !open_ || SendOpen(); }

  bool SendOpen() {
    client_->SendRaw(open_->bytes);
    const bool again = std::exchange(open_->again, true);
    Reply reply = Drops(10) ? Reply::Closed() : client_->Read();
    for (size_t left = open_->commands + 1; left > 0 && !reply.is_note(); left--) {
      EXPECT_FALSE(reply.is_error()) << ToText(reply);
      reply = client_->Read();
    }
    if (Loses(reply)) {
      Note(*open_, Outcome::kUnknown);
      return false;
    }
    const Transaction transaction = *std::exchange(open_, std::nullopt);
    if (!reply.is_error()) {
      EXPECT_EQ(reply.items.size(), transaction.commands) << ToText(reply);
      for (const Reply& item : reply.items) {
        EXPECT_FALSE(item.is_error()) << ToText(item);
      }
      Note(transaction, Outcome::kTaken);
      return true;
    }
    const std::string discarded = "EXECABORT Transaction discarded because of: ";
    if (again) {
      // Either it was done before, or somebody else does it.
      EXPECT_THAT(reply.text,
                  AnyOf(StartsWith(discarded + "FENCED "), StartsWith(discarded + "DUPLICATE ")));
      return true;
    }
    EXPECT_THAT(reply.text, StartsWith(discarded + "FENCED "));
    // Some of the partitions may still be its own: it begins at what is committed.
    client_ = nullptr;
    return false;
  }

  void Note(const Transaction& transaction, Outcome outcome) {
    for (Done done : transaction.done) {
      done.outcome = outcome;
      done_.push_back(done);
    }
  }

  std::optional<Transaction> open_;  // that was not answered
};

class TopicGroupFaultsTest : public ServerTest {
 protected:
  enum class Names { kSame, kNew };

  template <class SomeConsumer>
  void Run(Names names) {
    const uint64_t seed = FromEnvironment("RUNNEL_KILL9_SEED", std::random_device()());
    SCOPED_TRACE(fmt::format("RUNNEL_KILL9_SEED={}", seed));
    Random random(seed);
    Start(random);
    admin_->Call({"TOPIC", "CREATE", "in", "PARTITIONS", std::to_string(kPartitions)});
    admin_->Call({"TOPIC", "CREATE", "out", "PARTITIONS", "3"});
    // Members that come back under their names have all the time that they need.
    const std::string grace_ms = names == Names::kSame ? "1000000000" : "200";
    admin_->Call(
        {"TGROUP", "CREATE", "g", "FROM", "EARLIEST", "GRACE-MS", grace_ms, "MOVE-MS", "200"});
    for (int i = 0; i < kConsumers; i++) {
      consumers_.push_back(std::make_unique<SomeConsumer>(i, names == Names::kNew));
    }
    LoadWithFaults(random, names);
    for (int number = 0; number < kPartitions && !HasFailure(); number++) {
      CheckPartition(number);
    }
    CheckComplete();
  }

  // The second topic holds each record once, and those of a key in order.
  void CheckOutput() {
    Counts counts;
    for (int number = 0; number < 3; number++) {
      int64_t next = 0;
      while (true) {
        const Reply reply = admin_->Call({"TREAD", "COUNT", "1000", "WITHKEY", "PARTITIONS",
                                          fmt::format("out/{}", number), std::to_string(next)});
        ASSERT_FALSE(reply.is_error()) << ToText(reply);
        if (reply.items.empty()) break;
        for (const Reply& entry : reply.items[0].items[1].items) {
          Count(RecordName::Of(entry.items[1].items[1].text), &counts);
          next = NumberBehind(entry.items[0].text, '-') + 1;
        }
      }
    }
    ExpectAll(counts, "the output");
  }

 private:
  void Start(Random& random) {
    constexpr const char* kPolicy[] = {"always", "everysec"};
    constexpr const char* kSegmentBytes[] = {"64kb", "1mb"};
    constexpr const char* kSnapshotAfter[] = {"0", "64kb", "512kb"};
    constexpr const char* kStreamMemory[] = {"0", "64kb"};
    ServerProcess::Options options;
    options.dir = dir_.string();
    options.args = {"--appendfsync",
                    kPolicy[random() % 2],
                    "--journal-segment-bytes",
                    kSegmentBytes[random() % 2],
                    "--snapshot-journal-bytes",
                    kSnapshotAfter[random() % 3],
                    "--stream-memory",
                    kStreamMemory[random() % 2]};
    StartServer(options);
    admin_ = Client();
    scene_.port = server_->port();
  }

  void Kill() {
    scene_.port = 0;
    admin_ = nullptr;
    EXPECT_EQ(ToText(server_->Kill()), "signal 9");
    server_ = nullptr;
  }

  void LoadWithFaults(Random& random, Names names) {
    Threads consumers(&scene_.consumers_end);
    for (const std::unique_ptr<Consumer>& consumer : consumers_) {
      consumers.Start([this, &consumer, seed = random()] { consumer->Run(scene_, seed); });
    }
    EXPECT_TRUE(Eventually([&] { return IsAtRest(); }));
    const int64_t moves = Described("moves").integer;

    scene_.drops = kDrops;
    Threads producers(&scene_.producers_end);
    for (NumberedProducer& producer : producers_) {
      producers.Start([this, &producer, seed = random()] { producer.Run(scene_, seed); });
    }
    for (int kill = 0; kill < kKills && !HasFailure(); kill++) {
      const int64_t until = scene_.given + static_cast<int64_t>(random() % kMostGiven);
      EXPECT_TRUE(Eventually([&] { return scene_.given >= until; }));
      Kill();
      Start(random);
    }
    EXPECT_TRUE(Eventually([&] { return scene_.drops <= 0; }));
    producers.End();
    EXPECT_TRUE(Eventually([&] { return Lag("lag").integer == 0; }, 2 * kPatience))
        << ToText(admin_->Call({"TGROUP", "DESCRIBE", "g"}));
    consumers.End();
    EXPECT_EQ(Lag("skipped").integer, 0);
    // Everybody came back in time.
    if (names == Names::kSame) {
      EXPECT_EQ(Described("moves").integer, moves);
    }
  }

  Reply Described(std::string_view field) const {
    return FieldOf(admin_->Call({"TGROUP", "DESCRIBE", "g"}), field);
  }
  Reply Lag(std::string_view field) const {
    return FieldOf(admin_->Call({"TGROUP", "LAG", "g"}), field);
  }

  // Whether all consumers have joined, and each has its share.
  bool IsAtRest() const {
    const Reply members = Described("members");
    return members.items.size() == kConsumers &&
           std::all_of(members.items.begin(), members.items.end(), [](const Reply& member) {
             const int64_t partitions = FieldOf(member, "partitions").integer;
             return partitions == kPartitions / kConsumers ||
                    partitions == kPartitions / kConsumers + 1;
           });
  }

  // What is known of one epoch of a partition.
  struct Epoch {
    std::string member;
    std::map<int64_t, RecordName> given;  // by offset
    std::vector<const Done*> done;
  };

  std::map<int64_t, Epoch> EpochsOf(int number) const {
    std::map<int64_t, Epoch> epochs;
    for (const std::unique_ptr<Consumer>& consumer : consumers_) {
      for (const Consumer::Delivery& delivery : consumer->deliveries()) {
        if (delivery.number != number) continue;
        Epoch& epoch = epochs[delivery.epoch];
        if (epoch.member.empty()) epoch.member = delivery.member;
        EXPECT_EQ(delivery.member, epoch.member) << "one epoch, two owners";
        EXPECT_TRUE(epoch.given.emplace(delivery.record.offset, delivery.record.name).second)
            << "twice in one epoch";
      }
      for (const Done& done : consumer->done()) {
        if (done.number == number) epochs[done.epoch].done.push_back(&done);
      }
    }
    return epochs;
  }

  // When an epoch begins, no commit of an earlier one is taken any more. So records that are given
  // in it are none of those that commits of earlier epochs were taken for; and those that it passes
  // over are some that such commits, which may have been taken, were sent for.
  void CheckPartition(int number) {
    const Reply state = Lag("partitions").items[number];
    const int64_t last_epoch = FieldOf(state, "epoch").integer;
    const auto next = static_cast<size_t>(FieldOf(state, "next").integer);
    EXPECT_EQ(FieldOf(state, "committed").integer, static_cast<int64_t>(next));
    std::vector<bool> taken(next);  // by offset: a commit of it was taken,
    std::vector<bool> sent(next);   // or may have been
    std::vector<std::optional<RecordName>> records(next);
    for (const auto& [epoch, known] : EpochsOf(number)) {
      SCOPED_TRACE(fmt::format("in/{} at epoch {}", number, epoch));
      EXPECT_LE(epoch, last_epoch);
      size_t at = 0;
      for (const auto& [offset, name] : known.given) {
        ASSERT_LT(offset, static_cast<int64_t>(next));
        EXPECT_FALSE(taken[offset]) << offset << " is given, and was committed before";
        for (; at < static_cast<size_t>(offset); at++) {
          EXPECT_TRUE(sent[at]) << at << " is passed over, and nobody has committed it";
        }
        at++;
        EXPECT_EQ(records[offset].value_or(name), name) << offset;
        records[offset] = name;
      }
      for (const Done* done : known.done) {
        if (done->outcome == Done::Outcome::kFenced) {
          EXPECT_GT(last_epoch, epoch) << "fenced, and there is no newer epoch";
          continue;
        }
        const auto mark = [&](size_t offset) {
          sent[offset] = true;
          if (done->outcome == Done::Outcome::kTaken) taken[offset] = true;
        };
        for (size_t offset = 0; offset < static_cast<size_t>(done->below); offset++) {
          mark(offset);
        }
        for (const int64_t offset : done->offsets) {
          mark(static_cast<size_t>(offset));
        }
      }
    }
    for (size_t offset = 0; offset < next; offset++) {
      EXPECT_TRUE(sent[offset]) << "in/" << number << ": " << offset << " was never committed";
      ASSERT_TRUE(records[offset]) << "in/" << number << ": " << offset << " was never given";
      Count(*records[offset], &read_);
    }
  }

  // How many records of each producer were seen, and the newest one of each key.
  struct Counts {
    std::array<int64_t, kProducers> records{};
    std::map<std::string, int64_t> last_of_key;
  };

  static void Count(const RecordName& name, Counts* counts) {
    int64_t& last = counts->last_of_key.try_emplace(name.Key(), -1).first->second;
    EXPECT_GT(name.seq, last) << "of key " << name.Key() << ", out of order or twice";
    last = name.seq;
    counts->records[name.producer]++;
  }

  // Those of a key are in order and none is there twice, so the number tells whether all are there.
  void ExpectAll(const Counts& counts, const char* where) const {
    for (int i = 0; i < kProducers; i++) {
      EXPECT_EQ(counts.records[i], producers_[i].written()) << "of producer " << i << ", " << where;
    }
  }

  void CheckComplete() const {
    ExpectAll(read_, "the input");
    EXPECT_GT(scene_.added, 0);
  }

  TempDir dir_;
  std::unique_ptr<RespClient> admin_;
  Scene scene_;
  std::array<NumberedProducer, kProducers> producers_ = {NumberedProducer(0), NumberedProducer(1)};
  std::vector<std::unique_ptr<Consumer>> consumers_;
  Counts read_;
};

TEST_F(TopicGroupFaultsTest, ReadingUnderSameNames) {
  Run<Reader>(Names::kSame);
}

TEST_F(TopicGroupFaultsTest, ReadingUnderNewNames) {
  Run<Reader>(Names::kNew);
}

TEST_F(TopicGroupFaultsTest, TransformingUnderSameNames) {
  Run<Transformer>(Names::kSame);
  CheckOutput();
}

TEST_F(TopicGroupFaultsTest, TransformingUnderNewNames) {
  Run<Transformer>(Names::kNew);
  CheckOutput();
}

}  // namespace
}  // namespace runnel::test
