#include "server/config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config_directives.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

const std::filesystem::path kShippedFile = RUNNEL_SHIPPED_CONFIGURATION;

std::string ReadWhole(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string GetOne(const Config& config, std::string_view name) {
  const auto found = config.Get(std::span(&name, 1));
  return found.size() == 1 ? found[0].second : fmt::format("({} values)", found.size());
}

std::string SetOne(Config& config, std::string_view name, std::string_view value) {
  const Config::Pair pair(name, value);
  return config.Set(std::span(&pair, 1)).message();
}

std::string Set(Config& config, std::vector<Config::Pair> pairs) {
  return config.Set(pairs).message();
}

std::string Load(Config& config, std::vector<std::string> arguments) {
  return config.LoadArguments(arguments).message();
}

// A directory of its own for each test.
class ConfigFileTest : public ::testing::Test {
 protected:
  ConfigFileTest() {
    std::string name = testing::TempDir() + "config_test.XXXXXX";
    dir_ = ::mkdtemp(name.data());
  }
  ~ConfigFileTest() override { std::filesystem::remove_all(dir_); }

  std::string Path(const std::string& name) const { return dir_ / name; }
  std::string Write(const std::string& name, std::string_view text) const {
    std::ofstream(dir_ / name) << text;
    return Path(name);
  }
  std::string Read(const std::string& name) const { return ReadWhole(dir_ / name); }

  // Loads the file, sets the pairs, rewrites it; gives what the file says then.
  std::string RewriteWith(const std::string& name, std::vector<Config::Pair> pairs) const {
    Config config;
    EXPECT_EQ(Load(config, {Path(name)}), "");
    EXPECT_EQ(Set(config, std::move(pairs)), "");
    EXPECT_EQ((*config.Rewrite())().message(), "");
    Config again;
    EXPECT_EQ(Load(again, {Path(name)}), "");
    const std::string_view all = "*";
    EXPECT_EQ(again.Get(std::span(&all, 1)), config.Get(std::span(&all, 1)));
    return Read(name);
  }

  std::filesystem::path dir_;
};

TEST(ShippedFileTest, SaysTheDefaults) {
  Config shipped;
  ASSERT_EQ(Load(shipped, {kShippedFile}), "");
  const std::string_view all = "*";
  EXPECT_EQ(shipped.Get(std::span(&all, 1)), Config().Get(std::span(&all, 1)));
}

TEST(ShippedFileTest, HasEveryDirectiveWithItsReason) {
  // The comment above each directive with its lines joined; the last comment under "".
  std::map<std::string, std::string> comments;
  std::string comment;
  std::istringstream text(ReadWhole(kShippedFile));
  for (std::string line; std::getline(text, line);) {
    if (line.empty()) {
      comment.clear();
    } else if (line[0] != '#') {
      comments.emplace(line.substr(0, line.find(' ')), comment);
    } else if (line.size() > 1 && line[1] != ' ') {
      // A directive whose default depends on others.
      comments.emplace(line.substr(1, line.find(' ') - 1), comment);
    } else {
      comment += line.substr(1);
    }
  }
  comments[""] = comment + " ";
  for (const Directive& directive : Directives()) {
    if (directive.why.empty()) {
      EXPECT_THAT(comments[""], HasSubstr(fmt::format(" {} ", directive.name)));
    } else {
      EXPECT_THAT(comments[std::string(directive.name)], testing::EndsWith(directive.why));
    }
  }
}

TEST(DirectivesTest, NamesAreUnique) {
  std::vector<std::string_view> names;
  for (const Directive& directive : Directives()) {
    names.push_back(directive.name);
    if (!directive.alias.empty()) names.push_back(directive.alias);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

// What CONFIG GET shows can be given to CONFIG SET, and is read as it was.
TEST(DirectivesTest, ValuesReadBack) {
  const ConfigValues defaults("/");
  for (const Directive& directive : Directives()) {
    const std::string shown = directive.format(directive, defaults);
    const std::vector<std::string> words = {shown};
    ConfigValues values("/");
    EXPECT_EQ(ParseDirective(directive, words, &values).message(), "") << directive.name;
    EXPECT_EQ(directive.format(directive, values), shown) << directive.name;
  }
}

TEST(ConfigTextTest, SetsEveryKindOfValue) {
  Config config;
  const Status status = config.LoadText(
      "# a comment\n"
      "   # another, 'unbalanced\n"
      "\n"
      "PORT 7001\r\n"
      "bind 127.0.0.1 -::1\n"
      "  protected-mode\tno\n"
      "unixsocketperm 770\n"
      "requirepass \"a \\x41\\\"\"\n"
      "loglevel Debug\n"
      "maxmemory 2GB\n"
      "client-output-buffer-limit slave 1kb 2k 3 PUBSUB 4 5 6\n"
      "notify-keyspace-events Kl\n"
      "dir /tmp/../\n"
      "save 900 1\n"
      "save 300 10 60 10000\n"
      "timeout 1\n"
      "timeout 2",
      "x.conf");
  ASSERT_EQ(status.message(), "");
  EXPECT_EQ(config.options().port, 7001);
  EXPECT_THAT(config.options().bind, ElementsAre("127.0.0.1", "-::1"));
  EXPECT_FALSE(config.settings().protected_mode);
  EXPECT_EQ(config.options().unixsocketperm, 0770u);
  EXPECT_EQ(config.settings().requirepass, "a A\"");
  EXPECT_EQ(config.options().loglevel, LogLevel::kDebug);
  EXPECT_EQ(config.settings().maxmemory, 2u << 30);
  EXPECT_EQ(config.settings().output_replica.hard_bytes, 1024u);
  EXPECT_EQ(config.settings().output_replica.soft_bytes, 2000u);
  EXPECT_EQ(config.settings().output_pubsub.soft_seconds, 6);
  EXPECT_EQ(config.settings().output_normal.hard_bytes, 0u);
  EXPECT_EQ(config.settings().notify_classes, kNotifyKeyspace | kNotifyList);
  EXPECT_EQ(config.options().dir, "/");
  EXPECT_EQ(GetOne(config, "save"), "900 1 300 10 60 10000");
  EXPECT_EQ(config.settings().timeout_s, 2);
  EXPECT_EQ(GetOne(config, "client-output-buffer-limit"),
            "normal 0 0 0 slave 1024 2000 3 pubsub 4 5 6");
  EXPECT_EQ(GetOne(config, "unixsocketperm"), "770");
}

TEST(ConfigTextTest, EmptySaveTakesBackTheLinesBefore) {
  Config config;
  ASSERT_TRUE(config.LoadText("save 900 1\nsave \"\"\nsave 5 6", "x.conf").ok());
  EXPECT_EQ(GetOne(config, "save"), "5 6");
}

TEST(ConfigTextTest, ZeroIsTheLargestStreamBlock) {
  Config config;
  ASSERT_TRUE(config.LoadText("stream-node-max-bytes 0", "x.conf").ok());
  EXPECT_EQ(config.settings().data.stream_node_max_bytes, 16384u);
}

TEST(ConfigTextTest, ErrorsNameFileLineAndReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"timeout 1\n\nnope 1", "x.conf:3: 'nope': there is no such directive"},
      {"timeout", "x.conf:1: 'timeout': wrong number of arguments"},
      {"timeout 1 2", "x.conf:1: 'timeout': wrong number of arguments"},
      {"timeout 1 # never", "x.conf:1: 'timeout': wrong number of arguments"},
      {"requirepass \"abc", "x.conf:1: the quotes do not match"},
      {"Timeout 05", "x.conf:1: 'Timeout': argument couldn't be parsed into an integer"},
      {"port 65536", "x.conf:1: 'port': argument must be between 0 and 65535 inclusive"},
      {"daemonize on", "x.conf:1: 'daemonize': argument must be 'yes' or 'no'"},
      {"maxmemory 1q", "x.conf:1: 'maxmemory': argument must be a memory value"},
      {"loglevel loud",
       "x.conf:1: 'loglevel': argument(s) must be one of the following: debug, verbose, notice, "
       "warning"},
      {"unixsocketperm 999",
       "x.conf:1: 'unixsocketperm': argument couldn't be parsed as an octal number"},
      {"unixsocketperm 17777777777777777777777777",
       "x.conf:1: 'unixsocketperm': argument couldn't be parsed as an octal number"},
      {"unixsocketperm 1000",
       "x.conf:1: 'unixsocketperm': argument must be between 0 and 777 inclusive"},
      {"dir /no/such/place", "x.conf:1: 'dir': No such file or directory"},
      {"dir /dev/null", "x.conf:1: 'dir': Not a directory"},
      {"appendonly maybe", "x.conf:1: 'appendonly': argument must be 'yes' or 'no'"},
      {"replicaof 10.0.0.1",
       "x.conf:1: 'replicaof': argument must be a host and a port, or no one"},
      {"slaveof 10.0.0.1 65536",
       "x.conf:1: 'slaveof': argument must be a host and a port, or no one"},
      {"replicaof a 1 b", "x.conf:1: 'replicaof': argument must be a host and a port, or no one"},
      {"slave-read-only no",
       "x.conf:1: 'slave-read-only': A follower takes no changes but its leader's: only yes is "
       "accepted."},
      {"replica-announce-ip \"a b\"",
       "x.conf:1: 'replica-announce-ip': argument must be a name or an address"},
      {"replica-announce-port 65536",
       "x.conf:1: 'replica-announce-port': argument must be between 0 and 65535 inclusive"},
      {"repl-timeout 0",
       "x.conf:1: 'repl-timeout': argument must be between 1 and 2147483647 inclusive"},
      {"tls-port 6380", "x.conf:1: 'tls-port': TLS is not served: only 0 is accepted."},
      {"cluster-enabled yes",
       "x.conf:1: 'cluster-enabled': Cluster mode is not served: only no is accepted."},
      {"aclfile /etc/users.acl",
       "x.conf:1: 'aclfile': ACL users are not served: only \"\" is accepted. See requirepass."},
      {"LoadModule /usr/lib/search.so",
       "x.conf:1: 'LoadModule': modules are not served; remove the line"},
      {"user alice on nopass",
       "x.conf:1: 'user': ACL users are not served; remove the line and use requirepass"},
      {"rename-command FLUSHALL \"\"",
       "x.conf:1: 'rename-command': commands cannot be renamed or disabled; remove the line"},
      {"maxmemory-policy allkeys-lru",
       "x.conf:1: 'maxmemory-policy': Runnel does not delete data to make room: only noeviction is "
       "accepted."},
      {"supervised runit",
       "x.conf:1: 'supervised': argument(s) must be one of the following: no, systemd, upstart, "
       "auto"},
      {"log-format logfmt",
       "x.conf:1: 'log-format': argument(s) must be one of the following: plain, json"},
      {"stream-node-max-bytes 1mb",
       "x.conf:1: 'stream-node-max-bytes': argument must be between 0 and 16384 inclusive"},
      {"hz often", "x.conf:1: 'hz': argument couldn't be parsed into an integer"},
      {"bind 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
       "x.conf:1: 'bind': Too many bind addresses specified."},
      {"include a b", "x.conf:1: 'include': there is no such directive"},
      {"include /no/such.conf", "x.conf:1: cannot read /no/such.conf: No such file or directory"},
      {"include /tmp", "x.conf:1: cannot read /tmp: Is a directory"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_EQ(Config().LoadText(text, "x.conf").message(), message) << text;
  }
}

// What asks for nothing may stand in a file of Redis.
TEST(ConfigTextTest, AcceptsWhatAsksForNothing) {
  Config config;
  const Status status = config.LoadText(
      "replicaof no one\nreplicaof \"\"\naclfile \"\"\ntls-port 0\ncluster-enabled no\n"
      "unixsocketgroup \"\"\nslave-read-only yes\nlog-format legacy\n",
      "x.conf");
  EXPECT_EQ(status.message(), "");
  EXPECT_EQ(GetOne(config, "replicaof"), "");
  EXPECT_EQ(GetOne(config, "log-format"), "plain");
  EXPECT_THAT(config.WithoutEffect().changed, IsEmpty());
  EXPECT_THAT(config.WithoutEffect().at_default, IsEmpty());
}

TEST(ConfigTextTest, TellsWhatIsWithoutEffect) {
  Config config;
  ASSERT_TRUE(config.LoadText("hz 100\nsave 1 1\nslave-lazy-flush no\ntimeout 3", "x.conf").ok());
  EXPECT_THAT(config.WithoutEffect().changed, ElementsAre("hz"));
  EXPECT_THAT(config.WithoutEffect().at_default, ElementsAre("replica-lazy-flush"));
  EXPECT_EQ(GetOne(config, "hz"), "100");
}

// The old names are Redis's. The defaults are those of replication.
TEST(ConfigTextTest, ReadsWhatReplicationGoesBy) {
  Config config;
  const replication::ReplicationSettings defaults;
  replication::ReplicationSettings settings = ReplicationSettingsOf(config.options());
  EXPECT_EQ(settings.tail_bytes, defaults.tail_bytes);
  EXPECT_EQ(settings.window_bytes, defaults.window_bytes);
  EXPECT_EQ(settings.backlog_bytes, defaults.backlog_bytes);
  EXPECT_EQ(settings.backlog_ttl_ms, defaults.backlog_ttl_ms);
  EXPECT_EQ(settings.hold_max_bytes, defaults.hold_max_bytes);
  EXPECT_EQ(settings.sync_rate, defaults.sync_rate);
  EXPECT_EQ(settings.silence_max_ms, defaults.silence_max_ms);
  EXPECT_EQ(settings.timeout_ms, defaults.timeout_ms);
  const Status status = config.LoadText(
      "slave-announce-ip 10.0.0.1\nslave-announce-port 7000\nreplica-announced no\n"
      "slave-priority 0\nslave-serve-stale-data no\nmin-slaves-to-write 2\n"
      "min-slaves-max-lag 3\nrepl-backlog-size 1mb\nrepl-backlog-ttl 0\nreplica-hold-max 2gb\n"
      "replica-sync-rate 10mb\nreplica-silence-max 700\nrepl-timeout 9\nreplica-tail-bytes 1mb\n"
      "replica-window-bytes 64kb\njournal-segment-bytes 4mb\n",
      "x.conf");
  EXPECT_EQ(status.message(), "");
  EXPECT_EQ(GetOne(config, "replica-announce-ip"), "10.0.0.1");
  EXPECT_EQ(GetOne(config, "slave-announce-port"), "7000");
  EXPECT_EQ(GetOne(config, "replica-announced"), "no");
  EXPECT_EQ(GetOne(config, "replica-priority"), "0");
  EXPECT_FALSE(config.settings().replica_serve_stale_data);
  EXPECT_EQ(config.settings().min_replicas_to_write, 2u);
  EXPECT_EQ(config.settings().min_replicas_max_lag_s, 3u);
  settings = ReplicationSettingsOf(config.options());
  EXPECT_EQ(GetOne(config, "repl-backlog-size"), "1048576");
  EXPECT_EQ(settings.backlog_bytes, 4u << 20);  // a segment
  EXPECT_EQ(settings.backlog_ttl_ms, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(settings.hold_max_bytes, 2ull << 30);
  EXPECT_EQ(settings.sync_rate, 10u << 20);
  EXPECT_EQ(settings.silence_max_ms, 700);
  EXPECT_EQ(settings.timeout_ms, 9000);
  EXPECT_EQ(settings.tail_bytes, 1u << 20);
  EXPECT_EQ(settings.window_bytes, 64u << 10);
  EXPECT_THAT(config.WithoutEffect().changed, IsEmpty());
}

// Whatever changes what replication goes by is told to it at once.
TEST(ConfigTextTest, KnowsWhatReplicationGoesBy) {
  Config config;
  const replication::ReplicationSettings defaults = ReplicationSettingsOf(config.options());
  std::vector<std::string> found;
  const std::string_view all[] = {"*"};
  for (const auto& [name, value] : config.Get(all)) {
    const std::string other = std::to_string(std::strtoull(value.c_str(), nullptr, 10) + 1);
    const Config::Pair there[] = {{name, other}};
    const Config::Pair back[] = {{name, value}};
    if (!config.Set(there).ok()) continue;
    if (!(ReplicationSettingsOf(config.options()) == defaults)) found.push_back(name);
    ASSERT_TRUE(config.Set(back).ok()) << name << " " << value;
  }
  const auto known = ReplicationDirectives();
  EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(known.begin(), known.end()));
}

TEST(ConfigArgumentsTest, ReadsDirectives) {
  Config config;
  ASSERT_EQ(
      Load(config, {"--port", "7000", "--bind", "127.0.0.1", "::1", "--TIMEOUT", "5",
                    "--client-output-buffer-limit", "normal 1 2 3", "--requirepass", "--x",
                    "--save", "900", "1", "--save", "300 10", "--list-max-listpack-size", "-1"}),
      "");
  EXPECT_EQ(config.options().port, 7000);
  EXPECT_THAT(config.options().bind, ElementsAre("127.0.0.1", "::1"));
  EXPECT_EQ(config.settings().timeout_s, 5);
  EXPECT_EQ(config.settings().output_normal.soft_seconds, 3);
  EXPECT_EQ(config.settings().requirepass, "--x");
  EXPECT_EQ(GetOne(config, "save"), "900 1 300 10");
  EXPECT_EQ(config.file(), "");
}

TEST(ConfigArgumentsTest, SaveMayBeEmpty) {
  for (std::vector<std::string> last : {std::vector<std::string>{}, {""}, {"--port", "1"}}) {
    std::vector<std::string> arguments = {"--save", "1", "1", "--save"};
    arguments.insert(arguments.end(), last.begin(), last.end());
    Config config;
    ASSERT_EQ(Load(config, arguments), "");
    EXPECT_EQ(GetOne(config, "save"), "");
  }
}

TEST(ConfigArgumentsTest, WithoutAJournalSaveHasPoints) {
  const auto save = [](std::vector<std::string> arguments) {
    Config config;
    EXPECT_EQ(Load(config, std::move(arguments)), "");
    return GetOne(config, "save");
  };
  EXPECT_EQ(save({}), "");
  EXPECT_EQ(save({"--journal", "no"}), "3600 1 300 100 60 10000");
  EXPECT_EQ(save({"--appendonly", "no"}), "3600 1 300 100 60 10000");
  EXPECT_EQ(save({"--appendonly", "no", "--save", ""}), "");
  EXPECT_EQ(save({"--save", "5", "1", "--appendonly", "no"}), "5 1");
}

TEST(ColdSettingsOf, HalfOfMaxmemoryIsTheLargestBound) {
  const auto bound = [](uint64_t maxmemory, uint64_t stream_memory) {
    Settings settings;
    settings.maxmemory = maxmemory;
    settings.cold.stream_memory = stream_memory;
    return ColdSettingsOf(settings).stream_memory;
  };
  EXPECT_EQ(bound(0, 256), 256u);
  EXPECT_EQ(bound(1000, 256), 256u);
  EXPECT_EQ(bound(511, 256), 255u);
  EXPECT_EQ(bound(100, 256), 50u);
  EXPECT_EQ(bound(1, 256), 1u) << "0 would be no bound";
  EXPECT_EQ(bound(100, 0), 0u) << "nothing goes to the disk if nothing shall";
}

TEST(ConfigArgumentsTest, ErrorsSayWhy) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--nope", "1"}, "command line: 'nope': there is no such directive"},
      {{"--port"}, "command line: 'port': wrong number of arguments"},
      {{"--port", "--timeout", "5"}, "command line: 'port': wrong number of arguments"},
      {{"--port", "x"}, "command line: 'port': argument couldn't be parsed into an integer"},
      {{"--"}, "command line: '--' belongs to no --directive"},
      {{"-x"}, "command line: '-x' belongs to no --directive"},
      {{"/no/such.conf"}, "cannot read /no/such.conf: No such file or directory"},
  };
  for (const auto& [arguments, message] : cases) {
    Config config;
    EXPECT_EQ(Load(config, arguments), message);
  }
  Config config;
  EXPECT_EQ(Load(config, {kShippedFile, "stray"}),
            "command line: 'stray' belongs to no --directive");
}

