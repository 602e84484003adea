// kill -9 under load, again and again on the same directory: what was acknowledged is there after
// the next start, under every fsync policy, and nothing happened twice or by half. A request whose
// reply had not come may have been executed or not; the books below know which ones those are.
//
// RUNNEL_KILL9_SEED=n begins with another seed, RUNNEL_KILL9_ROUNDS=n makes more rounds.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "tests/process/server_test.h"
#include "tests/support/environment.h"

namespace runnel::test {
namespace {

using Random = std::mt19937_64;

constexpr uint64_t kDefaultRounds = 50;
constexpr uint64_t kMostReplies = 10'000;  // of a round

// Sends the commands in one write. Fewer replies than commands: the connection has ended.
std::vector<Reply> Exchange(RespClient& client, const std::vector<Argv>& commands) {
  std::string bytes;
  for (const Argv& command : commands) {
    bytes += EncodeCommand(command);
  }
  client.SendRaw(bytes);
  std::vector<Reply> replies;
  while (replies.size() < commands.size()) {
    Reply reply = client.Read();
    if (reply.is_note()) break;
    EXPECT_FALSE(reply.is_error()) << ToText(reply);
    replies.push_back(std::move(reply));
  }
  return replies;
}

// One kind of load and its books. Its loops run side by side, each with a connection of its own.
class Load {
 public:
  // Some requests. Returns how many were answered, 0 if not all were: the server has ended.
  using Loop = std::function<size_t(RespClient& client, Random& random)>;

  virtual ~Load() = default;
  virtual std::vector<Loop> Loops() = 0;
  // Between rounds: compares what is there with the books, and goes on from what is there.
  virtual void Check(RespClient& client) = 0;
};

// LPUSH by one client, RPOP by another: numbers come out in the order in which they went in.
class QueueLoad final : public Load {
 public:
  std::vector<Loop> Loops() override {
    return {[this](RespClient& client, Random& random) { return Push(client, random); },
            [this](RespClient& client, Random& random) { return Pop(client, random); }};
  }

  void Check(RespClient& client) override {
    size_t taken = 0;
    for (const uint64_t number : taken_) {
      ASSERT_LT(taken, put_.size()) << number << " was taken and never put in";
      ASSERT_EQ(number, put_[taken]) << "taken out of order, or twice";
      taken++;
    }
    std::vector<uint64_t> found;
    const Reply content = client.Call({"LRANGE", "queue", "0", "-1"});
    for (auto item = content.items.rbegin(); item != content.items.rend(); ++item) {
      found.push_back(std::stoull(item->text));
    }
    // What is left are the numbers put_[first] to put_[end - 1].
    const size_t least_end = put_.size() - unknown_puts_;
    size_t first = taken;
    while (!found.empty() && first < put_.size() && put_[first] != found.front()) {
      first++;
    }
    if (found.empty()) first = std::max(taken, least_end);
    const size_t end = first + found.size();
    ASSERT_LE(end, put_.size()) << "a number is there that was taken, or twice";
    EXPECT_LE(first, taken + unknown_takes_) << "numbers are missing at the front";
    EXPECT_GE(end, least_end) << "numbers are missing at the end";
    EXPECT_TRUE(std::equal(found.begin(), found.end(), put_.begin() + static_cast<long>(first)));
    put_ = found;
    taken_.clear();
    unknown_puts_ = unknown_takes_ = 0;
  }

 private:
  size_t Push(RespClient& client, Random& random) {
    std::vector<Argv> commands;
    for (uint64_t left = 1 + random() % 8; left > 0; left--) {
      put_.push_back(++last_);
      commands.push_back({"LPUSH", "queue", std::to_string(last_)});
    }
    const std::vector<Reply> replies = Exchange(client, commands);
    unknown_puts_ = commands.size() - replies.size();
    return unknown_puts_ == 0 ? replies.size() : 0;
  }

  size_t Pop(RespClient& client, Random& random) {
    const std::vector<Argv> commands(1 + random() % 8, {"RPOP", "queue"});
    const std::vector<Reply> replies = Exchange(client, commands);
    for (const Reply& reply : replies) {
      if (reply.kind == Reply::Kind::kBulk) taken_.push_back(std::stoull(reply.text));
    }
    unknown_takes_ = commands.size() - replies.size();
    return unknown_takes_ == 0 ? replies.size() : 0;
  }

  uint64_t last_ = 0;
  std::vector<uint64_t> put_;    // in order, beginning with what was there at the start
  size_t unknown_puts_ = 0;      // the last of them
  std::vector<uint64_t> taken_;  // by the other loop
  size_t unknown_takes_ = 0;
};

// XADD by one client; another reads in a group and acknowledges.
class StreamLoad final : public Load {
 public:
  std::vector<Loop> Loops() override {
    return {[this](RespClient& client, Random& random) { return Add(client, random); },
            [this](RespClient& client, Random& random) { return Consume(client, random); }};
  }

