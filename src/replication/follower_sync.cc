#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "fmt/format.h"
#include "replication/follower.h"

// A follower that takes a state of its leader: a snapshot, or none.

namespace runnel::replication {

// The leader gives a state in the place of that of this server.
void Follower::OnState(const Welcome& welcome) {
  // Another journal may have a snapshot at the same position. Another server of the same journal
  // has its cold entries in other files, which may have the same names.
  if (coming_.identity != welcome.identity || coming_.node_id != welcome.node_id) DropFetched();
  coming_ = {welcome.identity, welcome.node_id, welcome.snapshot.value_or(0), {}, welcome.parting};
  if (welcome.from_beginning) {
    DropFetched();
    LogNotice(
        "This server cannot go on from its own data, and the leader {}:{} (node {}) has no "
        "snapshot: it begins with no data, and gets the journal from its beginning",
        target_.host, target_.port, welcome.node_id);
    state_to_take_ = coming_;
    state_ = State::kStopped;
    return;
  }
  if (fetch_ != nullptr && fetch_->position() != *welcome.snapshot) DropFetched();
  if (fetch_ == nullptr) {
    fetch_ = std::make_unique<SnapshotFetch>(parts_.disk, parts_.writer, *welcome.snapshot,
                                             parts_.settings.window_bytes);
  }
  fetch_->OnConnected();
  room_asked_ = false;
  state_ = State::kSyncing;
  error_ = fmt::format("the snapshot at position {} is being fetched", *welcome.snapshot);
  LogNotice(
      "This server cannot go on from its own journal, which the leader {}:{} (node {}) has up to "
      "{}: the leader's snapshot at position {} is fetched, of which {} bytes are here",
      target_.host, target_.port, welcome.node_id, welcome.parting, *welcome.snapshot,
      fetch_->written_bytes());
}

void Follower::RefuseState(std::string_view why) {
  CHECK(state_to_take_.has_value());
  state_to_take_.reset();
  Drop(why, false);
}

void Follower::RefuseRoom(std::string_view why) {
  room_wanted_.reset();
  DropFetched();
  Drop(why, false);
}

uint64_t Follower::RoomFor(uint64_t bytes) const {
  constexpr uint64_t kMostForNotes = uint64_t{1} << 20;
  return bytes + bytes_to_keep() + std::min(bytes / 64, kMostForNotes);
}

void Follower::ForgetFetched(std::string_view why) {
  fetch_.reset();
  if (state_ == State::kSyncing) Drop(why, false);
}

void Follower::DropFetched() {
  if (fetch_ == nullptr) return;
  fetch_->RemoveStaged();
  fetch_.reset();
}

void Follower::Sync() {
  if (fetch_->listed() && !fetch_->complete() && !std::exchange(room_asked_, true)) {
    room_wanted_ = RoomFor(fetch_->total_bytes() - fetch_->written_bytes());
  }
  if (room_wanted_) return;
  const Status status = fetch_->Turn(*link_);
  if (!status.ok()) {
    ended_ = fmt::format("the snapshot cannot be fetched: {}", status.message());
    return;
  }
  link_->Flush();
  if (!fetch_->complete()) return;
  LogNotice("The snapshot at position {} is here: {} files, {} bytes", fetch_->position(),
            fetch_->files().size(), fetch_->total_bytes());
  state_to_take_ = coming_;
  state_to_take_->files = fetch_->files();
  state_ = State::kStopped;
}

}  // namespace runnel::replication
