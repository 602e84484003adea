#include "server/config_directives.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/text.h"
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
     .why = "Addresses to listen on; with - before one, its absence is no error."},
    Integer<&ServerOptions::port>("port", kAtStart, 0, 65535, "TCP port to listen on; 0 for none."),
    Flag<&Settings::protected_mode>(
        "protected-mode", kAnyTime,
        "While there is no password, refuse clients that come from another machine."),
    Integer<&ServerOptions::tcp_backlog>(
        "tcp-backlog", kAtStart, 0, kMax32,
        "Connections that the kernel may hold until they are accepted."),
    Text<&ServerOptions::unixsocket>("unixsocket", kAtStart,
                                     "Path of a unix socket to listen on as well; empty for none."),
    {.name = "unixsocketperm",
     .change = kAtStart,
     .parse = ParseMode,
     .format = FormatMode,
     .why = "Octal mode of the unix socket; 0 leaves what the umask gives."},
    Integer<&Settings::timeout_s>("timeout", kAnyTime, 0, kMax32,
                                  "Seconds after which an idle connection is closed; 0 for never."),
    Integer<&Settings::tcp_keepalive_s>(
        "tcp-keepalive", kAnyTime, 0, kMax32,
        "Seconds between probes that find peers who are gone; 0 for none."),

    // What one client may take.
    Integer<&Settings::maxclients>("maxclients", kAnyTime, 1, kMaxU32,
                                   "Connections at one time; more are refused."),
    Size<&Settings::client_query_buffer_limit>(
        "client-query-buffer-limit", kAnyTime, kMegabyte, kMax64,
        "Bytes of one unfinished request, so that no client can fill the memory."),
    Size<&DataOptions::max_bulk_bytes>("proto-max-bulk-len", kAnyTime, kMegabyte, 1 << 30,
                                       "Bytes of one argument, and of one string value."),
    {.name = "client-output-buffer-limit",
     .parse = ParseOutputLimits,
     .format = FormatOutputLimits,
     .several = true,
     .why = "Unread output after which a client is cut off: class, hard limit, soft limit, seconds "
            "above the soft limit."},

    // Who may come in.
    Text<&Settings::requirepass>("requirepass", kAnyTime,
                                 "Password that clients must give first; empty for none."),

    // The process.
    Flag<&ServerOptions::daemonize>("daemonize", kAtStart, "Go on in the background."),
    Text<&ServerOptions::pidfile>(
        "pidfile", kAtStart,
        "File that holds the process ID while the server runs; empty for none."),
    Choice<&ServerOptions::loglevel>(
        "loglevel", kAnyTime, kLogLevels,
        "Least weight of what is logged: debug, verbose, notice, warning."),
    Text<&ServerOptions::logfile>("logfile", kAtStart,
                                  "File to log to; empty for standard output."),
    {.name = "dir",
     .change = Directive::kProtected,
     .parse = ParseDir,
     .format = FormatDir,
     .why = "Directory to work in; relative paths in this file count from it."},
    Integer<&Settings::databases>("databases", kAtStart, 1, 65536,
                                  "Number of databases that SELECT can choose from."),

    // Memory.
    Size<&Settings::maxmemory>(
        "maxmemory", kAnyTime, 0, kMax64,
        "Memory above which commands that add data are refused; 0 for no bound."),
    Only("maxmemory-policy", "noeviction",
         "Only 'noeviction' is possible: a broker does not throw messages away to make room."),

    // Streams.
    Integer<&DataOptions::stream_node_max_entries>(
        "stream-node-max-entries", kAnyTime, 0, kMaxU32,
        "Entries in a block of a stream, which is what approximate trimming removes; 0 for as many "
        "as fit."),
    {.name = "stream-node-max-bytes",
     .parse = ParseStreamBytes,
     .format = FormatStreamBytes,
     .least = 0,
     .most = kMaxStreamBlock,
     .why =
         "Bytes of a block of a stream; 0 for the most there can be; above 14336 nothing changes."},
    Size<&ColdSettings::stream_memory>(
        "stream-memory", kAnyTime, 0, kMax64,
        "Memory of streams and long lists above which the oldest entries of streams and the middle "
        "of lists go to files in streams/; 0 for no bound."),
    Choice<&ColdSettings::compression>("cold-compression", kAnyTime, kColdCodecs,
                                       "How these files are packed: lz4, zstd, none."),
    Integer<&DataOptions::stream_idmp_duration_s>(
        "stream-idmp-duration", kAnyTime, 1, 86400,
        "Seconds for which XADD IDMP knows a repeated message; XCFGSET changes it for one stream."),
    Integer<&DataOptions::stream_idmp_max_size>(
        "stream-idmp-maxsize", kAnyTime, 1, 10000,
        "Messages of one producer for which it does; XCFGSET changes it for one stream."),

    // Events and slow commands.
    {.name = "notify-keyspace-events",
     .parse = ParseNotify,
     .format = FormatNotify,
     .why = "Events to publish about keys: K and E for the two kinds of channel, A or letters for "
            "the classes."},
    Integer<&Settings::slowlog_log_slower_than_us>(
        "slowlog-log-slower-than", kAnyTime, -1, kMax64,
        "Microseconds above which a command is remembered by SLOWLOG; 0 for all, -1 for none."),
    Integer<&Settings::slowlog_max_len>("slowlog-max-len", kAnyTime, 0, kMaxU32,
                                        "Commands that SLOWLOG remembers."),
    Integer<&Settings::latency_monitor_threshold_ms>(
        "latency-monitor-threshold", kAnyTime, 0, kMax64,
        "Milliseconds from which on LATENCY remembers an event; 0 for none."),

    // Durability.
    {.name = "save",
     .parse = ParseSave,
     .format = FormatSave,
     .several = true,
     .adds = true,
     .why =
         "Take a snapshot after so many seconds if there were so many changes; several pairs, or "
         "empty for none. With them a snapshot is also taken at the end."},
    WithAlias(Flag<&ServerOptions::journal>(
                  "journal", kAtStart,
                  "Keep every change in the directory 'journal', so that it outlives the process."),
              "appendonly"),
    Choice<&ServerOptions::appendfsync>(
        "appendfsync", kAnyTime, kFsyncPolicies,
        "When the disk must have a change before it is acknowledged: always; everysec: within a "
        "second afterwards; no: when the system likes."),
    Size<&ServerOptions::journal_segment_bytes>(
        "journal-segment-bytes", kAtStart, 64 * 1024, int64_t{1} << 40,
        "Size of the journal's files, which are reserved in full; what is not needed any more goes "
        "by whole files."),
    Size<&ServerOptions::snapshot_journal_bytes>(
        "snapshot-journal-bytes", kAnyTime, 0, kMax64,
        "Take a snapshot when the journal has grown by so much since the last one, and remove what "
        "is in front of it; 0 for never."),

    // What would promise something that is not there has one value only.
    Only("cluster-enabled", "no", "Only 'no' is possible: there is no cluster mode."),
    Only("tls-port", "0", "Only '0' is possible: there is no TLS."),
    Only("supervised", "no", "Only 'no' is possible: supervisors are not told of the start."),
    Only("syslog-enabled", "no",
         "Only 'no' is possible: the log goes to a file or standard output."),
    Only("maxmemory-clients", "0", "Only '0' is possible: bound each client's buffers instead."),
    Only("min-replicas-to-write", "0", "Only '0' is possible: there are no replicas yet."),
    Only("enable-debug-command", "no", "Only 'no' is possible: there is no DEBUG command."),
    Only("enable-module-command", "no", "Only 'no' is possible: there are no modules."),
    Only("enable-protected-configs", "no",
         "Only 'no' is possible: paths are never changed by a client."),

    // Accepted without effect, so that a redis.conf can be used as it is. Here stands only what
    // does no harm when it
    // is ignored. What promises safety (a user, a renamed command, TLS, a replica) is an unknown
    // directive
    // and stops the start.
    //
    // How fast Redis does something in the background that is not done that way here.
    Kept("activerehashing", KeepFlag, "yes"),
    Kept("activedefrag", KeepFlag, "no"),
    Kept("active-expire-effort", KeepInteger, "1"),
    Kept("hz", KeepInteger, "10"),
    Kept("dynamic-hz", KeepFlag, "yes"),
    Kept("io-threads", KeepInteger, "1"),
    Kept("io-threads-do-reads", KeepFlag, "no"),
    Kept("jemalloc-bg-thread", KeepFlag, "yes"),
    // Large values are always freed by a helper.
    Kept("lazyfree-lazy-eviction", KeepFlag, "no"),
    Kept("lazyfree-lazy-expire", KeepFlag, "no"),
    Kept("lazyfree-lazy-server-del", KeepFlag, "no"),
    Kept("lazyfree-lazy-user-del", KeepFlag, "no"),
    Kept("lazyfree-lazy-user-flush", KeepFlag, "no"),
    // How Redis stores types: those that are not served, and lists, which have blocks of 8 KiB
    // here.
    Kept("list-max-listpack-size", KeepInteger, "-2", "list-max-ziplist-size"),
    Kept("list-compress-depth", KeepInteger, "0"),
    Kept("hash-max-listpack-entries", KeepInteger, "512", "hash-max-ziplist-entries"),
    Kept("hash-max-listpack-value", KeepSize, "64"),
    Kept("set-max-intset-entries", KeepInteger, "512"),
    Kept("set-max-listpack-entries", KeepInteger, "128"),
    Kept("set-max-listpack-value", KeepSize, "64"),
    Kept("zset-max-listpack-entries", KeepInteger, "128", "zset-max-ziplist-entries"),
    Kept("zset-max-listpack-value", KeepSize, "64"),
    Kept("hll-sparse-max-bytes", KeepSize, "3000"),
    // Details of the files that `save` and `appendonly` would write.
    KeptText("dbfilename", "dump.rdb"),
    Kept("rdbcompression", KeepFlag, "yes"),
    Kept("rdbchecksum", KeepFlag, "yes"),
    Kept("rdb-del-sync-files", KeepFlag, "no"),
    Kept("rdb-save-incremental-fsync", KeepFlag, "yes"),
    Kept("stop-writes-on-bgsave-error", KeepFlag, "yes"),
    KeptText("appendfilename", "appendonly.aof"),
    KeptText("appenddirname", "appendonlydir"),
    Kept("no-appendfsync-on-rewrite", KeepFlag, "no"),
    Kept("auto-aof-rewrite-percentage", KeepInteger, "100"),
    Kept("auto-aof-rewrite-min-size", KeepSize, "67108864"),
    Kept("aof-load-truncated", KeepFlag, "yes"),
    Kept("aof-use-rdb-preamble", KeepFlag, "yes"),
    Kept("aof-timestamp-enabled", KeepFlag, "no"),
    Kept("aof-rewrite-incremental-fsync", KeepFlag, "yes"),
    // Details of replication; `replicaof` itself is refused.
    Kept("replica-read-only", KeepFlag, "yes", "slave-read-only"),
    Kept("replica-serve-stale-data", KeepFlag, "yes", "slave-serve-stale-data"),
    Kept("replica-priority", KeepInteger, "100", "slave-priority"),
    Kept("replica-lazy-flush", KeepFlag, "no", "slave-lazy-flush"),
    Kept("replica-ignore-maxmemory", KeepFlag, "yes", "slave-ignore-maxmemory"),
    Kept("min-replicas-max-lag", KeepInteger, "10", "min-slaves-max-lag"),
    Kept("repl-diskless-sync", KeepFlag, "yes"),
    Kept("repl-diskless-sync-delay", KeepInteger, "5"),
    Kept("repl-diskless-sync-max-replicas", KeepInteger, "0"),
    KeptText("repl-diskless-load", "disabled"),
    Kept("repl-disable-tcp-nodelay", KeepFlag, "no"),
    Kept("repl-backlog-size", KeepSize, "1048576"),
    Kept("repl-backlog-ttl", KeepInteger, "3600"),
    Kept("repl-timeout", KeepInteger, "60"),
    Kept("repl-ping-replica-period", KeepInteger, "10", "repl-ping-slave-period"),
    // Details of eviction, scripts, client tracking, the ACL log and syslog, none of which there
    // is.
    Kept("maxmemory-samples", KeepInteger, "5"),
    Kept("maxmemory-eviction-tenacity", KeepInteger, "10"),
    Kept("lfu-log-factor", KeepInteger, "10"),
    Kept("lfu-decay-time", KeepInteger, "1"),
    Kept("lua-time-limit", KeepInteger, "5000", "busy-reply-threshold"),
    Kept("tracking-table-max-keys", KeepInteger, "1000000"),
    Kept("acllog-max-len", KeepInteger, "128"),
    KeptText("syslog-ident", "redis"),
    KeptText("syslog-facility", "local0"),
    // Marks for the operating system, and looks.
    KeptText("oom-score-adj", "no"),
    KeptText("oom-score-adj-values", "0 200 800"),
    Kept("disable-thp", KeepFlag, "yes"),
    Kept("set-proc-title", KeepFlag, "yes"),
    KeptText("proc-title-template", "{title} {listen-addr} {server-mode}"),
    Kept("always-show-logo", KeepFlag, "no"),
    Kept("crash-log-enabled", KeepFlag, "yes"),
    Kept("crash-memcheck-enabled", KeepFlag, "yes"),
    Kept("latency-tracking", KeepFlag, "yes"),
    KeptText("latency-tracking-info-percentiles", "50 99 99.9"),
    KeptText("ignore-warnings", ""),
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
  return config::kDirectives;
}

const Directive* FindDirective(std::string_view name) {
  if (name.empty()) return nullptr;
  for (const Directive& directive : config::kDirectives) {
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
