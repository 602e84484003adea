#include "broker/commands/command_syntax.h"

#include "gtest/gtest.h"

namespace runnel {
namespace {

std::string Describe(const std::vector<CommandArgument>& arguments);

// "name:type", with token= before it, ? optional, + multiple, ++ multiple with the token, and
// {parts}.
std::string Describe(const CommandArgument& argument) {
  std::string text;
  if (!argument.token.empty()) text = std::string(argument.token) + "=";
  text += argument.name + ":" + std::string(argument.type);
  if (argument.optional) text += "?";
  if (argument.multiple) text += "+";
  if (argument.multiple_token) text += "+";
  if (!argument.parts.empty()) text += "{" + Describe(argument.parts) + "}";
  return text;
}

std::string Describe(const std::vector<CommandArgument>& arguments) {
  std::string text;
  for (const CommandArgument& argument : arguments) {
    text += (text.empty() ? "" : " ") + Describe(argument);
  }
  return text;
}

TEST(CommandSyntaxTest, ReadsArguments) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"key", "key:key"},
      {"source:key destination:key", "source:key destination:key"},
      {"element...", "element:string+"},
      {"key element ...", "key:key element:string+"},
      {"[count]", "count:integer?"},
      {"[count...]", "count:integer?+"},
      {"[message] ...", "message:string?+"},
      {"REPLACE", "REPLACE=replace:pure-token"},
      {"[REPLACE]", "REPLACE=replace:pure-token?"},
      {"[DB destination-db:integer] [REPLACE]",
       "DB=destination-db:integer? REPLACE=replace:pure-token?"},
      {"<LEFT|RIGHT>", "left_right:oneof{LEFT=left:pure-token RIGHT=right:pure-token}"},
      {"< LEFT | RIGHT >", "left_right:oneof{LEFT=left:pure-token RIGHT=right:pure-token}"},
      {"[<NX|XX>]", "nx_xx:oneof?{NX=nx:pure-token XX=xx:pure-token}"},
      {"[=|~]", "equal_approximately:oneof?{==equal:pure-token ~=approximately:pure-token}"},
      {"<*|id>", "auto-id_id:oneof{*=auto-id:pure-token id:string}"},
      {"(field value) ...", "field_value:block+{field:string value:string}"},
      {"GROUP (group consumer)", "GROUP=group_consumer:block{group:string consumer:string}"},
      {"GROUP group consumer", "GROUP=group:string consumer:string"},
      {"STREAMS key ... id ...", "STREAMS=key:key+ id:string+"},
      {"[LIMIT offset:integer count]", "LIMIT=offset_count:block?{offset:integer count:integer}"},
      {"[LIMIT offset:integer count] ...",
       "LIMIT=offset_count:block?++{offset:integer count:integer}"},
      {"FULL [COUNT count]", "FULL=full:pure-token COUNT=count:integer?"},
      {"FULL (COUNT count)", "FULL=full:pure-token COUNT=count:integer"},
      {"[[IDLE ms:integer] start end]",
       "ms_start_end:block?{IDLE=ms:integer? start:string end:string}"},
      {"[LIMIT offset [count]]", "offset_count:block?{LIMIT=offset:string count:integer?}"},
      {"[GET pattern] ...", "GET=pattern:pattern?++"},
      {"[KEYS key ...]", "KEYS=key:key?+"},
      {"[SKIPME <YES|NO>]", "SKIPME=yes_no:oneof?{YES=yes:pure-token NO=no:pure-token}"},
      {"<EX seconds|KEEPTTL>",
       "seconds_keepttl:oneof{EX=seconds:integer KEEPTTL=keepttl:pure-token}"},
      {"[<MAXLEN|MINID> [=|~] threshold [LIMIT count]]",
       "maxlen_minid_equal_approximately_threshold_count:block?{"
       "maxlen_minid:oneof{MAXLEN=maxlen:pure-token MINID=minid:pure-token} "
       "equal_approximately:oneof?{==equal:pure-token ~=approximately:pure-token} "
       "threshold:string LIMIT=count:integer?}"},
      {"[A|B c d]", "a_c_d:oneof?{A=a:pure-token B=c_d:block{c:string d:string}}"},
  };
  for (const auto& [syntax, description] : cases) {
    const auto arguments = ParseCommandSyntax(syntax);
    ASSERT_TRUE(arguments.ok()) << syntax << ": " << arguments.message();
    EXPECT_EQ(Describe(*arguments), description) << syntax;
  }
}

TEST(CommandSyntaxTest, RefusesWhatIsNotInTheLanguage) {
  const std::pair<const char*, const char*> cases[] = {
      {"key]", "\"key]\": ']' closes nothing"},
      {"a|b", "\"a|b\": '|' closes nothing"},
      {"[key", "\"[key\": '[' is not closed"},
      {"[key>", "\"[key>\": '[' is not closed"},
      {"<a|>", "\"<a|>\": nothing after '<'"},
      {"()", "\"()\": nothing after '('"},
      {"... key", "\"... key\": '...' follows nothing"},
      {"key ... ...", "\"key ... ...\": '...' follows nothing"},
      {"key:", "\"key:\": 'key:' has no type"},
  };
  for (const auto& [syntax, message] : cases) {
    const auto arguments = ParseCommandSyntax(syntax);
    ASSERT_FALSE(arguments.ok()) << syntax;
    EXPECT_EQ(arguments.message(), message);
  }
}

}  // namespace
}  // namespace runnel
