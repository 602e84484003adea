#pragma once

#include <cstdint>
#include <utility>

#include "absl/container/btree_map.h"
#include "broker/session.h"

namespace runnel {

// Sessions that wait until something that only grows has reached a value: a clock, or a watermark
// of the journal. Sessions that wait for the same value are in the order of their IDs. A call costs
// at most the logarithm of the number of sessions.
template <class Value>
class OrderedWaiters {
 public:
  // REQUIRES: the session does not wait here.
  void Add(Session& session, Value value) {
    waiters_.emplace(std::pair(value, session.id), &session);
  }
  // Does nothing if the session does not wait for this value.
  void Remove(const Session& session, Value value) { waiters_.erase({value, session.id}); }

  bool empty() const { return waiters_.empty(); }
  // The least value that a session waits for; `otherwise` if no session waits.
  Value NextOr(Value otherwise) const {
    return waiters_.empty() ? otherwise : waiters_.begin()->first.first;
  }
  // The first session that waits for `reached` or less; nullptr if there is none.
  Session* FirstUpTo(Value reached) const {
    if (waiters_.empty() || waiters_.begin()->first.first > reached) return nullptr;
    return waiters_.begin()->second;
  }
  // The first session that waits for `least` or more, and what it waits for; the session is nullptr
  // if there is none.
  std::pair<Value, Session*> FirstFrom(Value least) const {
    const auto it = waiters_.lower_bound({least, 0});
    if (it == waiters_.end()) return {least, nullptr};
    return {it->first.first, it->second};
  }
  // Visits the sessions that wait for exactly this value; `visit` must not change this set.
  template <class Visit>
  void ForEach(Value value, Visit visit) const {
    for (auto it = waiters_.lower_bound({value, 0}); it != waiters_.end(); ++it) {
      if (it->first.first != value) return;
      visit(*it->second);
    }
  }

 private:
  absl::btree_map<std::pair<Value, uint64_t>, Session*> waiters_;
};

}  // namespace runnel
