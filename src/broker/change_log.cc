#include "broker/change_log.h"

#include "base/assert.h"
#include "commands/command.h"
#include "fmt/format.h"

namespace runnel {
namespace {

// A frame of the journal holds 4 GiB at most. Commands are cut into frames when they have gathered
// so much; a transaction is never cut.
constexpr size_t kMostBatchBytes = size_t{64} << 20;

}  // namespace

void ChangeLog::KeepIn(journal::Journal* journal) {
  CHECK(journal == nullptr || journal_ == nullptr);
  journal_ = journal;
  batch_.set_on(journal != nullptr);
  if (journal == nullptr) return;
  CHECK(watermarks_.appended.position == 0 && journal->safe() == journal->appended());
  watermarks_ = {{journal->appended()}, {journal->durable()}, {journal->safe()}};
}

bool ChangeLog::Refuses(uint32_t flags, uint64_t bytes) const {
  if (journal_ == nullptr) return false;
  if ((flags & kWrite) == 0) return !takes_changes();
  using Change = journal::Journal::Change;
  const Change change = (flags & kDenyOom) != 0 ? Change::kAdds : Change::kRemoves;
  bytes += batch_.bytes().size() + journal::Journal::kLeastChangeBytes;
  if (!journal_->HasRoomFor(bytes, change)) return true;
  return !takes_changes() && change == Change::kAdds;
}

Status ChangeLog::WhyNot(uint32_t flags) const {
  const std::string why = journal_->WhyNoRoom().message();
  if ((flags & kWrite) != 0) {
    return Status::Error(fmt::format("MISCONF Errors writing to the journal: {}", why));
  }
  // What memory shows may be lost at the next start, and nobody may act on it.
  if (unkept_ && (flags & kReadOnly) != 0) {
    return Status::Error(
        fmt::format("MISCONF The journal has failed, and what it did not keep cannot be told from "
                    "what it did: {}",
                    why));
  }
  return {};
}

void ChangeLog::SealIfLarge() {
  if (batch_.bytes().size() > kMostBatchBytes) Seal();
}

void ChangeLog::Seal() {
  if (batch_.empty()) return;
  // Refused only by a journal that has failed, which Flush finds. It fails of a batch that is too
  // large for a frame.
  const Status appended =
      journal_->AppendFrame(&batch_.buffer(), static_cast<uint32_t>(batch_.count()));
  CHECK(appended.ok() || journal_->failed());
  unkept_ |= !appended.ok();
  batch_.Clear();
  watermarks_.appended.position = journal_->appended();
}

ChangeLog::Flushed ChangeLog::Flush(int64_t now_us) {
  if (journal_ == nullptr || failed_) return Flushed::kNothing;
  Seal();
  journal_->Flush(now_us);
  if (journal_->failed()) {
    failed_ = true;
    batch_.set_on(false);
    batch_.Clear();
    unkept_ |= journal_->appended() != journal_->safe();
    return Flushed::kFailed;
  }
  watermarks_.durable.position = journal_->durable();
  if (journal_->safe() <= watermarks_.safe.position) return Flushed::kNothing;
  watermarks_.safe.position = journal_->safe();
  return Flushed::kSafer;
}

}  // namespace runnel
