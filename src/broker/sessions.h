#pragma once

#include <cstdint>
#include <memory>

#include "absl/container/btree_map.h"
#include "broker/session.h"

namespace runnel {

// All sessions, by ID. IDs ascend in the order in which sessions were added.
class Sessions {
 public:
  using Map = absl::btree_map<uint64_t, std::unique_ptr<Session>>;

  // `transport` outlives the session. IDs begin at 1 and are never reused.
  Session& Add(Transport* transport);
  // Destroys the session, which leaves all lists that it is in. Nothing else may refer to it any
  // more (waits, watches, subscriptions).
  void Remove(Session& session);

  // nullptr if there is none with this ID, or if it is about to end.
  Session* Find(uint64_t id) const;
  const Map& all() const { return all_; }
  bool empty() const { return all_.empty(); }
  size_t size() const { return all_.size(); }
  uint64_t last_id() const { return last_id_; }
  // An ID for a connection that is no session.
  uint64_t TakeId() { return ++last_id_; }

 private:
  Map all_;
  uint64_t last_id_ = 0;
};

}  // namespace runnel
