#include "server/info.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <numeric>

#include "base/cycle_clock.h"
#include "base/memory.h"
#include "base/steps.h"
#include "base/text.h"
#include "base/version.h"
#include "broker/waiting.h"
#include "fmt/format.h"
#include "server/config_kinds.h"
#include "server/memory_report.h"
#include "server/roles.h"

namespace runnel {
namespace {

constexpr int64_t kSecondsPerDay = 24 * 60 * 60;

// Adds lines "name:value".
class Fields {
 public:
  explicit Fields(std::string* text) : text_(text) {}

  template <class Value>
  void Add(std::string_view name, const Value& value) {
    fmt::format_to(std::back_inserter(*text_), "{}:{}\r\n", name, value);
  }
  void AddRounded(std::string_view name, double value, int digits = 2) {
    fmt::format_to(std::back_inserter(*text_), "{}:{:.{}f}\r\n", name, value, digits);
  }
  // The number, and a second field for people.
  void AddSize(std::string_view name, size_t bytes) {
    Add(name, bytes);
    Add(fmt::format("{}_human", name), HumanSize(bytes));
  }

 private:
  std::string* text_;
};

std::string ExecutablePath() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  return size < 0 ? "" : std::string(path, static_cast<size_t>(size));
}

void AddServer(ServerHost& host, Fields fields) {
  utsname system{};
  uname(&system);
  const ServerIdentity& identity = host.identity();
  const int64_t now_us = host.broker().clock().now_us();
  const int64_t uptime_s = std::max<int64_t>(now_us - identity.start_us, 0) / 1'000'000;
  fields.Add("redis_version", kRedisVersion);
  fields.Add("runnel_version", kVersion);
  fields.Add("server_name", "runnel");
  fields.Add("redis_mode", "standalone");
  fields.Add("os", fmt::format("{} {} {}", system.sysname, system.release, system.machine));
  fields.Add("arch_bits", 8 * sizeof(void*));
  fields.Add("process_id", getpid());
  fields.Add("run_id", identity.run_id);
  fields.Add("tcp_port", host.config().options().port);
  fields.Add("server_time_usec", now_us);
  fields.Add("uptime_in_seconds", uptime_s);
  fields.Add("uptime_in_days", uptime_s / kSecondsPerDay);
  fields.Add("hz", kCronHz);
  fields.Add("configured_hz", kCronHz);
  fields.Add("executable", ExecutablePath());
  fields.Add("config_file", host.config().file());
  fields.Add("io_threads_active", 0);
}

void AddClients(ServerHost& host, Fields fields) {
  Broker& broker = host.broker();
  const int64_t now_s = broker.clock().now_ms() / 1000;
  size_t largest_input = broker.stats().recent_input.Most(now_s);
  size_t largest_output = broker.stats().recent_output.Most(now_s);
  size_t subscribers = 0;
  size_t watchers = 0;
  size_t with_timeout = 0;
  for (const auto& [id, session] : broker.sessions().all()) {
    largest_input = std::max(largest_input, session->transport->input_memory());
    largest_output = std::max(largest_output, session->unsent_memory());
    subscribers += session->subscriptions() > 0 ? 1 : 0;
    watchers += session->watched.empty() ? 0 : 1;
    const bool has_deadline =
        session->blocked() && session->suspended->deadline_ms != Wait::kForever;
    with_timeout += has_deadline ? 1 : 0;
  }
  fields.Add("connected_clients", broker.sessions().size());
  fields.Add("cluster_connections", 0);
  fields.Add("maxclients", broker.settings().maxclients);
  fields.Add("client_recent_max_input_buffer", largest_input);
  fields.Add("client_recent_max_output_buffer", largest_output);
  fields.Add("blocked_clients", broker.waiting().blocked() + broker.pause().count());
  fields.Add("tracking_clients", broker.tracking().sessions());
  fields.Add("pubsub_clients", subscribers);
  fields.Add("watching_clients", watchers);
  fields.Add("clients_in_timeout_table", with_timeout);
  fields.Add("total_watched_keys", broker.watches().keys());
  fields.Add("total_blocking_keys", broker.waiting().keys());
  fields.Add("total_blocking_keys_on_nokey", broker.waiting().keys_of_groups());
}

// Streams and long lists in memory and on the disk.
void AddCold(Broker& broker, Fields fields) {
  const HotBlocks& blocks = broker.keyspace().hot_blocks();
  const ColdStats stats =
      broker.parking().cold() == nullptr ? ColdStats() : broker.parking().cold()->stats();
  fields.Add("stream_hot_bytes", blocks.bytes());
  fields.Add("stream_held_bytes", blocks.held_bytes());
  fields.Add("cold_entries", blocks.cold_entries());
  fields.Add("cold_bytes", blocks.cold_bytes());
  fields.Add("cold_files", stats.files);
  fields.Add("cold_files_bytes", stats.files_bytes);
  fields.Add("cold_cache_bytes", stats.cache_bytes);
  fields.Add("cold_reads", stats.reads);
  fields.Add("cold_read_ahead_hits", stats.ahead_hits);
  fields.Add("cold_blocking_reads", stats.blocking_reads);
  fields.Add("cold_waiting_clients", broker.parking().count());
  fields.Add("cold_writes_behind",
             broker.parking().cold() != nullptr && broker.parking().cold()->behind() ? 1 : 0);
}

// One interpreter serves scripts and functions.
void AddScripts(const Scripts& scripts, const FunctionCatalog& functions, Fields fields) {
  const ScriptEngine* const engine = scripts.known();
  const size_t interpreter = engine == nullptr ? 0 : engine->lua_bytes();
  const size_t cache = engine == nullptr ? 0 : engine->cache_bytes();
  fields.Add("used_memory_lua", interpreter);
  fields.Add("used_memory_vm_eval", interpreter);
  fields.Add("used_memory_lua_human", HumanSize(interpreter));
  fields.Add("used_memory_scripts_eval", cache);
  fields.Add("number_of_cached_scripts", engine == nullptr ? 0 : engine->script_count());
  fields.Add("number_of_functions", functions.function_count());
  fields.Add("number_of_libraries", functions.size());
  fields.Add("used_memory_vm_functions", 0);
  fields.AddSize("used_memory_vm_total", interpreter);
  fields.Add("used_memory_functions", functions.MemoryBytes());
  fields.AddSize("used_memory_scripts", cache + functions.MemoryBytes());
}

void AddMemory(ServerHost& host, Fields fields) {
  const MemoryReport report = ReportMemory(host);
  const AllocatorStats& allocator = report.allocator;
  const auto system =
      static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const uint64_t maxmemory = host.broker().settings().maxmemory;
  fields.AddSize("used_memory", report.used);
  fields.AddSize("used_memory_rss", report.resident);
  fields.AddSize("used_memory_peak", report.peak);
  fields.Add("used_memory_peak_perc", fmt::format("{:.2f}%", report.peak_percent()));
  fields.Add("used_memory_overhead", report.overhead());
  fields.Add("used_memory_startup", report.startup);
  fields.Add("used_memory_dataset", report.dataset());
  fields.Add("used_memory_dataset_perc", fmt::format("{:.2f}%", report.dataset_percent()));
  fields.Add("allocator_allocated", allocator.allocated);
  fields.Add("allocator_active", allocator.active);
  fields.Add("allocator_resident", allocator.resident);
  fields.AddSize("total_system_memory", system);
  AddScripts(host.broker().scripts(), host.broker().keyspace().functions(), fields);
  fields.AddSize("maxmemory", maxmemory);
  fields.Add("maxmemory_policy", "noeviction");
  fields.AddRounded("allocator_frag_ratio", RatioOf(allocator.active, allocator.allocated));
  fields.Add("allocator_frag_bytes", DifferenceOf(allocator.active, allocator.allocated));
  fields.AddRounded("allocator_rss_ratio", RatioOf(allocator.resident, allocator.active));
  fields.Add("allocator_rss_bytes", DifferenceOf(allocator.resident, allocator.active));
  fields.AddRounded("rss_overhead_ratio", RatioOf(report.resident, allocator.resident));
  fields.Add("rss_overhead_bytes", DifferenceOf(report.resident, allocator.resident));
  fields.AddRounded("mem_fragmentation_ratio", RatioOf(report.resident, report.used));
  fields.Add("mem_fragmentation_bytes", DifferenceOf(report.resident, report.used));
  fields.Add("mem_clients_normal", report.clients);
  // Changes of this turn that are not written yet.
  fields.Add("mem_aof_buffer", host.broker().log().batch().bytes().size());
  fields.Add("mem_allocator", AllocatorName());
  fields.Add("lazyfree_pending_objects", host.disposing_objects());
  fields.Add("lazyfreed_objects", host.broker().stats().lazyfreed_objects);
  AddCold(host.broker(), fields);
}

// Clients know the journal by the fields of Redis's append-only file.
void AddJournal(ServerHost& host, Fields fields) {
  const journal::Journal* journal = host.broker().log().journal();
  const bool comes = host.loading() != nullptr && host.config().options().journal;
  fields.Add("aof_enabled", journal != nullptr || comes ? 1 : 0);
  fields.Add("aof_last_write_status", journal == nullptr || journal->status().ok() ? "ok" : "err");
  if (journal == nullptr) return;
  fields.Add("aof_current_size", journal->appended() - journal->first());
  fields.Add("journal_status", journal->status().ok() ? "ok"
                               : journal->failed()    ? "failed"
                                                      : "full");
  fields.Add("journal_error", journal->status().message());
  fields.Add("journal_first_position", journal->first());
  fields.Add("journal_end_position", journal->appended());
  fields.Add("journal_written_position", journal->written());
  fields.Add("journal_durable_position", journal->durable());
}

void AddSnapshots(const Saver& saver, Fields fields) {
  using Kind = Saver::Kind;
  const auto status = [](const Saver::Report& report) { return report.status.ok() ? "ok" : "err"; };
  const snapshot::Snapshotter::Progress progress = saver.progress();
  fields.Add("rdb_bgsave_in_progress", saver.InProgress(Kind::kSave) ? 1 : 0);
  fields.Add("rdb_last_save_time", saver.last_save_s());
  fields.Add("rdb_last_bgsave_status", status(saver.last(Kind::kSave)));
  fields.Add("rdb_last_bgsave_time_sec", saver.last(Kind::kSave).seconds);
  fields.Add("rdb_current_bgsave_time_sec", saver.current_seconds(Kind::kSave));
  fields.Add("rdb_saves", saver.saves());
  fields.Add("current_save_keys_processed", progress.captured);
  fields.Add("current_save_keys_total", progress.keys);
  fields.Add("aof_rewrite_in_progress", saver.InProgress(Kind::kRewrite) ? 1 : 0);
  fields.Add("aof_rewrite_scheduled", saver.scheduled(Kind::kRewrite) ? 1 : 0);
  fields.Add("aof_last_rewrite_time_sec", saver.last(Kind::kRewrite).seconds);
  fields.Add("aof_current_rewrite_time_sec", saver.current_seconds(Kind::kRewrite));
  fields.Add("aof_last_bgrewrite_status", status(saver.last(Kind::kRewrite)));
  fields.Add("snapshot_last_position", saver.last_position());
  fields.Add("snapshot_last_bytes", saver.last_bytes());
  fields.Add("snapshot_current_bytes", progress.written_bytes);
}

void AddLoading(const Loading& loading, Fields fields) {
  fields.Add("loading_start_time", loading.start_s());
  fields.Add("loading_total_bytes", loading.total_bytes());
  fields.Add("loading_loaded_bytes", loading.loaded_bytes());
  fields.AddRounded("loading_loaded_perc", loading.percent());
  fields.Add("loading_eta_seconds", loading.eta_seconds());
}

// Clients wait until `loading` and both `in_progress` fields are 0.
void AddPersistence(ServerHost& host, Fields fields) {
  fields.Add("loading", host.loading() != nullptr || host.roles().lacks_state() ? 1 : 0);
  fields.Add("async_loading", 0);
  fields.Add("rdb_changes_since_last_save", host.broker().log().changes());
  AddSnapshots(host.saver(), fields);
  AddJournal(host, fields);
  if (host.loading() != nullptr) AddLoading(*host.loading(), fields);
}

int64_t Micros(uint64_t cycles) {
  return static_cast<int64_t>(static_cast<double>(cycles) * NanosPerCycle() / 1000);
}

// The turns of the loop, by the names that later versions of Redis have for them; then what was
// done in the longest one.
void AddTurns(Broker& broker, Fields fields) {
  const TurnMeter& meter = broker.meter();
  fields.Add("eventloop_cycles", meter.turns());
  fields.Add("eventloop_duration_sum", Micros(meter.cycles()));
  fields.Add("eventloop_duration_cmd_sum", Micros(meter.cycles(TurnMeter::Part::kCommands)));
  fields.Add("instantaneous_eventloop_cycles_per_sec",
             static_cast<int64_t>(broker.turn().turn_rate().per_second()));
  fields.Add("instantaneous_eventloop_duration_usec",
             static_cast<int64_t>(broker.turn().recent_turn_us()));
  const TurnMeter::Turn& longest = meter.longest();
  fields.Add("longest_turn_us", Micros(longest.cycles));
  fields.Add("longest_turn_commands", longest.commands);
  fields.Add("longest_turn_part", longest.longest);
  fields.Add("longest_turn_part_us", Micros(longest.longest_cycles));
}

void AddStats(ServerHost& host, Fields fields) {
  Broker& broker = host.broker();
  const Stats& stats = broker.stats();
  fields.Add("total_connections_received", stats.connections_received);
  fields.Add("total_commands_processed", stats.commands_processed);
  fields.Add("instantaneous_ops_per_sec",
             static_cast<int64_t>(broker.turn().command_rate().per_second()));
  fields.Add("total_net_input_bytes", stats.bytes_in);
  fields.Add("total_net_output_bytes", stats.bytes_out);
  fields.AddRounded("instantaneous_input_kbps", broker.turn().input_rate().per_second() / 1024);
  fields.AddRounded("instantaneous_output_kbps", broker.turn().output_rate().per_second() / 1024);
  fields.Add("rejected_connections", stats.connections_rejected);
  fields.Add("sync_full", stats.sync_full);
  fields.Add("sync_partial_ok", stats.sync_partial_ok);
  fields.Add("sync_partial_err", stats.sync_partial_err);
  fields.Add("expired_keys", stats.expired_keys);
  fields.Add("expired_subkeys", stats.expired_fields);
  fields.Add("retention_looks", stats.retention_looks);
  fields.Add("evicted_keys", 0);
  fields.Add("evicted_clients", 0);
  const ScriptEngine* const scripts = broker.scripts().known();
  fields.Add("evicted_scripts", scripts == nullptr ? 0 : scripts->evicted_scripts());
  fields.Add("keyspace_hits", stats.keyspace_hits);
  fields.Add("keyspace_misses", stats.keyspace_misses);
  // There is no second process.
  fields.Add("latest_fork_usec", 0);
  fields.Add("total_forks", 0);
  fields.Add("pubsub_channels", broker.pubsub().names(Subscription::kChannel));
  fields.Add("pubsub_patterns", broker.pubsub().names(Subscription::kPattern));
  fields.Add("pubsubshard_channels", broker.pubsub().names(Subscription::kShard));
  fields.Add("acl_access_denied_auth", stats.wrong_passwords.count());
  fields.Add("tracking_total_keys", broker.tracking().keys());
  fields.Add("tracking_total_items", broker.tracking().items());
  fields.Add("tracking_total_prefixes", broker.tracking().prefixes());
  fields.Add("unexpected_error_replies", stats.unexpected_error_replies);
  fields.Add("total_error_replies", stats.total_error_replies);
  fields.Add("client_query_buffer_limit_disconnections", stats.query_buffer_limit_closes);
  fields.Add("client_output_buffer_limit_disconnections", stats.output_buffer_limit_closes);
  AddTurns(broker, fields);
}

void AddFollower(const Roles& roles, uint64_t end, int64_t now_ms, const ServerOptions& options,
                 Fields fields) {
  const replication::Follower* const follower = roles.follower();
  const bool up = follower != nullptr && follower->link_up();
  fields.Add("master_host", roles.leader_host());
  fields.Add("master_port", roles.leader_port());
  fields.Add("master_link_status", up ? "up" : "down");
  fields.Add("master_last_io_seconds_ago", up ? (now_ms - follower->heard_ms()) / 1000 : -1);
  const bool syncing =
      follower != nullptr && follower->state() == replication::Follower::State::kSyncing;
  fields.Add("master_sync_in_progress", syncing ? 1 : 0);
  fields.Add("slave_read_repl_offset", end);
  fields.Add("slave_repl_offset", end);
  if (syncing) {
    const replication::SnapshotFetch& fetch = *follower->fetch();
    const uint64_t total = fetch.total_bytes();
    fields.Add("master_sync_total_bytes", total);
    fields.Add("master_sync_read_bytes", fetch.written_bytes());
    fields.Add("master_sync_left_bytes", total - fetch.written_bytes());
    fields.AddRounded(
        "master_sync_perc",
        total == 0 ? 0
                   : 100 * static_cast<double>(fetch.written_bytes()) / static_cast<double>(total),
        2);
    fields.Add("master_sync_last_io_seconds_ago", (now_ms - follower->heard_ms()) / 1000);
  }
  if (!up) {
    fields.Add("master_link_down_since_seconds",
               follower == nullptr ? 0 : (now_ms - follower->down_since_ms(now_ms)) / 1000);
  }
  // Sentinel does not promote a server with priority 0.
  fields.Add("slave_priority", roles.may_be_promoted() ? options.replica_priority : 0);
  fields.Add("slave_read_only", 1);
  fields.Add("replica_announced", options.replica_announced ? 1 : 0);
}

void AddFollowers(const Roles& roles, int64_t now_ms, const Settings& settings, Fields fields) {
  const replication::Leader* const leader = roles.serving();
  fields.Add("connected_slaves", leader == nullptr ? 0 : leader->followers());
  if (settings.min_replicas_to_write > 0 && settings.min_replicas_max_lag_s > 0) {
    fields.Add("min_slaves_good_slaves", roles.good_followers());
  }
  if (leader == nullptr) return;
  size_t number = 0;
  leader->ForEachFollower([&](const replication::Leader::Peer& peer) {
    // Redis's name for one that has none of the data yet.
    fields.Add(
        fmt::format("slave{}", number++),
        fmt::format("ip={},port={},state={},offset={},lag={},in_sync={},synced={},applied={}",
                    peer.address, peer.port, peer.online() ? "online" : "wait_bgsave",
                    peer.report.written, (now_ms - peer.heard_ms) / 1000,
                    leader->leads() && leader->in_sync().Has(peer.request.node_id) ? 1 : 0,
                    peer.report.synced, peer.report.applied));
  });
}

// Redis gives a history 40 hexadecimal digits, others after each promotion, and says which it had
// before and up to where. Here a history is the journal with its newest epoch: 16 digits are the
// journal's id, 16 the epoch, and 8 are zeros. The history before is that of the epoch before, up
// to where the newest one begins.
std::string HistoryId(const journal::Journal& journal, journal::Epoch epoch) {
  return fmt::format("{:016x}{:016x}{:08x}", journal.identity().id, epoch, 0);
}

void AddHistory(const journal::Journal* journal, uint64_t end, Fields fields) {
  const std::string none(40, '0');
  const auto rows =
      journal == nullptr ? std::vector<journal::EpochHistory::Row>() : journal->epochs().rows();
  const bool promoted = rows.size() > 1;
  fields.Add("master_replid",
             journal == nullptr ? none : HistoryId(*journal, journal->epochs().newest()));
  fields.Add("master_replid2", promoted ? HistoryId(*journal, rows[rows.size() - 2].epoch) : none);
  fields.Add("master_repl_offset", end);
  fields.Add("second_repl_offset", promoted ? static_cast<int64_t>(rows.back().begin) : -1);
}

// What followers can still be sent, which Redis has in a buffer, is the journal.
void AddBacklog(const Roles& roles, const journal::Journal* journal, uint64_t end, Fields fields) {
  const Position first = journal == nullptr ? 0 : journal->first();
  fields.Add("repl_backlog_active", journal == nullptr ? 0 : 1);
  fields.Add("repl_backlog_size", roles.settings().backlog_bytes);
  fields.Add("repl_backlog_first_byte_offset", first);
  fields.Add("repl_backlog_histlen", end - first);
}

std::string_view NameOf(Roles::Failover failover) {
  switch (failover) {
    case Roles::Failover::kNone:
      return "no-failover";
    case Roles::Failover::kWaiting:
      return "waiting-for-sync";
    case Roles::Failover::kInProgress:
      return "failover-in-progress";
  }
  return "";
}

void AddReplication(ServerHost& host, Fields fields) {
  const Roles& roles = host.roles();
  const journal::Journal* const journal = host.broker().log().journal();
  const uint64_t end = journal == nullptr ? 0 : journal->written();
  const int64_t now_ms = host.broker().clock().steady_ms();
  fields.Add("role", roles.follows() ? "slave" : "master");
  if (roles.follows()) AddFollower(roles, end, now_ms, host.config().options(), fields);
  AddFollowers(roles, now_ms, host.broker().settings(), fields);
  fields.Add("master_failover_state", NameOf(roles.failover()));
  AddHistory(journal, end, fields);
  AddBacklog(roles, journal, end, fields);
  fields.Add("node_id", roles.node_id());
  fields.Add("journal_id",
             journal == nullptr ? "" : fmt::format("{:016x}", journal->identity().id));
  fields.Add("replication_epoch",
             fmt::format("{:016x}", journal == nullptr ? 0 : journal->epoch()));
  const replication::ClusterRecord* const record = roles.record();
  fields.Add("in_sync_replicas", record == nullptr ? 0 : record->in_sync());
  fields.Add("min_insync_replicas", host.config().options().min_insync_replicas);
  fields.Add("high_watermark", roles.high_watermark());
  fields.Add("acks_waiting_clients", host.broker().outbox().WaitingForAll());
  fields.Add("replication_applied_position", host.broker().log().watermarks().appended.position);
  fields.Add("replication_dropped_bytes", roles.dropped_bytes());
  fields.Add("replication_dropped_messages", roles.dropped_messages());
  fields.Add("replication_tail_trusted", roles.trusted() ? 1 : 0);
  fields.Add("replication_error", roles.error());
  // Journal that is kept because followers need it.
  fields.Add("replica_hold_bytes", end - std::min<Position>(roles.hold(), end));
}

void AddCpu(ServerHost&, Fields fields) {
  const auto add = [&](std::string_view suffix, int whose) {
    rusage usage{};
    getrusage(whose, &usage);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    fields.AddRounded(fmt::format("used_cpu_sys{}", suffix), seconds(usage.ru_stime), 6);
    fields.AddRounded(fmt::format("used_cpu_user{}", suffix), seconds(usage.ru_utime), 6);
  };
  add("", RUSAGE_SELF);
  add("_children", RUSAGE_CHILDREN);
  add("_main_thread", RUSAGE_THREAD);
}

void AddModules(ServerHost&, Fields) {}

// Calls visit(command) for all commands. A command comes before its subcommands.
template <class Visit>
void ForEachCommand(ServerHost& host, Visit visit) {
  for (const auto& command : host.broker().commands().commands()) {
    visit(*command);
    for (const auto& subcommand : command->subcommands) {
      visit(*subcommand);
    }
  }
}

void AddCommandStats(ServerHost& host, Fields fields) {
  ForEachCommand(host, [&](const Command& command) {
    const CommandStats& stats = command.stats;
    if (stats.calls == 0 && stats.rejected == 0 && stats.failed == 0) return;
    const double usec = static_cast<double>(stats.cycles) * NanosPerCycle() / 1000;
    const double per_call = stats.calls == 0 ? 0 : usec / static_cast<double>(stats.calls);
    fields.Add(
        fmt::format("cmdstat_{}", command.full_name),
        fmt::format("calls={},usec={},usec_per_call={:.2f},rejected_calls={},failed_calls={}",
                    stats.calls, static_cast<int64_t>(usec), per_call, stats.rejected,
                    stats.failed));
  });
}

// Scripts make codes of errors as they like: without what has a meaning in INFO, as in Redis.
std::string NameOfErrorCode(std::string_view code) {
  std::string name(code);
  const auto is_special = [](char c) { return c == '#' || c == ':' || c == '\r' || c == '\n'; };
  std::replace_if(name.begin(), name.end(), is_special, '_');
  return name;
}

void AddErrorStats(ServerHost& host, Fields fields) {
  for (const auto& [code, count] : host.broker().stats().errors) {
    fields.Add(fmt::format("errorstat_{}", NameOfErrorCode(code)), fmt::format("count={}", count));
  }
}

// The time in microseconds that this percentage of the `calls` in the histogram did not exceed. It
// has one bucket for each power of two of nanoseconds; this is the upper end of the bucket.
double Percentile(const CommandStats& stats, uint64_t calls, double percent) {
  const double wanted = std::max(static_cast<double>(calls) * percent / 100, 1.0);
  uint64_t seen = 0;
  for (size_t bits = 0; bits < stats.histogram.size(); bits++) {
    seen += stats.histogram[bits];
    if (static_cast<double>(seen) >= wanted) {
      return static_cast<double>((uint64_t{1} << bits) - 1) / 1000;
    }
  }
  return 0;
}

void AddLatencyStats(ServerHost& host, Fields fields) {
  const Settings& settings = host.broker().settings();
  if (!settings.latency_tracking) return;
  ForEachCommand(host, [&](const Command& command) {
    const auto& histogram = command.stats.histogram;
    const uint64_t calls = std::accumulate(histogram.begin(), histogram.end(), uint64_t{0});
    if (calls == 0) return;
    std::string shown;
    for (const double percent : settings.latency_percentiles) {
      shown += fmt::format("{}p{}={:.3f}", shown.empty() ? "" : ",", config::FormatPercent(percent),
                           Percentile(command.stats, calls, percent));
    }
    fields.Add(fmt::format("latency_percentiles_usec_{}", command.full_name), shown);
  });
}

void AddTopics(ServerHost& host, Fields fields) {
  const Keyspace& keyspace = host.broker().keyspace();
  uint64_t topics = 0;
  uint64_t partitions = 0;
  uint64_t producers = 0;
  uint64_t groups = 0;
  uint64_t members = 0;
  for (uint32_t db = 0; db < keyspace.databases(); db++) {
    for (const KeyEntry* entry : keyspace.listed(db)) {
      const Topic& topic = *entry->As<Topic>();
      topics++;
      partitions += topic.partitions();
      producers += topic.producers().all().size();
    }
    for (const KeyEntry* entry : keyspace.listed(CompanionOf(db))) {
      groups++;
      members += entry->As<TopicGroup>()->members().size();
    }
  }
  const TopicGroups::Stats& stats = host.broker().topic_groups().stats();
  fields.Add("topics", topics);
  fields.Add("topic_partitions", partitions);
  fields.Add("topic_producers", producers);
  fields.Add("topic_groups", groups);
  fields.Add("topic_group_members", members);
  fields.Add("topic_records_added", stats.added);
  fields.Add("topic_duplicates", stats.duplicates);
  fields.Add("topic_records_given", stats.given);
  fields.Add("topic_partition_moves", stats.moves);
  fields.Add("topic_fenced_commits", stats.fenced);
  fields.Add("topic_records_skipped", stats.skipped);
}

void AddCluster(ServerHost&, Fields fields) {
  fields.Add("cluster_enabled", 0);
}

void AddKeyspace(ServerHost& host, Fields fields) {
  const Keyspace& keyspace = host.broker().keyspace();
  for (uint32_t db = 0; db < keyspace.databases(); db++) {
    if (keyspace.size(db) == 0) continue;
    const int64_t ttl =
        keyspace.expiring(db) == 0
            ? 0
            : std::max<int64_t>(keyspace.MeanExpiry(db) - host.broker().clock().now_ms(), 0);
    std::string line =
        fmt::format("keys={},expires={},avg_ttl={}", keyspace.size(db), keyspace.expiring(db), ttl);
    const size_t hashes = keyspace.with_expiring_fields(db);
    if (hashes > 0) line += fmt::format(",subexpiry={}", hashes);
    fields.Add(fmt::format("db{}", db), line);
  }
}

// The turns once more, in detail. `turns_usec` has one bucket for each power of two: "256=3" are 3
// turns of 128 to 255 microseconds.
void AddDebug(ServerHost& host, Fields fields) {
  const TurnMeter& meter = host.broker().meter();
  fields.Add("eventloop_duration_aof_sum", Micros(meter.cycles(TurnMeter::Part::kJournal)));
  fields.Add("eventloop_duration_cron_sum", Micros(meter.cycles(TurnMeter::Part::kUpkeep)));
  fields.Add("eventloop_duration_max", Micros(meter.longest().cycles));
  fields.Add("eventloop_cmd_per_cycle_max", meter.most_commands());
  std::string buckets;
  for (size_t bits = 0; bits < TurnMeter::kBuckets; bits++) {
    const uint64_t turns = meter.histogram()[bits];
    if (turns == 0) continue;
    if (!buckets.empty()) buckets += ',';
    buckets += fmt::format("{}={}", uint64_t{1} << bits, turns);
  }
  fields.Add("turns_usec", buckets);
  if (!kCountsSteps) return;
  fields.Add("most_turn_steps", meter.most_steps().steps);
  fields.Add("most_turn_steps_part", meter.most_steps().longest);
}

// Which names of sections show one, besides its own.
enum class Shown {
  kByDefault,
  kByAll,
  kByName,
};

struct Section {
  std::string_view title;  // also its name
  void (*add)(ServerHost& host, Fields fields);
  Shown shown;
};

constexpr Section kSections[] = {
    {"Server", AddServer, Shown::kByDefault},
    {"Clients", AddClients, Shown::kByDefault},
    {"Memory", AddMemory, Shown::kByDefault},
    {"Persistence", AddPersistence, Shown::kByDefault},
    {"Stats", AddStats, Shown::kByDefault},
    {"Replication", AddReplication, Shown::kByDefault},
    {"CPU", AddCpu, Shown::kByDefault},
    {"Modules", AddModules, Shown::kByDefault},
    {"Commandstats", AddCommandStats, Shown::kByAll},
    {"Errorstats", AddErrorStats, Shown::kByDefault},
    {"Latencystats", AddLatencyStats, Shown::kByAll},
    {"Topics", AddTopics, Shown::kByAll},
    {"Cluster", AddCluster, Shown::kByDefault},
    {"Keyspace", AddKeyspace, Shown::kByDefault},
    {"Debug", AddDebug, Shown::kByName},
};

bool IsAskedFor(const Section& section, std::span<const std::string_view> names) {
  const bool by_default = section.shown == Shown::kByDefault;
  if (names.empty()) return by_default;
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    if (EqualsIgnoreCase(name, section.title)) return true;
    if (EqualsIgnoreCase(name, "default")) return by_default;
    return section.shown != Shown::kByName &&
           (EqualsIgnoreCase(name, "all") || EqualsIgnoreCase(name, "everything"));
  });
}

}  // namespace

std::string FormatInfo(ServerHost& host, std::span<const std::string_view> names) {
  std::string text;
  for (const Section& section : kSections) {
    if (!IsAskedFor(section, names)) continue;
    if (!text.empty()) text += "\r\n";
    text += fmt::format("# {}\r\n", section.title);
    section.add(host, Fields(&text));
  }
  return text;
}

}  // namespace runnel
