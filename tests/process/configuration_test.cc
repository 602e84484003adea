// Where the server's settings come from, what it says about bad ones, and CONFIG REWRITE.
#include <fmt/format.h>
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ConfigurationTest : public testing::Test {
 protected:
  // Starts a server in dir_ that listens on the unix socket `socket` there. `first` stand before
  // the arguments that see to that, `input` is its standard input.
  std::unique_ptr<RespClient> Start(const Argv& first, const std::string& input = "") {
    Program::Options options = ServerCommand(first);
    for (const char* arg : {"--port", "0", "--unixsocket", "socket"})
      options.command.push_back(arg);
    options.dir = dir_.string();
    options.input = input;
    server_ = nullptr;  // the last one, if any, ends before
    server_ = std::make_unique<Program>(options);
    std::unique_ptr<RespClient> client;
    Eventually([&] {
      client = RespClient::ConnectUnix(Path("socket"));
      return client != nullptr || !server_->Running();
    });
    if (client == nullptr) throw std::runtime_error(server_->Output() + server_->Errors());
    return client;
  }

  // What a server with these arguments says before it ends in failure.
  std::string Refusal(const Argv& args, const std::string& input = "") const {
    Program::Options options = ServerCommand(args);
    options.dir = dir_.string();
    options.input = input;
    Program server(options);
    EXPECT_EQ(ToText(server.WaitExit()), "exit 1");
    EXPECT_EQ(server.Output(), "");
    return server.Errors();
  }

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
  }
  std::string Path(const std::string& name) const { return (dir_.path() / name).string(); }

  TempDir dir_;
  std::unique_ptr<Program> server_;
};

std::string Get(RespClient& client, const std::string& name) {
  const Reply reply = client.Call({"CONFIG", "GET", name});
  return reply.items.size() == 2 ? reply.items[1].text : ToText(reply);
}

TEST_F(ConfigurationTest, Version) {
  for (const char* option : {"--version", "-v"}) {
    Program server(ServerCommand({option}));
    EXPECT_EQ(ToText(server.WaitExit()), "exit 0");
    EXPECT_THAT(server.Output(), StartsWith("Runnel server v="));
    EXPECT_EQ(server.Errors(), "");
  }
}

TEST_F(ConfigurationTest, Help) {
  for (const char* option : {"--help", "-h"}) {
    Program server(ServerCommand({option}));
    EXPECT_EQ(ToText(server.WaitExit()), "exit 0");
    EXPECT_THAT(server.Output(), StartsWith("Usage: runnel-server "));
    EXPECT_EQ(server.Errors(), "");
  }
}

