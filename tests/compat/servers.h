#pragma once

#include <memory>
#include <string>

#include "tests/compat/differences.h"
#include "tests/support/server_process.h"

namespace runnel::compat {

// Our server and the oracle, each started anew.
struct Servers {
  std::unique_ptr<test::ServerProcess> ours;
  std::unique_ptr<test::ServerProcess> theirs;

  // Both servers answer. Else *error says which does not, and why.
  bool Start(std::string* error);
  // Starts the one that has ended, if any, again. Its log goes to standard error.
  bool Revive(std::string* error);
};

// Whether our server is replaced by a second oracle (COMPAT_SELF_CHECK=1), to check the tests.
bool SelfCheck();

// Whether every step is to be printed with its replies (COMPAT_TRACE=1).
bool Trace();

// The list in differences.txt. On a mistake in it *error is set.
Differences LoadDifferences(std::string* error);

}  // namespace runnel::compat
