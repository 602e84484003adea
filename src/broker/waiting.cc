#include "broker/waiting.h"

#include <absl/hash/hash.h>

#include <algorithm>

#include "base/assert.h"

namespace runnel {

size_t Waiting::QueueHash::operator()(const QueueName& name) const {
  // The table takes the hash as it is: addresses of keys that were made in a row are not spread
  // well enough. Depending on where the heap began, a client that waited for 100,000 keys took 30
  // times as long.
  return absl::HashOf(name.key, name.kind, name.group);
}

// --- Blocking ---

void Waiting::Block(Session& session, const Wait& wait) {
  CHECK(session.waits == Waits::kNothing);
  Suspended& suspended = *session.suspended;
  CHECK(suspended.place_count == 0);
  suspended.places = std::make_unique<WaitPlace[]>(wait.keys.size());
  for (const KeyRef& key : wait.keys) {
    steps_++;
    WaitQueue& queue = QueueOf(KeyOf(key), wait);
    // A key that is named twice is waited for once: then the last place is this session's.
    if (!queue.places.empty() && queue.places.back()->session == &session) continue;
    WaitPlace& place = suspended.places[suspended.place_count++];
    place.queue = &queue;
    place.session = &session;
    queue.places.PushBack(place);
    queue.size++;
  }
  if (suspended.deadline_ms != Wait::kForever) deadlines_.Add(session, suspended.deadline_ms);
  if (suspended.retry_at_ms != Wait::kForever) retries_.Add(session, suspended.retry_at_ms);
  if (suspended.durable_at != Wait::kNowhere) durable_.Add(session, suspended.durable_at);
  if (suspended.followers.count > 0) {
    followers_.Add(session, suspended.followers);
    awaited_of_followers_ = std::max(awaited_of_followers_, suspended.followers.position);
  }
  if (suspended.kind == WaitKind::kEvent) events_.Add(session, suspended.event);
  session.waits = Waits::kBlocked;
  blocked_++;
}

AwaitedKey& Waiting::KeyOf(const KeyRef& key) {
  const auto it = keys_.find(key);
  if (it != keys_.end()) return **it;
  auto added = std::make_unique<AwaitedKey>();
  added->db = key.db;
  added->name = key.name;
  return **keys_.insert(std::move(added)).first;
}

WaitQueue& Waiting::QueueOf(AwaitedKey& key, const Wait& wait) {
  const auto it = queues_.find(QueueName{&key, wait.kind, wait.group});
  if (it != queues_.end()) return **it;
  auto added = std::make_unique<WaitQueue>();
  added->key = &key;
  added->kind = wait.kind;
  added->group = wait.group;
  key.queues.PushBack(*added);
  if (wait.kind == WaitKind::kGroup && key.group_queues++ == 0) keys_of_groups_++;
  return **queues_.insert(std::move(added)).first;
}

void Waiting::Unblock(Session& session) {
  CHECK(session.blocked());
  Suspended& suspended = *session.suspended;
  for (size_t i = 0; i < suspended.place_count; i++) {
    Leave(suspended.places[i]);
  }
  suspended.place_count = 0;
  suspended.places.reset();
  if (suspended.deadline_ms != Wait::kForever) deadlines_.Remove(session, suspended.deadline_ms);
  if (suspended.retry_at_ms != Wait::kForever) retries_.Remove(session, suspended.retry_at_ms);
  if (suspended.durable_at != Wait::kNowhere) durable_.Remove(session, suspended.durable_at);
  if (suspended.followers.count > 0) {
    followers_.Remove(session, suspended.followers);
    if (followers_.empty()) awaited_of_followers_ = 0;
  }
  if (suspended.kind == WaitKind::kEvent) events_.Remove(session, suspended.event);
  session.waits = Waits::kNothing;
  blocked_--;
}

// A queue that is empty goes, and its key with the last one.
void Waiting::Leave(WaitPlace& place) {
  steps_++;
  WaitQueue& queue = *place.queue;
  place.Unlink();
  if (--queue.size > 0) return;
  AwaitedKey& key = *queue.key;
  if (queue.kind == WaitKind::kGroup && --key.group_queues == 0) keys_of_groups_--;
  queues_.erase(queues_.find(NameOf(queue)));
  if (key.queues.empty()) keys_.erase(keys_.find(KeyRef(key.db, key.name)));
}

// --- Waking ---

void Waiting::OnKeyChange(uint32_t db, std::string_view name, KeyChange change) {
  if (keys_.empty() || !IsAwaited(change)) return;
  const auto it = keys_.find(KeyRef(db, name));
  if (it != keys_.end()) ready_.Add(**it);
}

void Waiting::Mark(const KeyRef& key, WaitKind kind, std::string_view group) {
  const auto awaited = keys_.find(key);
  if (awaited == keys_.end()) return;
  const auto it = queues_.find(QueueName{awaited->get(), kind, group});
  if (it == queues_.end()) return;
  WaitQueue& queue = **it;
  queue.due = queue.size;
  due_.Add(queue);
}

void Waiting::OnFlush(uint32_t db, const Keyspace& keyspace) {
  if (keyspace.size(db) == 0) return;
  for (const auto& key : keys_) {
    if (key->db == db && keyspace.Find(KeyRef(db, key->name)) != nullptr) ready_.Add(*key);
  }
}

void Waiting::OnSwap(uint32_t a, uint32_t b) {
  for (const auto& key : keys_) {
    if (key->db == a || key->db == b) ready_.Add(*key);
  }
}

Session* Waiting::TakeReady(const Keyspace& keyspace) {
  while (true) {
    if (due_.empty()) {
      AwaitedKey* const key = ready_.PopFront();
      if (key == nullptr) return nullptr;
      MakeDue(*key);
    }
    steps_++;
    WaitQueue& queue = *due_.front();
    const AwaitedKey& key = *queue.key;
    // Those that went meanwhile are not waited for.
    if (queue.due == 0 ||
        !CanServe(queue.kind, queue.group, keyspace.Find(KeyRef(key.db, key.name)))) {
      due_.PopFront();
      continue;
    }
    queue.due--;
    Session& session = *queue.places.front()->session;
    Unblock(session);
    return &session;
  }
}

void Waiting::MakeDue(AwaitedKey& key) {
  key.queues.ForEach([&](WaitQueue& queue) {
    queue.due = queue.size;
    due_.PushBack(queue);
  });
}

// Sessions are in the order of Wait::Followers: those that wait for the same number of followers
// are together, and of them the one with the least position comes first. Numbers above that of the
// followers are not looked at.
Session* Waiting::DueByFollowers(std::span<const Position> written,
                                 std::span<const Position> synced) const {
  for (const bool on_disk : {false, true}) {
    const std::span<const Position> positions = on_disk ? synced : written;
    for (size_t count = 1; count <= positions.size(); count++) {
      const auto [wait, session] = followers_.FirstFrom({on_disk, count, 0});
      if (session == nullptr || wait.synced != on_disk || wait.count > positions.size()) break;
      if (wait.position <= positions[wait.count - 1]) return session;
      count = wait.count;
    }
  }
  return nullptr;
}

std::vector<Session*> Waiting::ForEvent(uint64_t event) const {
  std::vector<Session*> sessions;
  events_.ForEach(event, [&](Session& session) { sessions.push_back(&session); });
  return sessions;
}

}  // namespace runnel