  void Check(RespClient& client) override {
    CheckEntries(client);
    CheckPending(client);
  }

 private:
  // What was added since the last check.
  void CheckEntries(RespClient& client) {
    const Reply range = client.Call({"XRANGE", "stream", "(" + last_id_, "+"});
    uint64_t last_number = checked_number_;
    size_t known = 0;
    for (const Reply& entry : range.items) {
      const std::string& id = entry.items[0].text;
      const uint64_t number = std::stoull(entry.items[1].items[1].text);
      EXPECT_GT(number, last_number) << "an entry is there twice, or out of order";
      EXPECT_LE(number, last_number_) << "nobody has added it";
      const auto told = added_.find(number);
      if (told != added_.end()) {
        EXPECT_EQ(told->second, id);
        known++;
      }
      last_number = number;
      last_id_ = id;
    }
    EXPECT_EQ(known, added_.size()) << "entries are missing";
    entries_ += range.items.size();
    EXPECT_EQ(client.Call({"XLEN", "stream"}).integer, static_cast<int64_t>(entries_));
    added_.clear();
    checked_number_ = last_number_;
  }

  void CheckPending(RespClient& client) {
    const Reply reply =
        client.Call({"XREADGROUP", "GROUP", "group", "reader", "STREAMS", "stream", "0"});
    std::set<std::string> pending;
    for (const Reply& entry : reply.items[0].items[1].items) {
      pending.insert(entry.items[0].text);
      EXPECT_FALSE(acknowledged_.contains(entry.items[0].text)) << "acknowledged, and pending";
    }
    for (const std::string& id : read_) {
      EXPECT_TRUE(pending.contains(id)) << id << " was delivered and is not pending";
    }
    EXPECT_LE(pending.size(), read_.size() + unknown_.size() + kMostGiven);
    for (const std::string& id : pending) {
      EXPECT_EQ(client.Call({"XACK", "stream", "group", id}).integer, 1);
    }
    // Those that are not pending had been acknowledged when the server ended.
    for (const std::set<std::string>* ids : {&pending, &unknown_}) {
      acknowledged_.insert(ids->begin(), ids->end());
    }
    read_.clear();
    unknown_.clear();
    // Every entry before the group's position was delivered to a consumer.
    const Reply group = client.Call({"XINFO", "GROUPS", "stream"}).items[0];
    const auto is_name = [](const Reply& item) { return item.text == "entries-read"; };
    const auto name = std::find_if(group.items.begin(), group.items.end(), is_name);
    ASSERT_NE(name, group.items.end());
    EXPECT_EQ(std::next(name)->integer, static_cast<int64_t>(acknowledged_.size()));
  }

  size_t Add(RespClient& client, Random& random) {
    std::vector<Argv> commands;
    const uint64_t first = last_number_ + 1;
    for (uint64_t left = 1 + random() % 8; left > 0; left--) {
      commands.push_back({"XADD", "stream", "*", "n", std::to_string(++last_number_)});
    }
    const std::vector<Reply> replies = Exchange(client, commands);
    for (size_t i = 0; i < replies.size(); i++) {
      added_[first + i] = replies[i].text;
    }
    return replies.size() == commands.size() ? replies.size() : 0;
  }

  size_t Consume(RespClient& client, Random& random) {
    const std::vector<Reply> given =
        Exchange(client, {{"XREADGROUP", "GROUP", "group", "reader", "COUNT",
                           std::to_string(1 + random() % kMostGiven), "STREAMS", "stream", ">"}});
    if (given.empty()) return 0;
    if (given[0].items.empty()) return 1;
    std::vector<Argv> commands;
    for (const Reply& entry : given[0].items[0].items[1].items) {
      const std::string& id = entry.items[0].text;
      EXPECT_FALSE(acknowledged_.contains(id)) << id << " was acknowledged, and is given again";
      EXPECT_TRUE(read_.insert(id).second) << id << " is given twice";
      if (random() % 8 != 0) commands.push_back({"XACK", "stream", "group", id});
    }
    const std::vector<Reply> replies = Exchange(client, commands);
    for (size_t i = 0; i < commands.size(); i++) {
      const std::string& id = commands[i][3];
      read_.erase(id);
      if (i < replies.size()) {
        EXPECT_EQ(replies[i].integer, 1);
        acknowledged_.insert(id);
      } else {
        unknown_.insert(id);
      }
    }
    return replies.size() == commands.size() ? replies.size() + 1 : 0;
  }

  static constexpr uint64_t kMostGiven = 5;  // to one XREADGROUP

