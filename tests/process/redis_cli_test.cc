// The server as people use it: through redis-cli, in its many modes.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;

constexpr const char* kRedisCli = "/usr/bin/redis-cli";

class RedisCliTest : public ServerTest {
 protected:
  void SetUp() override { StartServer(); }

  // redis-cli with these arguments, on this server.
  std::unique_ptr<Program> Start(const Argv& args, const std::string& input = "") const {
    Program::Options options;
    options.command = {kRedisCli, "-p", std::to_string(server_->port())};
    options.command.insert(options.command.end(), args.begin(), args.end());
    options.input = input;
    // Neither history nor settings of the user that runs the test.
    options.environment = {"REDISCLI_HISTFILE=/dev/null", "REDISCLI_RCFILE=/dev/null"};
    return std::make_unique<Program>(options);
  }

  // Runs it to its end, which must be good and without complaints; what it printed.
  std::string Run(const Argv& args, const std::string& input = "") const {
    const std::unique_ptr<Program> cli = Start(args, input);
    EXPECT_EQ(ToText(cli->WaitExit(2 * kPatience)), "exit 0");
    EXPECT_EQ(cli->Errors(), "");
    return cli->Output();
  }
};

TEST_F(RedisCliTest, Commands) {
  EXPECT_EQ(Run({"RPUSH", "jobs", "build", "test it"}), "2\n");
  EXPECT_EQ(Run({"--no-raw", "LRANGE", "jobs", "0", "-1"}), "1) \"build\"\n2) \"test it\"\n");
  EXPECT_EQ(Run({"--csv", "LRANGE", "jobs", "0", "-1"}), "\"build\",\"test it\"\n");
  EXPECT_EQ(Run({"--no-raw", "GET", "nothing"}), "(nil)\n");
  EXPECT_EQ(Run({"-n", "3", "SET", "key", "value"}), "OK\n");
  EXPECT_EQ(Run({"EXISTS", "key"}), "0\n");
  EXPECT_EQ(Run({"-x", "SET", "key"}, "from a pipe"), "OK\n");
  EXPECT_EQ(Run({"GET", "key"}), "from a pipe\n");
  EXPECT_EQ(Run({"-r", "3", "-i", "0", "INCR", "n"}), "1\n2\n3\n");
}

TEST_F(RedisCliTest, AnErrorIsAnExitCodeWhenAskedFor) {
  const std::unique_ptr<Program> cli = Start({"-e", "LPUSH", "only-a-key"});
  EXPECT_EQ(ToText(cli->WaitExit()), "exit 1");
  EXPECT_THAT(cli->Errors(), HasSubstr("ERR wrong number of arguments for 'lpush' command"));
}

TEST_F(RedisCliTest, CommandsFromAPipe) {
  EXPECT_EQ(Run({}, "SET key \"two words\"\nGET key\nMULTI\nINCR n\nINCR n\nEXEC\nPING\n"),
            "OK\ntwo words\nOK\nQUEUED\nQUEUED\n1\n2\nPONG\n");
}

TEST_F(RedisCliTest, Resp3) {
  const std::string hello = Run({"-3", "--no-raw", "HELLO"});
  EXPECT_THAT(hello, HasSubstr("# \"proto\" => (integer) 3\n"));
  EXPECT_EQ(Run({"-3", "--no-raw", "CONFIG", "GET", "maxmemory"}), "1# \"maxmemory\" => \"0\"\n");
  EXPECT_EQ(Run({"-3", "--json", "XADD", "s", "1-1", "field", "value"}), "\"1-1\"\n");
  EXPECT_EQ(Run({"-3", "--json", "XREAD", "STREAMS", "s", "0"}),
            "{\"s\":[[\"1-1\",[\"field\",\"value\"]]]}\n");
}

