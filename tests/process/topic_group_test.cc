// Topic groups over real connections: what may happen to members, to their calls and to the server
// in between, and what the group makes of it. Times are short where a test waits for their end, and
// endless where it must not come.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "tests/process/server_test.h"
#include "tests/support/quote.h"

namespace runnel::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Gt;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;

constexpr const char* kRedisCli = "/usr/bin/redis-cli";

// "v2,v3,v4" for 2 and 5.
std::string Values(int from, int to) {
  std::string text;
  for (int i = from; i < to; i++) {
    text += fmt::format("{}v{}", i == from ? "" : ",", i);
  }
  return text;
}

// What replies to TREADGROUP have given.
class Given {
 public:
  // False if the reply gives nothing.
  bool Add(const Reply& reply) {
    if (reply.kind != Reply::Kind::kArray) return false;
    for (const Reply& part : reply.items) {
      std::string& values = parts_[{part.items[0].text, part.items[1].integer}];
      for (const Reply& entry : part.items[2].items) {
        if (!values.empty()) values += ',';
        values += entry.items[1].items[1].text;
        records_++;
      }
    }
    return true;
  }

  size_t records() const { return records_; }
  // The values by partition and epoch.
  const std::map<std::pair<std::string, int64_t>, std::string>& parts() const { return parts_; }
  // "t/0@1:v0,v1 t/1@1:v0", by partition and epoch.
  std::string ToText() const {
    std::string text;
    for (const auto& [part, values] : parts_) {
      if (!text.empty()) text += ' ';
      text += fmt::format("{}@{}:{}", part.first, part.second, values);
    }
    return text;
  }

 private:
  size_t records_ = 0;
  std::map<std::pair<std::string, int64_t>, std::string> parts_;
};

// What this reply gives, or the reply itself.
std::string Short(const Reply& reply) {
  Given given;
  return given.Add(reply) ? given.ToText() : ToText(reply);
}

void Send(RespClient& client, const std::string& line) {
  client.Send(SplitWords(line).value());
}

// Sends a command and returns what it gives.
std::string Take(RespClient& client, const std::string& line) {
  Send(client, line);
  return Short(client.Read());
}

// This call, which blocks, was sent: it is sent again until so many records have come.
Given TakeOn(RespClient& client, const std::string& line, size_t records) {
  Given given;
  while (true) {
    const Reply reply = client.Read();
    EXPECT_TRUE(given.Add(reply)) << ToText(reply);
    if (given.records() >= records || reply.is_error() || reply.is_note()) return given;
    Send(client, line);
  }
}

// The same from the beginning.
Given TakeAll(RespClient& client, const std::string& line, size_t records) {
  Send(client, line);
  return TakeOn(client, line, records);
}

class TopicGroupTest : public ServerTest {
 protected:
  using Clients = std::vector<std::unique_ptr<RespClient>>;

  void SetUp() override {
    Start();
    EXPECT_EQ(Admin("TOPIC CREATE t PARTITIONS 2"), "+OK");
  }

  // Ends the server by this signal and starts another on the same data.
  void Restart(int signal) {
    admin_ = nullptr;
    server_->Signal(signal);
    EXPECT_EQ(ToText(server_->WaitExit()), signal == SIGKILL ? "signal 9" : "exit 0");
    server_ = nullptr;
    Start();
  }

  std::string Admin(const std::string& line) const { return Ask(*admin_, line); }

  // Records with the values v<from> to v<to - 1>.
  void Add(const std::string& partition, int from, int to) const {
    for (int i = from; i < to; i++) {
      admin_->Call({"TADD", partition, "*", "f", fmt::format("v{}", i)});
    }
  }
  // The same in each partition of a topic.
  void AddToAll(const std::string& topic, int partitions, int from, int to) const {
    for (int i = 0; i < partitions; i++) {
      Add(fmt::format("{}/{}", topic, i), from, to);
    }
  }

  // A process that runs these commands.
  std::unique_ptr<Program> StartCli(const std::string& lines) const {
    Program::Options options;
    options.command = {kRedisCli, "-p", std::to_string(server_->port())};
    options.input = lines;
    // Neither history nor settings of the user that runs the test.
    options.environment = {"REDISCLI_HISTFILE=/dev/null", "REDISCLI_RCFILE=/dev/null"};
    return std::make_unique<Program>(options);
  }
  // Waits until so many clients are blocked.
  bool WaitForBlocked(int64_t clients) const {
    return Eventually([&] { return InfoNumber(*admin_, "blocked_clients") == clients; });
  }

  // What the group g knows of a partition.
  struct PartitionState {
    std::string name;
    std::string owner;  // empty: none
    std::string state;
    int64_t epoch = 0;
    int64_t committed = 0;
  };
  std::vector<PartitionState> Partitions() const {
    std::vector<PartitionState> states;
    for (const Reply& map : FieldOf(admin_->Call({"TGROUP", "LAG", "g"}), "partitions").items) {
      states.push_back({FieldOf(map, "partition").text, FieldOf(map, "owner").text,
                        FieldOf(map, "state").text, FieldOf(map, "epoch").integer,
                        FieldOf(map, "committed").integer});
    }
    return states;
  }
  PartitionState Partition(const std::string& name) const {
    for (const PartitionState& state : Partitions()) {
      if (state.name == name) return state;
    }
    ADD_FAILURE() << name;
    return {};
  }
  // The names of its partitions.
  std::vector<std::string> OwnedBy(const std::string& member) const {
    std::vector<std::string> names;
    for (const PartitionState& state : Partitions()) {
      if (state.owner == member) names.push_back(state.name);
    }
    return names;
  }
  int64_t CountLeaving() const {
    const std::vector<PartitionState> states = Partitions();
    return std::count_if(states.begin(), states.end(),
                         [](const PartitionState& state) { return state.state == "leaving"; });
  }
  // Each partition with owner, epoch and committed offset, one in a line.
  std::string Owners() const {
    std::string text;
    for (const PartitionState& state : Partitions()) {
      text += fmt::format("{} {}@{} {}\n", state.name, state.owner, state.epoch, state.committed);
    }
    return text;
  }

