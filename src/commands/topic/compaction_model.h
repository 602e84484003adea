#pragma once

// For tests of compacted topics: replies taken apart, and what a partition should hold.

#include <algorithm>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"

namespace runnel {

struct ParsedReply {
  std::string text;  // of an array: empty
  bool null = false;
  std::vector<ParsedReply> items;
};

// A reply with a blank in the place of each end of line; no text in it has one.
class ReplyParser {
 public:
  explicit ReplyParser(std::string_view reply) : rest_(reply) {}

  ParsedReply Parse() {
    ParsedReply parsed;
    const std::string word = Word();
    CHECK(!word.empty());
    const std::string after = word.substr(1);
    if (word == "$-1" || word == "*-1" || word == "_") {
      parsed.null = true;
    } else if (word[0] == '*') {
      for (int left = std::stoi(after); left > 0; left--) {
        parsed.items.push_back(Parse());
      }
    } else if (word[0] == '$') {
      parsed.text = Word();
      CHECK(parsed.text.size() == std::stoul(after));
    } else {
      parsed.text = word[0] == ':' ? after : word;
    }
    return parsed;
  }

 private:
  std::string Word() {
    const size_t end = std::min(rest_.find(' '), rest_.size());
    std::string word(rest_.substr(0, end));
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return word;
  }
  std::string_view rest_;
};

inline ParsedReply Parse(std::string_view reply) {
  return ReplyParser(reply).Parse();
}

struct SeenRecord {
  uint64_t ms = 0;
  uint64_t offset = 0;
  std::string value;  // "-" for a tombstone
  std::string key;    // "?" if it was not asked for

  bool operator==(const SeenRecord&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const SeenRecord& record) {
  return out << record.ms << "-" << record.offset << " " << record.key << "=" << record.value;
}

// Of the entries of a reply of XRANGE or TREAD.
inline std::vector<SeenRecord> RecordsOf(const ParsedReply& entries) {
  std::vector<SeenRecord> records;
  for (const ParsedReply& entry : entries.items) {
    SeenRecord& record = records.emplace_back();
    const std::string& id = entry.items[0].text;
    record.ms = std::stoull(id);
    record.offset = std::stoull(id.substr(id.find('-') + 1));
    const std::vector<ParsedReply>& fields = entry.items[1].items;
    record.value = fields.empty() ? "-" : fields[1].text;
    record.key = entry.items.size() < 3 ? "?" : entry.items[2].text;
  }
  return records;
}

inline std::vector<SeenRecord> WithoutKeys(std::vector<SeenRecord> records) {
  for (SeenRecord& record : records) {
    record.key = "?";
  }
  return records;
}

// A partition as it should be: what lives, by offset.
struct CompactionModel {
  std::map<uint64_t, SeenRecord> live;
  uint64_t next = 0;
  uint64_t earliest = 0;

  void Add(uint64_t ms, const std::string& key, const std::string& value) {
    std::erase_if(live, [&](const auto& record) { return record.second.key == key; });
    live[next] = {ms, next, value, key};
    next++;
  }
  void TrimTo(uint64_t offset) {
    live.erase(live.begin(), live.lower_bound(offset));
    earliest = std::max(earliest, offset);
  }
  void DropTombstones(uint64_t now, uint64_t keep_ms) {
    if (keep_ms == 0) return;
    std::erase_if(live, [&](const auto& record) {
      return record.second.value == "-" && now - record.second.ms > keep_ms;
    });
  }
  std::vector<SeenRecord> From(uint64_t offset) const {
    std::vector<SeenRecord> records;
    for (auto at = live.lower_bound(offset); at != live.end(); ++at) {
      records.push_back(at->second);
    }
    return records;
  }
};

}  // namespace runnel