TEST_F(RedisCliTest, EveryWayToReachTheServer) {
  StartServer({"--bind", "127.0.0.1", "-::1", "--unixsocket", "socket"});
  const std::unique_ptr<RespClient> client = Client();
  EXPECT_EQ(Run({"-s", server_->dir() + "/socket", "PING"}), "PONG\n");
  EXPECT_EQ(Run({"-h", "127.0.0.1", "PING"}), "PONG\n");
  EXPECT_EQ(Run({"-u", fmt::format("redis://127.0.0.1:{}/2", server_->port()), "SET", "k", "v"}),
            "OK\n");
  EXPECT_EQ(InfoField(*client, "db2"), "keys=1,expires=0,avg_ttl=0");
  if (RespClient::Connect("::1", server_->port()) == nullptr) GTEST_SKIP() << "no IPv6 here";
  EXPECT_EQ(Run({"-h", "::1", "PING"}), "PONG\n");
}

TEST_F(RedisCliTest, Password) {
  StartServer({"--requirepass", "secret"});
  EXPECT_EQ(Run({"PING"}), "NOAUTH Authentication required.\n\n");
  EXPECT_EQ(Run({"--no-auth-warning", "-a", "secret", "PING"}), "PONG\n");
  EXPECT_EQ(Run({"--no-auth-warning", "--user", "default", "--pass", "secret", "-3", "PING"}),
            "PONG\n");
  const std::unique_ptr<Program> wrong = Start({"--no-auth-warning", "-a", "wrong", "PING"});
  EXPECT_EQ(ToText(wrong->WaitExit()), "exit 0");
  EXPECT_THAT(wrong->Errors(), HasSubstr("AUTH failed: WRONGPASS"));
}

TEST_F(RedisCliTest, MassInsertion) {
  constexpr int kCommands = 100'000;
  std::string input;
  for (int i = 0; i < kCommands; ++i) {
    // Both ways to write a request, as --pipe passes bytes on as they are.
    input += i % 2 == 0 ? EncodeCommand({"SET", fmt::format("key:{}", i), "value"})
                        : fmt::format("RPUSH list {}\r\n", i);
  }
  const std::string report = Run({"--pipe"}, input);
  EXPECT_THAT(report, HasSubstr(fmt::format("errors: 0, replies: {}\n", kCommands)));
  EXPECT_EQ(Run({"DBSIZE"}), fmt::format("{}\n", kCommands / 2 + 1));
  EXPECT_EQ(Run({"LLEN", "list"}), fmt::format("{}\n", kCommands / 2));
}

TEST_F(RedisCliTest, MassInsertionCountsErrors) {
  const std::unique_ptr<Program> cli =
      Start({"--pipe"}, "SET a b\r\nLPUSH a b\r\nSET a\r\nGET a\r\n");
  EXPECT_EQ(ToText(cli->WaitExit()), "exit 1");
  EXPECT_THAT(cli->Output(), HasSubstr("errors: 2, replies: 4\n"));
}

TEST_F(RedisCliTest, LooksThroughTheKeys) {
  Run({}, "SET s 12345\nRPUSH l a b c\nRPUSH shorter a\nXADD x 1-1 f v\nXADD x 1-2 f v\n");
  std::string keys = Run({"--scan"});
  for (const char* key : {"s\n", "l\n", "shorter\n", "x\n"})
    EXPECT_THAT(keys, HasSubstr(key));
  EXPECT_EQ(std::count(keys.begin(), keys.end(), '\n'), 4);
  EXPECT_EQ(Run({"--scan", "--pattern", "sh*"}), "shorter\n");
  const std::string big = Run({"--bigkeys"});
  EXPECT_THAT(big, HasSubstr("Sampled 4 keys in the keyspace!"));
  EXPECT_THAT(big, HasSubstr("Biggest   list found '\"l\"' has 3 items"));
  EXPECT_THAT(big, HasSubstr("Biggest string found '\"s\"' has 5 bytes"));
  EXPECT_THAT(big, HasSubstr("Biggest stream found '\"x\"' has 2 entries"));
  const std::string memory = Run({"--memkeys"});
  EXPECT_THAT(memory, HasSubstr("Sampled 4 keys in the keyspace!"));
  EXPECT_THAT(memory, HasSubstr("Biggest stream found '\"x\"' has "));
}

