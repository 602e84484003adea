// Tests of the compat tests themselves, with the oracle on both sides: they must find a reply that
// is changed on its way, and must find nothing where nothing is.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/compat/generator/generator.h"
#include "tests/compat/mirror.h"
#include "tests/compat/random_run.h"
#include "tests/compat/runner.h"
#include "tests/compat/script.h"
#include "tests/compat/servers.h"
#include "tests/compat/shrink.h"
#include "tests/compat/side.h"

namespace runnel::compat {
namespace {

using test::Reply;

Script ParseOne(const std::string& text) {
  std::string error;
  const std::vector<Case> cases = ParseCases("test", "== title\n" + text, &error);
  EXPECT_EQ(error, "");
  return cases.empty() ? Script() : cases[0].steps;
}

class CompatSelf : public testing::Test {
 protected:
  void SetUp() override {
    setenv("COMPAT_SELF_CHECK", "1", 1);
    std::string error;
    ASSERT_TRUE(servers_.Start(&error)) << error;
    differences_ = LoadDifferences(&error);
    ASSERT_EQ(error, "");
  }

  RandomResult Play(std::function<void(const Argv&, Reply*)> tamper) {
    RandomOptions options;
    options.protocol = 3;
    options.commands = 3000;
    options.failures = 1;
    options.tamper = std::move(tamper);
    return RunRandom(options, &servers_, differences_);
  }

  std::optional<Mismatch> RunOnce(const Script& script,
                                  std::function<void(const Argv&, Reply*)> tamper) {
    Side ours(servers_.ours.get(), 2);
    Side theirs(servers_.theirs.get(), 2);
    ours.set_tamper(std::move(tamper));
    Runner runner(&ours, &theirs, &differences_);
    EXPECT_TRUE(runner.Reset());
    return runner.Run(script, 2);
  }