  Reply Described(std::string_view field) const {
    return FieldOf(admin_->Call({"TGROUP", "DESCRIBE", "g"}), field);
  }
  int64_t Moves() const { return Described("moves").integer; }
  // "a:4 b:4": the members, each with the number of its partitions.
  std::string Shares() const {
    std::string text;
    for (const Reply& member : Described("members").items) {
      text += fmt::format("{}{}:{}", text.empty() ? "" : " ", FieldOf(member, "name").text,
                          FieldOf(member, "partitions").integer);
    }
    return text;
  }
  bool WaitForShares(const std::string& shares) const {
    return Eventually([&] { return Shares() == shares; });
  }

  // Connections of the members a, b, ... of the group g, which share the topic so.
  Clients Join(const std::string& topic, const std::string& shares) const {
    Clients clients;
    const std::vector<std::string> words = SplitWords(shares).value();
    for (const std::string& share : words) {
      clients.push_back(Client());
      EXPECT_EQ(Take(*clients.back(), fmt::format("TREADGROUP g {} TOPICS {}", share[0], topic)),
                "nil-array");
    }
    EXPECT_TRUE(WaitForShares(shares)) << Shares();
    return clients;
  }

  std::unique_ptr<RespClient> admin_;

 private:
  void Start() {
    ServerProcess::Options options;
    options.dir = dir_.string();
    StartServer(options);
    admin_ = Client();
  }

  TempDir dir_;
};

// --- What may happen to a member ---

TEST_F(TopicGroupTest, AKilledMemberLosesItsPartitionsAfterTheGraceTime) {
  Admin("TGROUP CREATE g FROM EARLIEST GRACE-MS 200");
  Add("t/0", 0, 4);
  Add("t/1", 0, 2);
  const std::unique_ptr<Program> killed =
      StartCli("TREADGROUP g a TOPICS t\nTCOMMIT g t/0 1 2\nBLPOP go 0\n");
  EXPECT_TRUE(WaitForBlocked(1));
  EXPECT_EQ(Shares(), "a:2");
  killed->Signal(SIGKILL);
  const std::unique_ptr<RespClient> other = Client();
  EXPECT_EQ(TakeAll(*other, "TREADGROUP g b BLOCK 0 TOPICS t", 4).ToText(),
            "t/0@2:v2,v3 t/1@2:v0,v1");
  EXPECT_EQ(Shares(), "b:2");
  EXPECT_EQ(Admin("TCOMMIT g t/0 1 4"), "-\"FENCED 't/0' is at epoch 2 in group 'g', not 1\"");
  EXPECT_EQ(Admin("TCOMMIT g t/0 2 4 t/1 2 2"), "2");
}

TEST_F(TopicGroupTest, AMemberThatIsBackInTimeKeepsItsPartitions) {
  Admin("TGROUP CREATE g FROM EARLIEST GRACE-MS 1000000000");
  Clients clients = Join("t", "a:1 b:1");
  const std::string mine = OwnedBy("a").at(0);
  const std::string other = OwnedBy("b").at(0);
  const int64_t epoch = Partition(mine).epoch;
  const int64_t moves = Moves();
  Add(mine, 0, 8);
  Send(*clients[1], "TREADGROUP g b BLOCK 0 TOPICS t");
  for (int life = 0; life < 4; life++) {
    const int64_t now = epoch + life;
    EXPECT_EQ(Take(*clients[0], "TREADGROUP g a TOPICS t"),
              fmt::format("{}@{}:{}", mine, now, Values(life, 8)));
    if (life > 0) {
      EXPECT_EQ(
          Admin(fmt::format("TCOMMIT g {} {} 8", mine, now - 1)),
          fmt::format("-\"FENCED '{}' is at epoch {} in group 'g', not {}\"", mine, now, now - 1));
    }
    EXPECT_EQ(Admin(fmt::format("TCOMMIT g {} {} {}", mine, now, life + 1)), "1");
    clients[0] = Client();
  }
  EXPECT_EQ(Moves(), moves);
  EXPECT_EQ(Shares(), "a:1 b:1");
  // The other member has seen nothing of it.
  EXPECT_FALSE(clients[1]->Ready());
  Add(other, 0, 1);
  EXPECT_THAT(Short(clients[1]->Read()), StartsWith(other + "@"));
}

