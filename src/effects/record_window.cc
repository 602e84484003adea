#include "effects/record_window.h"

#include <utility>

namespace runnel {

RecordWindow::RecordWindow(std::string_view bytes, const Keyspace& keyspace)
    : keyspace_(keyspace), reader_(bytes) {
  while (read_ < kAhead) {
    Read();
  }
}

// A record that leaves its key out has that of the record before it.
bool RecordWindow::IsAnotherKey(const KeyRef& key) {
  const char* const before = std::exchange(last_key_, key.name.data());
  return before != last_key_;
}

// One more record, if there is one, and one step for each of some records before it. Numbers go on
// behind the last record, so that those before it get all their steps.
void RecordWindow::Read() {
  Ahead& last = At(read_);
  last.record = reader_.Next();
  last.fetch = last.record && last.record->has_head && last.record->kind->begins_with_key &&
               IsAnotherKey(last.record->key);
  for (size_t step = 0; step < Keyspace::kPrefetchSteps && step * kStride <= read_; step++) {
    const Ahead& ahead = At(read_ - step * kStride);
    if (ahead.fetch && ahead.record) keyspace_.Prefetch(ahead.record->key, step);
  }
  read_++;
}

std::optional<Record> RecordWindow::Next() {
  std::optional<Record> record = std::exchange(At(next_).record, std::nullopt);
  if (!record) return record;
  next_++;
  Read();
  return record;
}

}  // namespace runnel
