#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "broker/audit.h"

namespace runnel {

// The largest of the values that were noted in the last 8 seconds.
class RecentPeak {
 public:
  // `now_s` does not go back.
  void Note(size_t value, int64_t now_s);
  size_t Most(int64_t now_s) const;

 private:
  struct Second {
    int64_t time_s = -1;
    size_t most = 0;
  };
  std::array<Second, 8> seconds_;
};

// Counters since the start or CONFIG RESETSTAT, for INFO.
struct Stats {
  uint64_t connections_received = 0;
  uint64_t connections_rejected = 0;
  // Servers that began to follow this one: from the beginning of the journal, or from where they
  // were; and those that could not.
  uint64_t sync_full = 0;
  uint64_t sync_partial_ok = 0;
  uint64_t sync_partial_err = 0;
  uint64_t commands_processed = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t expired_keys = 0;
  uint64_t expired_fields = 0;     // of hashes, by their own expiry
  uint64_t retention_looks = 0;    // how often upkeep has looked at a stream for its retention
  uint64_t lazyfreed_objects = 0;  // keys' values that a helper thread has freed
  uint64_t keyspace_hits = 0;
  uint64_t keyspace_misses = 0;
  uint64_t query_buffer_limit_closes = 0;
  uint64_t output_buffer_limit_closes = 0;
  uint64_t unexpected_error_replies = 0;
  uint64_t total_error_replies = 0;
  WrongPasswords wrong_passwords;
  // Replies by ReplyWriter::CodeOf. Scripts make codes as they like: only the first so many have a
  // count of their own, and all others are counted together.
  static constexpr size_t kMostErrorCodes = 128;
  static constexpr std::string_view kOtherErrors = "ERRORSTATS_OVERFLOW";
  std::map<std::string, uint64_t, std::less<>> errors;
  size_t peak_memory = 0;  // bytes
  // Bytes of memory that one client has taken for its input, and for its output.
  RecentPeak recent_input;
  RecentPeak recent_output;

  // Counts an error reply with this code.
  void CountError(std::string_view code);
};

// How fast a counter grows per second, over the last 16 samples of about 100 ms.
class Rate {
 public:
  void Sample(uint64_t count, int64_t steady_ms);
  double per_second() const;

 private:
  static constexpr int kSamples = 16;
  double samples_[kSamples] = {};
  int next_ = 0;
  uint64_t last_count_ = 0;
  int64_t last_ms_ = 0;
};

}  // namespace runnel
