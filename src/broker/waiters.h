#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/node_hash_map.h"
#include "broker/owned_args.h"
#include "broker/session.h"
#include "commands/wait.h"
#include "data/keyspace.h"

namespace runnel {

// Sessions that wait in one queue: the same key, and the same kind (and group) of waiting. Oldest
// first.
struct WaitQueue {
  WaitKind kind;
  std::string group;
  std::list<Session*> sessions;
};

// How one session waits; owned by it.
class Blocking {
 public:
  const Command* command = nullptr;
  OwnedArgs args;
  uint32_t db = 0;
  WaitKind kind = WaitKind::kList;
  int64_t deadline_ms = Wait::kForever;  // steady clock
  int64_t retry_at_ms = Wait::kForever;  // Unix clock
  Position durable_at = Wait::kNowhere;
  bool timeout_is_array = true;

 private:
  friend class Waiters;
  struct Place {
    std::string key;
    WaitQueue* queue;
    std::list<Session*>::iterator position;
  };
  std::vector<Place> places_;
};

// Sessions whose command waits for a key. The rules are Redis's: a change only marks the key; when
// the command, or the whole transaction, that made it is over, the key's waiters run their commands
// again, oldest first, each at most once per mark. One that still finds nothing waits on at the end
// of the queue. Waiters of different consumer groups, and readers of different kinds, queue apart,
// so a change costs what it serves and not what waits.
class Waiters {
 public:
  // `rerun` runs the session's waiting command again; it may block the session anew.
  explicit Waiters(std::function<void(Session&)> rerun) : rerun_(std::move(rerun)) {}

  // The session waits from now on. Its `blocking` holds everything but the places.
  void Block(Session& session, const Wait& wait);
  // It waits no more, for whatever reason. Its `blocking` stays as it is, for a rerun.
  void Unblock(Session& session);

  size_t blocked() const { return blocked_; }
  size_t keys() const { return keys_.size(); }

  void OnKeyChange(uint32_t db, std::string_view name, KeyChange change);
  // All keys of the database, which are still there, are about to go.
  void OnFlush(uint32_t db, const Keyspace& keyspace);
  void OnSwap(uint32_t a, uint32_t b);

  bool anything_ready() const { return !ready_.empty(); }
  // Serves the waiters of all marked keys, and of those that get marked thereby.
  void ServeReady(const Keyspace& keyspace);

  // The first session whose deadline has come; nullptr if there is none.
  Session* TimedOut(int64_t steady_ms) const;
  // The first session that asked to be run again by this time (Unix clock).
  Session* DueForRetry(int64_t now_ms) const;
  // The first session that waits for the journal to be durable up to `position` or less.
  Session* DueAt(Position position) const;
  // The next deadline and the next retry; Wait::kForever if there is none.
  int64_t next_deadline_ms() const { return FirstTime(deadlines_); }
  int64_t next_retry_ms() const { return FirstTime(retries_); }

  // Visits all sessions that wait on this key.
  template <class Visit>
  void ForEachBlocked(Visit visit) const {
    for (const auto& [key, waiting] : keys_) {
      for (const auto& queue : waiting.queues) {
        for (Session* session : queue.sessions)
          visit(*session);
      }
    }
  }

 private:
  using Key = std::pair<uint32_t, std::string>;
  struct KeyWaiters {
    std::list<WaitQueue> queues;
    bool ready = false;
  };
  // By time and session ID, which settles ties in the order of arrival.
  using Times = absl::btree_map<std::pair<int64_t, uint64_t>, Session*>;

  static int64_t FirstTime(const Times& times) {
    return times.empty() ? Wait::kForever : times.begin()->first.first;
  }
  WaitQueue& QueueOf(KeyWaiters& waiters, const Wait& wait);
  void MarkReady(const Key& key, KeyWaiters& waiters);
  void ServeKey(const Key& key, const Keyspace& keyspace);

  std::function<void(Session&)> rerun_;
  absl::node_hash_map<Key, KeyWaiters> keys_;
  std::vector<Key> ready_;
  Times deadlines_;
  Times retries_;
  absl::btree_map<std::pair<Position, uint64_t>, Session*> durables_;  // likewise
  size_t blocked_ = 0;
};

}  // namespace runnel