  Servers servers_;
  Differences differences_;
};

TEST_F(CompatSelf, FindsNothingBetweenTwoOracles) {
  const RandomResult result = Play(nullptr);
  EXPECT_GE(result.commands, 3000u);
  EXPECT_EQ(result.failures, std::vector<std::string>());
}

TEST_F(CompatSelf, FindsAndShortensAChangedReply) {
  const RandomResult result = Play([](const Argv& command, Reply* reply) {
    if (!command.empty() && command[0] == "LLEN" && reply->integer > 1) ++reply->integer;
  });
  ASSERT_EQ(result.failures.size(), 1u);
  const std::string& text = result.failures[0];
  EXPECT_NE(text.find("COMPAT_SEED="), std::string::npos) << text;
  const std::string script = text.substr(text.find("== random"));
  EXPECT_NE(script.find("LLEN"), std::string::npos) << text;
  EXPECT_LE(std::count(script.begin(), script.end(), '\n'), 4) << text;
}

TEST_F(CompatSelf, FindsAReplyThatIsMissingFromAWaiter) {
  const Script script = ParseOne("a> BLPOP q 0\nb> RPUSH q x\n");
  EXPECT_FALSE(RunOnce(script, nullptr).has_value());
  const std::optional<Mismatch> mismatch = RunOnce(script, [](const Argv& command, Reply* reply) {
    if (command[0] == "BLPOP" && !reply->items.empty()) reply->items.pop_back();
  });
  ASSERT_TRUE(mismatch.has_value());
  EXPECT_EQ(mismatch->step, 1u);
  EXPECT_EQ(mismatch->command, "BLPOP");
}

TEST_F(CompatSelf, FindsTheWrongKindOfNull) {
  const Script script = ParseOne("a> LPOP none\n");
  EXPECT_TRUE(RunOnce(script, [](const Argv&, Reply* reply) {
                reply->kind = Reply::Kind::kNullArray;
              }).has_value());
}

TEST_F(CompatSelf, FindsADifferenceInsideATransaction) {
  const Script script = ParseOne("a> MULTI\na> SET k v\na> GET k\na> EXEC\n");
  EXPECT_TRUE(RunOnce(script, [](const Argv& command, Reply* reply) {
                if (command[0] == "EXEC") reply->items[1].text = "w";
              }).has_value());
}

TEST(CompatScript, PrintsWhatItParses) {
  const std::string text =
      "a>> LPUSH q \"\" \"a b\" \"\\x00\\r\\n\"\n"
      "a> @sort @fields(a,b) CLIENT LIST ID {b.id}\n"
      "b-\n";
  EXPECT_EQ(ToText(ParseOne(text)), text);
}

TEST(CompatScript, NamesTheLineOfAMistake) {
  for (const char* const line :
       {"a> @nosuch GET k", "a> GET \"k", "nonsense", "= 1", "a>", "a>> @mirror TADD t * f v"}) {
    std::string error;
    EXPECT_TRUE(ParseCases("f", std::string("== t\n") + line + "\n", &error).empty()) << line;
    EXPECT_EQ(error.rfind("f:2: ", 0), 0u) << error;
  }
}

Reply Texts(const std::vector<std::string>& texts) {
  Reply reply;
  reply.kind = Reply::Kind::kArray;
  for (const std::string& text : texts)
    reply.items.push_back(Reply::Bulk(text));
  return reply;
}

TEST(CompatMirror, GivesTheOracleTheSameEntries) {
  const Argv add = {"TADD", "t", "KEY", "*", "PRODUCER", "p", "1", "2", "*", "f", "v"};
  const Mirrored one = Mirror(add, Texts({"t/3", "5-7"}), nullptr, nullptr);
  EXPECT_EQ(one.problem, "");
  EXPECT_EQ(one.id, "5-7");
  EXPECT_EQ(one.commands, std::vector<Argv>({{"XADD", "t/3", "5-7", "f", "v"}}));

  Reply share = Texts({"t/3", "5-9"});
  share.items.push_back(Reply::Integer(2));
  Reply reply = Texts({});
  reply.items.push_back(share);
  const Argv many = {"TADDM", "t/3", "FIELDS", "2", "f", "g", "RECORDS",
                     "k",     "1",   "2",      "l", "3", "4"};
  const Mirrored two = Mirror(many, reply, nullptr, nullptr);
  EXPECT_EQ(two.problem, "");
  EXPECT_EQ(two.commands, std::vector<Argv>({{"XADD", "t/3", "5-9", "f", "1", "g", "2"},
                                             {"XADD", "t/3", "5-10", "f", "3", "g", "4"}}));

  const Argv create = {"TOPIC", "CREATE", "t", "PARTITIONS", "2"};
  EXPECT_EQ(Mirror(create, Reply::Note("OK"), nullptr, nullptr).problem, "<OK>");
  const Argv tombstone = {"TADD", "t", "KEY", "k", "TOMBSTONE"};
  EXPECT_NE(Mirror(tombstone, Texts({"t/3", "5-7"}), nullptr, nullptr).problem, "");
  EXPECT_NE(Mirror({"GET", "k"}, Texts({}), nullptr, nullptr).problem, "");
}

TEST(CompatShrink, KeepsWhatIsNeeded) {
  Script script;
  for (int i = 0; i < 100; ++i) {
    Step step;
    step.words = {std::to_string(i)};
    step.glued = i % 10 == 4;
    script.push_back(step);
  }
  const auto has = [](const Script& in, const char* word) {
    return std::any_of(in.begin(), in.end(), [&](const Step& s) { return s.words[0] == word; });
  };
  const Script shrunk = Shrink(
      script, [&](const Script& s) { return has(s, "17") && has(s, "84"); }, 1000);
  EXPECT_EQ(ToText(shrunk), "a> 17\na> 83\na> 84\n");
}

// The generator says what it stays away from, the list says that it must: both must agree.
TEST(CompatGenerator, AvoidsWhatTheListSays) {
  std::string error;
  std::vector<std::string> listed = LoadDifferences(&error).NamesWith("avoid");
  std::vector<std::string> avoided = Generator::Avoided();
  std::sort(listed.begin(), listed.end());
  std::sort(avoided.begin(), avoided.end());
  EXPECT_EQ(avoided, listed);
}

}  // namespace
}  // namespace runnel::compat
