#include "broker/commands/command_docs.h"

#include <algorithm>

#include "broker/commands/acl_categories.h"
#include "broker/commands/broker_families.h"
#include "broker/commands/command_syntax.h"
#include "commands/families.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr KeySpec kReadKey[] = {{.access = KeySpec::kRO, .use = KeySpec::kUseAccess}};
constexpr KeySpec kCopyKeys[] = {
    {.access = KeySpec::kRO, .use = KeySpec::kUseAccess, .first = 1},
    {.access = KeySpec::kOW, .use = KeySpec::kUseUpdate, .first = 2},
};
constexpr KeySpec kPopKeys[] = {{.find = KeySpec::kKeyNum,
                                 .access = KeySpec::kRW,
                                 .use = KeySpec::kUseAccess | KeySpec::kUseDelete,
                                 .first = 1}};
constexpr KeySpec kStreamKeys[] = {
    {.find = KeySpec::kKeyword, .access = KeySpec::kRO, .use = KeySpec::kUseAccess, .first = 1}};
constexpr KeySpec kSetKeys[] = {{.access = KeySpec::kRW,
                                 .use = KeySpec::kUseAccess | KeySpec::kUseUpdate,
                                 .variable_flags = true}};
constexpr KeySpec kSortKeys[] = {
    {.find = KeySpec::kUnknown, .access = KeySpec::kRO, .use = KeySpec::kUseAccess},
    {.find = KeySpec::kSortTarget, .access = KeySpec::kOW, .use = KeySpec::kUseUpdate, .first = 2}};
constexpr KeySpec kGroupKeys[] = {{.access = KeySpec::kRW, .use = KeySpec::kUseInsert, .first = 2}};

constexpr CommandSpec kGroupCommands[] = {
    {.name = "create",
     .arity = -5,
     .flags = kWrite | kDenyOom,
     .categories = kAclStream,
     .keys = kGroupKeys,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Create a consumer group.",
     .syntax = "key groupname <id|$> [MKSTREAM] [ENTRIESREAD entries_read:integer]"},
    {.name = "help", .arity = 2, .flags = kLoading | kStale, .categories = kAclStream},
};

// Commands as Redis has them, to compare with what it answers.
constexpr CommandSpec kCommands[] = {
    {.name = "get",
     .arity = 2,
     .flags = kReadOnly | kFast,
     .categories = kAclString,
     .keys = kReadKey},
    {.name = "copy",
     .arity = -3,
     .flags = kWrite | kDenyOom,
     .categories = kAclKeyspace,
     .keys = kCopyKeys,
     .group = "generic",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Copy a key",
     .syntax = "source:key destination:key [DB destination-db:integer] [REPLACE]"},
    {.name = "lmpop",
     .arity = -4,
     .flags = kWrite,
     .categories = kAclList,
     .keys = kPopKeys,
     .syntax = "numkeys key ... <LEFT|RIGHT> [COUNT count]"},
    {.name = "xread",
     .arity = -4,
     .flags = kReadOnly | kBlocking,
     .categories = kAclStream,
     .keys = kStreamKeys},
    {.name = "set", .arity = -3, .flags = kWrite | kDenyOom, .keys = kSetKeys},
    {.name = "ping", .arity = -1, .flags = kFast, .categories = kAclConnection},
    {.name = "multi",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy | kInMulti,
     .categories = kAclTransaction},
    {.name = "xgroup", .arity = -2, .subcommands = kGroupCommands},
};

class CommandDocsTest : public ::testing::Test {
 protected:
  CommandDocsTest() { table_.Add(kCommands); }

  // What `write` wrote, with a blank in the place of every line end.
  template <class Write>
  static std::string Reply(int protocol, Write write) {
    Rope rope;
    ReplyWriter reply(&rope);
    reply.set_protocol(protocol);
    write(reply);
    std::string text = rope.ToString();
    for (size_t at; (at = text.find("\r\n")) != std::string::npos;) {
      text.replace(at, 2, " ");
    }
    return text;
  }
  std::string Info(int protocol, std::vector<std::string_view> names) const {
    return Reply(protocol, [&](ReplyWriter& reply) { WriteCommandInfo(reply, table_, names); });
  }
  std::string Docs(int protocol, std::vector<std::string_view> names) const {
    return Reply(protocol, [&](ReplyWriter& reply) { WriteCommandDocs(reply, table_, names); });
  }
  std::string List(std::vector<std::string_view> arguments) const {
    return Reply(2, [&](ReplyWriter& reply) { WriteCommandList(reply, table_, arguments); });
  }
  std::string Keys(std::vector<std::string_view> args) const {
    return Reply(2, [&](ReplyWriter& reply) { WriteCommandKeys(reply, table_, args, false); });
  }
  std::string KeysAndFlags(int protocol, std::vector<std::string_view> args) const {
    return Reply(protocol,
                 [&](ReplyWriter& reply) { WriteCommandKeys(reply, table_, args, true); });
  }