TEST_F(ConfigurationTest, ComesFromAFile) {
  Write("runnel.conf",
        "# a comment\n"
        "\n"
        "MaxMemory 3gb\n"
        "  requirepass \"\"\n"
        "notify-keyspace-events \"KEA\"\n"
        "client-output-buffer-limit pubsub 1mb 2mb 3\n"
        "maxclients 100\n"
        "maxclients 200\n");
  const std::unique_ptr<RespClient> client = Start({"runnel.conf"});
  EXPECT_EQ(Get(*client, "maxmemory"), "3221225472");
  EXPECT_EQ(Get(*client, "notify-keyspace-events"), "AKE");
  EXPECT_EQ(Get(*client, "client-output-buffer-limit"),
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 1048576 2097152 3");
  EXPECT_EQ(Get(*client, "maxclients"), "200");
  EXPECT_EQ(InfoField(*client, "config_file"), Path("runnel.conf"));
}

TEST_F(ConfigurationTest, ComesFromStandardInput) {
  const std::unique_ptr<RespClient> client = Start({"-"}, "maxmemory 1gb\ntimeout 77");
  EXPECT_EQ(Get(*client, "maxmemory"), "1073741824");
  EXPECT_EQ(Get(*client, "timeout"), "77");
  EXPECT_EQ(InfoField(*client, "config_file"), "");
  EXPECT_EQ(Ask(*client, "CONFIG REWRITE"), "-\"ERR The server is running without a config file\"");
}

TEST_F(ConfigurationTest, ComesFromArgumentsThatOverruleTheFile) {
  Write("runnel.conf", "timeout 10\nmaxclients 100\ntcp-keepalive 10\n");
  const std::unique_ptr<RespClient> client =
      Start({"runnel.conf", "--timeout", "20", "--slowlog-max-len", "7", "--save", "60", "1"});
  EXPECT_EQ(Get(*client, "timeout"), "20");
  EXPECT_EQ(Get(*client, "maxclients"), "100");
  EXPECT_EQ(Get(*client, "slowlog-max-len"), "7");
  EXPECT_EQ(Get(*client, "save"), "60 1");
}

TEST_F(ConfigurationTest, IncludesOtherFiles) {
  Write("runnel.conf", "timeout 1\ninclude more/*.conf\nmaxclients 9\ninclude last.conf\n");
  std::filesystem::create_directory(Path("more"));
  Write("more/a.conf", "timeout 2\n");
  Write("more/b.conf", "maxclients 3\n");
  Write("last.conf", "tcp-keepalive 4\n");
  const std::unique_ptr<RespClient> client = Start({"runnel.conf"});
  EXPECT_EQ(Get(*client, "timeout"), "2");
  EXPECT_EQ(Get(*client, "maxclients"), "9");
  EXPECT_EQ(Get(*client, "tcp-keepalive"), "4");
}

TEST_F(ConfigurationTest, TheFileThatComesWithTheServerHoldsTheDefaults) {
  const Argv all = {"CONFIG", "GET", "*"};
  const Reply defaults = Start({"--bind", "127.0.0.1"})->Call(all);
  const Reply from_file = Start({RUNNEL_CONF_PATH, "--bind", "127.0.0.1"})->Call(all);
  ASSERT_GT(defaults.items.size(), 100u);
  EXPECT_EQ(ToText(from_file), ToText(defaults));
}

TEST_F(ConfigurationTest, WhatHasNoEffectIsSaid) {
  const std::unique_ptr<RespClient> client = Start({"--io-threads", "4", "--hz", "10"});
  EXPECT_EQ(Get(*client, "io-threads"), "4");
  const std::string log = server_->Output();
  EXPECT_THAT(log, HasSubstr("Directives that are accepted without effect: "
                             "io-threads (not set to Redis's default); "
                             "hz (set to Redis's default)\n"));
}

// The lines that replace what a packaged file says about places of the system.
Argv InTheTestsPlaces() {
  return {"--daemonize", "no",        "--bind", "127.0.0.1", "--dir",
          ".",           "--logfile", "",       "--pidfile", ""};
}

TEST_F(ConfigurationTest, TheFileOfDebiansRedisServerIsAccepted) {
  const std::string file = ReadFile("/etc/redis/redis.conf");
  if (file.empty()) GTEST_SKIP() << "no /etc/redis/redis.conf that can be read";
  Write("redis.conf", file);
  Argv args = {"redis.conf"};
  for (const std::string& arg : InTheTestsPlaces())
    args.push_back(arg);
  const std::unique_ptr<RespClient> client = Start(args);
  EXPECT_EQ(Get(*client, "appendonly"), "no");
  EXPECT_EQ(Get(*client, "appendfilename"), "appendonly.aof");
  EXPECT_EQ(Ask(*client, "PING"), "+PONG");
  const std::string log = server_->Output();
  EXPECT_THAT(log, HasSubstr("Directives that are accepted without effect: "));
  EXPECT_THAT(log, HasSubstr("set-proc-title"));
}

// The directives that a stock redis.conf of version 7.0 sets and that have no effect here.
constexpr std::string_view kKeptOfRedis70 =
    "always-show-logo no\n"
    "set-proc-title yes\n"
    "proc-title-template \"{title} {listen-addr} {server-mode}\"\n"
    "stop-writes-on-bgsave-error yes\n"
    "rdbcompression yes\n"
    "rdbchecksum yes\n"
    "dbfilename dump.rdb\n"
    "rdb-del-sync-files no\n"
    "repl-diskless-sync yes\n"
    "repl-diskless-sync-delay 5\n"
    "repl-diskless-sync-max-replicas 0\n"
    "repl-diskless-load disabled\n"
    "repl-disable-tcp-nodelay no\n"
    "acllog-max-len 128\n"
    "oom-score-adj no\n"
    "oom-score-adj-values 0 200 800\n"
    "disable-thp yes\n"
    "appendfilename \"appendonly.aof\"\n"
    "appenddirname \"appendonlydir\"\n"
    "no-appendfsync-on-rewrite no\n"
    "auto-aof-rewrite-percentage 100\n"
    "auto-aof-rewrite-min-size 64mb\n"
    "aof-load-truncated yes\n"
    "aof-use-rdb-preamble yes\n"
    "aof-timestamp-enabled no\n"
    "list-max-listpack-size -2\n"
    "list-compress-depth 0\n"
    "hll-sparse-max-bytes 3000\n"
    "activerehashing yes\n"
    "hz 10\n"
    "dynamic-hz yes\n"
    "aof-rewrite-incremental-fsync yes\n"
    "rdb-save-incremental-fsync yes\n"
    "jemalloc-bg-thread yes\n";
// And those that have an effect.
constexpr std::string_view kServedOfRedis70 =
    "protected-mode yes\n"
    "tcp-backlog 511\n"
    "timeout 0\n"
    "tcp-keepalive 300\n"
    "loglevel notice\n"
    "databases 16\n"
    "appendonly no\n"
    "appendfsync everysec\n"
    "slowlog-log-slower-than 10000\n"
    "slowlog-max-len 128\n"
    "replica-serve-stale-data yes\n"
    "replica-read-only yes\n"
    "replica-priority 100\n"
    "latency-monitor-threshold 0\n"
    "notify-keyspace-events \"\"\n"
    "hash-max-listpack-entries 512\n"
    "hash-max-listpack-value 64\n"
    "set-max-intset-entries 512\n"
    "zset-max-listpack-entries 128\n"
    "zset-max-listpack-value 64\n"
    "stream-node-max-bytes 4096\n"
    "stream-node-max-entries 100\n"
    "client-output-buffer-limit normal 0 0 0\n"
    "client-output-buffer-limit replica 256mb 64mb 60\n"
    "client-output-buffer-limit pubsub 32mb 8mb 60\n";

TEST_F(ConfigurationTest, FilesOfRedis74AndRedis8AndValkey8AreAccepted) {
  const std::pair<std::string, std::string> files[] = {
      {"redis-7.4.conf",
       "locale-collate \"\"\nhide-user-data-from-log no\nset-max-listpack-entries 128\n"
       "set-max-listpack-value 64\nlazyfree-lazy-user-del no\nmax-new-connections-per-cycle 10\n"
       "max-new-tls-connections-per-cycle 1\nshutdown-timeout 10\nsupervised auto\n"
       "cluster-announce-human-nodename \"\"\nserver-cpulist 0-7:2\n"},
      {"redis-8.conf",
       "locale-collate \"\"\nhide-user-data-from-log yes\nreplica-full-sync-buffer-limit 0\n"
       "repl-rdb-channel no\ncluster-compatibility-sample-ratio 0\n"
       "cluster-slot-stats-enabled no\nlookahead 16\nkey-memory-histograms no\n"
       "cluster-slot-migration-handoff-max-lag-bytes 1mb\n"
       "cluster-slot-migration-write-pause-timeout 10000\ntls-auth-clients-user off\n"
       "stream-idmp-duration 100\nstream-idmp-maxsize 100\n"},
      {"valkey-8.conf",
       "locale-collate \"\"\nhide-user-data-from-log yes\nextended-redis-compatibility no\n"
       "dual-channel-replication-enabled no\nlazyfree-lazy-eviction yes\n"
       "lazyfree-lazy-expire yes\nlazyfree-lazy-server-del yes\nreplica-lazy-flush yes\n"
       "lazyfree-lazy-user-del yes\nlazyfree-lazy-user-flush yes\nevents-per-io-thread 2\n"
       "prefetch-batch-max-size 16\ncommandlog-execution-slower-than 10000\n"
       "commandlog-slow-execution-max-len 128\ncommandlog-request-larger-than 1048576\n"
       "commandlog-large-request-max-len 128\ncommandlog-reply-larger-than 1048576\n"
       "commandlog-large-reply-max-len 128\nlog-format legacy\nlog-timestamp-format legacy\n"
       "primaryauth \"\"\navailability-zone \"\"\nrdb-version-check strict\nimport-mode no\n"
       "rdma-port 0\ncluster-ping-interval 1000\ntcp-keepalive-probes 3\n"},
  };
  for (const auto& [name, lines] : files) {
    Write(name, fmt::format("{}{}{}", kServedOfRedis70, kKeptOfRedis70, lines));
    const std::unique_ptr<RespClient> client = Start({name, "--bind", "127.0.0.1"});
    EXPECT_EQ(Ask(*client, "PING"), "+PONG");
    const std::string log = server_->Output();
    const size_t line = log.find("Directives that are accepted without effect: ");
    ASSERT_NE(line, std::string::npos) << log;
    EXPECT_EQ(log.find("without effect", line + 60), std::string::npos) << "more than one line";
    const std::string listed = log.substr(line, log.find('\n', line) - line);
    EXPECT_THAT(listed, HasSubstr("locale-collate"));
    EXPECT_THAT(listed, HasSubstr("hide-user-data-from-log"));
    for (std::string_view rest = kKeptOfRedis70; !rest.empty();
         rest.remove_prefix(rest.find('\n') + 1)) {
      EXPECT_THAT(listed, HasSubstr(std::string(rest.substr(0, rest.find(' ')))));
    }
  }
}

TEST_F(ConfigurationTest, WhatAsksForMoreThanIsServedStopsTheStart) {
  const std::pair<std::string, std::string> cases[] = {
      {"tls-port 6380", "TLS is not served"},
      {"cluster-enabled yes", "Cluster mode is not served"},
      {"loadmodule /usr/lib/redis/modules/search.so", "modules are not served"},
      {"aclfile /etc/redis/users.acl", "ACL users are not served"},
      {"user alice on nopass", "ACL users are not served"},
      {"replica-read-only no", "takes no changes but its leader's"},
      {"rename-command FLUSHALL \"\"", "commands cannot be renamed"},
      {"maxmemory-policy allkeys-lru", "does not delete data"},
      {"rdma-port 6379", "RDMA is not served"},
      {"unixsocketgroup redis", "group of the Unix socket"},
      {"enable-debug-command local", "DEBUG is not served"},
  };
  for (const auto& [line, reason] : cases) {
    Write("a.conf", "timeout 0\n" + line + "\n");
    const std::string refusal = Refusal({"a.conf"});
    EXPECT_THAT(refusal, StartsWith("runnel-server: a.conf:2: '"));
    EXPECT_THAT(refusal, HasSubstr(reason));
  }
}

TEST_F(ConfigurationTest, CheckingAConfigurationStartsNothing) {
  Write("good.conf", "port 7000\nhz 10\n");
  Write("bad.conf", "port 7000\nports 1\n");
  Program::Options options = ServerCommand({"--check-config", "good.conf", "--timeout", "3"});
  options.dir = dir_.string();
  Program good(options);
  EXPECT_EQ(ToText(good.WaitExit()), "exit 0");
  EXPECT_EQ(good.Output(), "The configuration is good.\n");
  EXPECT_EQ(Refusal({"--check-config", "bad.conf"}),
            "runnel-server: bad.conf:2: 'ports': there is no such directive\n");
  EXPECT_EQ(
      Refusal({"--check-config", "--timeout", "x"}),
      "runnel-server: command line: 'timeout': argument couldn't be parsed into an integer\n");
  EXPECT_FALSE(std::filesystem::exists(Path("runnel.lock")));
}

TEST_F(ConfigurationTest, TheStartSaysWhatItRunsWith) {
  Write("runnel.conf", "appendfsync always\n");
  const std::unique_ptr<RespClient> client = Start({"runnel.conf", "--save", "60", "1"});
  EXPECT_EQ(Ask(*client, "PING"), "+PONG");
  const std::string log = server_->Output();
  EXPECT_THAT(log, HasSubstr(fmt::format("starts: process {}, configuration {}, directory {}\n",
                                         server_->pid(), Path("runnel.conf"), dir_.string())));
  EXPECT_THAT(log, HasSubstr("Persistence: journal with appendfsync always, save points 60 1\n"));
  EXPECT_THAT(log, HasSubstr("Listening on socket\n"));
}

TEST_F(ConfigurationTest, MistakesAreSaidWithTheirPlace) {
  Write("unknown.conf", "timeout 0\n# nothing\nreplica-read-only no\n");
  Write("value.conf", "port 70000\n");
  Write("quotes.conf", "\n\nlogfile \"open\n");
  Write("outer.conf", "timeout 0\ninclude value.conf\n");
  Write("missing.conf", "include not-there.conf\n");
  Write("loop.conf", "include loop.conf\n");
  const std::pair<Argv, std::string> cases[] = {
      {{"unknown.conf"}, "unknown.conf:3: 'replica-read-only': A follower takes no changes"},
      {{"value.conf"}, "value.conf:1: 'port': argument must be between 0 and 65535 inclusive"},
      {{"quotes.conf"}, "quotes.conf:3: the quotes do not match"},
      {{"outer.conf"}, "outer.conf:2: "},
      {{"outer.conf"}, "value.conf:1: 'port': argument must be between 0 and 65535 inclusive"},
      {{"missing.conf"}, "missing.conf:1: cannot read "},
      {{"loop.conf"}, "files include each other more than 16 deep"},
      {{"not-there.conf"}, "cannot read not-there.conf: No such file or directory"},
      {{"--bogus", "1"}, "command line: 'bogus': there is no such directive"},
      {{"--timeout", "soon"},
       "command line: 'timeout': argument couldn't be parsed into an integer"},
      {{"--timeout"}, "command line: 'timeout': wrong number of arguments"},
      {{"--timeout", "1", "2"}, "command line: 'timeout': wrong number of arguments"},
      {{"value.conf", "stray"}, "command line: 'stray' belongs to no --directive"},
      {{"--appendonly", "maybe"}, "command line: 'appendonly': argument must be 'yes' or 'no'"},
      {{"--unixsocketperm", "888"}, "argument couldn't be parsed as an octal number"},
  };
  for (const auto& [args, message] : cases) {
    // The last one needs a file that is good.
    if (args.size() == 2 && args[1] == "stray") Write("value.conf", "timeout 0\n");
    const std::string refusal = Refusal(args);
    EXPECT_THAT(refusal, StartsWith("runnel-server: "));
    EXPECT_THAT(refusal, HasSubstr(message));
  }
  EXPECT_EQ(Refusal({"-"}, "timeout 0\nmaxmemory much\n"),
            "runnel-server: standard input:2: 'maxmemory': argument must be a memory value\n");
}

TEST_F(ConfigurationTest, APasswordIsNotShownInAMistake) {
  const std::string refusal = Refusal({"--requirepass", "secret", "word"});
  EXPECT_THAT(refusal, HasSubstr("'requirepass'"));
  EXPECT_THAT(refusal, Not(HasSubstr("secret")));
}

TEST_F(ConfigurationTest, ALogLevelThatIsSetCountsAtOnce) {
  const std::unique_ptr<RespClient> client = Start({});
  const auto make_a_mistake = [&] {
    const std::unique_ptr<RespClient> other = RespClient::ConnectUnix(Path("socket"));
    other->SendRaw("*x\r\n");
    EXPECT_EQ(ToText(other->Read()), "-\"ERR Protocol error: invalid multibulk length\"");
  };
  make_a_mistake();
  EXPECT_EQ(Ask(*client, "CONFIG SET loglevel verbose"), "+OK");
  EXPECT_THAT(server_->Output(), Not(HasSubstr("protocol error")));
  make_a_mistake();
  EXPECT_TRUE(server_->WaitForOutput("protocol error"));
}

TEST_F(ConfigurationTest, ARewrittenFileKeepsTheSettings) {
  Write("runnel.conf", "# mine\ntimeout 10 \n# kept\ntcp-keepalive 5\n");
  const Argv start = {"runnel.conf"};
  std::unique_ptr<RespClient> client = Start(start);
  EXPECT_EQ(Ask(*client, "CONFIG SET timeout 99 maxmemory 5mb requirepass \"two words\""), "+OK");
  EXPECT_EQ(Ask(*client, "CONFIG SET notify-keyspace-events Kl"), "+OK");
  EXPECT_EQ(Ask(*client, "CONFIG SET client-output-buffer-limit \"pubsub 1mb 0 0\""), "+OK");
  EXPECT_EQ(Ask(*client, "CONFIG REWRITE"), "+OK");
  const std::string rewritten = ReadFile(Path("runnel.conf"));
  EXPECT_THAT(rewritten, StartsWith("# mine\ntimeout 99\n# kept\ntcp-keepalive 5\n"));

  client = Start(start);
  EXPECT_EQ(Ask(*client, "PING"), "-\"NOAUTH Authentication required.\"");
  EXPECT_EQ(Ask(*client, "AUTH \"two words\""), "+OK");
  EXPECT_EQ(Get(*client, "timeout"), "99");
  EXPECT_EQ(Get(*client, "maxmemory"), "5242880");
  EXPECT_EQ(Get(*client, "notify-keyspace-events"), "lK");
  EXPECT_EQ(Get(*client, "client-output-buffer-limit"),
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 1048576 0 0");
  // A second time nothing is left to change.
  EXPECT_EQ(Ask(*client, "CONFIG REWRITE"), "+OK");
  EXPECT_EQ(ReadFile(Path("runnel.conf")), rewritten);
}

TEST_F(ConfigurationTest, ARewriteThatFailsIsAnErrorAndLeavesTheFile) {
  Write("runnel.conf", "timeout 10\n");
  const std::unique_ptr<RespClient> client = Start({"runnel.conf"});
  EXPECT_EQ(Ask(*client, "CONFIG SET timeout 99"), "+OK");
  Write("runnel.conf", "not a directive\n");
  const std::string reply = Ask(*client, "CONFIG REWRITE");
  EXPECT_THAT(reply, StartsWith("-\"ERR Rewriting config file: "));
  EXPECT_EQ(ReadFile(Path("runnel.conf")), "not a directive\n");
  EXPECT_EQ(Get(*client, "timeout"), "99");
}

}  // namespace
}  // namespace runnel::test