TEST_F(TopicGroupTest, TheCommitOfASilentMemberHoldsIfNobodyTookOver) {
  Admin("TGROUP CREATE g FROM EARLIEST SESSION-MS 200");
  Add("t/0", 0, 3);
  const std::unique_ptr<RespClient> silent = Client();
  EXPECT_EQ(Take(*silent, "TREADGROUP g a TOPICS t"), "t/0@1:v0,v1,v2");
  EXPECT_TRUE(WaitForShares(""));
  EXPECT_EQ(Ask(*silent, "TCOMMIT g t/0 1 2"), "1");
  Admin("TGROUP ALTER g SESSION-MS 1000000000");
  // It joins anew, and begins at what is committed.
  EXPECT_EQ(Take(*silent, "TREADGROUP g a TOPICS t"), "t/0@2:v2");
  EXPECT_EQ(Shares(), "a:2");
}

TEST_F(TopicGroupTest, TheCommitOfASilentMemberIsFencedIfAnotherTookOver) {
  Admin("TGROUP CREATE g FROM EARLIEST SESSION-MS 200");
  Add("t/0", 0, 3);
  const std::unique_ptr<RespClient> silent = Client();
  const std::unique_ptr<RespClient> other = Client();
  EXPECT_EQ(Take(*silent, "TREADGROUP g a TOPICS t"), "t/0@1:v0,v1,v2");
  // A call that is blocked is a sign of life for as long as it is, so this member stays.
  EXPECT_EQ(TakeAll(*other, "TREADGROUP g b BLOCK 0 TOPICS t", 3).ToText(), "t/0@2:v0,v1,v2");
  Admin("TGROUP ALTER g SESSION-MS 1000000000");
  EXPECT_EQ(Ask(*silent, "TCOMMIT g t/0 1 3"),
            "-\"FENCED 't/0' is at epoch 2 in group 'g', not 1\"");
  EXPECT_EQ(Ask(*other, "TCOMMIT g t/0 2 3"), "1");
  EXPECT_EQ(Take(*other, "TREADGROUP g b TOPICS t"), "nil-array");
  EXPECT_EQ(Take(*silent, "TREADGROUP g a TOPICS t"), "nil-array");
  EXPECT_TRUE(WaitForShares("a:1 b:1")) << Shares();
}

TEST_F(TopicGroupTest, ABlockedMemberOutlivesItsSession) {
  Admin("TGROUP CREATE g FROM EARLIEST SESSION-MS 200");
  const std::unique_ptr<RespClient> blocked = Client();
  Send(*blocked, "TREADGROUP g a BLOCK 0 TOPICS t");
  WaitUntilRead(*admin_);
  // One that was alive for longer is gone.
  const std::unique_ptr<RespClient> silent = Client();
  EXPECT_EQ(Take(*silent, "TREADGROUP g b TOPICS t"), "nil-array");
  EXPECT_TRUE(WaitForShares("a:2")) << Shares();
  Add("t/0", 0, 1);
  Add("t/1", 0, 1);
  EXPECT_EQ(TakeOn(*blocked, "TREADGROUP g a BLOCK 0 TOPICS t", 2).records(), 2u);
}

TEST_F(TopicGroupTest, AStoppedProcessIsFencedWhenItGoesOn) {
  Admin("TGROUP CREATE g FROM EARLIEST SESSION-MS 200");
  Add("t/0", 0, 3);
  const std::unique_ptr<Program> stopped = StartCli(
      "TREADGROUP g a TOPICS t\nBLPOP go 0\nTCOMMIT g t/0 1 3\n"
      "MULTI\nTADD t/1 * f copy\nTCOMMIT g t/0 1 3\nEXEC\n");
  EXPECT_TRUE(WaitForBlocked(1));
  stopped->Signal(SIGSTOP);
  const std::unique_ptr<RespClient> other = Client();
  EXPECT_EQ(TakeAll(*other, "TREADGROUP g b BLOCK 0 TOPICS t", 3).ToText(), "t/0@2:v0,v1,v2");
  Admin("TGROUP ALTER g SESSION-MS 1000000000");
  EXPECT_EQ(Ask(*other, "TCOMMIT g t/0 2 1"), "1");
  Admin("RPUSH go on");
  EXPECT_TRUE(stopped->Running());
  stopped->Signal(SIGCONT);
  EXPECT_EQ(ToText(stopped->WaitExit()), "exit 0");
  const std::string fenced = "FENCED 't/0' is at epoch 2 in group 'g', not 1\n";
  EXPECT_THAT(stopped->Output() + stopped->Errors(),
              AllOf(HasSubstr("\n" + fenced),
                    HasSubstr("EXECABORT Transaction discarded because of: " + fenced)));
  EXPECT_EQ(Admin("XLEN t/1"), "0");
  // Nothing is lost.
  EXPECT_EQ(Take(*Client(), "TREADGROUP g b TOPICS t"), "t/0@3:v1,v2");
}

// --- What may happen to a call ---

TEST_F(TopicGroupTest, ACallThatIsSentAgainOverANewConnectionGivesTheSame) {
  Admin("TGROUP CREATE g FROM EARLIEST");
  Add("t/0", 0, 3);
  for (int i = 0; i < 3; i++) {
    const std::unique_ptr<RespClient> client = Client();
    Send(*client, "TREADGROUP g a COUNT 2 TOPICS t");
    WaitUntilRead(*admin_);
  }
  const std::unique_ptr<RespClient> client = Client();
  EXPECT_EQ(Take(*client, "TREADGROUP g a COUNT 2 TOPICS t"), "t/0@4:v0,v1");
  EXPECT_EQ(Take(*client, "TREADGROUP g a COUNT 2 TOPICS t"), "t/0@4:v2");
  EXPECT_EQ(Ask(*client, "TCOMMIT g t/0 4 3"), "1");
}

