#include "journal/epochs.h"

#include <algorithm>

#include "base/assert.h"
#include "fmt/format.h"

namespace runnel::journal {

void EpochHistory::Note(Epoch epoch, Position base) {
  if (!rows_.empty()) {
    ASSERT(epoch >= rows_.back().epoch && base >= rows_.back().begin);
    if (epoch == rows_.back().epoch) return;
  }
  rows_.push_back({epoch, base});
  if (rows_.size() > kMostRows) rows_.erase(rows_.begin());
}

void EpochHistory::CutAt(Position end) {
  while (!rows_.empty() && rows_.back().begin >= end) {
    rows_.pop_back();
  }
}

const EpochHistory::Row* EpochHistory::Find(Epoch epoch) const {
  const auto at = std::lower_bound(rows_.begin(), rows_.end(), epoch,
                                   [](const Row& row, Epoch sought) { return row.epoch < sought; });
  return at != rows_.end() && at->epoch == epoch ? &*at : nullptr;
}

Position EpochHistory::EndOf(Epoch epoch, Position end) const {
  const Row* const row = Find(epoch);
  CHECK(row != nullptr);
  return row == &rows_.back() ? end : (row + 1)->begin;
}

void EpochHistory::Encode(Encoder* out) const {
  out->Varint(rows_.size());
  for (const Row& row : rows_) {
    out->Fixed(row.epoch);
    out->Varint(row.begin);
  }
}

EpochHistory EpochHistory::Load(Decoder* in) {
  EpochHistory history;
  const uint64_t count = in->Varint();
  if (count > kMostRows) in->Fail();
  for (uint64_t i = 0; i < count && in->ok(); i++) {
    Row row;
    row.epoch = in->Fixed<uint64_t>();
    row.begin = in->Varint();
    const bool ascends = history.empty() || (row.epoch > history.rows_.back().epoch &&
                                             row.begin >= history.rows_.back().begin);
    if (in->ok() && !ascends) in->Fail();
    if (in->ok()) history.rows_.push_back(row);
  }
  return history;
}

Result<Position> FindParting(const HistoryEnd& a, const HistoryEnd& b) {
  if (a.end == 0 || b.end == 0) return Position{0};
  const auto& rows = a.history.rows();
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    const EpochHistory::Row* const other = b.history.Find(row->epoch);
    if (other == nullptr) continue;
    if (other->begin != row->begin) {
      return Status::Error(
          fmt::format("epoch {:016x} begins at {} in one journal and at {} in the other",
                      row->epoch, row->begin, other->begin));
    }
    return std::min(a.history.EndOf(row->epoch, a.end), b.history.EndOf(row->epoch, b.end));
  }
  return Status::Error("the journals have no epoch in common");
}

}  // namespace runnel::journal
