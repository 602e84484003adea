#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "base/intrusive_list.h"
#include "broker/session.h"
#include "broker/suspended.h"
#include "cold/cold_store.h"

namespace runnel {

// Sessions whose command looked at entries on the disk. The command waits until they are in memory,
// and runs again. Other sessions go on meanwhile. Later requests of a parked session wait, so its
// replies keep their order.
class Parking {
 public:
  // Outlives the broker; nullptr if all entries are in memory.
  void Use(ColdStore* cold) { cold_ = cold; }
  ColdStore* cold() const { return cold_; }

  // The session waits for the entries that its command missed. REQUIRES: session.waits is kNothing.
  void Park(Session& session, std::unique_ptr<Suspended> command, const ColdMiss& miss) {
    session.suspended = std::move(command);
    session.waits = Waits::kParked;
    count_++;
    cold_->Load(miss, &session.suspended->pins, [this, &session] { loaded_.Add(session); });
  }
  // The next session whose entries are in memory, which is no longer parked; nullptr if there is
  // none. The entries stay in memory as long as its `suspended` lives.
  Session* TakeLoaded() {
    Session* const session = loaded_.PopFront();
    if (session != nullptr) Leave(*session);
    return session;
  }
  // The session no longer waits, and its command is dropped. REQUIRES: session.parked().
  void Cancel(Session& session) {
    TakeBack(session);
    session.suspended.reset();
  }
  // The session no longer waits, whether its entries are in memory or not. REQUIRES:
  // session.parked().
  void TakeBack(Session& session) {
    static_cast<ListNode<InLoaded>&>(session).Unlink();
    cold_->Cancel(&session.suspended->pins);
    Leave(session);
  }

  bool anything_loaded() const { return !loaded_.empty(); }
  size_t count() const { return count_; }

 private:
  void Leave(Session& session) {
    session.waits = Waits::kNothing;
    count_--;
  }

  ColdStore* cold_ = nullptr;
  IntrusiveList<Session, InLoaded> loaded_;
  size_t count_ = 0;
};

}  // namespace runnel