TEST_F(TopicGroupTest, AReplyThatIsCutOffIsGivenAgain) {
  constexpr int kRecords = 2000;
  Argv command = {"TADDM", "t/0", "NOKEYS", "FIELDS", "2", "f", "pad", "RECORDS"};
  for (int i = 0; i < kRecords; i++) {
    command.push_back(fmt::format("v{}", i));
    command.emplace_back(1000, 'x');
  }
  EXPECT_FALSE(admin_->Call(command).is_error());
  Admin("TGROUP CREATE g FROM EARLIEST GRACE-MS 200");
  for (int i = 0; i < 2; i++) {
    const std::unique_ptr<RespClient> client = Client();
    Send(*client, "TREADGROUP g a COUNT 10000 MAXSIZE 100000000 TOPICS t");
    pollfd waiting{client->fd(), POLLIN, 0};
    EXPECT_EQ(poll(&waiting, 1, -1), 1);
    char some[100];
    EXPECT_GT(recv(client->fd(), some, sizeof(some), 0), 0);
  }
  EXPECT_EQ(Partition("t/0").epoch, 2);
  // For another member, too.
  const std::unique_ptr<RespClient> other = Client();
  EXPECT_EQ(TakeAll(*other, "TREADGROUP g b COUNT 10000 BLOCK 0 TOPICS t", kRecords).ToText(),
            "t/0@3:" + Values(0, kRecords));
}

TEST_F(TopicGroupTest, PipelinedCallsGiveWhatFollows) {
  Admin("TGROUP CREATE g FROM EARLIEST");
  Add("t/0", 0, 6);
  const std::unique_ptr<RespClient> client = Client();
  client->SendRaw(
      "TREADGROUP g a COUNT 2 TOPICS t\r\nTREADGROUP g a COUNT 2 TOPICS t\r\n"
      "TCOMMIT g t/0 1 4\r\nTREADGROUP g a COUNT 2 TOPICS t\r\nTCOMMIT g t/0 1 2\r\n"
      "TREADGROUP g a COUNT 2 TOPICS t\r\nTCOMMIT g t/0 1 6\r\n");
  for (const char* expected :
       {"t/0@1:v0,v1", "t/0@1:v2,v3", "1", "t/0@1:v4,v5", "0", "nil-array", "1"}) {
    EXPECT_EQ(Short(client->Read()), expected);
  }
  EXPECT_EQ(Partition("t/0").committed, 6);
}

TEST_F(TopicGroupTest, PipelinedCallsBlockOneAfterTheOther) {
  Admin("TGROUP CREATE g FROM EARLIEST");
  const std::unique_ptr<RespClient> client = Client();
  const std::string call = "TREADGROUP g a BLOCK 0 TOPICS t\r\n";
  client->SendRaw(call + call + "TCOMMIT g t/0 1 2\r\n");
  WaitUntilRead(*admin_);
  Add("t/0", 0, 1);
  EXPECT_EQ(Short(client->Read()), "t/0@1:v0");
  EXPECT_FALSE(client->Ready());
  Add("t/0", 1, 2);
  EXPECT_EQ(Short(client->Read()), "t/0@1:v1");
  EXPECT_EQ(ToText(client->Read()), "1");
}

TEST_F(TopicGroupTest, ASecondProcessUnderTheSameNameTakesOver) {
  Admin("TGROUP CREATE g FROM EARLIEST");
  const std::string other_calls =
      "-\"FENCED Member 'a' of group 'g' calls over another connection\"";
  const std::unique_ptr<RespClient> one = Client();
  const std::unique_ptr<RespClient> two = Client();
  Send(*one, "TREADGROUP g a BLOCK 0 TOPICS t");
  WaitUntilRead(*admin_);
  Send(*two, "TREADGROUP g a BLOCK 0 TOPICS t");
  EXPECT_EQ(ToText(one->Read()), other_calls);
  Send(*one, "TREADGROUP g a BLOCK 0 TOPICS t");
  EXPECT_EQ(ToText(two->Read()), other_calls);
  Add("t/0", 0, 2);
  EXPECT_EQ(TakeOn(*one, "TREADGROUP g a BLOCK 0 TOPICS t", 2).ToText(), "t/0@1:v0,v1");
  // What is in flight there comes again here.
  EXPECT_EQ(Take(*two, "TREADGROUP g a TOPICS t"), "t/0@2:v0,v1");
  EXPECT_EQ(Ask(*one, "TCOMMIT g t/0 1 2"), "-\"FENCED 't/0' is at epoch 2 in group 'g', not 1\"");
  EXPECT_EQ(Take(*one, "TREADGROUP g a TOPICS t"), "t/0@3:v0,v1");
  EXPECT_EQ(Ask(*one, "TCOMMIT g t/0 3 2"), "1");
  EXPECT_EQ(Shares(), "a:2");
  EXPECT_EQ(Described("fenced").integer, 1);
}

// --- How partitions move ---

