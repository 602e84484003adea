// Runs every case of cases/*.case on our server and on the oracle, in RESP2 and in RESP3.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "tests/compat/runner.h"
#include "tests/compat/script.h"
#include "tests/compat/servers.h"
#include "tests/support/program.h"

namespace runnel::compat {
namespace {

struct Instance {
  Case content;
  int protocol = 2;
};

// Found by GoogleTest, which would print the bytes otherwise.
void PrintTo(const Instance& instance, std::ostream* out) {
  *out << instance.content.title;
}

std::vector<Instance> LoadInstances(std::string* error) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(COMPAT_DIR "/cases")) {
    if (entry.path().extension() == ".case") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Instance> instances;
  for (const std::string& path : paths) {
    const std::string name = std::filesystem::path(path).stem().string();
    for (const Case& content : ParseCases(name, test::ReadFile(path), error)) {
      for (const int protocol : {2, 3}) {
        if (content.protocol == 0 || content.protocol == protocol) {
          instances.push_back({content, protocol});
        }
      }
    }
  }
  return instances;
}

std::string& LoadError() {
  static std::string error;
  return error;
}

const std::vector<Instance>& Instances() {
  static const std::vector<Instance> instances = LoadInstances(&LoadError());
  return instances;
}

// One name per case and protocol; the line makes it unique and easy to find.
std::string NameOf(const testing::TestParamInfo<Instance>& info) {
  std::string name = fmt::format("{}_{}_Resp{}", info.param.content.file, info.param.content.line,
                                 info.param.protocol);
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

// The servers are started once; every case begins by emptying them.
class CompatCases : public testing::TestWithParam<Instance> {
 public:
  static void SetUpTestSuite() {
    std::string error;
    servers_ = new Servers;
    ASSERT_TRUE(servers_->Start(&error)) << error;
    differences_ = new Differences(LoadDifferences(&error));
    ASSERT_EQ(error, "");
  }
  static void TearDownTestSuite() {
    delete servers_;
    delete differences_;
  }

 protected:
  static inline Servers* servers_ = nullptr;
  static inline Differences* differences_ = nullptr;
};

TEST_P(CompatCases, AnswersLikeTheOracle) {
  const Case& content = GetParam().content;
  const int protocol = GetParam().protocol;
  if (SelfCheck() && (content.only_ours || Mirrors(content.steps))) GTEST_SKIP();
  std::string error;
  ASSERT_TRUE(servers_->Revive(&error)) << error;
  if (!content.reason.empty()) {
    ASSERT_NE(differences_->Find(content.reason), nullptr)
        << content.file << ".case:" << content.line << ": differences.txt has no entry "
        << content.reason;
  }
  Side ours(servers_->ours.get(), protocol);
  Side theirs(servers_->theirs.get(), protocol);
  Runner runner(&ours, content.only_ours ? nullptr : &theirs, differences_);
  runner.set_self_check(SelfCheck());
  runner.set_trace(Trace());
  ASSERT_TRUE(runner.Reset()) << "a server does not answer";
  const std::optional<Mismatch> mismatch = runner.Run(content.steps, protocol);
  if (mismatch.has_value()) {
    const Step& step = content.steps[mismatch->step];
    FAIL() << fmt::format("{}.case:{}: {} (RESP{})\n  {}\n{}", content.file, step.line,
                          content.title, protocol, ToText(step), mismatch->text);
  }
}

INSTANTIATE_TEST_SUITE_P(, CompatCases, testing::ValuesIn(Instances()), NameOf);

TEST(CompatFiles, Parse) {
  EXPECT_FALSE(Instances().empty());
  EXPECT_EQ(LoadError(), "");
}

// An entry that nothing uses would excuse nothing, and mislead readers of the list.
TEST(CompatFiles, EveryDifferenceIsUsed) {
  std::string error;
  const Differences differences = LoadDifferences(&error);
  ASSERT_EQ(error, "");
  for (const Difference& difference : differences.all()) {
    const bool named = std::any_of(
        Instances().begin(), Instances().end(),
        [&](const Instance& instance) { return instance.content.reason == difference.name; });
    EXPECT_TRUE(named || !difference.rules.empty()) << difference.name;
  }
}

}  // namespace
}  // namespace runnel::compat
