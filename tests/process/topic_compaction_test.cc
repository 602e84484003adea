// Compacted topics of a real server: what is newest of each key is there after SIGTERM and after
// kill -9, with and without a snapshot, with records in memory and on the disk; and appends after a
// restart still replace what was there before.
#include <fmt/format.h>

#include <map>
#include <random>
#include <utility>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;

class TopicCompactionTest : public ServerTest {
 protected:
  ServerProcess::Options OptionsOf() const {
    ServerProcess::Options options;
    options.dir = dir_.string();
    options.args = {"--journal",       "yes",   "--appendfsync", "everysec",
                    "--stream-memory", "100kb", "--save",        ""};
    return options;
  }
  // Records with random keys, of which few are new. Each reply is compared with what should live.
  void Produce(RespClient& client, int commands) {
    for (int i = 0; i < commands; i++) {
      Argv command = {"TADDM", "t/0", "FIELDS", "1", "f", "RECORDS"};
      if (random_() % 4 == 0) {
        const std::string key = Key();
        const Reply reply = client.Call({"TADD", "t/0", "KEY", key, "TOMBSTONE"});
        ASSERT_EQ(reply.items.size(), 2u) << ToText(reply);
        Note(key, "", reply.items[1].text);
        continue;
      }
      std::vector<std::pair<std::string, std::string>> records;
      for (uint64_t left = 1 + random_() % 20; left > 0; left--) {
        records.emplace_back(Key(), fmt::format("{:200}", ++values_));
        command.insert(command.end(), {records.back().first, records.back().second});
      }
      const Reply reply = client.Call(command);
      ASSERT_EQ(reply.items.size(), 1u) << ToText(reply);
      const std::string& first = reply.items[0].items[1].text;
      const std::string ms = first.substr(0, first.find('-') + 1);
      for (const auto& [key, value] : records) {
        Note(key, value, ms + std::to_string(next_));
      }
    }
  }
  std::string Key() { return fmt::format("k{}", random_() % (random_() % 2 == 0 ? 20 : 3000)); }
  void Note(const std::string& key, const std::string& value, const std::string& id) {
    EXPECT_EQ(id.substr(id.find('-') + 1), std::to_string(next_));
    const auto known = newest_.find(key);
    if (known != newest_.end()) live_.erase(known->second);
    live_[next_] = {id, key, value};
    newest_[key] = next_++;
  }

  // A reader from the beginning, one backward, and a group get what lives.
  void ExpectLive(RespClient& client) {
    EXPECT_EQ(client.Call({"XLEN", "t/0"}).integer, static_cast<int64_t>(live_.size()));
    auto expected = live_.begin();
    std::string from = "EARLIEST";
    for (;;) {
      const Reply reply =
          client.Call({"TREAD", "WITHKEY", "COUNT", "500", "PARTITIONS", "t/0", from});
      if (reply.items.empty()) break;
      for (const Reply& entry : reply.items[0].items[1].items) {
        ASSERT_NE(expected, live_.end());
        const Record& record = expected->second;
        ASSERT_EQ(entry.items[0].text, record.id);
        ASSERT_EQ(entry.items[2].text, record.key);
        ASSERT_EQ(entry.items[1].items.empty(), record.value.empty());
        if (!record.value.empty()) {
          ASSERT_EQ(entry.items[1].items[1].text, record.value);
        }
        from = std::to_string(expected->first + 1);
        ++expected;
      }
    }
    EXPECT_EQ(expected, live_.end());
    auto last = live_.rbegin();
    for (const Reply& entry : client.Call({"XREVRANGE", "t/0", "+", "-", "COUNT", "300"}).items) {
      ASSERT_EQ(entry.items[0].text, last->second.id);
      ++last;
    }
    EXPECT_THAT(Ask(client, "TOPIC DESCRIBE t/0"), HasSubstr("earliest"));
    EXPECT_EQ(FieldOf(client.Call({"TOPIC", "DESCRIBE", "t/0"}), "earliest").integer, 0);
    EXPECT_EQ(FieldOf(client.Call({"TOPIC", "DESCRIBE", "t/0"}), "next").integer,
              static_cast<int64_t>(next_));
  }
  // What the group is given it acknowledges, but for some. Nothing that it has acknowledged comes
  // again.
  void ReadSomeOfGroup(RespClient& client) {
    for (int i = 0; i < 5; i++) {
      const Reply reply =
          client.Call({"TREADGROUP", "g", "m", "COUNT", "100", "FROM", "EARLIEST", "TOPICS", "t"});
      if (reply.items.empty()) return;
      Argv ack = {"TACK", "g", "t/0", std::to_string(reply.items[0].items[1].integer)};
      for (const Reply& entry : reply.items[0].items[2].items) {
        const std::string& id = entry.items[0].text;
        EXPECT_FALSE(acknowledged_.contains(id)) << id;
        if (random_() % 3 > 0) ack.push_back(id);
      }
      if (ack.size() == 4) continue;
      EXPECT_EQ(client.Call(ack).integer, static_cast<int64_t>(ack.size() - 4));
      for (size_t k = 4; k < ack.size(); k++) {
        acknowledged_[ack[k]] = true;
      }
    }
  }

