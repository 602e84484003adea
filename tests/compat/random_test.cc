// Random commands on our server and on the oracle. COMPAT_SEED (1) names the first episode,
// COMPAT_COMMANDS (200000) how many commands are played at least.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/compat/random_run.h"
#include "tests/compat/servers.h"
#include "tests/support/environment.h"

namespace runnel::compat {
namespace {

using test::FromEnvironment;

void PlayProtocol(int protocol) {
  std::string error;
  Servers servers;
  ASSERT_TRUE(servers.Start(&error)) << error;
  const Differences differences = LoadDifferences(&error);
  ASSERT_EQ(error, "");
  RandomOptions options;
  options.protocol = protocol;
  options.seed = FromEnvironment("COMPAT_SEED", 1);
  options.commands = FromEnvironment("COMPAT_COMMANDS", 200000);
  const auto start = std::chrono::steady_clock::now();
  const RandomResult result = RunRandom(options, &servers, differences);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  fmt::print("RESP{}: {} commands from seed {} in {:.1f} s\n", protocol, result.commands,
             options.seed, elapsed.count());
  for (const std::string& failure : result.failures)
    ADD_FAILURE() << failure;
}

TEST(CompatRandom, Resp2) {
  PlayProtocol(2);
}

TEST(CompatRandom, Resp3) {
  PlayProtocol(3);
}

}  // namespace
}  // namespace runnel::compat
