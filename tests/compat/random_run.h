#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/compat/differences.h"
#include "tests/compat/servers.h"

namespace runnel::compat {

struct RandomOptions {
  int protocol = 2;
  uint64_t seed = 1;           // of the first episode; each further one takes the next
  uint64_t commands = 200000;  // at least so many; the last episode is always finished
  size_t failures = 5;         // stop after so many
  // Changes replies of our server; only for the test of the test.
  std::function<void(const Argv&, test::Reply*)> tamper;
};

struct RandomResult {
  uint64_t commands = 0;
  // One text per difference that was found: the seed, what differs, and a shortened script that can
  // be pasted into a .case file.
  std::vector<std::string> failures;
};

// Plays episodes of random commands on both servers and compares all replies, and every now and
// then the whole keyspaces. An episode begins with empty servers and can be repeated from its seed.
RandomResult RunRandom(const RandomOptions& options, Servers* servers,
                       const Differences& differences);

}  // namespace runnel::compat