TEST_F(TopicGroupTest, AFourthMemberGetsThreeOfTwelvePartitions) {
  Admin("TOPIC CREATE wide PARTITIONS 12");
  Admin("TGROUP CREATE g FROM EARLIEST");
  Clients clients = Join("wide", "a:4 b:4 c:4");
  const int64_t moves = Moves();
  const auto call = [](size_t i) {
    return fmt::format("TREADGROUP g {} BLOCK 0 TOPICS wide", "abcd"[i]);
  };
  clients.push_back(Client());
  for (size_t i = 0; i < clients.size(); i++) {
    Send(*clients[i], call(i));
  }
  // Also from under blocked calls, which go on.
  EXPECT_TRUE(WaitForShares("a:3 b:3 c:3 d:3")) << Shares();
  EXPECT_EQ(Moves(), moves + 3);
  AddToAll("wide", 12, 0, 1);
  for (size_t i = 0; i < clients.size(); i++) {
    const Given given = TakeOn(*clients[i], call(i), 3);
    EXPECT_EQ(given.records(), 3u);
    for (const auto& [part, values] : given.parts()) {
      EXPECT_EQ(values, "v0");
      EXPECT_EQ(Partition(part.first).owner, std::string(1, "abcd"[i])) << part.first;
      EXPECT_EQ(Partition(part.first).epoch, part.second) << part.first;
    }
  }
}

TEST_F(TopicGroupTest, PartitionsInFlightMoveAsTheyDrain) {
  Admin("TOPIC CREATE wide PARTITIONS 12");
  Admin("TGROUP CREATE g FROM EARLIEST MOVE-MS 1000000000");
  Clients clients = Join("wide", "a:4 b:4 c:4");
  const auto call = [](size_t i) {
    return fmt::format("TREADGROUP g {} BLOCK 0 TOPICS wide", "abcd"[i]);
  };
  AddToAll("wide", 12, 0, 1);
  for (size_t i = 0; i < clients.size(); i++) {
    EXPECT_EQ(TakeAll(*clients[i], call(i), 4).records(), 4u);
  }
  const int64_t moves = Moves();
  clients.push_back(Client());
  Send(*clients[3], call(3));
  EXPECT_TRUE(Eventually([&] { return CountLeaving() == 3; }));
  const std::vector<PartitionState> before = Partitions();
  // Nothing more is given of those that leave, and the others do not stop.
  AddToAll("wide", 12, 1, 2);
  for (size_t i = 0; i < 3; i++) {
    const Given given = TakeAll(*clients[i], call(i), 3);
    for (const auto& [part, values] : given.parts()) {
      EXPECT_EQ(values, "v1");
      EXPECT_EQ(Partition(part.first).state, "owned");
      EXPECT_EQ(Partition(part.first).epoch, part.second);
    }
  }
  EXPECT_EQ(Moves(), moves);
  EXPECT_EQ(Shares(), "a:4 b:4 c:4 d:0");
  EXPECT_FALSE(clients[3]->Ready());
  for (const PartitionState& state : before) {
    EXPECT_EQ(Admin(fmt::format("TCOMMIT g {} {} 1", state.name, state.epoch)), "1");
  }
  EXPECT_EQ(Shares(), "a:3 b:3 c:3 d:3");
  EXPECT_EQ(Moves(), moves + 3);
  const Given moved = TakeOn(*clients[3], call(3), 3);
  for (const PartitionState& state : before) {
    const auto found = moved.parts().find({state.name, state.epoch + 1});
    EXPECT_EQ(found != moved.parts().end(), state.state == "leaving") << state.name;
    EXPECT_EQ(Partition(state.name).epoch, state.epoch + (state.state == "leaving" ? 1 : 0));
    if (found != moved.parts().end()) {
      EXPECT_EQ(found->second, "v1") << state.name;
    }
  }
}

TEST_F(TopicGroupTest, APartitionInFlightMovesAfterAWhileAllTheSame) {
  Admin("TGROUP CREATE g FROM EARLIEST MOVE-MS 200");
  Add("t/0", 0, 2);
  Add("t/1", 0, 2);
  const std::unique_ptr<RespClient> slow = Client();
  EXPECT_EQ(Take(*slow, "TREADGROUP g a TOPICS t"), "t/0@1:v0,v1 t/1@1:v0,v1");
  const std::unique_ptr<RespClient> other = Client();
  const Given given = TakeAll(*other, "TREADGROUP g b BLOCK 0 TOPICS t", 2);
  EXPECT_THAT(given.parts(), ElementsAre(Pair(Pair(OwnedBy("b").at(0), 2), "v0,v1")));
  EXPECT_THAT(Ask(*slow, fmt::format("TCOMMIT g {} 1 2", OwnedBy("b").at(0))),
              StartsWith("-\"FENCED "));
  EXPECT_EQ(Ask(*slow, fmt::format("TCOMMIT g {} 1 2", OwnedBy("a").at(0))), "1");
}

// --- What remains after a restart ---

class TopicGroupRestartTest : public TopicGroupTest, public testing::WithParamInterface<int> {};

