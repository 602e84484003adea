#include "server/config_directives.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <vector>

#include "base/text.h"
#include "effects/bounds.h"
#include "replication/sync_rate.h"
#include "server/config_kept.h"
#include "server/config_kinds.h"

namespace runnel {
namespace config {
namespace {

constexpr int64_t kMax32 = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxU32 = std::numeric_limits<uint32_t>::max();
constexpr int64_t kMax64 = std::numeric_limits<int64_t>::max();
constexpr int64_t kMegabyte = 1024 * 1024;

constexpr std::string_view kLogLevels[] = {"debug", "verbose", "notice", "warning"};
constexpr std::string_view kFsyncPolicies[] = {"always", "everysec", "no"};  // as in SyncPolicy

// In the order of their enums.
constexpr std::string_view kAcks[] = {"0", "1", "all"};
constexpr std::string_view kSupervisors[] = {"no", "systemd", "upstart", "auto"};
constexpr std::string_view kLogFormats[] = {"plain", "json"};
constexpr std::string_view kSyslogFacilities[] = {"user",   "local0", "local1", "local2", "local3",
                                                  "local4", "local5", "local6", "local7"};
// In the order of cold::Codec.
constexpr std::string_view kColdCodecs[] = {"none", "lz4", "zstd"};

constexpr auto kAnyTime = Directive::kAnyTime;
constexpr auto kAtStart = Directive::kAtStart;

constexpr Directive kDirectives[] = {
    // Where clients come in.
    {.name = "bind",
     .change = kAtStart,
     .parse = ParseBind,
     .format = FormatBind,
     .several = true,
     .why = "Addresses to listen on. By default only clients of this machine can connect; "
            "'* -::*' means all IPv4 and IPv6 addresses. With - before an address, the start goes "
            "on if this machine does not have it."},
    Integer<&ServerOptions::port>("port", kAtStart, 0, 65535, "TCP port to listen on. 0: no TCP."),
    Flag<&Settings::protected_mode>("protected-mode", kAnyTime,
                                    "Refuse clients from other machines while no password is set."),
    Integer<&ServerOptions::tcp_backlog>(
        "tcp-backlog", kAtStart, 0, kMax32,
        "Most connections that the kernel queues before the server accepts them."),
    Text<&ServerOptions::unixsocket>("unixsocket", kAtStart,
                                     "Path of a Unix socket to listen on. Empty: none."),
    {.name = "unixsocketperm",
     .change = kAtStart,
     .parse = ParseMode,
     .format = FormatMode,
     .why = "Permission bits of the Unix socket, in octal. 0: as the umask sets them."},
    Integer<&Settings::timeout_s>(
        "timeout", kAnyTime, 0, kMax32,
        "Close a connection that is idle for this many seconds. 0: never."),
    Integer<&Settings::tcp_keepalive_s>(
        "tcp-keepalive", kAnyTime, 0, kMax32,
        "Seconds between TCP keepalive probes, which find dead peers. 0: no probes."),

    // What one client may take.
    Integer<&Settings::maxclients>("maxclients", kAnyTime, 1, kMaxU32,
                                   "Most connections at one time. Further ones are refused."),
    Size<&Settings::client_query_buffer_limit>(
        "client-query-buffer-limit", kAnyTime, kMegabyte, int64_t{kMostRequestBytes},
        "Most bytes of one unfinished request. A client that sends more is disconnected."),
    Size<&DataOptions::max_bulk_bytes>("proto-max-bulk-len", kAnyTime, kMegabyte, 1 << 30,
                                       "Most bytes of one argument and of one string value."),
    Size<&Settings::client_output_memory>(
        "client-output-memory", kAnyTime, 0, kMax64,
        "Most memory for unread replies of all clients together; never more than a quarter of "
        "maxmemory. Above half of it the server stops to read from the clients that hold most, "
        "until they have read. One that then reads nothing for 60 seconds is disconnected."),
    {.name = "client-output-buffer-limit",
     .parse = ParseOutputLimits,
     .format = FormatOutputLimits,
     .several = true,
     .why = "Unread output above which a client is disconnected: class, hard limit, soft limit, "
            "seconds above the soft limit. 0: no limit."},

    // Access.
    Text<&Settings::requirepass>("requirepass", kAnyTime,
                                 "Password that clients must give with AUTH. Empty: none."),

    // The process.
    Flag<&ServerOptions::daemonize>(
        "daemonize", kAtStart,
        "Run in the background. Has no effect while a supervisor is notified."),
    Choice<&ServerOptions::supervised>(
        "supervised", kAtStart, kSupervisors,
        "Supervisor to notify of the start and the end: no, systemd (through NOTIFY_SOCKET), "
        "upstart (stops itself with SIGSTOP), auto (the one that the environment names)."),
    Text<&ServerOptions::pidfile>("pidfile", kAtStart,
                                  "File that holds the process ID while the server runs. Empty: "
                                  "none."),
    Text<&ServerOptions::logfile>("logfile", kAtStart,
                                  "File to log to. Empty: standard output. SIGHUP reopens the "
                                  "file."),
    Choice<&ServerOptions::loglevel>(
        "loglevel", kAnyTime, kLogLevels,
        "Least important lines that are logged: debug, verbose, notice, warning."),
    {.name = "log-format",
     .change = kAtStart,
     .parse = ParseLogFormat,
     .format = FormatLogFormat,
     .choices = kLogFormats,
     .why = "Form of a log line: plain (for people), json (one JSON object a line)."},
    Flag<&ServerOptions::syslog_enabled>("syslog-enabled", kAtStart,
                                         "Log to the system's log daemon as well."),
    Text<&ServerOptions::syslog_ident>("syslog-ident", kAtStart,
                                       "Name of this server in the system's log."),
    Choice<&ServerOptions::syslog_facility>(
        "syslog-facility", kAtStart, kSyslogFacilities,
        "Facility of its lines in the system's log: user, or local0 to local7."),
    {.name = "dir",
     .change = Directive::kProtected,
     .parse = ParseDir,
     .format = FormatDir,
     .why = "Directory that holds the data. Relative paths in this file start there."},
    Integer<&Settings::databases>("databases", kAtStart, 1, 65536,
                                  "Number of databases that SELECT can choose from."),

    // Memory.
    Size<&Settings::maxmemory>(
        "maxmemory", kAnyTime, 0, kMax64,
        "Memory above which commands that add data are refused. 0: no limit."),
    Only("maxmemory-policy", "noeviction",
         "Runnel does not delete data to make room: only noeviction is accepted."),

    Size<&Settings::script_memory_max>(
        "script-memory-max", kAnyTime, kMegabyte, int64_t{1} << 40,
        "Most memory of all scripts and functions together. A script that needs more fails. The "
        "texts of libraries of functions have the same bound of their own."),
    WithAlias(Integer<&Settings::busy_reply_threshold_ms>(
                  "busy-reply-threshold", kAnyTime, 0, kMax64,
                  "Milliseconds after which a script that still runs does not silence the server "
                  "any more: other clients get the error BUSY. SCRIPT KILL ends a script that has "
                  "changed nothing. 0: never. Other name: lua-time-limit."),
              "lua-time-limit"),

    // Streams.
    Integer<&DataOptions::stream_node_max_entries>(
        "stream-node-max-entries", kAnyTime, 0, kMaxU32,
        "Most entries in a block of a stream. Approximate trimming removes whole blocks. 0: no "
        "limit."),
    {.name = "stream-node-max-bytes",
     .parse = ParseStreamBytes,
     .format = FormatStreamBytes,
     .least = 0,
     .most = kMaxStreamBlock,
     .why = "Most bytes of a block of a stream. 0: the largest possible block. Values above 14336 "
            "have the effect of 14336."},
    Size<&ColdSettings::stream_memory>(
        "stream-memory", kAnyTime, 0, kMax64,
        "Memory of streams and long lists above which the oldest entries of streams and the middle "
        "of lists move to files in streams/. With maxmemory: at most half of that. The newest "
        "block of each stream and short lists stay in memory in any case. 0: no limit."),
    Choice<&ColdSettings::compression>("cold-compression", kAnyTime, kColdCodecs,
                                       "Compression of these files: lz4, zstd, none."),
    Size<&ColdSettings::cold_read_limit>(
        "cold-read-limit", kAnyTime, 0, kMax64,
        "Most bytes of cold data and of the reply built from it that one command may need in "
        "memory "
        "at once. Commands that need more are refused. 0: no limit."),
    Integer<&DataOptions::stream_idmp_duration_s>(
        "stream-idmp-duration", kAnyTime, 1, 86400,
        "Seconds for which XADD IDMP recognizes a repeated message. XCFGSET overrides it for one "
        "stream."),
    Integer<&DataOptions::stream_idmp_max_size>(
        "stream-idmp-maxsize", kAnyTime, 1, 10000,
        "Most messages of one producer that XADD IDMP recognizes. XCFGSET overrides it for one "
        "stream."),

    // Names of encodings.
    WithAlias(Integer<&EncodingLimits::hash_max_listpack_entries>(
                  "hash-max-listpack-entries", kAnyTime, 0, kMax64,
                  "OBJECT ENCODING calls a hash with at most this many fields listpack. This and "
                  "the following say nothing about how a value lies in memory."),
              "hash-max-ziplist-entries"),
    WithAlias(
        Size<&EncodingLimits::hash_max_listpack_value>(
            "hash-max-listpack-value", kAnyTime, 0, kMax64,
            "Most bytes of a field and of a value in such a hash. Values above 65534 have the "
            "effect of 65534."),
        "hash-max-ziplist-value"),
    Integer<&EncodingLimits::set_max_intset_entries>(
        "set-max-intset-entries", kAnyTime, 0, kMax64,
        "OBJECT ENCODING calls a set of at most this many integers intset."),
    Integer<&EncodingLimits::set_max_listpack_entries>(
        "set-max-listpack-entries", kAnyTime, 0, kMax64,
        "OBJECT ENCODING calls another set with at most this many members listpack."),
    Size<&EncodingLimits::set_max_listpack_value>(
        "set-max-listpack-value", kAnyTime, 0, kMax64,
        "Most bytes of a member in such a set. Values above 65534 have the effect of 65534."),
    WithAlias(Integer<&EncodingLimits::zset_max_listpack_entries>(
                  "zset-max-listpack-entries", kAnyTime, 0, kMax64,
                  "OBJECT ENCODING calls a sorted set with at most this many members listpack."),
              "zset-max-ziplist-entries"),
    WithAlias(Size<&EncodingLimits::zset_max_listpack_value>(
                  "zset-max-listpack-value", kAnyTime, 0, kMax64,
                  "Most bytes of a member in such a sorted set. Values above 65534 have the effect "
                  "of 65534."),
              "zset-max-ziplist-value"),

    // Topics.
    Integer<&TopicOptions::retention_ms>(
        "topic-retention-ms", kAnyTime, 0, kMax64,
        "Milliseconds for which a new topic keeps records, if TOPIC CREATE does not say otherwise. "
        "0: no bound."),
    Size<&TopicOptions::retention_bytes>(
        "topic-retention-bytes", kAnyTime, 0, kMax64,
        "Bytes of records that each partition of a new topic keeps. 0: no bound."),
    Integer<&TopicOptions::retention_entries>(
        "topic-retention-entries", kAnyTime, 0, kMax64,
        "Records that each partition of a new topic keeps. 0: no bound."),
    Integer<&TopicOptions::tombstone_ms>(
        "topic-tombstone-ms", kAnyTime, 0, kMax64,
        "Milliseconds for which a new compacted topic keeps records that delete a key. 0: for "
        "ever."),
    Size<&TopicOptions::max_record_bytes>(
        "topic-max-record-bytes", kAnyTime, 1, kMax64,
        "Most bytes of a record of a new topic: key, names and values of its fields."),
    Integer<&DataOptions::topic_max_partitions>("topic-max-partitions", kAnyTime, 1,
                                                kMostPartitions, "Most partitions of one topic."),
    Integer<&DataOptions::producer_expire_ms>(
        "producer-expire-ms", kAnyTime, 0, kMax64,
        "Milliseconds after which a topic forgets an idempotent producer that nobody uses. 0: "
        "never."),
    Integer<&DataOptions::auto_create_topics>("auto-create-topics", kAnyTime, 0, kMostPartitions,
                                              "Partitions of a topic that TADD and TADDM make if "
                                              "it is missing. 0: they do not make one."),

    // Events and slow commands.
    {.name = "notify-keyspace-events",
     .parse = ParseNotify,
     .format = FormatNotify,
     .why = "Keyspace events to publish: K and E choose the channels, A or letters the classes of "
            "events. Empty: none."},
    WithAlias(Integer<&Settings::slowlog_log_slower_than_us>(
                  "slowlog-log-slower-than", kAnyTime, -1, kMax64,
                  "SLOWLOG records commands that take at least this many microseconds. 0: all, -1: "
                  "none."),
              "commandlog-execution-slower-than"),
    WithAlias(Integer<&Settings::slowlog_max_len>("slowlog-max-len", kAnyTime, 0, kMaxU32,
                                                  "Most commands that SLOWLOG records."),
              "commandlog-slow-execution-max-len"),
    Integer<&Settings::latency_monitor_threshold_ms>(
        "latency-monitor-threshold", kAnyTime, 0, kMax64,
        "LATENCY records events that take at least this many milliseconds. 0: none."),
    Flag<&Settings::latency_tracking>(
        "latency-tracking", kAnyTime,
        "Count how long each command takes, for LATENCY HISTOGRAM and INFO latencystats."),
    {.name = "latency-tracking-info-percentiles",
     .parse = ParsePercentiles,
     .format = FormatPercentiles,
     .several = true,
     .why = "Percentiles of these times that INFO latencystats shows, from 0 to 100. Empty: none."},
    Integer<&Settings::tracking_table_max_keys>(
        "tracking-table-max-keys", kAnyTime, 0, kMax64,
        "Most keys that CLIENT TRACKING remembers for client-side caches. 0: no limit."),

    // Durability.
    {.name = "save",
     .parse = ParseSave,
     .format = FormatSave,
     .several = true,
     .adds = true,
     .why =
         "Take a snapshot after this many seconds if there were this many changes. Several "
         "pairs are possible. With any pair, a snapshot is also taken at the end. Empty: none. If "
         "it is not set: none with a journal, and without one 3600 1 300 100 60 10000."},
    WithAlias(Flag<&ServerOptions::journal>(
                  "journal", kAtStart,
                  "Write every change to the directory 'journal', so that it outlives the "
                  "process."),
              "appendonly"),
    Choice<&ServerOptions::appendfsync>(
        "appendfsync", kAnyTime, kFsyncPolicies,
        "When the journal is synced to the disk: always (before a change is acknowledged), "
        "everysec (once a second), no (when the operating system does it). With always, a follower "
        "tells its leader that it has a change when it has synced it; with the others, a server "
        "that has lost its power does not count as in sync, and does not lead, before it has got "
        "back what it may have lost."),
    Size<&ServerOptions::journal_segment_bytes>(
        "journal-segment-bytes", kAtStart, 64 * 1024, int64_t{1} << 40,
        "Largest size of one journal file. Its disk space is reserved at once. Old data is removed "
        "by whole files. New files are smaller while snapshot-journal-bytes is auto, 16 to 32 MB, "
        "and when little disk space is free: a sixteenth of it, but at least 4 MB."),
    Flag<&ServerOptions::journal_cut_damage>(
        "journal-cut-damage", kAtStart,
        "What the start does with a damaged journal. no: it stops, and says what is damaged and "
        "what follows. yes: it cuts the journal at the damage and goes on without what follows, "
        "which is kept in a file. A server with replicaof always does that, because its leader has "
        "the data."),
    {.name = "snapshot-journal-bytes",
     .parse = ParseJournalBytes,
     .format = FormatJournalBytes,
     .least = 0,
     .most = kMax64,
     .why =
         "Take a snapshot when this many bytes of journal follow the last one. 0: never. auto: so "
         "that the whole journal takes at most twice what the last snapshot holds, from 64 MB to "
         "1 GB, and at most a quarter of the free disk space."},
    Integer<&ServerOptions::snapshots_kept>(
        "snapshots-kept", kAnyTime, 1, 100,
        "Number of snapshots that stay, with the journal after the oldest of them. If the newest "
        "is damaged, the start uses the one before. Older ones are removed when the disk gets "
        "full."),
    Integer<&ServerOptions::shutdown_timeout_s>(
        "shutdown-timeout", kAnyTime, 0, kMaxU32,
        "Longest time, in seconds, of a snapshot at the end that only makes the next start faster, "
        "and before that, the longest time for which a server that ends waits until its followers "
        "have all changes. 0: there is neither."),

    // Replication.
    {.name = "replicaof",
     .change = kAtStart,
     .parse = ParseReplicaOf,
     .format = FormatReplicaOf,
     .several = true,
     .alias = "slaveof",
     .why = "Host and port of the leader that this server follows. no one, or empty: it leads. "
            "REPLICAOF changes it while the server runs."},
    WithAlias(Text<&ServerOptions::masterauth>(
                  "masterauth", kAnyTime,
                  "Password that this server gives when it follows another one. Empty: none."),
              "primaryauth"),
    WithAlias(Text<&ServerOptions::masteruser>(
                  "masteruser", kAnyTime,
                  "User with which it authenticates then. Empty: the default user."),
              "primaryuser"),

    Choice<&Settings::acks>(
        "acks", kAnyTime, kAcks,
        "What the replies to a client wait for, unless it has said so with CLIENT ACKS. 0: "
        "nothing. "
        "1: that the journal of the leader is as safe as appendfsync says. all: that every in-sync "
        "replica has what they show."),
    Integer<&Settings::acks_timeout_ms>(
        "acks-timeout", kAnyTime, 0, kMax32,
        "Milliseconds that a reply waits for all in-sync replicas. After that its connection is "
        "closed, because nobody knows the outcome. 0: for ever."),
    Integer<&ServerOptions::min_insync_replicas>(
        "min-insync-replicas", kAnyTime, 1, 1000,
        "Members that the in-sync set must have, the leader included, before a change counts as "
        "kept by all. With fewer, commands of clients with acks all are refused."),
    Integer<&ServerOptions::replica_lag_time_max_ms>(
        "replica-lag-time-max", kAnyTime, 10, kMax32,
        "Milliseconds after which a member of the in-sync set leaves it that is connected, but "
        "behind."),
    Flag<&ServerOptions::unclean_leader_election>(
        "unclean-leader-election", kAnyTime,
        "Whether REPLICAOF NO ONE makes a leader of a server that is not in the in-sync set, or "
        "that may have lost the end of its journal in a power cut. yes: it does, and changes that "
        "were acknowledged may be lost. no: it is refused."),
    {.name = "replica-announce-ip",
     .parse = ParseAnnouncedHost,
     .format = FormatAnnouncedHost,
     .alias = "slave-announce-ip",
     .why = "Name or address under which clients reach this server, as it tells its leader. Empty: "
            "the address from which it connects to the leader."},
    WithAlias(Integer<&ServerOptions::replica_announce_port>(
                  "replica-announce-port", kAnyTime, 0, 65535,
                  "Port under which clients reach this server, as it tells its leader. 0: port."),
              "slave-announce-port"),
    Flag<&ServerOptions::replica_announced>(
        "replica-announced", kAnyTime,
        "Whether Sentinel is to tell clients of this server while it follows."),
    WithAlias(Integer<&ServerOptions::replica_priority>(
                  "replica-priority", kAnyTime, 0, kMax32,
                  "Of several followers, Sentinel promotes the one with the lowest number. 0: not "
                  "this one."),
              "slave-priority"),
    WithAlias(Flag<&Settings::replica_serve_stale_data>(
                  "replica-serve-stale-data", kAnyTime,
                  "Whether a follower answers commands on data while the link to its leader is "
                  "down. no: it answers MASTERDOWN."),
              "slave-serve-stale-data"),
    WithAlias(Integer<&Settings::min_replicas_to_write>(
                  "min-replicas-to-write", kAnyTime, 0,
                  kMax32,
                  "Refuse changes while fewer followers than this are connected and were heard "
                  "from within min-replicas-max-lag seconds. 0: never."),
              "min-slaves-to-write"),
    WithAlias(Integer<&Settings::min_replicas_max_lag_s>(
                  "min-replicas-max-lag", kAnyTime, 0, kMax32,
                  "Seconds after which a follower that is silent does not count for "
                  "min-replicas-to-write. 0: changes are never refused for that reason."),
              "min-slaves-max-lag"),
    Size<&ServerOptions::repl_backlog_size>(
        "repl-backlog-size", kAnyTime, 1, kMax64,
        "Most journal that a leader keeps for a follower that is not connected, so that it can go "
        "on where it was. At least one journal file (journal-segment-bytes)."),
    Integer<&ServerOptions::repl_backlog_ttl_s>(
        "repl-backlog-ttl", kAnyTime, 0, kMax32,
        "Seconds for which it keeps that journal. 0: for ever."),
    Size<&ServerOptions::replica_hold_max>(
        "replica-hold-max", kAnyTime, 0, kMax64,
        "Most journal that a leader keeps for a connected follower that is behind."),
    Size<&ServerOptions::replica_sync_rate>(
        "replica-sync-rate", kAnyTime, 0, replication::SyncRate::kMostRate,
        "Bytes a second that a leader reads of files for all followers together: for full syncs, "
        "and for those that are behind the newest part of the journal, which is in memory. 0: as "
        "fast as it can."),
    Integer<&ServerOptions::replica_silence_max_ms>(
        "replica-silence-max", kAnyTime, 100, kMax32,
        "Milliseconds after which a member of the in-sync set that says nothing leaves it. One "
        "whose connection is gone leaves after a third of that. A follower that hears nothing from "
        "its leader for twice this time connects anew."),
    Integer<&ServerOptions::repl_timeout_s>(
        "repl-timeout", kAnyTime, 1, kMax32,
        "Seconds after which a leader closes the connection of a follower that is silent."),
    Size<&ServerOptions::replica_tail_bytes>(
        "replica-tail-bytes", kAnyTime, 64 * 1024, kMax32,
        "Newest part of the journal that a leader keeps in memory, once for all followers. Those "
        "that are further behind are served from files."),
    Size<&ServerOptions::replica_window_bytes>(
        "replica-window-bytes", kAnyTime, 64 * 1024, kMax32,
        "Most bytes that a leader sends to a follower before that has reported them, and that a "
        "follower holds before they are applied."),

    // What is not served has one accepted value. Any other value stops the start.
    Only("cluster-enabled", "no", "Cluster mode is not served: only no is accepted."),
    WithAlias(Only("replica-read-only", "yes",
                   "A follower takes no changes but its leader's: only yes is accepted."),
              "slave-read-only"),
    Only("tls-port", "0", "TLS is not served: only 0 is accepted."),
    Only("rdma-port", "0", "RDMA is not served: only 0 is accepted."),
    Only("aclfile", "", "ACL users are not served: only \"\" is accepted. See requirepass."),
    Only("unixsocketgroup", "",
         "The group of the Unix socket cannot be set: only \"\" is accepted. See unixsocketperm."),
    Only("socket-mark-id", "0", "Sockets cannot be marked: only 0 is accepted."),
    Only("maxmemory-clients", "0",
         "The memory of all clients together has no limit: only 0 is accepted. See "
         "client-output-buffer-limit."),
    Only("shutdown-on-sigint", "default", "SIGINT ends the server: only default is accepted."),
    Only("shutdown-on-sigterm", "default", "SIGTERM ends the server: only default is accepted."),
    Only("import-mode", "no", "Import mode is not served: only no is accepted."),
    Only("enable-debug-command", "no", "DEBUG is not served: only no is accepted."),
    Only("enable-module-command", "no", "Modules are not served: only no is accepted."),
    Only("enable-protected-configs", "no", "Clients cannot change paths: only no is accepted."),
};

// Directives of Redis that ask for what is not served whatever their value, so they are no
// directives here.
struct Refused {
  std::string_view name;
  std::string_view why;
};
constexpr Refused kRefused[] = {
    {"loadmodule", "modules are not served; remove the line"},
    {"loadmodule-ex", "modules are not served; remove the line"},
    {"user", "ACL users are not served; remove the line and use requirepass"},
    {"rename-command", "commands cannot be renamed or disabled; remove the line"},
    {"sentinel", "Sentinel mode is not served"},
};

// The words, those with blanks in them split.
std::vector<std::string> SplitAtBlanks(Directive::Words words) {
  std::vector<std::string> parts;
  for (const std::string_view word : words) {
    size_t i = 0;
    while (i < word.size()) {
      const size_t end = std::min(word.find(' ', i), word.size());
      if (end > i) parts.emplace_back(word.substr(i, end - i));
      i = end + 1;
    }
  }
  return parts;
}

}  // namespace
}  // namespace config

std::span<const Directive> Directives() {
  static const std::vector<Directive> all = [] {
    std::vector<Directive> rows(std::begin(config::kDirectives), std::end(config::kDirectives));
    const std::span<const Directive> kept = config::KeptDirectives();
    rows.insert(rows.end(), kept.begin(), kept.end());
    return rows;
  }();
  return all;
}

std::string_view WhyRefused(std::string_view name) {
  for (const config::Refused& refused : config::kRefused) {
    if (EqualsIgnoreCase(name, refused.name)) return refused.why;
  }
  return {};
}

const Directive* FindDirective(std::string_view name) {
  if (name.empty()) return nullptr;
  for (const Directive& directive : Directives()) {
    if (EqualsIgnoreCase(name, directive.name) || EqualsIgnoreCase(name, directive.alias)) {
      return &directive;
    }
  }
  return nullptr;
}

Status ParseDirective(const Directive& directive, Directive::Words words, ConfigValues* values) {
  if (words.empty() || (words.size() > 1 && !directive.several)) {
    return Status::Error("wrong number of arguments");
  }
  if (!directive.several) return directive.parse(directive, words, values);
  return directive.parse(directive, config::SplitAtBlanks(words), values);
}

}  // namespace runnel
