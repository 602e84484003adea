// What the broker does with its journal: a turn's changes go in, and what waited for them comes
// out.

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "broker/broker.h"
#include "fmt/format.h"

namespace runnel {

void Broker::KeepIn(journal::Journal* journal) {
  CHECK(journal == nullptr || journal_ == nullptr);
  journal_ = journal;
  batch_.set_on(journal != nullptr);
  if (journal == nullptr) return;
  CHECK(gate_.appended() == 0 && journal->safe() == journal->appended());
  gate_.Append(journal->appended());
  gate_.Advance(journal->safe());
  changes_ = 0;
}

// What was changed since the last frame becomes one. REQUIRES: no transaction is half done.
void Broker::Seal() {
  if (batch_.empty()) return;
  // Refused only by a journal that has failed, which FlushJournal finds. It fails of a batch that
  // is too large for a frame.
  const Status appended =
      journal_->AppendFrame(&batch_.buffer(), static_cast<uint32_t>(batch_.count()));
  CHECK(appended.ok() || journal_->failed());
  unkept_ |= !appended.ok();
  batch_.Clear();
  gate_.Append(journal_->appended() - gate_.appended());
}

// The turn's changes are given to the system. What the disk has done meanwhile lets replies go.
void Broker::FlushJournal() {
  if (journal_failed_) return;
  Seal();
  journal_->Flush(clock_.SteadyMicros());
  if (journal_->failed()) return OnJournalFailed();
  if (journal_->safe() > gate_.watermark()) {
    gate_.Advance(journal_->safe());
    ReleaseHeld();
  }
  ServeDurable(journal_->durable());
}

void Broker::ReleaseHeld() {
  if (holding_.empty()) return;
  const std::vector<Session*> sessions = std::exchange(holding_, {});
  for (size_t i = 0; i < sessions.size(); i++) {
    Session* session = sessions[i];
    if (session == nullptr || session->killed) continue;
    if (session->held.first_position() > gate_.watermark()) {
      holding_.push_back(session);
      continue;
    }
    session->holding = false;
    // Sending may end the session, but no other one.
    SendReleased(*session);
  }
}

// Commands that wait for the disk rather than for a key.
void Broker::ServeDurable(Position durable) {
  while (Session* session = waiters_.DueAt(durable)) {
    waiters_.Unblock(*session);
    Resume(*session);
  }
}

void Broker::ServeSnapshotWaiters() {
  std::vector<Session*> waiting;
  for (const auto& [id, session] : sessions_) {
    if (session->blocked && session->blocking->kind == WaitKind::kSnapshot) {
      waiting.push_back(session.get());
    }
  }
  for (Session* session : waiting) {
    waiters_.Unblock(*session);
    Resume(*session);
  }
}

// Nothing more becomes safe. Whoever waits for that can only be told by the end of its connection:
// whether its changes will be there after a restart is not known.
void Broker::OnJournalFailed() {
  journal_failed_ = true;
  batch_.set_on(false);
  batch_.Clear();
  unkept_ |= journal_->appended() != journal_->safe();
  size_t ended = 0;
  if (unkept_) {
    for (const auto& [id, session] : sessions_) {
      if (session->held.empty() && session->out.empty()) continue;
      Kill(*session);
      ended++;
    }
  }
  holding_.clear();
  // They are told that it was in vain.
  ServeDurable(Wait::kNowhere);
  // Who is left asks for nothing that could be lost.
  gate_.Advance(gate_.appended());
  LogWarning(
      "The journal has failed: {} clients whose replies depended on changes that are not safe are "
      "disconnected; changes are refused until the server is started again",
      ended);
}

// Whether the journal has room for all that a command with these flags and arguments may change,
// behind what this turn has changed. What it changes is about as large as its arguments; a
// transaction changes what its queue does.
bool Broker::JournalHasRoom(const Session& session, uint32_t flags,
                            std::span<const std::string_view> args) {
  uint64_t bytes =
      batch_.bytes().size() + session.transaction.queue_bytes + journal::Journal::kLeastChangeBytes;
  for (const std::string_view arg : args) {
    bytes += arg.size();
  }
  const bool adds = (flags & kDenyOom) != 0;
  return journal_->HasRoomFor(
      bytes, adds ? journal::Journal::Change::kAdds : journal::Journal::Change::kRemoves);
}

// Why a command with these flags may not run now, if so. REQUIRES: the journal takes no changes, or
// has no room for those of the command.
Status Broker::WhyNoData(uint32_t flags) const {
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

}  // namespace runnel