TEST_F(ConfigFileTest, CommandLineComesAfterTheFile) {
  const std::string path = Write("a.conf", "port 7001\ntimeout 3\nsave 900 1\n");
  Config config;
  ASSERT_EQ(Load(config, {path, "--port", "7002", "--save", "60", "1"}), "");
  EXPECT_EQ(config.options().port, 7002);
  EXPECT_EQ(config.settings().timeout_s, 3);
  EXPECT_EQ(GetOne(config, "save"), "900 1 60 1");
  EXPECT_EQ(config.file(), path);
}

TEST_F(ConfigFileTest, StandardInputComesBetween) {
  const std::string path = Write("a.conf", "port 7001\ntimeout 1\nmaxclients 1\n");
  const std::string in = Write("in", "timeout 2\nmaxclients 2\n");
  for (const bool in_front : {true, false}) {
    ASSERT_NE(std::freopen(in.c_str(), "r", stdin), nullptr);
    Config config;
    std::vector<std::string> arguments = {path, "--maxclients", "3"};
    arguments.insert(in_front ? arguments.begin() + 1 : arguments.end(), "-");
    ASSERT_EQ(Load(config, arguments), "");
    EXPECT_EQ(config.options().port, 7001);
    EXPECT_EQ(config.settings().timeout_s, 2);
    EXPECT_EQ(config.settings().maxclients, 3u);
  }
}

