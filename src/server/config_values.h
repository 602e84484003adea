#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "broker/settings.h"
#include "journal/journal.h"

namespace runnel {

// The supervisor that is told of the server's start and end; kAuto: the one that the environment
// names.
enum class Supervised { kNo, kSystemd, kUpstart, kAuto };

// One point of `save`: a snapshot after so many seconds if there were so many changes.
struct SavePoint {
  int64_t seconds = 0;
  int64_t changes = 0;
};

// Stands for "as the server thinks best".
inline constexpr uint64_t kAutomatic = std::numeric_limits<uint64_t>::max();

// The options of the start, the listeners, the log and the storage. The names are those of
// redis.conf.
struct ServerOptions {
  // Addresses to listen on. With a `-` before one, the start goes on if this machine does not have
  // it; `*` and `::*` are all addresses of IPv4 and of IPv6. None: no TCP.
  std::vector<std::string> bind = {"127.0.0.1", "-::1"};
  uint16_t port = 6379;  // 0: no TCP
  uint32_t tcp_backlog = 511;
  std::string unixsocket;       // path; empty: none
  uint32_t unixsocketperm = 0;  // mode bits; 0 leaves what the umask gives
  bool daemonize = false;
  Supervised supervised = Supervised::kNo;
  std::string pidfile;  // empty: none
  LogLevel loglevel = LogLevel::kNotice;
  std::string logfile;  // empty: standard output
  LogFormat log_format = LogFormat::kPlain;
  bool syslog_enabled = false;
  std::string syslog_ident = "runnel";
  SyslogFacility syslog_facility = SyslogFacility::kLocal0;
  std::string dir;  // absolute; the working directory, where the relative paths above start
  std::vector<SavePoint> save;
  bool save_given = false;  // `save` was set, be it to no points
  bool journal = true;
  journal::SyncPolicy appendfsync = journal::SyncPolicy::kEverySecond;
  uint64_t journal_segment_bytes = uint64_t{128} << 20;
  bool journal_cut_damage = false;
  // Journal after which a snapshot is taken; 0: none for that reason.
  uint64_t snapshot_journal_bytes = kAutomatic;
  uint32_t snapshots_kept = 2;  // finished ones, the newest included
  std::string leader_host;      // of `replicaof`; empty: this server leads
  uint16_t leader_port = 0;
  std::string masterauth;  // how a follower authenticates; empty: not at all
  std::string masteruser;  // empty: the default user
  // A server may lead that is not in the in-sync set.
  bool unclean_leader_election = false;
  // What this server tells others about itself. Empty, 0: the address of its connection, `port`.
  std::string replica_announce_ip;
  uint16_t replica_announce_port = 0;
  bool replica_announced = true;
  uint32_t replica_priority = 100;
  // See replication::ReplicationSettings.
  uint64_t repl_backlog_size = uint64_t{1} << 30;
  int64_t repl_backlog_ttl_s = 3600;  // 0: for ever
  uint64_t replica_hold_max = uint64_t{16} << 30;
  uint64_t replica_sync_rate = 0;
  int64_t replica_silence_max_ms = 1500;
  int64_t repl_timeout_s = 60;
  uint64_t replica_tail_bytes = uint64_t{16} << 20;
  uint64_t replica_window_bytes = uint64_t{8} << 20;
  uint32_t min_insync_replicas = 1;
  int64_t replica_lag_time_max_ms = 10'000;
  uint32_t shutdown_timeout_s = 10;  // for followers, and for a snapshot that can be done without
};

// The values of all directives.
struct ConfigValues {
  // Defaults, for a process that was started in `working_dir` (absolute).
  explicit ConfigValues(std::string working_dir) : working_dir(std::move(working_dir)) {
    options.dir = this->working_dir;
  }

  Settings settings;
  ServerOptions options;
  // Directives that are accepted without effect, as CONFIG GET reports them; those not in here have
  // their default.
  std::map<std::string_view, std::string> kept;
  // Where relative paths of `dir` and `include` start. The process may have another working
  // directory by now.
  std::string working_dir;
};

}  // namespace runnel