  CommandTable table_;
};

// Here and below, the expected replies were given by redis-server 7.0.15.
TEST_F(CommandDocsTest, InfoInResp2) {
  EXPECT_EQ(Info(2, {"get"}),
            "*1 *10 $3 get :2 *2 +readonly +fast :1 :1 :1 *3 +@read +@string +@fast *0 *1 *6 "
            "$5 flags *2 +RO +access $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 "
            "$9 find_keys *4 $4 type $5 range $4 spec *6 $7 lastkey :0 $7 keystep :1 $5 limit :0 "
            "*0 ");
  EXPECT_EQ(Info(2, {"LMPOP"}),
            "*1 *10 $5 lmpop :-4 *2 +write +movablekeys :0 :0 :0 *3 +@write +@list +@slow *0 *1 "
            "*6 $5 flags *3 +RW +access +delete $12 begin_search *4 $4 type $5 index $4 spec *2 "
            "$5 index :1 $9 find_keys *4 $4 type $6 keynum $4 spec *6 $9 keynumidx :0 "
            "$8 firstkey :1 $7 keystep :1 *0 ");
}

// Where SORT has its other keys cannot be told.
TEST_F(CommandDocsTest, InfoAboutUnknownKeys) {
  static constexpr CommandSpec kSort[] = {
      {.name = "sort", .arity = -2, .flags = kWrite, .categories = kAclList, .keys = kSortKeys}};
  table_.Add(kSort);
  EXPECT_EQ(Info(3, {"sort"}),
            "*1 *10 $4 sort :-2 ~2 +write +movablekeys :0 :0 :0 ~3 +@write +@list +@slow ~0 ~2 "
            "%3 $5 flags ~2 +RO +access $12 begin_search %2 $4 type $7 unknown $4 spec %0 "
            "$9 find_keys %2 $4 type $7 unknown $4 spec %0 "
            "%3 $5 flags ~2 +OW +update $12 begin_search %2 $4 type $7 unknown $4 spec %0 "
            "$9 find_keys %2 $4 type $7 unknown $4 spec %0 ~0 ");
}

TEST_F(CommandDocsTest, InfoInResp3) {
  EXPECT_EQ(Info(3, {"xread", "nope"}),
            "*2 *10 $5 xread :-4 ~3 +readonly +blocking +movablekeys :0 :0 :0 ~4 +@read +@stream "
            "+@slow +@blocking ~0 ~1 %3 $5 flags ~2 +RO +access $12 begin_search %2 $4 type "
            "$7 keyword $4 spec %2 $7 keyword $7 STREAMS $9 startfrom :1 $9 find_keys %2 $4 type "
            "$5 range $4 spec %3 $7 lastkey :-1 $7 keystep :1 $5 limit :2 ~0 _ ");
  EXPECT_EQ(Info(3, {"copy"}),
            "*1 *10 $4 copy :-3 ~2 +write +denyoom :1 :2 :1 ~3 +@keyspace +@write +@slow ~0 ~2 "
            "%3 $5 flags ~2 +RO +access $12 begin_search %2 $4 type $5 index $4 spec %1 "
            "$5 index :1 $9 find_keys %2 $4 type $5 range $4 spec %3 $7 lastkey :0 $7 keystep :1 "
            "$5 limit :0 %3 $5 flags ~2 +OW +update $12 begin_search %2 $4 type $5 index $4 spec "
            "%1 $5 index :2 $9 find_keys %2 $4 type $5 range $4 spec %3 $7 lastkey :0 "
            "$7 keystep :1 $5 limit :0 ~0 ");
}