TEST_F(ConfigFileTest, IncludesFilesInPlace) {
  Write("b1.conf", "timeout 2\n");
  Write("b2.conf", "timeout 3\nmaxclients 7\n");
  const std::string path = Write(
      "a.conf",
      fmt::format("timeout 1\ninclude {0}/b*.conf\nmaxclients 8\ninclude {0}/c*\n", dir_.string()));
  Config config;
  ASSERT_EQ(Load(config, {path}), "");
  EXPECT_EQ(config.settings().timeout_s, 3);
  EXPECT_EQ(config.settings().maxclients, 8u);
}

TEST_F(ConfigFileTest, ErrorsOfIncludedFilesNameBoth) {
  const std::string b = Write("b.conf", "\nport x\n");
  const std::string a = Write("a.conf", "include " + b);
  Config config;
  EXPECT_EQ(Load(config, {a}),
            fmt::format("{}:1: {}:2: 'port': argument couldn't be parsed into an integer", a, b));
}

TEST_F(ConfigFileTest, FilesThatIncludeEachOtherEnd) {
  const std::string path = Path("a.conf");
  Write("a.conf", "include " + path);
  Config config;
  EXPECT_THAT(Load(config, {path}), HasSubstr("files include each other"));
}

// The texts are those of redis-server 7.0.15.
TEST(ConfigSetTest, ErrorsAreThoseOfRedis) {
  const std::pair<std::vector<Config::Pair>, std::string> cases[] = {
      {{{"Nope", "1"}}, "Unknown option or number of arguments for CONFIG SET - 'Nope'"},
      {{{"timeout", "x"}, {"nope", "1"}},
       "Unknown option or number of arguments for CONFIG SET - 'nope'"},
      {{{"timeout", "5"}, {"Databases", "5"}},
       "CONFIG SET failed (possibly related to argument 'Databases') - can't set immutable config"},
      {{{"dir", "/"}},
       "CONFIG SET failed (possibly related to argument 'dir') - can't set protected config"},
      {{{"timeout", "1"}, {"TIMEOUT", "2"}},
       "CONFIG SET failed (possibly related to argument 'TIMEOUT') - duplicate parameter"},
      {{{"replica-read-only", "no"}, {"slave-read-only", "no"}},
       "CONFIG SET failed (possibly related to argument 'slave-read-only') - duplicate parameter"},
      {{{"timeout", "-1"}},
       "CONFIG SET failed (possibly related to argument 'timeout') - argument must be between 0 "
       "and 2147483647 inclusive"},
      {{{"timeout", ""}},
       "CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed "
       "into an integer"},
      {{{"proto-max-bulk-len", "x"}},
       "CONFIG SET failed (possibly related to argument 'proto-max-bulk-len') - argument must be a "
       "memory value"},
      {{{"client-query-buffer-limit", "1"}},
       "CONFIG SET failed (possibly related to argument 'client-query-buffer-limit') - argument "
       "must be between 1048576 and 2147483648 inclusive"},
      {{{"appendonly", "no"}},
       "CONFIG SET failed (possibly related to argument 'appendonly') - can't set immutable "
       "config"},
      {{{"appendfsync", "often"}},
       "CONFIG SET failed (possibly related to argument 'appendfsync') - argument(s) must be one "
       "of the following: always, everysec, no"},
      {{{"notify-keyspace-events", "Q"}},
       "CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - Invalid event "
       "class character. Use 'Ag$lshzxeKEtmdn'."},
      {{{"client-output-buffer-limit", "normal 1 2"}},
       "CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - Wrong "
       "number of arguments in buffer limit configuration."},
      {{{"client-output-buffer-limit", "pubsub 1 2 3 master 1 2 3"}},
       "CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - Invalid "
       "client class specified in buffer limit configuration."},
      {{{"client-output-buffer-limit", "pubsub 1 2 -3"}},
       "CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - Error in "
       "hard, soft or soft_seconds setting in buffer limit configuration."},
      {{{"save", "900 1 2"}},
       "CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters"},
      {{{"save", "-5 1"}},
       "CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters"},
  };
  for (const auto& [pairs, message] : cases) {
    Config config;
    const std::string_view all = "*";
    const auto before = config.Get(std::span(&all, 1));
    EXPECT_EQ(Set(config, pairs), message);
    EXPECT_EQ(config.Get(std::span(&all, 1)), before) << message;
  }
}