TEST_F(RedisCliTest, Measures) {
  const std::string latency = Run({"--latency", "-i", "0.1"});
  double least, most, mean;
  int samples = 0;
  EXPECT_EQ(sscanf(latency.c_str(), "%lf %lf %lf %d", &least, &most, &mean, &samples), 4)
      << latency;
  EXPECT_GT(samples, 0);

  Run({"SET", "a", "b"});
  const std::unique_ptr<Program> stat = Start({"--stat", "-i", "0.01"});
  constexpr int kLines = 5;  // two of them are the heading
  EXPECT_TRUE(Eventually([&] {
    const std::string lines = stat->Output();
    return std::count(lines.begin(), lines.end(), '\n') >= kLines || !stat->Running();
  }));
  stat->Signal(SIGINT);
  EXPECT_EQ(ToText(stat->WaitExit()), "signal 2") << stat->Errors();
  EXPECT_THAT(stat->Output(), HasSubstr("\n1          "));
}

// What redis-cli shows while one types, and for HELP, it makes of COMMAND DOCS.
TEST_F(RedisCliTest, KnowsTheCommandsFromTheServer) {
  EXPECT_THAT(Run({"-3", "COMMAND", "DOCS", "xadd"}), HasSubstr("arguments"));
  const std::string help = Run({}, "HELP XACKDEL\n");
  EXPECT_THAT(help, HasSubstr("key group [KEEPREF|DELREF|ACKED] IDS numids id [id ...]"));
  EXPECT_THAT(help, HasSubstr("group:\x1b[0m stream"));
  EXPECT_THAT(Run({}, "HELP @pubsub\n"), HasSubstr("PUNSUBSCRIBE"));
}

TEST_F(RedisCliTest, Subscribe) {
  const std::unique_ptr<Program> subscriber = Start({"SUBSCRIBE", "news", "weather"});
  ASSERT_TRUE(subscriber->WaitForOutput("subscribe\nweather\n2\n"));
  EXPECT_EQ(Run({"PUBLISH", "weather", "rain again"}), "1\n");
  EXPECT_TRUE(subscriber->WaitForOutput("message\nweather\nrain again\n"));
  const std::unique_ptr<Program> pushes = Start({"-3", "PSUBSCRIBE", "*"});
  ASSERT_TRUE(pushes->WaitForOutput("psubscribe\n*\n1\n"));
  EXPECT_EQ(Run({"PUBLISH", "news", "sun"}), "2\n");
  EXPECT_TRUE(pushes->WaitForOutput("pmessage\n*\nnews\nsun\n"));
}

TEST_F(RedisCliTest, Monitor) {
  const std::unique_ptr<Program> monitor = Start({"MONITOR"});
  ASSERT_TRUE(monitor->WaitForOutput("OK\n"));
  Run({"-n", "2", "SET", "a key", "\x01"});
  EXPECT_TRUE(monitor->WaitForOutput("\"SET\" \"a key\" \"\\x01\"\n"));
  EXPECT_TRUE(monitor->WaitForOutput(" [2 127.0.0.1:"));
}

TEST_F(RedisCliTest, ABlockedCommandIsAnswered) {
  const std::unique_ptr<Program> waiting = Start({"BLPOP", "jobs", "0"});
  const std::unique_ptr<RespClient> client = Client();
  ASSERT_TRUE(Eventually([&] { return InfoNumber(*client, "blocked_clients") == 1; }));
  EXPECT_EQ(Run({"RPUSH", "jobs", "one"}), "1\n");
  EXPECT_EQ(ToText(waiting->WaitExit()), "exit 0");
  EXPECT_EQ(waiting->Output(), "jobs\none\n");
}

}  // namespace
}  // namespace runnel::test
