#include <algorithm>
#include <limits>
#include <utility>

#include "env/damage.h"
#include "fmt/format.h"
#include "replication/leader.h"

// What a leader sends to its followers: the journal, out of memory or out of files, snapshots,
// marks, heartbeats, the record, and what is published.

namespace runnel::replication {
namespace {

// A follower that does not read from its link gets no marks and no heartbeats when so much more
// than a window, and of what is published, waits there: later ones say all.
constexpr size_t kMostWaiting = 16 * 1024;
// So much is read of the journal's files for one follower in one go.
constexpr uint64_t kMostReadBytes = 4 * kMostPieceBytes;

}  // namespace

bool Leader::BeatsNow(int64_t now_ms) const {
  return !followers_.empty() && (questioned_ || now_ms - heartbeat_ms_ >= heartbeat_every_ms());
}

void Leader::Beat(int64_t now_ms) {
  heartbeat_ms_ = now_ms;
  std::string body;
  Heartbeat{++heartbeats_, std::exchange(questioned_, false)}.Encode(&body);
  for (const auto& follower : followers_) {
    if (!follower->ended.empty() || IsStuck(*follower)) continue;
    follower->link->Send(MessageType::kHeartbeat, body);
  }
}

// Whether something is to be read of files for it.
bool Leader::WantsRead(const Follower& follower) const {
  if (!follower.ended.empty()) return false;
  if (follower.sender != nullptr && follower.sender->next_bytes() > 0) return true;
  const Peer& peer = follower.peer;
  return !follower.reading && peer.sent < std::min(parts_.journal.written(), tail_->begin()) &&
         peer.sent - peer.report.received < parts_.settings.window_bytes;
}

// Where the rate is bounded, it is the turn of the one for which nothing was read for longest.
void Leader::ChooseReader(int64_t now_ms) {
  chosen_ = nullptr;
  read_again_ms_ = std::numeric_limits<int64_t>::max();
  if (parts_.settings.sync_rate == 0) return;
  for (const auto& follower : followers_) {
    if (!WantsRead(*follower)) continue;
    if (chosen_ == nullptr || follower->read_number < chosen_->read_number)
      chosen_ = follower.get();
  }
  if (chosen_ == nullptr || sync_rate_.MayRead(parts_.settings.sync_rate, now_ms)) return;
  chosen_ = nullptr;
  read_again_ms_ = sync_rate_.ask_again_ms();
}

bool Leader::MayRead(Follower& follower) {
  if (parts_.settings.sync_rate != 0 && chosen_ != &follower) return false;
  follower.read_number = ++reads_;
  return true;
}

// Returns whether there is more to send now.
bool Leader::Feed(Follower& follower) {
  Peer& peer = follower.peer;
  const uint64_t window = parts_.settings.window_bytes;
  while (!follower.reading && peer.sent < parts_.journal.written() &&
         peer.sent - peer.report.received < window) {
    if (peer.sent < tail_->begin()) {
      if (MayRead(follower)) Read(follower);
      break;
    }
    follower.reader.reset();
    const uint64_t room = window - (peer.sent - peer.report.received);
    const Tail::Piece piece = tail_->At(peer.sent, std::min<uint64_t>(room, kMostPieceBytes));
    SendBytes(follower, *piece.block, piece.bytes);
  }
  if (follower.sender != nullptr) {
    if (Status sent = follower.sender->Turn(*follower.link); !sent.ok()) {
      follower.ended = fmt::format("the snapshot cannot be sent: {}", sent.message());
      if (IsDamage(sent)) damaged_snapshot_ = follower.sender->position();
    }
    const uint64_t bytes = follower.sender->next_bytes();
    if (bytes > 0 && follower.ended.empty() && MayRead(follower)) {
      CountRead(bytes);
      follower.sender->ReadNext();
    }
  }
  if (peer.online()) {
    SendMark(follower);
    SendRecord(follower);
  }
  publisher_.Subscribe(follower.subscriber, follower.subscribes);
  publisher_.Send(follower.subscriber, *follower.link);
  follower.link->set_most_flushed(most_flushed_);
  return follower.link->Flush();
}

bool Leader::IsStuck(const Follower& follower) const {
  const size_t published = follower.subscriber.subscribed ? Publisher::kMostWaitingBytes : 0;
  return follower.link->output().size() > parts_.settings.window_bytes + kMostWaiting + published;
}

void Leader::SendMark(Follower& follower) {
  // Somebody may have given up; then nothing is to be said.
  const Position awaited = std::max({awaited_, waited_, follower.told.report_at});
  const Position others = leads() ? set_->TellOthers(follower.peer.request.node_id) : this->mark();
  const Mark mark{this->mark(), others, awaited, CountsSynced()};
  // The mark itself is no news to one that knows what the others have.
  const bool known = mark.others == follower.told.others && mark.others > mark.high_watermark;
  const bool news = mark.report_at != follower.told.report_at ||
                    mark.synced != follower.told.synced || (!known && mark != follower.told);
  if (!news || IsStuck(follower)) return;
  follower.told = mark;
  std::string body;
  mark.Encode(&body);
  follower.link->Send(MessageType::kMark, body);
}

void Leader::SendRecord(Follower& follower) {
  const ClusterRecord& record = parts_.records.now();
  if (record.version == follower.told_record) return;
  follower.told_record = record.version;
  // A record that another leader made is of no use to a follower of this one.
  if (leads() ? !is_recorded() : record.journal_id != parts_.journal.identity().id) return;
  follower.link->Send(MessageType::kRecord, record.Encode());
}

void Leader::Read(Follower& follower) {
  auto job = std::make_shared<JournalPieces>();
  job->reader = follower.reader;
  job->open = parts_.journal.Reading();
  // What was sent out of memory may have ended in the midst of a frame.
  job->from = follower.reader == nullptr ? follower.peer.report.written : follower.peer.sent;
  job->sent = follower.peer.sent;
  job->limit = parts_.journal.written();
  // A few pieces at once: each job is a way to the helper and back. Not where the rate is bounded.
  const uint64_t room =
      parts_.settings.window_bytes - (follower.peer.sent - follower.peer.report.received);
  if (parts_.settings.sync_rate == 0) {
    job->wanted = std::clamp<uint64_t>(room, kMostPieceBytes, kMostReadBytes);
  }
  follower.reading = true;
  parts_.reader.Run([job] { job->Read(); },
                    [this, job, at = &follower, alive = std::weak_ptr<bool>(alive_)] {
                      if (!alive.expired()) OnJournalRead(*at, *job);
                    });
}

void Leader::OnJournalRead(Follower& follower, const JournalPieces& job) {
  follower.reading = false;
  follower.reader = job.reader;
  CountRead(job.bytes);
  if (!job.status.ok() && follower.ended.empty()) {
    follower.ended = "the journal cannot be read for it: " + job.status.message();
  }
  if (!follower.ended.empty()) return;
  // It has memory of its own, which is of no use to one that has got to the tail.
  if (job.reader != nullptr && job.reader->position() >= tail_->begin()) follower.reader.reset();
  for (const JournalPieces::Piece& piece : job.pieces) {
    SendBytes(follower, piece.block, piece.view());
  }
}

void Leader::SendBytes(Follower& follower, const Ref<Block>& block, std::string_view bytes) {
  std::string head;
  AppendPieceHead(follower.peer.sent, &head);
  follower.link->SendSlice(MessageType::kBytes, head, block, bytes);
  follower.peer.sent += bytes.size();
}

// --- What is published ---

void Leader::Publish(const Published& published) {
  publisher_.Add(published);
}

// What all have been sent goes.
void Leader::ForgetPublished(int64_t now_ms) {
  if (!wants_published_ && followers_.empty()) return;
  wants_published_ = false;
  uint64_t next = publisher_.end();
  for (const auto& follower : followers_) {
    Publisher::Subscriber& subscriber = follower->subscriber;
    if (!subscriber.subscribed || !follower->ended.empty()) continue;
    wants_published_ = true;
    next = std::min(next, subscriber.next);
    TellDropped(*follower, now_ms);
  }
  publisher_.Forget(next);
}

void Leader::TellDropped(Follower& follower, int64_t now_ms) {
  DroppedMessages& dropped = follower.subscriber.dropped;
  if (!dropped.due(now_ms)) return;
  dropped.MayLog(fmt::format("follower {}:{} takes them too slowly, or is gone",
                             follower.peer.address, follower.peer.port),
                 now_ms);
}

}  // namespace runnel::replication