TEST(ConfigSetTest, SetsAllPairsInPlace) {
  Config config;
  const Settings& settings = config.settings();
  EXPECT_EQ(Set(config, {{"timeout", "7"}, {"MAXMEMORY", "1gb"}, {"requirepass", "a b"}}), "");
  EXPECT_EQ(settings.timeout_s, 7);
  EXPECT_EQ(settings.maxmemory, 1u << 30);
  EXPECT_EQ(settings.requirepass, "a b");
}

TEST(ConfigSetTest, NothingIsSetIfOnePairIsBad) {
  Config config;
  EXPECT_NE(Set(config, {{"timeout", "7"}, {"maxclients", "0"}}), "");
  EXPECT_EQ(config.settings().timeout_s, 0);
}

TEST(ConfigSetTest, SaveReplacesAllPoints) {
  Config config;
  EXPECT_EQ(SetOne(config, "save", "900 1 300 10"), "");
  EXPECT_EQ(SetOne(config, "save", "5 6"), "");
  EXPECT_EQ(GetOne(config, "save"), "5 6");
  EXPECT_EQ(SetOne(config, "save", ""), "");
  EXPECT_EQ(GetOne(config, "save"), "");
}

TEST(ConfigSetTest, ActionsRunForWhatChanged) {
  Config config;
  std::vector<std::string> calls;
  config.OnChange("timeout", [&] {
    calls.push_back(fmt::format("timeout {}", config.settings().timeout_s));
    return Status();
  });
  config.OnChange("maxclients", [&] {
    calls.push_back("maxclients");
    return Status();
  });
  EXPECT_EQ(Set(config, {{"timeout", "7"}, {"maxclients", "10000"}, {"maxmemory", "1"}}), "");
  EXPECT_THAT(calls, ElementsAre("timeout 7"));
}

