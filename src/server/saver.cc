#include "server/saver.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"

namespace runnel {
namespace {

// Allocations of the walk in one turn: some 50 microseconds.
constexpr size_t kEffortPerTurn = 500;
// After a failure nothing is tried again by itself before this.
constexpr int64_t kRetryMicros = 5'000'000;

}  // namespace

Saver::Saver(snapshot::Snapshotter& snapshotter, Broker& broker, const ServerOptions& options,
             Clock& clock)
    : snapshotter_(snapshotter),
      broker_(broker),
      options_(options),
      clock_(clock),
      last_save_s_(clock.UnixMicros() / 1'000'000) {}

void Saver::StartFrom(const FoundState& found) {
  found_ = found;
  saved_position_ = found.snapshot_position;
}

Status Saver::Refusal() const {
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

// REQUIRES: the turn's changes are sealed.
void Saver::Take() {
  running_ = std::exchange(next_, std::nullopt);
  began_us_ = clock_.SteadyMicros();
  changes_at_begin_ = broker_.log().changes();
  CHECK(broker_.log().sealed());
  const journal::Journal* journal = broker_.log().journal();
  snapshot::SnapshotInfo info;
  info.position = journal != nullptr ? journal->appended() : found_.position;
  info.epoch = journal != nullptr ? journal->epoch() : found_.epoch;
  info.created_ms = clock_.UnixMicros() / 1000;
  position_ = info.position;
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
    saves_++;
    broker_.log().NoteSaved(changes_at_begin_);
    if (broker_.log().journal() != nullptr) broker_.log().journal()->RemoveBefore(position_);
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
    if (options_.snapshot_journal_bytes != 0 && grown >= options_.snapshot_journal_bytes) {
      return true;
    }
  }
  const int64_t age_s = clock_.UnixMicros() / 1'000'000 - last_save_s_;
  return std::any_of(options_.save.begin(), options_.save.end(), [&](const SavePoint& point) {
    return age_s > point.seconds && broker_.log().changes() >= static_cast<uint64_t>(point.changes);
  });
}

void Saver::Cron() {
  if (IsDue()) Begin(Kind::kSave);
}

Status Saver::SaveNow() {
  if (Status refusal = Refusal(); !refusal.ok()) return refusal;
  scheduled_[0] = scheduled_[1] = false;
  snapshotter_.Abort("a newer one is taken instead");
  snapshotter_.RunToEnd();
  CHECK(!running_);
  next_ = Kind::kSave;  // perhaps instead of one that was to begin now
  Take();
  snapshotter_.RunToEnd();
  return last(Kind::kSave).status;
}

}  // namespace runnel
