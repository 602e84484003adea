#include "broker/waiters.h"

#include <algorithm>

#include "base/assert.h"

namespace runnel {

void Waiters::Block(Session& session, const Wait& wait) {
  CHECK(!session.blocked);
  Blocking& blocking = *session.blocking;
  blocking.places_.clear();
  for (const std::string_view name : wait.keys) {
    const Key key(blocking.db, name);
    // A key named twice is waited for once.
    const auto same = [&](const Blocking::Place& place) { return place.key == name; };
    if (std::any_of(blocking.places_.begin(), blocking.places_.end(), same)) continue;
    WaitQueue& queue = QueueOf(keys_[key], wait);
    queue.sessions.push_back(&session);
    blocking.places_.push_back({key.second, &queue, std::prev(queue.sessions.end())});
  }
  if (blocking.deadline_ms != Wait::kForever) {
    deadlines_.emplace(std::pair(blocking.deadline_ms, session.id), &session);
  }
  if (blocking.retry_at_ms != Wait::kForever) {
    retries_.emplace(std::pair(blocking.retry_at_ms, session.id), &session);
  }
  if (blocking.durable_at != Wait::kNowhere) {
    durables_.emplace(std::pair(blocking.durable_at, session.id), &session);
  }
  session.blocked = true;
  blocked_++;
}

WaitQueue& Waiters::QueueOf(KeyWaiters& waiters, const Wait& wait) {
  for (WaitQueue& queue : waiters.queues) {
    if (queue.kind == wait.kind && queue.group == wait.group) return queue;
  }
  return waiters.queues.emplace_back(WaitQueue{wait.kind, std::string(wait.group), {}});
}

void Waiters::Unblock(Session& session) {
  CHECK(session.blocked);
  Blocking& blocking = *session.blocking;
  for (Blocking::Place& place : blocking.places_) {
    place.queue->sessions.erase(place.position);
    if (!place.queue->sessions.empty()) continue;
    const auto it = keys_.find(Key(blocking.db, place.key));
    it->second.queues.remove_if([&](const WaitQueue& queue) { return &queue == place.queue; });
    if (it->second.queues.empty()) keys_.erase(it);
  }
  blocking.places_.clear();
  deadlines_.erase({blocking.deadline_ms, session.id});
  retries_.erase({blocking.retry_at_ms, session.id});
  durables_.erase({blocking.durable_at, session.id});
  session.blocked = false;
  blocked_--;
}

void Waiters::OnKeyChange(uint32_t db, std::string_view name, KeyChange change) {
  if (keys_.empty() || !IsAwaited(change)) return;
  const auto it = keys_.find(Key(db, name));
  if (it != keys_.end()) MarkReady(it->first, it->second);
}

void Waiters::OnFlush(uint32_t db, const Keyspace& keyspace) {
  if (keyspace.size(db) == 0) return;
  for (auto& [key, waiters] : keys_) {
    if (key.first == db && keyspace.Find(KeyRef(db, key.second)) != nullptr) {
      MarkReady(key, waiters);
    }
  }
}

void Waiters::OnSwap(uint32_t a, uint32_t b) {
  for (auto& [key, waiters] : keys_) {
    if (key.first == a || key.first == b) MarkReady(key, waiters);
  }
}

void Waiters::MarkReady(const Key& key, KeyWaiters& waiters) {
  if (waiters.ready) return;
  waiters.ready = true;
  ready_.push_back(key);
}

void Waiters::ServeReady(const Keyspace& keyspace) {
  while (!ready_.empty()) {
    const std::vector<Key> keys = std::move(ready_);
    ready_.clear();
    for (const Key& key : keys) {
      ServeKey(key, keyspace);
    }
  }
}

void Waiters::ServeKey(const Key& key, const Keyspace& keyspace) {
  auto it = keys_.find(key);
  if (it == keys_.end()) return;
  it->second.ready = false;
  // A rerun may empty and remove any queue, also this key's last: what is visited is found anew
  // each time.
  std::vector<std::pair<WaitKind, std::string>> queues;
  for (const WaitQueue& queue : it->second.queues) {
    queues.emplace_back(queue.kind, queue.group);
  }
  for (const auto& wanted : queues) {
    const WaitKind kind = wanted.first;
    const std::string& group = wanted.second;
    const auto find = [&]() -> WaitQueue* {
      it = keys_.find(key);
      if (it == keys_.end()) return nullptr;
      for (WaitQueue& queue : it->second.queues) {
        if (queue.kind == kind && queue.group == group) return &queue;
      }
      return nullptr;
    };
    WaitQueue* queue = find();
    for (size_t left = queue == nullptr ? 0 : queue->sessions.size(); left > 0; left--) {
      if (!CanServe(kind, group, keyspace.Find(KeyRef(key.first, key.second)))) break;
      Session& session = *queue->sessions.front();
      Unblock(session);
      rerun_(session);
      queue = find();
      if (queue == nullptr || queue->sessions.empty()) break;
    }
  }
}

Session* Waiters::TimedOut(int64_t steady_ms) const {
  if (deadlines_.empty() || deadlines_.begin()->first.first > steady_ms) return nullptr;
  return deadlines_.begin()->second;
}

Session* Waiters::DueForRetry(int64_t now_ms) const {
  if (retries_.empty() || retries_.begin()->first.first > now_ms) return nullptr;
  return retries_.begin()->second;
}

Session* Waiters::DueAt(Position position) const {
  if (durables_.empty() || durables_.begin()->first.first > position) return nullptr;
  return durables_.begin()->second;
}

}  // namespace runnel
