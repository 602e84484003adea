#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "broker/settings.h"
#include "journal/journal.h"

namespace runnel {

// One point of `save`: a snapshot after so many seconds if there were so many changes.
struct SavePoint {
  int64_t seconds = 0;
  int64_t changes = 0;
};

// What the server's start, its listeners and its log go by. The names are those of redis.conf.
struct ServerOptions {
  // Addresses to listen on. A `-` before one says that the start goes on if it is not there; `*`
  // and `::*` are all of IPv4 and IPv6. None: no TCP.
  std::vector<std::string> bind = {"*", "-::*"};
  uint16_t port = 6379;  // 0: no TCP
  uint32_t tcp_backlog = 511;
  std::string unixsocket;       // path; empty: none
  uint32_t unixsocketperm = 0;  // mode bits; 0 leaves what the umask gives
  bool daemonize = false;
  std::string pidfile;  // empty: none
  LogLevel loglevel = LogLevel::kNotice;
  std::string logfile;  // empty: standard output
  std::string dir;  // absolute; the server works there, and the relative paths above count from it
  std::vector<SavePoint> save;
  bool journal = true;
  journal::SyncPolicy appendfsync = journal::SyncPolicy::kEverySecond;
  uint64_t journal_segment_bytes = uint64_t{128} << 20;
  uint64_t snapshot_journal_bytes = uint64_t{1} << 30;  // 0: none for that reason
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
  // What `dir` and `include` count from if they are relative: the process may work elsewhere by
  // now.
  std::string working_dir;
};

}  // namespace runnel
