// redis-benchmark, with which people try a server first: it must run through, and its commands must
// have had their effect.
#include <fmt/format.h>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kRedisBenchmark = "/usr/bin/redis-benchmark";
// It sends hundreds of thousands of requests before it ends.
const Clock::duration kLong = 20 * kPatience;

class RedisBenchmarkTest : public ServerTest {
 protected:
  void SetUp() override {
    StartServer();
    client_ = Client();
  }

  // Runs it; it must end well and without a word about an error. What it printed.
  std::string Run(const Argv& args) const {
    Program::Options options;
    options.command = {kRedisBenchmark, "-p", std::to_string(server_->port()), "--csv"};
    options.command.insert(options.command.end(), args.begin(), args.end());
    Program benchmark(options);
    EXPECT_EQ(ToText(benchmark.WaitExit(kLong)), "exit 0");
    EXPECT_EQ(benchmark.Errors(), "");
    EXPECT_THAT(benchmark.Output(), Not(HasSubstr("rror")));
    return benchmark.Output();
  }

  int64_t Integer(const Argv& argv) { return client_->Call(argv).integer; }

  std::unique_ptr<RespClient> client_;
};

TEST_F(RedisBenchmarkTest, TheTestsThatAreServed) {
  const std::string tests = "ping_inline,ping_mbulk,set,get,incr,lpush,rpush,lpop,rpop,mset";
  const std::string table = Run({"-t", tests, "-n", "20000", "-c", "20", "-P", "16"});
  for (const char* name :
       {"\"PING_INLINE\"", "\"PING_MBULK\"", "\"SET\"", "\"GET\"", "\"INCR\"", "\"LPUSH\"",
        "\"RPUSH\"", "\"LPOP\"", "\"RPOP\"", "\"MSET (10 keys)\""}) {
    EXPECT_THAT(table, HasSubstr(name));
  }
}

TEST_F(RedisBenchmarkTest, EveryRequestIsExecuted) {
  // A multiple of clients times pipeline, of which it sends whole rounds.
  const Argv size = {"-n", "32000", "-c", "20", "-P", "16"};
  const auto run = [&](Argv args) {
    args.insert(args.begin(), size.begin(), size.end());
    Run(args);
  };
  run({"INCR", "counter"});
  EXPECT_EQ(ToText(client_->Call({"GET", "counter"})), "\"32000\"");
  run({"-t", "rpush"});
  EXPECT_EQ(Integer({"LLEN", "mylist"}), 32000);
  run({"-t", "lpop"});
  EXPECT_EQ(Integer({"EXISTS", "mylist"}), 0);
  run({"XADD", "stream", "*", "field", "value"});
  EXPECT_EQ(Integer({"XLEN", "stream"}), 32000);
  EXPECT_EQ(InfoField(*client_, "total_error_replies"), "0");
}

TEST_F(RedisBenchmarkTest, RandomKeysAndLargeValues) {
  Run({"-t", "set", "-n", "20000", "-r", "1000", "-d", "4096", "-P", "16"});
  EXPECT_GT(Integer({"DBSIZE"}), 900);
  EXPECT_LE(Integer({"DBSIZE"}), 1000);
  EXPECT_EQ(client_->Call({"GET", "key:000000000001"}).text.size(), 4096u);
}

}  // namespace
}  // namespace runnel::test
