#include "broker/change_log.h"

#include "base/assert.h"
#include "commands/command.h"
#include "effects/bounds.h"
#include "fmt/format.h"

namespace runnel {

void ChangeLog::KeepIn(journal::Journal* journal) {
  CHECK(journal == nullptr || journal_ == nullptr);
  journal_ = journal;
  batch_.set_on(journal != nullptr);
  if (journal == nullptr) return;
  CHECK(journal->safe() == journal->appended());
  watermarks_ = {{journal->appended()}, {journal->durable()}, {journal->safe()}, {}, UINT64_MAX, 1};
  replicas_ = {};
  UpdateCommitted();
}

// A follower shows what is below the mark, and nothing waits.
void ChangeLog::ShowAll(Position position) {
  watermarks_.appended.position = watermarks_.safe.position = position;
  watermarks_.committed.position = position;
  watermarks_.answered = UINT64_MAX;
  watermarks_.members = UINT32_MAX;
}

void ChangeLog::UpdateCommitted() {
  watermarks_.committed.position = replicas_.shared ? replicas_.mark : watermarks_.safe.position;
  watermarks_.answered = replicas_.shared ? replicas_.answered : UINT64_MAX;
  watermarks_.members = replicas_.members;
}

void ChangeLog::NoteReplicas(const Replicas& replicas) {
  replicas_ = replicas;
  if (!follows_ && !failed_) UpdateCommitted();
}

void ChangeLog::Follow(Position applied) {
  CHECK(journal_ != nullptr && sealed());
  follows_ = true;
  replicas_ = {};
  batch_.set_on(false);
  ShowAll(applied);
}

void ChangeLog::NoteApplied(Position applied) {
  CHECK(follows_);
  ShowAll(applied);
}

void ChangeLog::Lead() {
  CHECK(follows_);
  follows_ = false;
  batch_.set_on(true);
  watermarks_.appended.position = journal_->appended();
  watermarks_.safe.position = journal_->safe();
  UpdateCommitted();
}

bool ChangeLog::RefusesChange(uint32_t flags, uint64_t bytes) const {
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
  if (unkept_ && (flags & (kReadOnly | kShowsState)) != 0) {
    return Status::Error(
        fmt::format("MISCONF The journal has failed, and what it did not keep cannot be told from "
                    "what it did: {}",
                    why));
  }
  return {};
}

void ChangeLog::SealIfLarge() {
  if (batch_.size() > kCutFrameBytes) Seal();
}

void ChangeLog::Seal() {
  if (batch_.empty()) return;
  // Refused only by a journal that has failed, which Flush finds. A batch that is too large for a
  // frame would make it fail; effects/bounds.h tells why there is none.
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
    // A follower shows only what is below its leader's mark.
    unkept_ |= !follows_ && journal_->appended() != journal_->safe();
    return Flushed::kFailed;
  }
  watermarks_.durable.position = journal_->durable();
  if (follows_) return Flushed::kNothing;
  if (journal_->safe() <= watermarks_.safe.position) return Flushed::kNothing;
  watermarks_.safe.position = journal_->safe();
  UpdateCommitted();
  return Flushed::kSafer;
}

}  // namespace runnel