TEST_F(CommandDocsTest, InfoOfSubcommands) {
  const std::string create =
      "*10 $13 xgroup|create :-5 ~2 +write +denyoom :2 :2 :1 ~3 +@write +@stream +@slow ~0 ~1 %3 "
      "$5 flags ~2 +RW +insert $12 begin_search %2 $4 type $5 index $4 spec %1 $5 index :2 "
      "$9 find_keys %2 $4 type $5 range $4 spec %3 $7 lastkey :0 $7 keystep :1 $5 limit :0 ~0 ";
  EXPECT_EQ(Info(3, {"xgroup|create"}), "*1 " + create);
  EXPECT_EQ(Info(3, {"xgroup"}),
            "*1 *10 $6 xgroup :-2 ~0 :0 :0 :0 ~1 +@slow ~0 ~0 *2 " + create +
                "*10 $11 xgroup|help :2 ~2 +loading +stale :0 :0 :0 ~2 +@stream +@slow ~0 ~0 ~0 ");
  EXPECT_EQ(Info(3, {"xgroup|foo", "get|x"}), "*2 _ _ ");
}

TEST_F(CommandDocsTest, InfoShowsOnlyFlagsThatClientsKnow) {
  EXPECT_THAT(Info(2, {"multi"}), HasSubstr("*5 +noscript +loading +stale +fast +allow_busy :0"));
}

TEST_F(CommandDocsTest, InfoWithoutNamesIsOfAllCommands) {
  std::vector<std::string_view> names;
  for (const CommandSpec& spec : kCommands) {
    names.push_back(spec.name);
  }
  EXPECT_EQ(Info(3, {}), Info(3, names));
  EXPECT_EQ(Reply(2, [&](ReplyWriter& reply) { WriteCommandCount(reply, table_); }), ":8 ");
}

TEST_F(CommandDocsTest, Docs) {
  EXPECT_EQ(
      Docs(3, {"Copy", "nope"}),
      "%1 $4 copy %5 $7 summary $10 Copy a key $5 since $5 6.2.0 $5 group $7 generic "
      "$10 complexity $4 O(1) $9 arguments *4 %3 $4 name $6 source $4 type $3 key "
      "$14 key_spec_index :0 %3 $4 name $11 destination $4 type $3 key $14 key_spec_index :1 %4 "
      "$4 name $14 destination-db $4 type $7 integer $5 token $2 DB $5 flags ~1 +optional %4 "
      "$4 name $7 replace $4 type $10 pure-token $5 token $7 REPLACE $5 flags ~1 +optional ");
  EXPECT_EQ(Docs(2, {"ping"}), "*2 $4 ping *0 ");
  EXPECT_EQ(Docs(3, {"nope"}), "%0 ");
}

// The names of groups are derived, and are the only difference.
TEST_F(CommandDocsTest, DocsOfChoices) {
  EXPECT_EQ(Docs(3, {"lmpop"}),
            "%1 $5 lmpop %1 $9 arguments *4 %2 $4 name $7 numkeys $4 type $7 integer %4 $4 name "
            "$3 key $4 type $3 key $14 key_spec_index :0 $5 flags ~1 +multiple %3 $4 name "
            "$10 left_right $4 type $5 oneof $9 arguments *2 %3 $4 name $4 left $4 type "
            "$10 pure-token $5 token $4 LEFT %3 $4 name $5 right $4 type $10 pure-token $5 token "
            "$5 RIGHT %4 $4 name $5 count $4 type $7 integer $5 token $5 COUNT $5 flags ~1 "
            "+optional ");
}

TEST_F(CommandDocsTest, DocsOfSubcommands) {
  const std::string create = Docs(2, {"xgroup|create"});
  ASSERT_THAT(create, ::testing::StartsWith("*2 $13 xgroup|create *10 $7 summary "));
  EXPECT_EQ(Docs(2, {"xgroup"}),
            "*2 $6 xgroup *2 $11 subcommands *4 " + create.substr(3) + "$11 xgroup|help *0 ");
}

