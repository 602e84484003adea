#include "broker/held_replies.h"

#include <utility>

#include "base/assert.h"

namespace runnel {

void HeldReplies::Add(Rope&& replies, Appended appended) {
  ASSERT(runs_.empty() || runs_.back().appended <= appended);
  if (runs_.empty() || runs_.back().appended != appended) runs_.push_back({appended, 0});
  runs_.back().bytes += replies.size();
  replies_.Append(std::move(replies));
}

Rope HeldReplies::Release(Safe safe) {
  size_t released = 0;
  while (!runs_.empty() && MayLeave(runs_.front().appended, safe)) {
    released += runs_.front().bytes;
    runs_.pop_front();
  }
  return replies_.TakeFront(released);
}

}  // namespace runnel
