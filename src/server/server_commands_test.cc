// INFO, CONFIG, MEMORY, SHUTDOWN, BGSAVE and their kin, in a broker whose host does nothing but
// remember, and takes snapshots when it is told to.

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

#include "broker/commands/broker_families.h"
#include "broker/testing.h"
#include "env/posix/posix_disk.h"
#include "env/thread_worker.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/families.h"
#include "server/memory_report.h"
#include "server/roles.h"
#include "server/server_host.h"

namespace runnel {
namespace {

using runnel::testing::BrokerHarness;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class ServerCommandsTest : public ::testing::Test, protected ServerHost {
 protected:
  ServerCommandsTest() : harness_(config_.settings(), *this) {
    for (const auto family :
         {ConnectionCommands(), ClientCommands(), TransactionCommands(), ServerCommands()}) {
      harness_.broker.commands().Add(family);
    }
    identity_.run_id = std::string(40, 'a');
    identity_.start_us = harness_.clock.unix_us;
    client_ = harness_.Connect();
  }
  ~ServerCommandsTest() override {
    client_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  Config& config() override { return config_; }
  Broker& broker() override { return harness_.broker; }
  const ServerIdentity& identity() const override { return identity_; }
  Saver& saver() override { return saver_; }
  Roles& roles() override { return roles_; }
  const Loading* loading() const override { return loading_ ? &*loading_ : nullptr; }
  bool RequestShutdown(std::string_view reason, EndSave save, bool) override {
    shutdown_reason_ = reason;
    end_save_ = save;
    return false;
  }
  bool AbortShutdown() override { return false; }
  void EndAtOnce(std::string_view reason) override { shutdown_reason_ = reason; }
  bool stopping() const override { return stopping_; }
  uint64_t disposing_objects() const override { return 0; }
  void Submit(std::function<void()> work, std::function<void()> done) override {
    submitted_.push_back(std::move(work));
    finished_.push_back(std::move(done));
  }

  // Does what was submitted, and tells the broker.
  void RunSubmitted() {
    for (size_t i = 0; i < submitted_.size(); i++) {
      submitted_[i]();
      finished_[i]();
    }
    submitted_.clear();
    finished_.clear();
  }

  std::string Run(const std::string& line) { return client_->Run(line); }
  // INFO of these sections, as it stands.
  std::string Info(const std::string& sections) {
    client_->Run("HELLO 2");
    std::string text = client_->Ask([&] {
      std::istringstream words("INFO " + sections);
      return std::vector<std::string>(std::istream_iterator<std::string>(words), {});
    }());
    text.erase(0, text.find("\r\n") + 2);
    return text.substr(0, text.size() - 2);
  }
  std::vector<std::string> Titles(const std::string& sections) {
    std::vector<std::string> titles;
    std::istringstream lines(Info(sections));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("# ")) titles.push_back(line.substr(2, line.size() - 3));
    }
    return titles;
  }

  static std::string NewDirectory() {
    std::string path = std::filesystem::temp_directory_path() / "server_commands_test.XXXXXX";
    CHECK(mkdtemp(path.data()) != nullptr);
    return path;
  }
  // The turn ends, and the snapshot that was asked for in it is taken.
  void FinishSnapshot() {
    harness_.broker.EndTurn();
    saver_.Turn();
    snapshotter_.RunToEnd();
  }