TEST(ConfigSetTest, AFailedActionTakesEverythingBack) {
  Config config;
  std::vector<int64_t> seen;
  config.OnChange("timeout", [&] {
    seen.push_back(config.settings().timeout_s);
    return Status();
  });
  config.OnChange("maxclients", [] { return Status::Error("not that many"); });
  EXPECT_EQ(Set(config, {{"timeout", "7"}, {"maxclients", "1"}, {"maxmemory", "1"}}),
            "CONFIG SET failed (possibly related to argument 'maxclients') - not that many");
  EXPECT_THAT(seen, ElementsAre(7, 0));
  EXPECT_EQ(config.settings().maxclients, 10000u);
  EXPECT_EQ(config.settings().maxmemory, 0u);
}

TEST(ConfigGetTest, MatchesAnyOfThePatternsOnce) {
  Config config;
  std::vector<std::string_view> patterns = {"TIME*", "timeout", "maxmemory-pol?cy", "nope"};
  EXPECT_THAT(config.Get(patterns),
              ElementsAre(Pair("timeout", "0"), Pair("maxmemory-policy", "noeviction")));
  patterns = {"slave-read-only"};
  EXPECT_THAT(config.Get(patterns), ElementsAre(Pair("slave-read-only", "yes")));
  EXPECT_THAT(config.Get({}), IsEmpty());
}