TEST_P(TopicGroupRestartTest, OwnersAndEpochsAreAsBefore) {
  Admin("TOPIC CREATE six PARTITIONS 6");
  Admin("TGROUP CREATE g FROM EARLIEST GRACE-MS 1000000000");
  const std::string names[] = {"a", "b", "c"};
  Clients clients = Join("six", "a:2 b:2 c:2");
  AddToAll("six", 6, 0, 4);
  for (size_t i = 0; i < 3; i++) {
    const std::string call = fmt::format("TREADGROUP g {} BLOCK 0 TOPICS six", names[i]);
    EXPECT_EQ(TakeAll(*clients[i], call, 8).records(), 8u);
  }
  const std::vector<PartitionState> before = Partitions();
  std::map<std::string, std::string> rest;  // what is to come again
  for (int i = 0; i < 6; i++) {
    const std::string name = fmt::format("six/{}", i);
    EXPECT_EQ(Admin(fmt::format("TCOMMIT g {} {} {}", name, before[i].epoch, i % 3)),
              i % 3 == 0 ? "0" : "1");
    rest[name] = Values(i % 3, 4);
  }
  // Single records, too.
  const Reply entries = admin_->Call({"XRANGE", "six/0", "-", "+"});
  EXPECT_EQ(
      Admin(fmt::format("TACK g six/0 {} {}", before[0].epoch, entries.items[2].items[0].text)),
      "1");
  rest["six/0"] = "v0,v1,v3";
  const std::string owners = Owners();
  const int64_t moves = Moves();

  Restart(GetParam());
  EXPECT_EQ(Owners(), owners);
  EXPECT_EQ(Shares(), "a:2 b:2 c:2");
  for (size_t i = 0; i < 3; i++) {
    size_t records = 0;
    for (const std::string& name : OwnedBy(names[i])) {
      records += static_cast<size_t>(std::count(rest[name].begin(), rest[name].end(), 'v'));
    }
    const std::string call = fmt::format("TREADGROUP g {} BLOCK 0 TOPICS six", names[i]);
    clients[i] = Client();
    const Given given = TakeAll(*clients[i], call, records);
    EXPECT_EQ(given.parts().size(), 2u);
    for (const auto& [part, values] : given.parts()) {
      EXPECT_EQ(values, rest[part.first]) << part.first;
      EXPECT_EQ(Partition(part.first).owner, names[i]);
      EXPECT_EQ(Partition(part.first).epoch, part.second);
    }
  }
  EXPECT_EQ(Moves(), moves);
}

TEST_P(TopicGroupRestartTest, ACommitFromBeforeHoldsWhileNobodyReads) {
  Admin("TGROUP CREATE g FROM EARLIEST");
  Add("t/0", 0, 4);
  EXPECT_EQ(Take(*Client(), "TREADGROUP g a TOPICS t"), "t/0@1:v0,v1,v2,v3");
  Restart(GetParam());
  EXPECT_EQ(Admin("TCOMMIT g t/0 1 3"), "1");
  EXPECT_EQ(Take(*Client(), "TREADGROUP g a BLOCK 0 TOPICS t").substr(5), ":v3");
}

// Two processes under one name: what the first was given before the restart is given to the second
// after it, and only one of them may commit it.
TEST_P(TopicGroupRestartTest, ACommitFromBeforeIsFencedByWhoReadsTheSame) {
  Admin("TGROUP CREATE g FROM EARLIEST");
  Add("t/0", 0, 4);
  EXPECT_EQ(Take(*Client(), "TREADGROUP g a TOPICS t"), "t/0@1:v0,v1,v2,v3");
  Restart(GetParam());
  EXPECT_EQ(Partition("t/0").epoch, 1);
  const std::unique_ptr<RespClient> second = Client();
  EXPECT_EQ(Take(*second, "TREADGROUP g a COUNT 2 TOPICS t"), "t/0@2:v0,v1");
  EXPECT_EQ(Admin("TCOMMIT g t/0 1 1"), "-\"FENCED 't/0' is at epoch 2 in group 'g', not 1\"");
  EXPECT_EQ(Ask(*second, "TCOMMIT g t/0 2 2"), "1");
  EXPECT_EQ(Take(*second, "TREADGROUP g a TOPICS t"), "t/0@2:v2,v3");
}

TEST_P(TopicGroupRestartTest, WhoDoesNotComeBackIsGoneAfterTheGraceTime) {
  Admin("TGROUP CREATE g FROM EARLIEST GRACE-MS 200");
  Join("t", "a:1 b:1");
  Add("t/0", 0, 1);
  Add("t/1", 0, 1);
  Restart(GetParam());
  const std::unique_ptr<RespClient> client = Client();
  EXPECT_EQ(TakeAll(*client, "TREADGROUP g b BLOCK 0 TOPICS t", 2).records(), 2u);
  EXPECT_EQ(Shares(), "b:2");
}

INSTANTIATE_TEST_SUITE_P(BySignal, TopicGroupRestartTest, testing::Values(SIGTERM, SIGKILL),
                         [](const auto& info) { return info.param == SIGTERM ? "Term" : "Kill"; });

// --- Modes of a connection ---

TEST_F(TopicGroupTest, ClientUnblock) {
  Admin("TGROUP CREATE g FROM EARLIEST");
  const std::unique_ptr<RespClient> client = Client();
  const std::string unblock =
      fmt::format("CLIENT UNBLOCK {}", client->Call({"CLIENT", "ID"}).integer);
  Send(*client, "TREADGROUP g a BLOCK 0 TOPICS t");
  WaitUntilRead(*admin_);
  EXPECT_EQ(Admin(unblock), "1");
  EXPECT_EQ(ToText(client->Read()), "nil-array");
  EXPECT_EQ(Admin(unblock), "0");
  Send(*client, "TREADGROUP g a BLOCK 0 TOPICS t");
  WaitUntilRead(*admin_);
  EXPECT_EQ(Admin(unblock + " ERROR"), "1");
  EXPECT_EQ(ToText(client->Read()), "-\"UNBLOCKED client unblocked via CLIENT UNBLOCK\"");
  EXPECT_EQ(Take(*client, "TREADGROUP g a BLOCK 1 TOPICS t"), "nil-array");
  Add("t/0", 0, 1);
  EXPECT_EQ(Take(*client, "TREADGROUP g a TOPICS t"), "t/0@1:v0");
  EXPECT_EQ(Shares(), "a:2");
}

