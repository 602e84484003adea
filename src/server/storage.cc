#include "server/storage.h"

#include <utility>

#include "base/log.h"
#include "effects/batch.h"
#include "env/clock.h"
#include "env/posix/posix_disk.h"
#include "fmt/format.h"

namespace runnel {
namespace {

constexpr const char* kJournalDirectory = "journal";
constexpr int64_t kTellEveryMicros = 2'000'000;

}  // namespace

Storage::Storage(Loop& loop) {
  wakeup_ = loop.NewWakeup([this] {
    log_thread_->Deliver();
    helper_->Deliver();
  });
  const auto wake = [wakeup = wakeup_.get()] { wakeup->Signal(); };
  log_thread_ = std::make_unique<ThreadWorker>(wake);
  helper_ = std::make_unique<ThreadWorker>(wake);
}

// The threads end before what they signal, and what they have not delivered finds nobody.
Storage::~Storage() {
  journal_.reset();
  log_thread_.reset();
  helper_.reset();
}

Status Storage::Open(const ServerOptions& options, Keyspace& keyspace) {
  auto lock = SystemDisk().Lock(options.dir);
  if (!lock.ok()) return lock.status();
  lock_ = std::move(*lock);
  if (!options.journal) return {};

  const int64_t begin_us = told_us_ = SystemClock().SteadyMicros();
  uint64_t records = 0;
  auto journal = journal::Journal::Open(
      &SystemDisk(), log_thread_.get(), helper_.get(),
      {kJournalDirectory, options.journal_segment_bytes, options.appendfsync, 0},
      [&](const journal::Frame& frame) {
        records += frame.records;
        return Replay(frame, keyspace);
      });
  if (!journal.ok()) return journal.status();
  journal_ = std::move(*journal);
  const uint32_t now_s = static_cast<uint32_t>(SystemClock().UnixMicros() / 1'000'000);
  for (uint32_t db = 0; db < keyspace.databases(); db++) {
    keyspace.table(db).ForEach([now_s](const Entry* entry) { entry->NoteAccess(now_s); });
  }
  LogNotice("The journal ends at {}; {} changes from {} on were read in {:.1f} s",
            journal_->appended(), records, journal_->first(),
            static_cast<double>(SystemClock().SteadyMicros() - begin_us) / 1e6);
  return {};
}

Status Storage::Replay(const journal::Frame& frame, Keyspace& keyspace) {
  Status status;
  const bool whole = Batch::ForEach(frame.payload, [&](std::string_view record) {
    if (status.ok()) status = runnel::Replay(record, keyspace);
  });
  if (!whole) status = Status::Error("its records do not fill it");
  if (!status.ok()) {
    return Status::Error(
        fmt::format("the frame at position {} of the journal: {}", frame.base, status.message()));
  }
  const int64_t now_us = SystemClock().SteadyMicros();
  if (now_us - told_us_ > kTellEveryMicros) {
    told_us_ = now_us;
    LogNotice("Reading the journal: at position {}", frame.base);
  }
  return {};
}

void Storage::Sync() {
  log_thread_->Drain();
}

void Storage::Close() {
  if (journal_ == nullptr) return;
  const Status closed = journal_->Close(SystemClock().SteadyMicros());
  if (!closed.ok()) LogWarning("The journal could not be ended well: {}", closed.message());
}

}  // namespace runnel
