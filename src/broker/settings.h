#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/acks.h"
#include "cold/settings.h"
#include "commands/context.h"

namespace runnel {

// How much unread output a connection of one class may have: it is closed at once above
// `hard_bytes`, and after `soft_seconds` above `soft_bytes`. 0 is no limit.
struct OutputLimit {
  uint64_t hard_bytes = 0;
  uint64_t soft_bytes = 0;
  int64_t soft_seconds = 0;
};

// The settings of the broker and the network. The server's configuration owns the one instance and
// changes it in place (CONFIG SET). The names are those of redis.conf.
struct Settings {
  uint32_t databases = 16;

  std::string requirepass;  // empty: no password
  bool protected_mode = true;

  uint32_t maxclients = 10000;
  int64_t timeout_s = 0;          // idle connections are closed after this; 0 never
  int64_t tcp_keepalive_s = 300;  // 0 turns it off
  uint64_t client_query_buffer_limit = 1024 * 1024 * 1024;
  // Bytes of memory that the unread output of all clients may take before the largest holders are
  // held back; see net/output_pool.h.
  uint64_t client_output_memory = 256 * 1024 * 1024;
  OutputLimit output_normal;
  OutputLimit output_replica{256 * 1024 * 1024, 64 * 1024 * 1024, 60};
  OutputLimit output_pubsub{32 * 1024 * 1024, 8 * 1024 * 1024, 60};

  uint64_t maxmemory = 0;  // bytes; 0 is no limit

  Acks acks = Acks::kLeader;        // for clients that have not said
  int64_t acks_timeout_ms = 30000;  // a reply that waits longer for all ends its client; 0: none

  int64_t slowlog_log_slower_than_us = 10000;  // negative turns the log off
  uint32_t slowlog_max_len = 128;
  int64_t latency_monitor_threshold_ms = 0;  // 0 turns it off
  bool latency_tracking = true;              // histograms of how long commands take
  // Of these histograms, what INFO shows: percents from 0 to 100.
  std::vector<double> latency_percentiles = {50, 99, 99.9};

  // Keys that client-side caching remembers at most (CLIENT TRACKING); 0 is no limit.
  uint64_t tracking_table_max_keys = 1'000'000;

  uint32_t notify_classes = 0;  // NotifyClass bits

  uint64_t script_memory_max = 256 * 1024 * 1024;  // bytes that all scripts together may have

  // A script that runs for longer is interrupted, and others are told that the server is busy. 0:
  // never.
  int64_t busy_reply_threshold_ms = 5000;

  // Writes are refused while fewer followers than this are connected and were heard from within
  // the last so many seconds. They are not if either is 0.
  uint32_t min_replicas_to_write = 0;
  uint32_t min_replicas_max_lag_s = 10;
  // Whether a follower serves readers while the link to its leader is down.
  bool replica_serve_stale_data = true;

  DataOptions data;
  ColdSettings cold;
};

}  // namespace runnel
