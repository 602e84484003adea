#include "effects/foresight.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "effects/batch.h"
#include "effects/effect.h"

namespace runnel {

// --- Lists ---

void ForeseenList::Look(uint64_t start, uint64_t count, MissingExtents* missing) const {
  for (const Piece& piece : pieces_) {
    if (count == 0) return;
    if (start >= piece.count) {
      start -= piece.count;
      continue;
    }
    const uint64_t here = std::min(count, piece.count - start);
    if (piece.stored) now_->AddMissing(piece.start + start, here, missing);
    count -= here;
    start = 0;
  }
}

// Between two pieces there is a block on either side, which begins or ends there.
void ForeseenList::LookToInsert(uint64_t index, MissingExtents* missing) const {
  for (const Piece& piece : pieces_) {
    if (index < piece.count) {
      if (piece.stored && index > 0) now_->AddMissingToInsert(piece.start + index, missing);
      return;
    }
    index -= piece.count;
  }
}

void ForeseenList::LookAtAll(MissingExtents* missing) {
  now_->AddMissing(0, now_->size(), missing);
  GiveUp();
}

void ForeseenList::GiveUp() {
  pieces_.clear();
}

void ForeseenList::Push(bool front, uint64_t count) {
  size_ += count;
  if (pieces_.empty()) return;
  Piece& end = front ? pieces_.front() : pieces_.back();
  if (!end.stored) {
    end.count += count;
  } else if (front) {
    pieces_.push_front({0, count, false});
  } else {
    pieces_.push_back({0, count, false});
  }
}

void ForeseenList::Drop(bool front, uint64_t count) {
  size_ -= std::min(count, size_);
  while (count > 0 && !pieces_.empty()) {
    Piece& end = front ? pieces_.front() : pieces_.back();
    if (end.count > count) {
      end.count -= count;
      if (front) end.start += count;
      return;
    }
    count -= end.count;
    // The last one stays: what is pushed later is known, too.
    if (pieces_.size() == 1) {
      end = {0, 0, false};
      return;
    }
    front ? pieces_.pop_front() : pieces_.pop_back();
  }
}

void ForeseenList::Insert(uint64_t index) {
  if (index == 0 || index >= size_) return Push(index == 0, 1);
  size_++;
  for (auto piece = pieces_.begin(); piece != pieces_.end(); ++piece) {
    if (index > piece->count) {
      index -= piece->count;
      continue;
    }
    if (!piece->stored) {
      piece->count++;
      return;
    }
    const Piece after{piece->start + index, piece->count - index, true};
    piece->count = index;
    piece = pieces_.insert(std::next(piece), {0, 1, false});
    if (after.count > 0) pieces_.insert(std::next(piece), after);
    break;
  }
  if (pieces_.size() > kMostPieces) GiveUp();
}

void ForeseenList::Erase(std::span<const List::Range> ranges) {
  if (pieces_.empty()) return;
  std::deque<Piece> left;
  uint64_t begin = 0;  // of the piece
  for (const Piece& piece : std::exchange(pieces_, {})) {
    uint64_t at = begin;  // what is before it was kept or erased
    const uint64_t end = begin + piece.count;
    const auto keep_to = [&](uint64_t to) {
      if (to > at) left.push_back({piece.start + (at - begin), to - at, piece.stored});
    };
    while (!ranges.empty() && ranges.front().begin < end) {
      const uint64_t range_end = ranges.front().begin + ranges.front().count;
      keep_to(ranges.front().begin);
      at = std::max(at, std::min(range_end, end));
      size_ -= std::min(range_end, end) - std::max(ranges.front().begin, begin);
      if (range_end > end) break;
      ranges = ranges.subspan(1);
    }
    keep_to(end);
    begin = end;
  }
  if (left.empty()) left.push_back({0, 0, false});
  if (left.size() <= kMostPieces) pieces_ = std::move(left);
}

// --- Streams ---

void ForeseenStream::Remove(std::span<const StreamId> ids, MissingExtents* missing) {
  const ColdRuns* const runs = now_->cold_runs();
  runs->AddMissing(ids, missing);
  removed_ += static_cast<uint64_t>(
      std::count_if(ids.begin(), ids.end(), [&](StreamId id) { return id <= runs->last_id(); }));
}

void ForeseenStream::RemoveRanges(std::span<const StreamId> bounds, MissingExtents* missing) {
  const ColdRuns* const runs = now_->cold_runs();
  if (bounds.empty() || runs->last_id() < bounds.front()) return;
  runs->AddMissingOfRanges(bounds, missing);
  uncertain_ = true;
}

void ForeseenStream::DropBelowOffset(uint64_t offset, MissingExtents* missing) {
  now_->AddMissingBelowOffset(offset, missing);
  uncertain_ = true;
}

void ForeseenStream::DropOldest(uint64_t count, bool references) {
  if (uncertain_ || count == 0) return;
  const uint64_t before = dropped_;
  dropped_ += count;
  drops_.push_back({references ? before : dropped_, dropped_ + removed_});
}

void ForeseenStream::Deliver(std::string_view group, StreamId last, MissingExtents* missing) {
  const auto moved = positions_.find(group);
  const ConsumerGroup* const now = now_->FindGroup(group);
  if (moved == positions_.end() && now == nullptr) return;
  const StreamId after = moved != positions_.end() ? moved->second : now->last_delivered();
  now_->cold_runs()->AddMissingBetween(after, last, missing);
  SetPosition(group, last);
}

void ForeseenStream::SetPosition(std::string_view group, StreamId position) {
  positions_[group] = position;
}

void ForeseenStream::Finish(MissingExtents* missing) {
  now_->cold_runs()->AddMissingOfDropped(drops_, missing);
  drops_.clear();
}

// --- All values ---

bool Foresight::AnyLooks(const Keyspace& keyspace, std::string_view batch) {
  if (keyspace.hot_blocks().cold_entries() == 0) return false;
  BatchReader reader(batch);
  while (const std::optional<Record> record = reader.Next()) {
    if (record->has_head && record->kind->looks) return true;
  }
  return false;
}

void Foresight::Add(std::string_view batch) {
  Batch::ForEach(batch, [this](const Record& record) {
    if (record.has_head && record.kind->foresee != nullptr) record.kind->foresee(record, *this);
  });
}

const MissingExtents& Foresight::missing() {
  for (auto& [db, database] : databases_) {
    for (auto& [name, value] : database.values) {
      Finish(value);
    }
  }
  return missing_;
}

Foresight::Database& Foresight::At(uint32_t db) {
  return databases_.try_emplace(db, Database{db, {}}).first->second;
}

Foresight::Value* Foresight::Find(const KeyRef& key) {
  Database& database = At(key.db);
  if (const auto found = database.values.find(key.name); found != database.values.end()) {
    return &found->second;
  }
  if (!database.now) return nullptr;
  const KeyEntry* const entry =
      keyspace_.Find(*database.now == key.db ? key : KeyRef(*database.now, key.name));
  if (entry == nullptr) return nullptr;
  if (const Stream* stream = entry->As<Stream>(); stream != nullptr && stream->has_cold()) {
    return &(database.values[key.name] = ForeseenStream(*stream));
  }
  if (const List* list = entry->As<List>(); list != nullptr && list->has_cold()) {
    return &(database.values[key.name] = ForeseenList(*list));
  }
  return nullptr;
}

void Foresight::Finish(Value& value) {
  if (auto* const stream = std::get_if<ForeseenStream>(&value)) stream->Finish(&missing_);
}

// The value that the key has held may be gone then.
void Foresight::Replace(const KeyRef& key, Value value) {
  Value* const before = Find(key);
  if (before == nullptr && std::holds_alternative<std::monostate>(value)) return;
  if (before != nullptr) Finish(*before);
  At(key.db).values[key.name] = std::move(value);
}

void Foresight::Remove(const KeyRef& key) {
  Replace(key, {});
}

void Foresight::Give(const KeyRef& from, const KeyRef& to, bool copied) {
  Value* const found = Find(from);
  Value value;
  if (found != nullptr) {
    Finish(*found);
    value = *found;
  }
  Replace(to, std::move(value));
  if (!copied) Remove(from);
}

void Foresight::Flush(uint32_t db) {
  for (const uint32_t half : {db, CompanionOf(db)}) {
    Database& database = At(half);
    for (auto& [name, value] : database.values) {
      Finish(value);
    }
    database = {};
  }
}

void Foresight::FlushAll() {
  for (uint32_t db = 0; db < keyspace_.databases(); db++) {
    Flush(db);
  }
}

void Foresight::Swap(uint32_t a, uint32_t b) {
  for (const uint32_t half : {uint32_t{0}, kCompanionBit}) {
    std::swap(At(a | half), At(b | half));
  }
}

}  // namespace runnel