// What clients and tools are known to ask for.
TEST(ConfigGetTest, AnswersWhatClientsAskFor) {
  const std::pair<const char*, const char*> values[] = {
      {"save", ""},
      {"appendonly", "yes"},
      {"journal", "yes"},
      {"appendfsync", "everysec"},
      {"databases", "16"},
      {"timeout", "0"},
      {"maxmemory", "0"},
      {"maxmemory-policy", "noeviction"},
      {"replica-read-only", "yes"},
      {"notify-keyspace-events", ""},
      {"stream-node-max-bytes", "4096"},
      {"stream-node-max-entries", "100"},
      {"port", "6379"},
      {"bind", "127.0.0.1 -::1"},
      {"requirepass", ""},
      {"proto-max-bulk-len", "536870912"},
      {"cluster-enabled", "no"},
      {"client-output-buffer-limit",
       "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"},
  };
  for (const auto& [name, value] : values) {
    EXPECT_EQ(GetOne(Config(), name), value) << name;
  }
  EXPECT_EQ(GetOne(Config(), "dir"), std::filesystem::current_path().string());
}

TEST(ConfigRewriteTest, NeedsAFile) {
  EXPECT_EQ(Config().Rewrite().message(), "The server is running without a config file");
}

TEST_F(ConfigFileTest, RewriteKeepsWhatIsRight) {
  constexpr std::string_view kText =
      "# my server\n\nPort   7001\n  maxmemory 1gb\nsave 900 1\nsave 300 10\n"
      "client-output-buffer-limit normal 1mb 0 0\n#end without newline";
  Write("a.conf", kText);
  EXPECT_EQ(RewriteWith("a.conf", {{"timeout", "0"}}), kText);
}

