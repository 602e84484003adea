#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace runnel {

// The last commands that took longer than a threshold, newest first.
class SlowLog {
 public:
  struct Entry {
    uint64_t id;
    int64_t time_s;  // Unix seconds
    int64_t duration_us;
    std::vector<std::string> args;  // shortened
    size_t argc;                    // as they were
    std::string peer;
    std::string client_name;
  };

  // Keeps an entry of this command, and at most `max_entries` entries in all. Of long arguments,
  // and of arguments after the first 31, only a note of their size or number is kept.
  void Add(int64_t time_s, int64_t duration_us, std::span<const std::string_view> args,
           std::string_view peer, std::string_view client_name, size_t max_entries);
  void Shrink(size_t max_entries);
  void Reset() { entries_.clear(); }

  const std::deque<Entry>& entries() const { return entries_; }

 private:
  std::deque<Entry> entries_;
  uint64_t next_id_ = 0;
};

}  // namespace runnel
