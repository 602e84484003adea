// The examples of clients (utils/examples) against a server: they lose nothing, they repeat only
// what was not committed, and the records of a key stay in order.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

constexpr int kPartitions = 4;

// The lines with these numbers: a key, a tab, and the number.
std::string Input(int from, int to) {
  constexpr int kKeys = 10;
  std::string lines;
  for (int i = from; i < to; i++) {
    lines += fmt::format("k{}\t{}\n", i % kKeys, i);
  }
  return lines;
}

// A line that a consumer has printed.
struct Printed {
  std::string partition;
  int64_t offset = 0;
  std::string key;
  int number = 0;
};

std::vector<Printed> PrintedBy(const Program& consumer) {
  std::string output = consumer.Output();
  output.resize(output.rfind('\n') + 1);  // the last line may be incomplete
  std::istringstream lines(output);
  std::vector<Printed> printed;
  for (std::string line; std::getline(lines, line);) {
    Printed one;
    std::string id;
    std::istringstream words(line);
    if (!(words >> one.partition >> id >> one.key >> one.number)) {
      throw std::runtime_error("printed: " + line);
    }
    one.offset = std::stoll(id.substr(id.find('-') + 1));
    printed.push_back(one);
  }
  return printed;
}

// The value under this name in a map of RESP2.
const Reply& Field(const Reply& map, std::string_view name) {
  for (size_t i = 0; i + 1 < map.items.size(); i += 2) {
    if (map.items[i].text == name) return map.items[i + 1];
  }
  throw std::runtime_error(fmt::format("no {} in {}", name, ToText(map)));
}

class ExamplesTest : public ServerTest, public testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    StartServer(InDirectory(0));
    client_ = Client();
    Ask(*client_, fmt::format("TOPIC CREATE lines PARTITIONS {}", kPartitions));
  }

  // A server at this port (0: any), with the data of the one before.
  ServerProcess::Options InDirectory(int port) const {
    ServerProcess::Options options;
    options.port = port;
    options.dir = dir_.string();
    return options;
  }

  // The example in the language of the test.
  static Argv Example(const std::string& name, const Argv& args) {
    Argv command = {fmt::format("{}/{}", RUNNEL_EXAMPLES_BUILD, name)};
    if (GetParam() == "Python") {
      command = {"/usr/bin/python3", fmt::format("{}/{}.py", RUNNEL_EXAMPLES_SOURCE, name)};
    }
    command.insert(command.end(), args.begin(), args.end());
    return command;
  }
  std::unique_ptr<Program> Start(const std::string& name, const Argv& args,
                                 const std::string& input = "") const {
    Program::Options options;
    options.command = Example(name, args);
    options.command.insert(options.command.end() - 1, {"--port", std::to_string(server_->port())});
    options.input = input;
    return std::make_unique<Program>(options);
  }
  std::unique_ptr<Program> StartConsumer(const std::string& member) const {
    return Start("topic_consumer", {"--group", "g", "--member", member, "lines"});
  }
  std::unique_ptr<Program> StartProducer(const std::string& input) const {
    return Start("topic_producer", {"--name", "p", "lines"}, input);
  }
  static void ExpectEnd(Program& program) {
    EXPECT_EQ(ToText(program.WaitExit()), "exit 0") << program.Errors();
  }

  // What DESCRIBE says of the group; fails if there is none.
  Reply Group() const { return client_->Call({"TGROUP", "DESCRIBE", "g"}); }
  // Whether the group has these members, each with so many partitions.
  bool HasMembers(const std::map<std::string, int64_t>& partitions) const {
    const Reply group = Group();
    if (group.is_error()) return false;
    std::map<std::string, int64_t> found;
    for (const Reply& member : Field(group, "members").items) {
      found[Field(member, "name").text] = Field(member, "partitions").integer;
    }
    return found == partitions;
  }
  int64_t Lag() const { return Field(client_->Call({"TGROUP", "LAG", "g"}), "lag").integer; }
  int64_t RecordsInTopic() const {
    int64_t records = 0;
    for (const Reply& end : client_->Call({"TOPIC", "OFFSETS", "lines", "LATEST"}).items) {
      records += end.items[1].integer;
    }
    return records;
  }

  TempDir dir_;
  std::unique_ptr<RespClient> client_;
};

size_t CountNumbers(const std::vector<Printed>& printed) {
  std::set<int> numbers;
  for (const Printed& one : printed) {
    numbers.insert(one.number);
  }
  return numbers.size();
}

// What one consumer has printed: it goes back to a record that was printed before, but skips none,
// and the records of a key are in order.
void ExpectNothingSkipped(const std::vector<Printed>& printed) {
  std::map<std::string, std::vector<int>> partitions;
  std::map<std::string, int> last_of_key;
  for (const Printed& one : printed) {
    std::vector<int>& records = partitions[one.partition];
    const auto offset = static_cast<size_t>(one.offset);
    ASSERT_LE(offset, records.size()) << one.partition;
    if (offset < records.size()) {
      ASSERT_EQ(records[offset], one.number) << "offset " << offset << " of " << one.partition;
      continue;
    }
    records.push_back(one.number);
    const auto [last, first_time] = last_of_key.emplace(one.key, one.number);
    ASSERT_TRUE(first_time || last->second < one.number) << one.key;
    last->second = one.number;
  }
}