TEST_F(ConfigFileTest, RewriteReplacesAndAdds) {
  Write("a.conf",
        "# first\nmaxmemory 1gb\nsave 900 1\n# second\nsave 300 10\nmaxmemory 2gb\nloglevel debug");
  EXPECT_EQ(RewriteWith("a.conf", {{"maxmemory", "3kb"},
                                   {"save", "5 6 7 8"},
                                   {"timeout", "4"},
                                   {"requirepass", "a \"b\" #"},
                                   {"notify-keyspace-events", "Kl"}}),
            "# first\nmaxmemory 3072\nsave 5 6 7 8\n# second\nloglevel debug\n\n"
            "# Added by CONFIG REWRITE:\ntimeout 4\nrequirepass \"a \\\"b\\\" #\"\n"
            "notify-keyspace-events lK\n");
}

TEST_F(ConfigFileTest, RewriteAddsUnderOneHeading) {
  Write("a.conf", "port 7001\n");
  RewriteWith("a.conf", {{"timeout", "4"}});
  EXPECT_EQ(RewriteWith("a.conf", {{"timeout", "5"}, {"maxclients", "9"}}),
            "port 7001\n\n# Added by CONFIG REWRITE:\ntimeout 5\nmaxclients 9\n");
}

TEST_F(ConfigFileTest, RewriteOverrulesIncludedFiles) {
  const std::string b = Write("b.conf", "timeout 5\nsave 900 1\n");
  const std::string text = fmt::format("timeout 1\ninclude {}\n", b);
  Write("a.conf", text);
  EXPECT_EQ(RewriteWith("a.conf", {{"timeout", "6"}, {"save", "7 8"}}),
            fmt::format("timeout 6\ninclude {}\n\n# Added by CONFIG REWRITE:\n"
                        "timeout 6\nsave \"\"\nsave 7 8\n",
                        b));
  EXPECT_EQ(Read("b.conf"), "timeout 5\nsave 900 1\n");
}