  uint64_t last_number_ = 0;               // given to XADD
  uint64_t checked_number_ = 0;            // the same at the last check
  std::string last_id_ = "0-0";            // at the last check
  uint64_t entries_ = 0;                   // likewise
  std::map<uint64_t, std::string> added_;  // since then: the numbers and their IDs
  std::set<std::string> read_;             // delivered, and no acknowledgement sent
  std::set<std::string> unknown_;          // acknowledgement sent and not answered
  std::set<std::string> acknowledged_;
};

// Transactions on two keys, which agree at all times.
class PairLoad final : public Load {
 public:
  std::vector<Loop> Loops() override {
    return {[this](RespClient& client, Random&) {
      const std::string number = std::to_string(++sent_);
      const size_t replies = Exchange(client, {{"MULTI"},
                                               {"SET", "pair:last", number},
                                               {"RPUSH", "pair:all", number},
                                               {"LTRIM", "pair:all", "-10", "-1"},
                                               {"EXEC"}})
                                 .size();
      if (replies < 5) return size_t{0};
      acknowledged_ = sent_;
      return replies;
    }};
  }

  void Check(RespClient& client) override {
    const std::string last = client.Call({"GET", "pair:last"}).text;
    EXPECT_EQ(client.Call({"LINDEX", "pair:all", "-1"}).text, last) << "half a transaction";
    const uint64_t number = last.empty() ? 0 : std::stoull(last);
    EXPECT_GE(number, acknowledged_);
    EXPECT_LE(number, sent_);
    acknowledged_ = sent_ = number;
  }

 private:
  uint64_t sent_ = 0;
  uint64_t acknowledged_ = 0;
};

// A counter that goes up, and a key that is set to it.
class CounterLoad final : public Load {
 public:
  std::vector<Loop> Loops() override {
    return {[this](RespClient& client, Random& random) {
      const std::vector<Argv> commands(1 + random() % 8, {"INCR", "counter"});
      const std::vector<Reply> replies = Exchange(client, commands);
      for (const Reply& reply : replies) {
        EXPECT_EQ(reply.integer, ++value_);
      }
      unknown_ = static_cast<int64_t>(commands.size() - replies.size());
      return unknown_ == 0 ? replies.size() : 0;
    }};
  }

  void Check(RespClient& client) override {
    const int64_t value = client.Call({"INCRBY", "counter", "0"}).integer;
    EXPECT_GE(value, value_);
    EXPECT_LE(value, value_ + unknown_);
    value_ = value;
    unknown_ = 0;
  }

 private:
  int64_t value_ = 0;
  int64_t unknown_ = 0;
};

class Kill9Test : public ServerTest {
 protected:
  void Run(const std::string& policy) {
    const uint64_t seed = FromEnvironment("RUNNEL_KILL9_SEED", std::random_device()());
    const uint64_t rounds = FromEnvironment("RUNNEL_KILL9_ROUNDS", kDefaultRounds);
    Random random(seed);
    for (uint64_t round = 0; round < rounds && !HasFailure(); round++) {
      SCOPED_TRACE(fmt::format("RUNNEL_KILL9_SEED={}, round {}", seed, round));
      Start(policy, random);
      Check();
      if (HasFailure()) return;
      LoadAndKill(random);
    }
    Start(policy, random);
    Check();
  }

 private:
  void Start(const std::string& policy, Random& random) {
    constexpr const char* kSegmentBytes[] = {"64kb", "256kb", "1mb"};
    ServerProcess::Options options;
    options.dir = dir_.string();
    constexpr const char* kSnapshotAfter[] = {"0", "64kb", "512kb"};
    constexpr const char* kStreamMemory[] = {"0", "64kb", "256kb"};
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

  void Check() {
    const std::unique_ptr<RespClient> client = Client();
    client->Call({"XGROUP", "CREATE", "stream", "group", "0", "MKSTREAM"});
    for (Load* load : loads_) {
      load->Check(*client);
    }
  }

  // Lets all loops run until so many replies have come as chance says, and kills the server.
  void LoadAndKill(Random& random) {
    std::atomic<uint64_t> replies = 0;
    std::vector<std::thread> threads;
    for (Load* load : loads_) {
      for (const Load::Loop& loop : load->Loops()) {
        threads.emplace_back([&replies, loop, client = Client(), seed = random()] {
          Random own(seed);
          while (const size_t answered = loop(*client, own)) {
            replies += answered;
          }
        });
      }
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

  TempDir dir_;
  QueueLoad queue_;
  StreamLoad stream_;
  PairLoad pair_;
  CounterLoad counter_;
  Load* const loads_[4] = {&queue_, &stream_, &pair_, &counter_};
};

TEST_F(Kill9Test, Always) {
  Run("always");
}

TEST_F(Kill9Test, EverySecond) {
  Run("everysec");
}

TEST_F(Kill9Test, No) {
  Run("no");
}

}  // namespace
}  // namespace runnel::test
