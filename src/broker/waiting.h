#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "base/intrusive_list.h"
#include "broker/key_name.h"
#include "broker/ordered_waiters.h"
#include "broker/suspended.h"
#include "commands/wait.h"
#include "data/keyspace.h"

namespace runnel {

struct AwaitedKey;
struct InQueuesOfKey;
struct InDueQueues;
struct InReadyKeys;

// Sessions in one queue: they wait for the same key in the same way (kind and group). Oldest first.
struct WaitQueue : ListNode<InQueuesOfKey>, ListNode<InDueQueues> {
  AwaitedKey* key = nullptr;
  WaitKind kind = WaitKind::kList;
  std::string group;
  IntrusiveList<WaitPlace, InWaitQueue> places;
  size_t size = 0;  // of `places`
  size_t due = 0;   // how many of them may still run for the mark that is served now
};

// A key that sessions wait for.
struct AwaitedKey : ListNode<InReadyKeys> {
  uint32_t db = 0;
  std::string name;
  IntrusiveList<WaitQueue, InQueuesOfKey> queues;
  size_t group_queues = 0;  // those of kind kGroup
};

// Sessions whose command is blocked: it waits for a key, for a position of the journal, or for an
// event outside of the broker.
//
// The rules for keys are Redis's. A change only marks the key. After the command, or the whole
// transaction, that changed it, the sessions that wait for the key run their commands again, oldest
// first, each at most once per mark. A session that still finds nothing waits on, at the end of the
// queue. Sessions that wait for different consumer groups or in different ways are in different
// queues, so the cost of a change depends on the sessions that it serves, not on those that wait.
//
// This class only says which session is next; the caller runs the commands. Blocking on n keys and
// unblocking cost n steps, a mark costs one step.
class Waiting {
 public:
  // The session waits from now on. Its `suspended` holds everything but the places.
  // REQUIRES: session.waits is kNothing.
  void Block(Session& session, const Wait& wait);
  // The session no longer waits. Its `suspended` stays as it is, for another run. REQUIRES:
  // session.blocked().
  void Unblock(Session& session);

  // The number of sessions that wait, of keys that they wait for, and of those keys whose removal
  // ends a wait.
  size_t blocked() const { return blocked_; }
  size_t keys() const { return keys_.size(); }
  size_t keys_of_groups() const { return keys_of_groups_; }

  void OnKeyChange(uint32_t db, std::string_view name, KeyChange change);
  // All keys of the database are about to be removed; they still exist.
  void OnFlush(uint32_t db, const Keyspace& keyspace);
  void OnSwap(uint32_t a, uint32_t b);

  // Sessions that wait for the key in this way, and in no other, may be served.
  void Mark(const KeyRef& key, WaitKind kind, std::string_view group);
  bool anything_ready() const { return !ready_.empty() || !due_.empty(); }
  // The next session that a marked key may serve. It is unblocked, and its command is to be run
  // again. nullptr if no mark is left. The command may mark further keys.
  Session* TakeReady(const Keyspace& keyspace);

  // The first session whose deadline has come; nullptr if there is none.
  Session* TimedOut(int64_t steady_ms) const { return deadlines_.FirstUpTo(steady_ms); }
  // The first session that asked to be run again by this time (Unix clock).
  Session* DueForRetry(int64_t now_ms) const { return retries_.FirstUpTo(now_ms); }
  // The first session that waits for the journal to be durable up to `position` or less.
  Session* DueAt(Position position) const { return durable_.FirstUpTo(position); }
  // The first session that waits for followers (Wait::followers) which are this far. For each way
  // in which a follower can have the journal: their positions, the foremost first.
  Session* DueByFollowers(std::span<const Position> written,
                          std::span<const Position> synced) const;
  // The first session that waits for followers.
  Session* AnyForFollowers() const { return followers_.FirstFrom({}).second; }
  // The greatest position that sessions wait for followers to have; 0 if no session does. It may be
  // one that a session has waited for which does not wait any more.
  Position awaited_of_followers() const { return awaited_of_followers_; }
  // All sessions that wait for this event (Wait::event).
  std::vector<Session*> ForEvent(uint64_t event) const;
  // A new event, for which no session waits yet.
  uint64_t NewEvent() { return ++last_event_; }

  // The next deadline and the next retry; Wait::kForever if there is none.
  int64_t next_deadline_ms() const { return deadlines_.NextOr(Wait::kForever); }
  int64_t next_retry_ms() const { return retries_.NextOr(Wait::kForever); }

  // How many places were taken, left or looked at so far: a measure of the work of this class.
  uint64_t steps() const { return steps_; }

 private:
  struct QueueName {
    const AwaitedKey* key;
    WaitKind kind;
    std::string_view group;
    friend bool operator==(const QueueName&, const QueueName&) = default;
  };
  struct QueueHash;
  struct QueueEqual;
  struct QueueHash {
    using is_transparent = void;
    size_t operator()(const QueueName& name) const;
    size_t operator()(const std::unique_ptr<WaitQueue>& queue) const {
      return (*this)(NameOf(*queue));
    }
  };
  struct QueueEqual {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return NameOf(a) == NameOf(b);
    }
  };
  static const QueueName& NameOf(const QueueName& name) { return name; }
  static QueueName NameOf(const WaitQueue& queue) { return {queue.key, queue.kind, queue.group}; }
  static QueueName NameOf(const std::unique_ptr<WaitQueue>& queue) { return NameOf(*queue); }

  AwaitedKey& KeyOf(const KeyRef& key);
  WaitQueue& QueueOf(AwaitedKey& key, const Wait& wait);
  void Leave(WaitPlace& place);
  void MakeDue(AwaitedKey& key);

  absl::flat_hash_set<std::unique_ptr<AwaitedKey>, KeyNameHash, KeyNameEqual> keys_;
  absl::flat_hash_set<std::unique_ptr<WaitQueue>, QueueHash, QueueEqual> queues_;
  IntrusiveList<AwaitedKey, InReadyKeys> ready_;  // marked, in the order of the marks
  IntrusiveList<WaitQueue, InDueQueues> due_;     // of the key that is being served
  OrderedWaiters<int64_t> deadlines_;
  OrderedWaiters<int64_t> retries_;
  OrderedWaiters<Position> durable_;
  OrderedWaiters<Wait::Followers> followers_;
  Position awaited_of_followers_ = 0;
  OrderedWaiters<uint64_t> events_;
  uint64_t last_event_ = Wait::kSnapshotEnd;
  size_t blocked_ = 0;
  size_t keys_of_groups_ = 0;
  uint64_t steps_ = 0;
};

}  // namespace runnel
