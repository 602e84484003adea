#pragma once

#include <string_view>

#include "data/stream/block.h"

namespace runnel {

// How the blocks of all partitions are limited: by their bytes.
inline constexpr StreamLimits kPartitionLimits{.max_entries = 0, .max_bytes = 4096};

// How a partition keeps a record: as an entry of its stream. A record has a key or none, and fields
// or none. The key is the value of the entry's first field, whose name is kRecordKey. An entry
// begins with a field kNoRecordKey, which has an empty value, where a record without a key would
// read as another one: it has no field, or the name of its first field begins with a zero byte.

inline constexpr std::string_view kRecordKey("\0k", 2);
inline constexpr std::string_view kNoRecordKey("\0n", 2);

// Whether such a record, which has no key, needs the field kNoRecordKey.
inline bool NeedsNoRecordKey(bool has_fields, std::string_view first_name) {
  return !has_fields || (!first_name.empty() && first_name[0] == '\0');
}

// An entry of a partition, taken apart. Valid as long as the entry.
struct RecordView {
  // What the entry's first field is. Entries with the same names() have the same.
  enum class First { kField, kKey, kNoKey };
  static First FirstOf(const EntryView& entry) {
    if (entry.size() == 0) return First::kField;
    const std::string_view name = (*entry.begin()).name;
    if (name == kRecordKey) return First::kKey;
    return name == kNoRecordKey ? First::kNoKey : First::kField;
  }

  explicit RecordView(const EntryView& entry) : RecordView(entry, FirstOf(entry)) {}
  // REQUIRES: first is FirstOf(entry).
  RecordView(const EntryView& entry, First first) : has_key(first == First::kKey), fields(entry) {
    if (first == First::kField) return;
    const EntryView::Field field = *entry.begin();
    key = field.value;
    fields = entry.WithoutFirst(field);
  }

  bool has_key = false;
  std::string_view key;
  EntryView fields;
};

}  // namespace runnel