  const std::string directory_ = NewDirectory();
  Config config_;
  ServerIdentity identity_;
  BrokerHarness harness_;
  ThreadWorker worker_{[] {}};
  snapshot::Snapshotter snapshotter_{&SystemDisk(), &worker_, &harness_.keyspace,
                                     directory_ + "/snapshots"};
  Saver saver_{snapshotter_, harness_.broker, config_.options(), harness_.clock, SystemDisk()};
  const ColdSettings cold_settings_;
  // Without a journal.
  Storage storage_{
      SystemDisk(),      harness_.clock, {worker_, worker_, worker_, worker_, worker_, worker_},
      config_.options(), cold_settings_, harness_.keyspace};
  Roles roles_{
      {harness_.broker, storage_, nullptr, harness_.clock, worker_, config_, saver_, "run"}};
  std::optional<Loading> loading_;
  std::unique_ptr<BrokerHarness::Client> client_;
  std::string shutdown_reason_;
  EndSave end_save_ = EndSave::kNothing;
  bool stopping_ = false;
  std::vector<std::function<void()>> submitted_;
  std::vector<std::function<void()>> finished_;
};

// --- INFO ---

TEST_F(ServerCommandsTest, InfoGivesTheSectionsAskedForInItsOwnOrder) {
  EXPECT_THAT(Titles(""),
              ElementsAre("Server", "Clients", "Memory", "Persistence", "Stats", "Replication",
                          "CPU", "Modules", "Errorstats", "Cluster", "Keyspace"));
  EXPECT_THAT(Titles("default latencystats"),
              ElementsAre("Server", "Clients", "Memory", "Persistence", "Stats", "Replication",
                          "CPU", "Modules", "Errorstats", "Latencystats", "Cluster", "Keyspace"));
  EXPECT_EQ(Titles("all").size(), 14u);
  EXPECT_EQ(Titles("everything").size(), 14u);
  EXPECT_THAT(Titles("cluster SERVER server nope"), ElementsAre("Server", "Cluster"));
  EXPECT_EQ(Info("cluster modules"), "# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n");
  EXPECT_EQ(Info("nope"), "");
}

TEST_F(ServerCommandsTest, InfoTellsWhatClientsLookAt) {
  harness_.Advance(2 * 86'400'000);
  EXPECT_THAT(Info("server"),
              AllOf(HasSubstr("redis_version:7.4.0\r\n"), HasSubstr("redis_mode:standalone\r\n"),
                    HasSubstr("run_id:" + std::string(40, 'a')), HasSubstr("tcp_port:6379\r\n"),
                    HasSubstr("uptime_in_seconds:172800\r\nuptime_in_days:2\r\n"),
                    HasSubstr(fmt::format("process_id:{}\r\n", getpid()))));
  EXPECT_EQ(Info("replication"),
            fmt::format("# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
                        "master_failover_state:no-failover\r\nmaster_replid:{0}\r\n"
                        "master_replid2:{0}\r\nmaster_repl_offset:0\r\n"
                        "second_repl_offset:-1\r\nrepl_backlog_active:0\r\n"
                        "repl_backlog_size:1073741824\r\nrepl_backlog_first_byte_offset:0\r\n"
                        "repl_backlog_histlen:0\r\nnode_id:\r\njournal_id:\r\n"
                        "replication_epoch:0000000000000000\r\nin_sync_replicas:0\r\n"
                        "min_insync_replicas:1\r\nhigh_watermark:0\r\n"
                        "acks_waiting_clients:0\r\nreplication_applied_position:0\r\n"
                        "replication_dropped_bytes:0\r\nreplication_dropped_messages:0\r\n"
                        "replication_tail_trusted:1\r\nreplication_error:\r\n"
                        "replica_hold_bytes:0\r\n",
                        std::string(40, '0')));
  EXPECT_EQ(Run("ROLE"), "*3 $6 master :0 *0");
  EXPECT_EQ(Run("REPLICAOF NO ONE"),
            "-ERR this server keeps no journal (`journal no`): it can neither lead nor follow");
  EXPECT_THAT(Info("persistence"),
              AllOf(HasSubstr("\r\nloading:0\r\n"), HasSubstr("rdb_bgsave_in_progress:0\r\n"),
                    HasSubstr("aof_enabled:0\r\n"), HasSubstr("aof_rewrite_in_progress:0\r\n")));
  EXPECT_THAT(Info("memory"), AllOf(HasSubstr("\r\nmaxmemory:0\r\nmaxmemory_human:0B\r\n"),
                                    HasSubstr("maxmemory_policy:noeviction\r\n")));
}

TEST_F(ServerCommandsTest, InfoTellsHowFarLoadingIs) {
  EXPECT_THAT(Info("persistence"), Not(HasSubstr("loading_")));
  loading_.emplace(harness_.clock);
  harness_.broker.set_loading(true);
  loading_->Reached(250, 1000);
  harness_.clock.Advance(1000);
  EXPECT_THAT(
      Info("persistence"),
      AllOf(HasSubstr("\r\nloading:1\r\nasync_loading:0\r\n"), HasSubstr("aof_enabled:1\r\n"),
            HasSubstr(fmt::format("loading_start_time:{}\r\nloading_total_bytes:1000\r\n"
                                  "loading_loaded_bytes:250\r\nloading_loaded_perc:25.00"
                                  "\r\nloading_eta_seconds:3\r\n",
                                  loading_->start_s()))));
  EXPECT_EQ(Run("BGSAVE"), "-LOADING Redis is loading the dataset in memory");
  EXPECT_EQ(Run("CONFIG SET timeout 5"), "+OK");
}

TEST_F(ServerCommandsTest, InfoCountsClients) {
  auto waiter = harness_.Connect(), subscriber = harness_.Connect();
  waiter->Run("WATCH a b");
  waiter->Run("BLPOP p q 5");
  EXPECT_THAT(Info("clients"),
              AllOf(HasSubstr("connected_clients:3\r\n"), HasSubstr("blocked_clients:1\r\n"),
                    HasSubstr("watching_clients:1\r\nclients_in_timeout_table:1\r\n"),
                    HasSubstr("total_watched_keys:2\r\ntotal_blocking_keys:2\r\n")));
}

TEST_F(ServerCommandsTest, InfoCountsCommandsAndErrors) {
  Run("SET k v");
  Run("LPUSH k v");
  Run("GET");
  EXPECT_THAT(Info("commandstats"),
              AllOf(HasSubstr("cmdstat_lpush:calls=1,usec="),
                    HasSubstr("rejected_calls=0,failed_calls=1\r\n"),
                    HasSubstr("cmdstat_get:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,"
                              "failed_calls=0\r\n"),
                    Not(HasSubstr("cmdstat_del"))));
  EXPECT_EQ(Info("errorstats"),
            "# Errorstats\r\nerrorstat_ERR:count=1\r\nerrorstat_WRONGTYPE:count=1\r\n");
  EXPECT_THAT(Info("latencystats"), AllOf(HasSubstr("latency_percentiles_usec_set:p50="),
                                          Not(HasSubstr("latency_percentiles_usec_get:"))));
}

TEST_F(ServerCommandsTest, InfoKeyspaceHasALineForEachDatabaseInUse) {
  Run("SET a 1");
  Run("SET b 1 PX 1000");
  Run("SET c 1 PX 3000");
  Run("SELECT 3");
  Run("SET d 1");
  EXPECT_EQ(
      Info("keyspace"),
      "# Keyspace\r\ndb0:keys=3,expires=2,avg_ttl=2000\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n");
}

TEST_F(ServerCommandsTest, InfoIsTextInResp3) {
  Run("HELLO 3");
  EXPECT_EQ(Run("INFO cluster"), "=34 txt:# Cluster cluster_enabled:0 ");
}

TEST_F(ServerCommandsTest, ResetStatBeginsTheCountsAgain) {
  Run("GET");
  Run("CONFIG RESETSTAT");
  EXPECT_EQ(harness_.broker.stats().total_error_replies, 0u);
  EXPECT_EQ(Info("errorstats"), "# Errorstats\r\n");
  EXPECT_THAT(Info("commandstats"), Not(HasSubstr("cmdstat_get:")));
}

// The numbers are those of Redis 7.0.
TEST_F(ServerCommandsTest, ChangesAreCountedByElements) {
  const std::pair<const char*, uint64_t> kSteps[] = {
      {"SET a 1 EX 100", 1},
      {"MSET b 2 c 3", 2},
      {"GET a", 0},
      {"DEL b nope", 1},
      {"RENAME c d", 1},
      {"RPUSH l 1 2 3 4 5 6 7 8 9 9 9", 11},
      {"LPOP l", 1},
      {"LPOP l 2", 2},
      {"LMOVE l m LEFT RIGHT", 1},
      {"LMPOP 1 l LEFT COUNT 2", 2},
      {"LREM l 0 9", 3},
      {"LTRIM l 0 1", 0},
      {"LTRIM l 5 6", 2},
      {"XADD s 1-1 f v", 1},
      {"XADD s 2-1 f v", 1},
      {"XADD s 3-1 f v", 1},
      {"XADD s 4-1 f v", 1},
      {"XADD s MAXLEN 3 5-1 f v", 1},
      {"XTRIM s MAXLEN 1", 2},
      {"XADD s 6-1 f v", 1},
      {"XADD s 7-1 f v", 1},
      {"XGROUP CREATE s g 0", 1},
      {"XREADGROUP GROUP g c STREAMS s >", 2},
      {"XREADGROUP GROUP g c STREAMS s >", 0},
      {"XCLAIM s g c 0 5-1 6-1", 2},
      {"XACK s g 5-1 6-1 99-1", 2},
      {"XDEL s 5-1 6-1 99-1", 2},
      {"FLUSHDB", 4},
  };
  const ChangeLog& log = harness_.broker.log();
  for (const auto& [command, count] : kSteps) {
    const uint64_t before = log.changes();
    EXPECT_NE(Run(command).substr(0, 1), "-") << command;
    EXPECT_EQ(log.changes() - before, count) << command;
  }
}

TEST_F(ServerCommandsTest, LatencyStatsShowThePercentilesThatAreAskedFor) {
  CommandStats& stats = harness_.broker.commands().Find("get")->stats;
  stats.calls = 100;  // more than were timed
  stats.histogram[10] = 9;
  stats.histogram[20] = 1;
  const std::string get = "latency_percentiles_usec_get:";
  EXPECT_THAT(Info("latencystats"), HasSubstr(get + "p50=1.023,p99=1048.575,p99.9=1048.575\r\n"));
  Run("CONFIG SET latency-tracking-info-percentiles");
  EXPECT_EQ(client_->Ask({"CONFIG", "SET", "latency-tracking-info-percentiles", "0 12.5 90 100"}),
            "+OK\r\n");
  EXPECT_EQ(Run("CONFIG GET latency-tracking-info-percentiles"),
            "*2 $33 latency-tracking-info-percentiles $13 0 12.5 90 100");
  EXPECT_THAT(Info("latencystats"),
              HasSubstr(get + "p0=1.023,p12.5=1.023,p90=1.023,p100=1048.575\r\n"));
  EXPECT_THAT(Run("CONFIG SET latency-tracking-info-percentiles 100.1"),
              HasSubstr("parameters should sit between [0.0,100.0]"));
  EXPECT_THAT(Run("CONFIG SET latency-tracking-info-percentiles x"), HasSubstr("'x'"));
  EXPECT_EQ(client_->Ask({"CONFIG", "SET", "latency-tracking-info-percentiles", ""}), "+OK\r\n");
  EXPECT_THAT(Info("latencystats"), HasSubstr(get + "\r\n"));
  Run("CONFIG SET latency-tracking no");
  EXPECT_EQ(Info("latencystats"), "# Latencystats\r\n");
}

TEST_F(ServerCommandsTest, TheLargestBuffersAreThoseOfTheLastSeconds) {
  harness_.broker.stats().recent_input.Note(5000, harness_.broker.clock().now_ms() / 1000);
  EXPECT_THAT(Info("clients"), HasSubstr("client_recent_max_input_buffer:5000\r\n"));
  harness_.Advance(7000);
  EXPECT_THAT(Info("clients"), HasSubstr("client_recent_max_input_buffer:5000\r\n"));
  harness_.Advance(1000);
  EXPECT_THAT(Info("clients"), HasSubstr("client_recent_max_input_buffer:0\r\n"));
}

TEST_F(ServerCommandsTest, InfoTellsOfTurns) {
  Run("SET a 1");
  harness_.broker.MeasureTurn();
  EXPECT_THAT(Info("stats"), AllOf(HasSubstr("\r\neventloop_cycles:1\r\neventloop_duration_sum:"),
                                   HasSubstr("\r\neventloop_duration_cmd_sum:"),
                                   HasSubstr("\r\ninstantaneous_eventloop_cycles_per_sec:0\r\n"),
                                   HasSubstr("\r\ninstantaneous_eventloop_duration_usec:0\r\n"),
                                   HasSubstr("\r\nlongest_turn_us:"),
                                   HasSubstr("\r\nlongest_turn_commands:1\r\nlongest_turn_part:"),
                                   HasSubstr("\r\nlongest_turn_part_us:")));
  EXPECT_THAT(Info("debug"), AllOf(StartsWith("# Debug\r\neventloop_duration_aof_sum:0\r\n"),
                                   HasSubstr("\r\neventloop_cmd_per_cycle_max:1\r\nturns_usec:"),
                                   HasSubstr("=1\r\n")));
  EXPECT_THAT(Info("everything"), Not(HasSubstr("# Debug")));

  Run("CONFIG RESETSTAT");
  EXPECT_THAT(Info("stats"), HasSubstr("\r\neventloop_cycles:0\r\n"));
  EXPECT_THAT(Info("stats"), HasSubstr("\r\nlongest_turn_part:\r\n"));
  EXPECT_THAT(Info("debug"), HasSubstr("\r\nturns_usec:\r\n"));
}

// --- CONFIG ---

TEST_F(ServerCommandsTest, ConfigGetsAndSets) {
  EXPECT_EQ(Run("CONFIG GET maxmemory"), "*2 $9 maxmemory $1 0");
  EXPECT_EQ(Run("CONFIG SET maxmemory 1mb timeout 5"), "+OK");
  Run("HELLO 3");
  EXPECT_EQ(Run("CONFIG GET MaxMemory timeout"), "%2 $7 timeout $1 5 $9 MaxMemory $7 1048576");
  EXPECT_EQ(Run("CONFIG GET nope"), "%0");
}

TEST_F(ServerCommandsTest, ConfigSetTakesAllOrNothing) {
  EXPECT_EQ(Run("CONFIG SET timeout 5 nope 1"),
            "-ERR Unknown option or number of arguments for CONFIG SET - 'nope'");
  EXPECT_THAT(Run("CONFIG SET timeout 5 maxmemory x"),
              StartsWith("-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - "));
  EXPECT_EQ(Run("CONFIG SET timeout 5 maxmemory"), "-ERR syntax error");
  EXPECT_EQ(config_.settings().timeout_s, 0);
}

TEST_F(ServerCommandsTest, APasswordThatIsSetIsNotLogged) {
  Run("CONFIG SET slowlog-log-slower-than 0");
  Run("CONFIG SET timeout 5 RequirePass secret");
  EXPECT_THAT(harness_.broker.slowlog().entries().front().args,
              ElementsAre("CONFIG", "SET", "timeout", "5", "RequirePass", "(redacted)"));
}

class ConfigFileCommandsTest : public ServerCommandsTest {
 protected:
  ConfigFileCommandsTest() {
    std::string name = ::testing::TempDir() + "server_commands_test.XXXXXX";
    dir_ = ::mkdtemp(name.data());
    file_ = dir_ / "runnel.conf";
    std::ofstream(file_) << "timeout 1\n";
    const std::vector<std::string> arguments = {file_.string()};
    EXPECT_TRUE(config_.LoadArguments(arguments).ok());
  }
  ~ConfigFileCommandsTest() override { std::filesystem::remove_all(dir_); }