// The server works in `dir` by then.
TEST_F(ConfigFileTest, RewriteFindsRelativePathsFromAnotherDirectory) {
  const std::filesystem::path start = std::filesystem::current_path();
  std::filesystem::create_directory(dir_ / "sub");
  Write("b.conf", "maxclients 7\n");
  Write("a.conf", "include b.conf\ndir sub\n");
  std::filesystem::current_path(dir_);
  Config config;
  EXPECT_EQ(Load(config, {"a.conf"}), "");
  std::filesystem::current_path("/");
  EXPECT_EQ(SetOne(config, "timeout", "3"), "");
  EXPECT_EQ((*config.Rewrite())().message(), "");
  std::filesystem::current_path(start);
  EXPECT_EQ(GetOne(config, "dir"), Path("sub"));
  EXPECT_EQ(config.settings().maxclients, 7u);
  EXPECT_EQ(Read("a.conf"), "include b.conf\ndir sub\n\n# Added by CONFIG REWRITE:\ntimeout 3\n");
}

TEST_F(ConfigFileTest, RewriteWritesEmptyValues) {
  Write("a.conf", "requirepass x\nsave 1 1\nbind 1.2.3.4\n");
  EXPECT_EQ(RewriteWith("a.conf", {{"requirepass", ""}, {"save", ""}}),
            "requirepass \"\"\nsave \"\"\nbind 1.2.3.4\n");
}

TEST_F(ConfigFileTest, RewriteKeepsWhatReplicationGoesBy) {
  Write("a.conf", "slave-priority 5\n");
  EXPECT_EQ(RewriteWith("a.conf", {{"slave-priority", "6"},
                                   {"min-slaves-to-write", "1"},
                                   {"replica-announce-ip", "some.name"},
                                   {"repl-backlog-size", "2gb"}}),
            "replica-priority 6\n\n# Added by CONFIG REWRITE:\nreplica-announce-ip some.name\n"
            "min-replicas-to-write 1\nrepl-backlog-size 2147483648\n");
}

TEST_F(ConfigFileTest, RewriteKeepsModeAndLeavesNothingElse) {
  const std::string path = Write("a.conf", "timeout 1\n");
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  RewriteWith("a.conf", {{"timeout", "2"}});
  struct stat status;
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_), {}), 1);
}

TEST_F(ConfigFileTest, RewriteLeavesAFileThatItCannotRead) {
  const std::string path = Write("a.conf", "timeout 1\n");
  Config config;
  ASSERT_EQ(Load(config, {path}), "");
  Write("a.conf", "timeout 1\nwhat is this\n");
  EXPECT_EQ((*config.Rewrite())().message(),
            fmt::format("{}:2: 'what': there is no such directive", path));
  EXPECT_EQ(Read("a.conf"), "timeout 1\nwhat is this\n");
  std::filesystem::remove(path);
  EXPECT_EQ((*config.Rewrite())().message(),
            fmt::format("cannot read {}: No such file or directory", path));
}

}  // namespace
}  // namespace runnel
