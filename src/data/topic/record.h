#pragma once

#include <string_view>

#include "data/stream/block.h"

namespace runnel {

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
  explicit RecordView(const EntryView& entry) : fields(entry) {
    if (entry.size() == 0) return;
    const EntryView::Field first = *entry.begin();
    has_key = first.name == kRecordKey;
    if (!has_key && first.name != kNoRecordKey) return;
    key = first.value;
    fields = entry.WithoutFirst(first);
  }

  bool has_key = false;
  std::string_view key;
  EntryView fields;
};

}  // namespace runnel