  std::string ReadFile() const {
    std::ifstream in(file_);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::filesystem::path dir_;
  std::filesystem::path file_;
};

TEST_F(ServerCommandsTest, RewriteNeedsAFile) {
  EXPECT_EQ(Run("CONFIG REWRITE"), "-ERR The server is running without a config file");
}

TEST_F(ConfigFileCommandsTest, RewriteAnswersWhenTheFileIsWritten) {
  Run("CONFIG SET timeout 7");
  EXPECT_EQ(Run("CONFIG REWRITE"), "");
  client_->Request({"PING"});
  EXPECT_EQ(client_->Lines(), "");
  RunSubmitted();
  EXPECT_EQ(client_->Lines(), "+OK +PONG");
  EXPECT_EQ(ReadFile(), "timeout 7\n");
}

// It waits for the file, which no other client can change.
TEST_F(ConfigFileCommandsTest, NobodyElseEndsTheWaitForARewrite) {
  auto other = harness_.Connect();
  EXPECT_EQ(Run("CONFIG REWRITE"), "");
  EXPECT_EQ(other->Run("CLIENT UNBLOCK " + std::to_string(client_->session().id)), ":0");
  EXPECT_EQ(client_->Lines(), "");
  RunSubmitted();
  EXPECT_EQ(client_->Lines(), "+OK");
}

// Each one is answered by its own end.
TEST_F(ConfigFileCommandsTest, RewritesAtTheSameTimeAreToldApart) {
  auto other = harness_.Connect();
  EXPECT_EQ(Run("CONFIG REWRITE"), "");
  EXPECT_EQ(other->Run("CONFIG REWRITE"), "");
  ASSERT_EQ(submitted_.size(), 2u);
  // The second one is finished first.
  std::swap(submitted_[0], submitted_[1]);
  std::swap(finished_[0], finished_[1]);
  const auto first = std::pair(submitted_[1], finished_[1]);
  submitted_.pop_back();
  finished_.pop_back();
  RunSubmitted();
  EXPECT_EQ(client_->Lines(), "");
  EXPECT_EQ(other->Lines(), "+OK");
  submitted_.push_back(first.first);
  finished_.push_back(first.second);
  RunSubmitted();
  EXPECT_EQ(client_->Lines(), "+OK");
}

TEST_F(ConfigFileCommandsTest, RewriteThatFailsSaysWhy) {
  std::filesystem::remove_all(dir_);
  EXPECT_EQ(Run("CONFIG REWRITE"), "");
  RunSubmitted();
  EXPECT_THAT(client_->Lines(), StartsWith("-ERR Rewriting config file: "));
}

TEST_F(ConfigFileCommandsTest, RewriteOutlivesTheSessionThatAskedForIt) {
  auto other = harness_.Connect();
  other->Run("CONFIG REWRITE");
  other.reset();
  RunSubmitted();
  EXPECT_EQ(Run("PING"), "+PONG");
}

// A transaction does not wait for the file.
TEST_F(ConfigFileCommandsTest, ATransactionIsToldThatTheFileWillBeWritten) {
  Run("MULTI");
  Run("CONFIG SET timeout 7");
  Run("CONFIG REWRITE");
  Run("CONFIG SET timeout 8");
  EXPECT_EQ(Run("EXEC"), "*3 +OK +OK +OK");
  ASSERT_EQ(submitted_.size(), 1u);
  RunSubmitted();
  EXPECT_EQ(ReadFile(), "timeout 7\n");
  EXPECT_EQ(client_->Lines(), "");
  std::filesystem::remove_all(dir_);
  Run("MULTI");
  Run("CONFIG REWRITE");
  EXPECT_EQ(Run("EXEC"), "*1 +OK");
  RunSubmitted();
  EXPECT_EQ(client_->Lines(), "");
}

// The last one that was asked for counts, whichever thread is the last.
TEST_F(ConfigFileCommandsTest, AnOlderRewriteDoesNotUndoANewerOne) {
  auto other = harness_.Connect();
  Run("CONFIG SET timeout 7");
  EXPECT_EQ(Run("CONFIG REWRITE"), "");
  other->Run("CONFIG SET timeout 8");
  EXPECT_EQ(other->Run("CONFIG REWRITE"), "");
  ASSERT_EQ(submitted_.size(), 2u);
  std::swap(submitted_[0], submitted_[1]);
  std::swap(finished_[0], finished_[1]);
  RunSubmitted();
  EXPECT_EQ(client_->Lines(), "+OK");
  EXPECT_EQ(other->Lines(), "+OK");
  EXPECT_EQ(ReadFile(), "timeout 8\n");
}

// --- MEMORY ---

TEST_F(ServerCommandsTest, MemoryUsageIsThatOfKeyAndValue) {
  Run("SET k " + std::string(1000, 'x'));
  const std::string small = Run("MEMORY USAGE k");
  EXPECT_THAT(small, StartsWith(":1"));
  EXPECT_EQ(Run("MEMORY USAGE k SAMPLES 0"), small);
  EXPECT_EQ(Run("MEMORY USAGE nope"), "$-1");
  EXPECT_EQ(Run("MEMORY USAGE k SAMPLES"), "-ERR syntax error");
  EXPECT_EQ(Run("MEMORY USAGE k SAMPLES -1"), "-ERR syntax error");
  EXPECT_EQ(Run("MEMORY USAGE k SAMPLES x"), "-ERR value is not an integer or out of range");
}

TEST_F(ServerCommandsTest, MemoryStatsAddUp) {
  Run("SET k v");
  const MemoryReport report = ReportMemory(*this);
  EXPECT_EQ(report.keys, 1u);
  EXPECT_EQ(report.used, report.overhead() + report.dataset());
  EXPECT_GE(report.peak, report.used);
  Run("HELLO 3");
  EXPECT_THAT(Run("MEMORY STATS"),
              AllOf(StartsWith("%24 $14 peak.allocated :"), HasSubstr(" $10 keys.count :1 "),
                    HasSubstr(" $4 db.0 %1 $23 overhead.hashtable.main :")));
  EXPECT_EQ(Run("MEMORY PURGE"), "+OK");
  EXPECT_THAT(Run("MEMORY DOCTOR"), HasSubstr("txt:Nothing unusual about the "));
}

TEST_F(ServerCommandsTest, SizesForPeopleHaveTwoDecimals) {
  EXPECT_EQ(HumanSize(0), "0B");
  EXPECT_EQ(HumanSize(1023), "1023B");
  EXPECT_EQ(HumanSize(1024), "1.00K");
  EXPECT_EQ(HumanSize(1'500'000), "1.43M");
  EXPECT_EQ(HumanSize(SIZE_MAX), "16.00E");
}

// --- The end ---

TEST_F(ServerCommandsTest, ShutdownEndsTheServerAndAnswersNothing) {
  EXPECT_EQ(Run("SHUTDOWN NOSAVE NOW FORCE"), "");
  EXPECT_EQ(shutdown_reason_, "SHUTDOWN from client 127.0.0.1:1");
  EXPECT_FALSE(client_->open());
}

TEST_F(ServerCommandsTest, ShutdownThatIsNotPossibleEndsNothing) {
  EXPECT_EQ(Run("SHUTDOWN FOO"), "-ERR syntax error");
  EXPECT_EQ(Run("SHUTDOWN SAVE NOSAVE"), "-ERR syntax error");
  EXPECT_EQ(Run("SHUTDOWN ABORT NOW"), "-ERR syntax error");
  EXPECT_EQ(Run("SHUTDOWN ABORT"), "-ERR No shutdown in progress.");
  Run("MULTI");
  EXPECT_EQ(Run("SHUTDOWN"), "-ERR Command not allowed inside a transaction");
  EXPECT_EQ(shutdown_reason_, "");
}

// The client waits: the server ends, or goes on and says why.
TEST_F(ServerCommandsTest, ShutdownWaitsForItsSnapshot) {
  EXPECT_EQ(Run("SHUTDOWN SAVE"), "");
  EXPECT_EQ(end_save_, EndSave::kSnapshot);
  EXPECT_TRUE(client_->open());
  stopping_ = true;
  harness_.broker.ServeSnapshotWaiters();
  EXPECT_EQ(client_->Lines(), "");
  stopping_ = false;
  harness_.broker.ServeSnapshotWaiters();
  EXPECT_EQ(client_->Lines(), "-ERR Errors trying to SHUTDOWN. Check logs.");
  EXPECT_EQ(Run("SHUTDOWN SAVE FORCE"), "");
  EXPECT_EQ(end_save_, EndSave::kIfPossible);
  EXPECT_FALSE(client_->open());
}

TEST_F(ServerCommandsTest, ShutdownSavesByItselfIfSavePointsAreSetAndSomethingChanged) {
  const auto end_save = [this](const char* command) {
    const auto client = harness_.Connect();
    client->Run(command);
    return end_save_;
  };
  EXPECT_EQ(end_save("SHUTDOWN"), EndSave::kNothing);
  Run("SET k v");
  EXPECT_EQ(end_save("SHUTDOWN"), EndSave::kNothing);
  ASSERT_EQ(client_->Ask({"CONFIG", "SET", "save", "3600 1"}), "+OK\r\n");
  EXPECT_EQ(end_save("SHUTDOWN NOSAVE"), EndSave::kNothing);
  EXPECT_EQ(end_save("SHUTDOWN"), EndSave::kSnapshot);
}

TEST_F(ServerCommandsTest, SaveAnswersWhenTheSnapshotIsThere) {
  Run("SET k v");
  harness_.clock.Advance(5000);
  const auto other = harness_.Connect();
  EXPECT_EQ(Run("SAVE"), "");
  EXPECT_EQ(other->Run("SAVE"), "-ERR Background save already in progress");
  EXPECT_EQ(other->Run("BGSAVE"), "-ERR Background save already in progress");
  EXPECT_EQ(other->Run("GET k"), "$1 v");
  EXPECT_EQ(harness_.broker.log().changes(), 1u);
  FinishSnapshot();
  EXPECT_EQ(client_->Lines(), "+OK");
  EXPECT_EQ(Run("LASTSAVE"), ":1700000005");
  EXPECT_THAT(Info("persistence"),
              AllOf(HasSubstr("rdb_changes_since_last_save:0\r\n"),
                    HasSubstr("rdb_last_bgsave_status:ok\r\n"), HasSubstr("rdb_saves:1\r\n")));
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/snapshots/00000000000000000000.snap"));
}

TEST_F(ServerCommandsTest, AFailureIsSaid) {
  std::ofstream(directory_ + "/snapshots") << "in the way";
  Run("SET k v");
  EXPECT_EQ(Run("SAVE"), "");
  FinishSnapshot();
  EXPECT_THAT(client_->Lines(), StartsWith("-ERR "));
  EXPECT_EQ(Run("LASTSAVE"), ":1700000000");
  EXPECT_THAT(Info("persistence"), AllOf(HasSubstr("rdb_changes_since_last_save:1\r\n"),
                                         HasSubstr("rdb_last_bgsave_status:err\r\n")));
  std::filesystem::remove(directory_ + "/snapshots");
  EXPECT_EQ(Run("BGSAVE"), "+Background saving started");
  FinishSnapshot();
  EXPECT_THAT(Info("persistence"), HasSubstr("rdb_last_bgsave_status:ok\r\n"));
}

TEST_F(ServerCommandsTest, BackgroundSavesAnswerAsInRedis) {
  EXPECT_EQ(Run("LASTSAVE"), ":1700000000");
  EXPECT_EQ(Run("BGSAVE NOW"), "-ERR syntax error");
  EXPECT_EQ(Run("BGSAVE SCHEDULE NOW"), "-ERR syntax error");
  EXPECT_EQ(Run("BGSAVE SCHEDULE"), "+Background saving started");
  EXPECT_EQ(Run("BGSAVE SCHEDULE"), "-ERR Background save already in progress");
  EXPECT_THAT(Info("persistence"), HasSubstr("rdb_bgsave_in_progress:1\r\n"));
  EXPECT_EQ(Run("BGREWRITEAOF"), "+Background append only file rewriting scheduled");
  EXPECT_THAT(Info("persistence"), HasSubstr("aof_rewrite_scheduled:1\r\n"));
  FinishSnapshot();
  EXPECT_THAT(Info("persistence"), AllOf(HasSubstr("rdb_bgsave_in_progress:0\r\n"),
                                         HasSubstr("aof_rewrite_in_progress:1\r\n"),
                                         HasSubstr("aof_rewrite_scheduled:0\r\n")));
  EXPECT_EQ(Run("BGREWRITEAOF"), "-ERR Background append only file rewriting already in progress");
  EXPECT_EQ(Run("BGSAVE"),
            "-ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE "
            "SCHEDULE in order to schedule a BGSAVE whenever possible.");
  EXPECT_EQ(Run("BGSAVE SCHEDULE"), "+Background saving scheduled");
  FinishSnapshot();
  EXPECT_TRUE(saver_.InProgress(Saver::Kind::kSave));
  FinishSnapshot();
  EXPECT_FALSE(saver_.busy());
  EXPECT_EQ(saver_.saves(), 3u);
  EXPECT_EQ(Run("BGREWRITEAOF"), "+Background append only file rewriting started");
  EXPECT_EQ(Run("SAVE"), "");
  FinishSnapshot();
  EXPECT_EQ(client_->Lines(), "");
  FinishSnapshot();
  EXPECT_EQ(client_->Lines(), "+OK");
}

TEST_F(ServerCommandsTest, InATransactionItBeginsAtItsEnd) {
  Run("MULTI");
  EXPECT_EQ(Run("SAVE"), "-ERR Command not allowed inside a transaction");
  Run("DISCARD");
  Run("MULTI");
  Run("BGSAVE");
  Run("BGREWRITEAOF");
  EXPECT_EQ(Run("EXEC"),
            "*2 +Background saving scheduled +Background append only file rewriting scheduled");
  FinishSnapshot();
  FinishSnapshot();
  EXPECT_EQ(saver_.saves(), 2u);
}

TEST_F(ServerCommandsTest, SavePointsTakeSnapshots) {
  const auto pass = [this](int64_t ms) {
    harness_.Advance(ms);
    saver_.Cron();
    FinishSnapshot();
    return saver_.saves();
  };
  ASSERT_EQ(client_->Ask({"CONFIG", "SET", "save", "100 1 10 3"}), "+OK\r\n");
  EXPECT_EQ(pass(1'000'000), 0u);
  Run("SET a 1");
  EXPECT_EQ(pass(0), 1u);
  Run("SET a 1");
  EXPECT_EQ(pass(50'000), 1u);
  Run("SET a 1");
  Run("SET a 1");
  EXPECT_EQ(pass(0), 2u);
  // A failure is not tried again at once.
  Run("SET a 1");
  std::filesystem::remove_all(directory_ + "/snapshots");
  std::ofstream(directory_ + "/snapshots") << "in the way";
  EXPECT_EQ(pass(101'000), 2u);
  std::filesystem::remove(directory_ + "/snapshots");
  EXPECT_EQ(pass(1000), 2u);
  EXPECT_EQ(pass(5000), 3u);
}

}  // namespace
}  // namespace runnel