  struct Record {
    std::string id;
    std::string key;
    std::string value;  // empty: a tombstone
  };

  TempDir dir_;
  std::mt19937_64 random_{1};
  uint64_t values_ = 0;
  uint64_t next_ = 0;
  std::map<uint64_t, Record> live_;
  std::map<std::string, uint64_t> newest_;
  std::map<std::string, bool> acknowledged_;
};

TEST_F(TopicCompactionTest, TheNewestOfEachKeyIsThereAfterEveryRestart) {
  StartServer(OptionsOf());
  EXPECT_EQ(Ask(*Client(), "TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT"), "+OK");
  for (int round = 0; round < 6 && !HasFailure(); round++) {
    auto client = Client();
    Produce(*client, 400);
    ExpectLive(*client);
    ReadSomeOfGroup(*client);
    if (round % 3 == 2) {
      EXPECT_THAT(Ask(*client, "SAVE"), HasSubstr("OK"));
      Produce(*client, 50);
    }
    client.reset();
    if (round % 2 == 0) {
      EXPECT_EQ(ToText(server_->Stop()), "exit 0");
      server_ = nullptr;
      const auto [text, exit] = RunCheck({dir_.string() + "/journal"});
      EXPECT_EQ(exit, "exit 0") << text;
      StartServer(OptionsOf());
    } else {
      KillAndStart(OptionsOf());
    }
    // What is there is replaced by what comes.
    client = Client();
    ExpectLive(*client);
    const auto oldest = live_.begin()->second;
    const Reply reply = client->Call({"TADD", "t/0", "KEY", oldest.key, "*", "f", "again"});
    ASSERT_EQ(reply.items.size(), 2u) << ToText(reply);
    Note(oldest.key, "again", reply.items[1].text);
    ExpectLive(*client);
  }
  EXPECT_EQ(InfoNumber(*Client(), "cold_blocking_reads"), 0);
}

// The time of a tombstone goes on while the server is down.
TEST_F(TopicCompactionTest, TombstonesGoAfterARestart) {
  StartServer(OptionsOf());
  auto client = Client();
  EXPECT_EQ(Ask(*client, "TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT TOMBSTONE-MS 3600000"),
            "+OK");
  for (int i = 0; i < 2500; i++) {
    client->Send({"TADD", "t/0", "KEY", fmt::format("k{}", i), "TOMBSTONE"});
  }
  client->Send({"TADD", "t/0", "KEY", "stays", "*", "f", "v"});
  for (int i = 0; i < 2501; i++) {
    ASSERT_EQ(client->Read().items.size(), 2u);
  }
  EXPECT_EQ(Ask(*client, "TOPIC ALTER t TOMBSTONE-MS 300"), "+OK");
  client.reset();
  KillAndStart(OptionsOf());
  client = Client();
  EXPECT_TRUE(Eventually([&] { return client->Call({"XLEN", "t/0"}).integer == 1; }));
  client.reset();
  KillAndStart(OptionsOf());
  client = Client();
  EXPECT_EQ(client->Call({"XLEN", "t/0"}).integer, 1);
  EXPECT_THAT(Ask(*client, "TADD t/0 KEY k1 * f v"), HasSubstr("-2501"));
  EXPECT_EQ(client->Call({"XLEN", "t/0"}).integer, 2);
}

}  // namespace
}  // namespace runnel::test
