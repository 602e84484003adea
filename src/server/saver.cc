#include "server/saver.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "fmt/format.h"

namespace runnel {
namespace {

// Allocations of the walk in one turn: some 50 microseconds.
constexpr size_t kEffortPerTurn = 500;
// After a failure nothing is tried again by itself before this.
constexpr int64_t kRetryMicros = 5'000'000;
constexpr int64_t kLookAtDiskMicros = 1'000'000;
// What a start replays in some 0.1 s: a snapshot for less is not worth its syncs.
constexpr uint64_t kShortJournal = uint64_t{16} << 20;

}  // namespace

Saver::Saver(snapshot::Snapshotter& snapshotter, Broker& broker, const ServerOptions& options,
             Clock& clock, Disk& disk, std::function<Position()> hold)
    : snapshotter_(snapshotter),
      broker_(broker),
      options_(options),
      clock_(clock),
      disk_(disk),
      hold_(std::move(hold)),
      last_save_s_(clock.UnixMicros() / 1'000'000) {}

void Saver::StartFrom(const FoundState& found) {
  found_ = found;
  saved_position_ = found.snapshot_position;
  positions_ = found.snapshots;
  data_bytes_ = found.snapshot_raw_bytes;
  Resume();
}

void Saver::Suspend(const std::string& why) {
  suspended_ = Status::Error(why);
  // Whoever waits for them is told.
  for (const Kind kind : {Kind::kSave, Kind::kRewrite}) {
    const bool asked = next_ == kind || scheduled(kind);
    if (asked) last_[Index(kind)].status = suspended_;
    scheduled_[Index(kind)] = false;
  }
  next_.reset();
  snapshotter_.Abort(why);
  if (!running_) broker_.ServeSnapshotWaiters();
}

void Saver::NoteCut(Position end, Position first) {
  CHECK(!busy());
  std::erase_if(positions_, [end](Position position) { return position > end; });
  saved_position_ = positions_.empty() ? first : positions_.back();
}

Status Saver::Refusal() const {
  if (!suspended_.ok()) return suspended_;
  const journal::Journal* journal = broker_.log().journal();
  if (journal == nullptr || !journal->failed()) return {};
  return Status::Error("the journal has failed: " + journal->status().message());
}

void Saver::Begin(Kind kind) {
  CHECK(!busy());
  next_ = kind;
}

void Saver::Schedule(Kind kind) {
  if (busy()) {
    scheduled_[Index(kind)] = true;
  } else {
    Begin(kind);
  }
}

int64_t Saver::current_seconds(Kind kind) const {
  if (running_ != kind) return -1;
  return (clock_.SteadyMicros() - began_us_) / 1'000'000;
}

bool Saver::Turn() {
  if (next_ && !running_) Take();
  return running_ && snapshotter_.Step(kEffortPerTurn);
}

// Without a journal an older snapshot cannot take the place of the newest.
size_t Saver::Kept() const {
  return broker_.log().journal() == nullptr ? 1 : options_.snapshots_kept;
}

size_t Saver::Pinned() const {
  if (pins_->empty()) return 0;
  const auto oldest = std::lower_bound(positions_.begin(), positions_.end(), *pins_->begin());
  return static_cast<size_t>(positions_.end() - oldest);
}

std::optional<std::pair<Position, std::shared_ptr<void>>> Saver::Pin(Position most) {
  const auto after = std::upper_bound(positions_.begin(), positions_.end(), most);
  if (after == positions_.begin()) return std::nullopt;
  const Position position = *std::prev(after);
  const auto pin = pins_->insert(position);
  return std::pair(
      position, std::shared_ptr<void>(nullptr, [pins = pins_, pin](void*) { pins->erase(pin); }));
}

// REQUIRES: the turn's changes are sealed.
void Saver::Take() {
  running_ = std::exchange(next_, std::nullopt);
  began_us_ = clock_.SteadyMicros();
  changes_at_begin_ = broker_.log().changes();
  CHECK(broker_.log().sealed());
  const journal::Journal* journal = broker_.log().journal();
  snapshot::SnapshotInfo info;
  info.position = found_.position;
  info.epoch = found_.epoch;
  if (journal != nullptr) {
    // A follower's state may be behind its journal.
    info.position = broker_.log().watermarks().appended.position;
    info.epochs = journal->epochs();
    info.epochs.CutAt(info.position);
    // Of a position where the first known epoch begins, the epoch is not known.
    const bool unknown = info.epochs.empty() && !journal->epochs().empty();
    if (info.epochs.empty()) info.epoch = unknown ? 0 : journal->epoch();
    if (!info.epochs.empty()) info.epoch = info.epochs.newest();
  }
  info.created_ms = clock_.UnixMicros() / 1000;
  position_ = info.position;
  run_kept_ = std::max(Kept(), Pinned() + 1);
  // The new one takes the place of the oldest while it is written: the disk need not hold both.
  KeepNewest(std::max<size_t>(run_kept_ - 1, 1));
  snapshotter_.set_kept(run_kept_);
  snapshotter_.Begin(info, [this](const Status& status, const snapshot::SnapshotTotals& totals) {
    OnDone(status, totals);
  });
}

void Saver::OnDone(const Status& status, const snapshot::SnapshotTotals& totals) {
  const Kind kind = *std::exchange(running_, std::nullopt);
  const int64_t took_us = clock_.SteadyMicros() - began_us_;
  last_[Index(kind)] = {status, took_us / 1'000'000};
  if (status.ok()) {
    failed_us_.reset();
    saved_position_ = position_;
    last_save_s_ = clock_.UnixMicros() / 1'000'000;
    last_bytes_ = totals.file_bytes;
    data_bytes_ = totals.raw_bytes;
    saves_++;
    broker_.log().NoteSaved(changes_at_begin_);
    if (positions_.empty() || positions_.back() != position_) positions_.push_back(position_);
    while (positions_.size() > run_kept_) {
      positions_.erase(positions_.begin());
    }
    if (journal::Journal* journal = broker_.log().journal()) {
      RemoveJournal();
      journal->set_most_segment_bytes(SegmentBytes(options_, data_bytes_));
    }
    LogNotice("A snapshot of {} keys at position {} is on the disk: {} bytes in {:.1f} s",
              totals.keys, position_, totals.file_bytes, static_cast<double>(took_us) / 1e6);
  } else {
    failed_us_ = clock_.SteadyMicros();
    LogWarning("The snapshot at position {} failed: {}", position_, status.message());
  }
  for (const Kind wanted : {Kind::kSave, Kind::kRewrite}) {
    if (!busy() && std::exchange(scheduled_[Index(wanted)], false)) Begin(wanted);
  }
  broker_.ServeSnapshotWaiters();
}

bool Saver::IsDue() const {
  if (busy() || !Refusal().ok()) return false;
  if (failed_us_ && clock_.SteadyMicros() - *failed_us_ < kRetryMicros) return false;
  if (const journal::Journal* journal = broker_.log().journal()) {
    const uint64_t grown = journal->appended() - saved_position_;
    uint64_t most = options_.snapshot_journal_bytes;
    if (most == kAutomatic) most = AutomaticJournalBytes(data_bytes_, free_bytes_, Kept());
    if (most != 0 && grown >= most) return true;
    // Whatever the directive says: before there is no room for changes, and when there is none.
    if (grown > 0 && free_bytes_ && grown >= *free_bytes_) return true;
    if (grown > 0 && !journal->status().ok()) return true;
  }
  const int64_t age_s = clock_.UnixMicros() / 1'000'000 - last_save_s_;
  return std::any_of(options_.save.begin(), options_.save.end(), [&](const SavePoint& point) {
    return age_s > point.seconds && broker_.log().changes() >= static_cast<uint64_t>(point.changes);
  });
}

void Saver::Cron() {
  if (!suspended_.ok()) return;
  LookAtDisk();
  if (IsDue()) Begin(Kind::kSave);
}

void Saver::LookAtDisk() {
  const int64_t now_us = clock_.SteadyMicros();
  if (now_us - looked_us_ < kLookAtDiskMicros) return;
  looked_us_ = now_us;
  const auto free_bytes = disk_.FreeBytes(".");
  free_bytes_ = free_bytes.ok() ? std::optional<uint64_t>(*free_bytes) : std::nullopt;
  const journal::Journal* journal = broker_.log().journal();
  if (journal == nullptr || journal->failed() || positions_.empty() || busy()) return;
  // What can go: journal that only followers need, and then older snapshots.
  const bool held = hold_() < positions_.front() && journal->first() < positions_.front();
  const size_t needed_snapshots = std::max<size_t>(Pinned(), 1);
  const bool older = positions_.size() > needed_snapshots;
  if (!older && !held) return;
  // What a snapshot and the journal before the next one will take.
  const uint64_t needed = last_bytes_ + (journal->appended() - journal->first());
  if (journal->status().ok() && (!free_bytes_ || *free_bytes_ >= needed)) return;
  // The next look shows whether that is enough.
  if (held && RemoveHeldJournal()) return;
  if (!older) return;
  LogNotice("The disk gets full: the snapshots before the one at {} and their journal are removed",
            positions_[positions_.size() - needed_snapshots]);
  KeepNewest(needed_snapshots);
}

// Returns whether anything has gone: journal goes by whole segments.
bool Saver::RemoveHeldJournal() {
  journal::Journal& journal = *broker_.log().journal();
  const Position first = journal.first();
  journal.RemoveBefore(positions_.front());
  if (journal.first() == first) return false;
  LogWarning(
      "The disk gets full: journal before position {} is removed, which followers need from {} "
      "on",
      journal.first(), hold_());
  return true;
}

// All but the newest snapshots go, with the journal that only those need.
void Saver::KeepNewest(size_t kept) {
  kept = std::max(kept, Pinned());
  if (positions_.size() <= kept) return;
  positions_.erase(positions_.begin(), positions_.end() - static_cast<ptrdiff_t>(kept));
  snapshotter_.KeepNewest(kept);
  RemoveJournal();
}

// What no snapshot needs, and nobody else.
void Saver::RemoveJournal() {
  journal::Journal* const journal = broker_.log().journal();
  if (journal != nullptr) journal->RemoveBefore(std::min(positions_.front(), hold_()));
}

// A snapshot is written about as fast as a journal is replayed.
bool Saver::ReplayTakesLonger() const {
  const journal::Journal* journal = broker_.log().journal();
  if (journal == nullptr || journal->failed() || options_.shutdown_timeout_s == 0) return false;
  const uint64_t replayed = journal->appended() - saved_position_;
  return replayed > std::max<uint64_t>(kShortJournal, AllocatedBytes());
}

bool Saver::SavesAtEnd() const {
  return (!options_.save.empty() && broker_.log().changes() > 0) || ReplayTakesLonger();
}

Status Saver::SaveNow(bool if_possible) {
  if (Status refusal = Refusal(); !refusal.ok()) return refusal;
  scheduled_[0] = scheduled_[1] = false;
  snapshotter_.Abort("a newer one is taken instead");
  snapshotter_.RunToEnd();
  CHECK(!running_);
  next_ = Kind::kSave;  // perhaps instead of one that was to begin now
  Take();
  const int64_t until_us = clock_.SteadyMicros() + int64_t{options_.shutdown_timeout_s} * 1'000'000;
  const bool needed = !if_possible || broker_.log().journal() == nullptr;
  snapshotter_.RunToEnd([&] {
    if (needed || clock_.SteadyMicros() < until_us) return;
    snapshotter_.Abort(
        fmt::format("it takes longer than shutdown-timeout, {} s", options_.shutdown_timeout_s));
  });
  return last(Kind::kSave).status;
}

}  // namespace runnel