TEST_F(TopicGroupTest, WithoutRepliesNothingIsGiven) {
  Admin("TGROUP CREATE g FROM EARLIEST");
  Add("t/0", 0, 2);
  const std::unique_ptr<RespClient> client = Client();
  client->SendRaw(
      "CLIENT REPLY OFF\r\nTREADGROUP g a TOPICS t\r\nTREADGROUP g a NOACK TOPICS t\r\n"
      "TREADGROUP g a BLOCK 0 TOPICS t\r\nCLIENT REPLY ON\r\n");
  EXPECT_EQ(ToText(client->Read()), "+OK");
  EXPECT_EQ(Shares(), "a:2");
  EXPECT_EQ(Take(*client, "TREADGROUP g a COUNT 1 TOPICS t"), "t/0@1:v0");
  client->SendRaw("CLIENT REPLY SKIP\r\nTREADGROUP g a COUNT 1 TOPICS t\r\n");
  EXPECT_EQ(Take(*client, "TREADGROUP g a COUNT 1 TOPICS t"), "t/0@1:v1");
}

TEST_F(TopicGroupTest, InATransactionItDoesNotBlock) {
  Admin("TGROUP CREATE g FROM EARLIEST");
  const std::unique_ptr<RespClient> client = Client();
  const auto transact = [&] {
    EXPECT_EQ(Ask(*client, "MULTI"), "+OK");
    EXPECT_EQ(Ask(*client, "TREADGROUP g a BLOCK 0 TOPICS t"), "+QUEUED");
    return client->Call({"EXEC"});
  };
  EXPECT_EQ(ToText(transact()), "[nil-array]");
  Add("t/0", 0, 1);
  const Reply reply = transact();
  ASSERT_EQ(reply.items.size(), 1u) << ToText(reply);
  EXPECT_EQ(Short(reply.items[0]), "t/0@1:v0");
  EXPECT_EQ(ToText(transact()), "[nil-array]");
}

TEST_F(TopicGroupTest, ATransactionWhoseCommitIsRefusedDoesNothing) {
  Admin("TOPIC CREATE out PARTITIONS 1");
  Admin("TGROUP CREATE g FROM EARLIEST");
  Admin("SET text value");
  Add("t/0", 0, 4);
  const std::unique_ptr<RespClient> client = Client();
  EXPECT_EQ(Take(*Client(), "TREADGROUP g a TOPICS t"), "t/0@1:v0,v1,v2,v3");
  EXPECT_EQ(Take(*client, "TREADGROUP g a TOPICS t"), "t/0@2:v0,v1,v2,v3");
  // The commands between a record for the output and one for a list.
  const auto transact = [&](const std::vector<std::string>& lines) {
    EXPECT_EQ(Ask(*client, "MULTI"), "+OK");
    EXPECT_EQ(Ask(*client, "TADD out * f v"), "+QUEUED");
    for (const std::string& line : lines) {
      EXPECT_EQ(Ask(*client, line), "+QUEUED");
    }
    EXPECT_EQ(Ask(*client, "RPUSH list item"), "+QUEUED");
    return client->Call({"EXEC"});
  };
  const std::string discarded = "EXECABORT Transaction discarded because of: ";
  const auto expect_done = [&](int64_t times) {
    EXPECT_EQ(Admin("XLEN out/0"), std::to_string(times));
    EXPECT_EQ(Admin("LLEN list"), std::to_string(times));
  };

  EXPECT_EQ(transact({"TCOMMIT g t/0 1 2"}).text,
            discarded + "FENCED 't/0' is at epoch 2 in group 'g', not 1");
  EXPECT_EQ(transact({"TCOMMIT g t/0 2 2", "TCOMMIT g t/1 7 0"}).text,
            discarded + "FENCED 't/1' is at epoch 1 in group 'g', not 7");
  EXPECT_EQ(transact({"TCOMMIT g t/0 2 5"}).text,
            discarded + "OFFSETRANGE Offset 5 of 't/0' is outside of 0 to 4");
  EXPECT_THAT(transact({"TCOMMIT g t/0 2 2", "LPUSH text item"}).text,
              StartsWith(discarded + "WRONGTYPE "));
  EXPECT_THAT(transact({"TADD missing * f v", "TCOMMIT g t/0 2 2"}).text,
              StartsWith(discarded + "NOTOPIC "));
  EXPECT_THAT(transact({"TCOMMIT nobody t/0 2 2"}).text, StartsWith(discarded + "NOGROUP "));
  EXPECT_EQ(Partition("t/0").committed, 0);
  expect_done(0);

  const Reply done = transact({"TCOMMIT g t/0 2 2"});
  ASSERT_EQ(done.items.size(), 3u) << ToText(done);
  EXPECT_EQ(done.items[1].integer, 1);
  EXPECT_EQ(Partition("t/0").committed, 2);
  expect_done(1);

  // Sent again after a lost reply.
  EXPECT_THAT(transact({"TCOMMIT g t/0 2 2"}).text, StartsWith(discarded + "DUPLICATE "));
  const Reply entries = admin_->Call({"XRANGE", "t/0", "-", "+"});
  const std::string ack = "TACK g t/0 2 " + entries.items[3].items[0].text;
  EXPECT_FALSE(transact({ack}).is_error());
  EXPECT_THAT(transact({ack}).text, StartsWith(discarded + "DUPLICATE "));
  EXPECT_THAT(transact({"TACK g t/0 1 " + entries.items[2].items[0].text}).text,
              StartsWith(discarded + "FENCED "));
  EXPECT_EQ(Partition("t/0").committed, 2);
  expect_done(2);
  // The connection goes on.
  EXPECT_EQ(Ask(*client, "TCOMMIT g t/0 2 3"), "1");
  EXPECT_EQ(Partition("t/0").committed, 4);
}