TEST_P(ExamplesTest, AllLinesArriveOnceInOrderWhileMembersComeAndGo) {
  constexpr int kLines = 1000;  // in each of three parts
  const auto a = StartConsumer("a");
  ExpectEnd(*StartProducer(Input(0, kLines)));
  ASSERT_TRUE(Eventually([&] { return PrintedBy(*a).size() == kLines; })) << a->Errors();

  const auto b = StartConsumer("b");
  ASSERT_TRUE(Eventually([&] { return HasMembers({{"a", 2}, {"b", 2}}); })) << b->Errors();
  // The producer is given all lines again, and goes on after those that the server has.
  ExpectEnd(*StartProducer(Input(0, 2 * kLines)));
  ASSERT_TRUE(
      Eventually([&] { return PrintedBy(*a).size() + PrintedBy(*b).size() == 2 * kLines; }));

  a->Signal(SIGTERM);
  ExpectEnd(*a);
  ASSERT_TRUE(Eventually([&] { return HasMembers({{"b", 4}}); }));
  ExpectEnd(*StartProducer(Input(0, 3 * kLines)));
  ASSERT_TRUE(
      Eventually([&] { return PrintedBy(*a).size() + PrintedBy(*b).size() == 3 * kLines; }));
  b->Signal(SIGINT);
  ExpectEnd(*b);
  EXPECT_TRUE(HasMembers({}));
  EXPECT_EQ(Lag(), 0);
  EXPECT_EQ(RecordsInTopic(), 3 * kLines);

  // Nothing was in doubt, so nothing was given twice.
  std::map<int, int> times;
  for (const auto* consumer : {a.get(), b.get()}) {
    std::map<std::string, int> last_of_key;
    for (const Printed& one : PrintedBy(*consumer)) {
      times[one.number]++;
      const auto [last, first_time] = last_of_key.emplace(one.key, one.number);
      EXPECT_TRUE(first_time || last->second < one.number) << one.key;
      last->second = one.number;
    }
  }
  EXPECT_EQ(times.size(), 3u * kLines);
  for (const auto& [number, count] : times) {
    EXPECT_EQ(count, 1) << number;
  }
}

TEST_P(ExamplesTest, LostConnectionsLoseNothing) {
  constexpr size_t kLines = 20'000;
  constexpr size_t kTimes = 6;
  const auto consumer = StartConsumer("a");
  const auto producer = StartProducer(Input(0, kLines));
  for (size_t i = 1; i < kTimes; i++) {
    ASSERT_TRUE(Eventually([&] {
      return CountNumbers(PrintedBy(*consumer)) >= i * kLines / kTimes;
    })) << consumer->Errors();
    if (i == kTimes / 2) {
      KillAndStart(InDirectory(server_->port()));
      client_ = Client();
    } else {
      client_->Call({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    }
  }
  ExpectEnd(*producer);
  ASSERT_TRUE(Eventually([&] {
    return CountNumbers(PrintedBy(*consumer)) == kLines && Lag() == 0;
  })) << consumer->Errors();
  consumer->Signal(SIGTERM);
  ExpectEnd(*consumer);
  EXPECT_THAT(consumer->Errors(), testing::HasSubstr("waiting: "));
  EXPECT_EQ(RecordsInTopic(), static_cast<int64_t>(kLines));
  ExpectNothingSkipped(PrintedBy(*consumer));
}

TEST_P(ExamplesTest, AFencedConsumerGoesOn) {
  constexpr int kLines = 20'000;
  Argv add = {"TADDM", "lines", "FIELDS", "1", "value", "RECORDS"};
  for (int i = 0; i < kLines; i++) {
    add.insert(add.end(), {fmt::format("k{}", i % 10), std::to_string(i)});
  }
  EXPECT_FALSE(client_->Call(add).is_error());
  const auto consumer = StartConsumer("a");
  ASSERT_TRUE(Eventually([&] { return HasMembers({{"a", kPartitions}}); })) << consumer->Errors();
  // Again and again from the beginning, until this comes between a reply and its commit.
  ASSERT_TRUE(Eventually([&] {
    client_->Call({"TGROUP", "RESET", "g", "lines", "TO", "EARLIEST"});
    return Field(Group(), "fenced").integer > 0;
  }));
  ASSERT_TRUE(Eventually([&] { return Lag() == 0; })) << consumer->Errors();
  consumer->Signal(SIGTERM);
  ExpectEnd(*consumer);
  EXPECT_THAT(consumer->Errors(), testing::HasSubstr("dropped: FENCED 'lines/"));
  EXPECT_EQ(CountNumbers(PrintedBy(*consumer)), static_cast<size_t>(kLines));
  ExpectNothingSkipped(PrintedBy(*consumer));
}

TEST_P(ExamplesTest, WhatCannotBeDoneIsSaid) {
  const auto consumer = Start("topic_consumer", {"--group", "g", "--member", "a", "nothing"});
  EXPECT_EQ(ToText(consumer->WaitExit()), "exit 1");
  EXPECT_EQ(consumer->Errors(), "topic_consumer: NOTOPIC No such topic 'nothing'\n");
  const auto producer = Start("topic_producer", {"--name", "p", "nothing"});
  EXPECT_EQ(ToText(producer->WaitExit()), "exit 1");
  EXPECT_EQ(producer->Errors(), "topic_producer: NOTOPIC No such topic 'nothing'\n");
  for (const std::string name : {"topic_consumer", "topic_producer"}) {
    Program::Options options;
    options.command = Example(name, {"--help"});
    Program help(options);
    ExpectEnd(help);
    EXPECT_THAT(help.Output(), testing::HasSubstr("--host"));
  }
}

INSTANTIATE_TEST_SUITE_P(Languages, ExamplesTest, testing::Values("Cpp", "Python"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace runnel::test