TEST_F(CommandDocsTest, ListFilters) {
  EXPECT_EQ(List({}),
            "*10 $3 get $4 copy $5 lmpop $5 xread $3 set $4 ping $5 multi $6 xgroup "
            "$13 xgroup|create $11 xgroup|help ");
  EXPECT_EQ(List({"filterby", "pattern", "X*R*"}),
            "*4 $5 xread $6 xgroup $13 xgroup|create $11 xgroup|help ");
  EXPECT_EQ(List({"FILTERBY", "aclcat", "STREAM"}),
            "*3 $5 xread $13 xgroup|create $11 xgroup|help ");
  EXPECT_EQ(List({"filterby", "aclcat", "@stream"}), "*0 ");
  EXPECT_EQ(List({"filterby", "module", "json"}), "*0 ");
  for (const auto& wrong : std::vector<std::vector<std::string_view>>{
           {"x"}, {"filterby"}, {"filterby", "foo", "bar"}, {"filterby", "pattern", "a", "b"}}) {
    EXPECT_EQ(List(wrong), "-ERR syntax error ");
  }
}

TEST_F(CommandDocsTest, Keys) {
  EXPECT_EQ(Keys({"GET", "a"}), "*1 $1 a ");
  EXPECT_EQ(Keys({"lmpop", "2", "a", "b", "left"}), "*2 $1 a $1 b ");
  EXPECT_EQ(Keys({"xgroup", "CREATE", "s", "g", "$"}), "*1 $1 s ");
  EXPECT_EQ(KeysAndFlags(3, {"copy", "a", "b"}),
            "*2 *2 $1 a ~2 +RO +access *2 $1 b ~2 +OW +update ");
  EXPECT_EQ(KeysAndFlags(2, {"set", "a", "b", "get"}), "*1 *2 $1 a *3 +RW +access +update ");
}

TEST_F(CommandDocsTest, KeysOfWhatIsNoCall) {
  EXPECT_EQ(Keys({"nope", "a"}), "-ERR Invalid command specified ");
  EXPECT_EQ(Keys({"xgroup", "foo", "a"}), "-ERR Invalid command specified ");
  EXPECT_EQ(Keys({"ping", "a"}), "-ERR The command has no key arguments ");
  EXPECT_EQ(Keys({"get", "a", "b"}), "-ERR Invalid number of arguments specified for command ");
  EXPECT_EQ(Keys({"copy", "a"}), "-ERR Invalid number of arguments specified for command ");
  EXPECT_EQ(Keys({"lmpop", "x", "a", "left"}), "-ERR Invalid arguments specified for command ");
  EXPECT_EQ(Keys({"xread", "count", "1", "streams"}),
            "-ERR Invalid arguments specified for command ");
}

TEST(AclCategoriesTest, FollowFromFlags) {
  const CommandSpec kill{.flags = kAdmin | kNoScript, .categories = kAclConnection};
  EXPECT_THAT(AclCategoriesOf(kill), ElementsAre("admin", "slow", "dangerous", "connection"));
  const CommandSpec subscribe{.flags = kPubSub};
  EXPECT_THAT(AclCategoriesOf(subscribe), ElementsAre("pubsub", "slow"));
  const CommandSpec flushall{.flags = kWrite, .categories = kAclKeyspace | kAclDangerous};
  EXPECT_THAT(AclCategoriesOf(flushall), ElementsAre("keyspace", "write", "slow", "dangerous"));
  EXPECT_TRUE(IsInAclCategory(flushall, "Write"));
  EXPECT_FALSE(IsInAclCategory(flushall, "read"));
  for (const std::string_view name : AclCategoriesOf(kill)) {
    EXPECT_THAT(AclCategories(), ::testing::Contains(name));
  }
}

void CheckSpec(const CommandSpec& spec) {
  const auto arguments = ParseCommandSyntax(spec.syntax);
  EXPECT_TRUE(arguments.ok()) << spec.name << ": " << arguments.message();
  for (const CommandSpec& subcommand : spec.subcommands) {
    CheckSpec(subcommand);
  }
}

// COMMAND DOCS relies on it.
TEST(CommandFamiliesTest, EverySyntaxCanBeRead) {
  for (const auto family :
       {KeyspaceCommands(), StringCommands(), ListCommands(), StreamCommands(), GroupCommands(),
        TopicCommands(), ConnectionCommands(), ClientCommands(), PubSubCommands(),
        TransactionCommands(), IntrospectionCommands()}) {
    for (const CommandSpec& spec : family) {
      CheckSpec(spec);
    }
  }
}

}  // namespace
}  // namespace runnel