TEST_F(TopicGroupTest, RepliesHaveOneShapeInBothProtocols) {
  Admin("TADD t/0 KEY k * f v0");
  Admin("TADD t/0 * f v1");
  Admin("TADD t/1 KEY k TOMBSTONE");
  const std::unique_ptr<RespClient> resp2 = Client();
  const std::unique_ptr<RespClient> resp3 = Client();
  EXPECT_EQ(resp3->Call({"HELLO", "3"}).kind, Reply::Kind::kMap);
  // In groups of their own that are in the same state.
  const auto both = [&](const char* line) {
    const Reply two = resp2->Call(SplitWords(fmt::format(fmt::runtime(line), "two")).value());
    const Reply three = resp3->Call(SplitWords(fmt::format(fmt::runtime(line), "three")).value());
    EXPECT_FALSE(two.is_error()) << line << ": " << ToText(two);
    EXPECT_EQ(ToText(Lowered(three, MapShape::kFlat)), ToText(Lowered(two, MapShape::kFlat)))
        << line;
    return std::pair(two.kind, three.kind);
  };
  using Kind = Reply::Kind;
  const std::pair arrays(Kind::kArray, Kind::kArray);
  EXPECT_EQ(both("TREADGROUP {} a COUNT 1 FROM EARLIEST TOPICS t"), arrays);
  EXPECT_EQ(both("TREADGROUP {} a WITHKEY TOPICS t"), arrays);
  EXPECT_EQ(both("TREADGROUP {} a TOPICS t"), std::pair(Kind::kNullArray, Kind::kNull));
  EXPECT_EQ(both("TREADGROUP {} a BLOCK 1 TOPICS t"), std::pair(Kind::kNullArray, Kind::kNull));
  EXPECT_EQ(both("TGROUP RESET {} t TO EARLIEST DRYRUN"), arrays);
  EXPECT_EQ(both("TCOMMIT {} t/0 1 2 t/1 1 1"), std::pair(Kind::kInteger, Kind::kInteger));
  EXPECT_EQ(both("TGROUP LAG {}"), std::pair(Kind::kArray, Kind::kMap));
  EXPECT_EQ(resp2->Call({"TGROUP", "DESCRIBE", "two"}).kind, Kind::kArray);
  EXPECT_EQ(resp3->Call({"TGROUP", "DESCRIBE", "three"}).kind, Kind::kMap);
  // With ASSIGNMENT: version, changes, records.
  for (const auto& client : {resp2.get(), resp3.get()}) {
    const std::string group = client == resp2.get() ? "two" : "three";
    const Reply reply = client->Call({"TREADGROUP", group, "a", "ASSIGNMENT", "0", "TOPICS", "t"});
    ASSERT_EQ(reply.items.size(), 3u) << ToText(reply);
    EXPECT_THAT(reply.items[0].integer, Gt(0));
    EXPECT_EQ(ToText(reply.items[1]), "[[\"t/0\", 1, \"owned\"], [\"t/1\", 1, \"owned\"]]");
    EXPECT_EQ(ToText(Lowered(reply.items[2], MapShape::kFlat)), "nil");
  }
}

// --- Peers that vanish

// When the kernel sends the next probe to the peer of the server's end of this connection, in
// seconds; nothing as long as it waits for something else.
std::optional<double> SecondsToProbe(int server_port, const std::string& client_address) {
  const int client_port = std::stoi(client_address.substr(client_address.rfind(':') + 1));
  const std::string from = fmt::format(":{:04X} ", server_port);
  const std::string to = fmt::format(":{:04X} ", client_port);
  std::ifstream table("/proc/net/tcp");
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string number, local, remote, state, queues, timer;
    words >> number >> local >> remote >> state >> queues >> timer;
    if (!(local + " ").ends_with(from) || !(remote + " ").ends_with(to)) continue;
    // "02:" is a keepalive timer; behind it are hundredths of seconds.
    if (!timer.starts_with("02:")) return std::nullopt;
    return std::stol(timer.substr(3), nullptr, 16) / 100.0;
  }
  return std::nullopt;
}

TEST_F(TopicGroupTest, APeerThatVanishesIsLookedForSoonerIfItIsAMember) {
  const std::unique_ptr<RespClient> client = Client();
  Ask(*client, "PING");
  std::optional<double> seconds;
  EXPECT_TRUE(Eventually([&] {
    seconds = SecondsToProbe(server_->port(), client->local_address());
    return seconds.has_value();
  }));
  EXPECT_GT(*seconds, 60);
  Ask(*client, "TREADGROUP g m FROM EARLIEST TOPICS t");
  EXPECT_TRUE(Eventually([&] {
    seconds = SecondsToProbe(server_->port(), client->local_address());
    return seconds && *seconds <= 10;
  })) << seconds.value_or(-1);
}

}  // namespace
}  // namespace runnel::test
