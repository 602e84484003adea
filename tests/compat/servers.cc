#include "tests/compat/servers.h"

#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include "tests/support/program.h"

namespace runnel::compat {
namespace {

bool StartOne(const std::string& binary, const std::vector<std::string>& options,
              std::unique_ptr<test::ServerProcess>* server, std::string* error) {
  std::vector<std::string> all = {"--save", "", "--appendonly", "no"};
  all.insert(all.end(), options.begin(), options.end());
  *server = test::ServerProcess::Start({binary, all, "", 0, {}}, error);
  return *server != nullptr;
}

bool IsOn(const char* variable) {
  const char* const value = getenv(variable);
  return value != nullptr && std::string_view(value) == "1";
}

}  // namespace

bool SelfCheck() {
  return IsOn("COMPAT_SELF_CHECK");
}

bool Trace() {
  return IsOn("COMPAT_TRACE");
}

bool Servers::Start(std::string* error) {
  const std::string ours_path = SelfCheck() ? test::RedisServerPath() : test::RunnelServerPath();
  // The oracle has no small form for sets of strings.
  std::vector<std::string> options;
  if (!SelfCheck()) options = {"--set-max-listpack-entries", "0"};
  return StartOne(ours_path, options, &ours, error) &&
         StartOne(test::RedisServerPath(), {}, &theirs, error);
}

bool Servers::Revive(std::string* error) {
  if (ours->Running() && theirs->Running()) return true;
  fmt::print(stderr, "a server ended; the log of ours:\n{}\n", ours->Log());
  return Start(error);
}

Differences LoadDifferences(std::string* error) {
  const std::string text = test::ReadFile(COMPAT_DIR "/differences.txt");
  if (text.empty()) *error = "differences.txt cannot be read";
  return Differences::Parse(text, error).value_or(Differences());
}

}  // namespace runnel::compat
