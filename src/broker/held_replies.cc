#include "broker/held_replies.h"

#include <utility>

#include "base/assert.h"

namespace runnel {

void HeldReplies::Add(Rope&& replies, const Demand& demand, int64_t now_ms) {
  ASSERT(runs_.empty() || runs_.back().demand.appended <= demand.appended);
  if (runs_.empty() || runs_.back().demand != demand) runs_.push_back({demand, now_ms, 0});
  runs_.back().bytes += replies.size();
  replies_.Append(std::move(replies));
}

Rope HeldReplies::Release(const Watermarks& now) {
  size_t released = 0;
  while (!runs_.empty() && MayLeave(runs_.front().demand, now)) {
    released += runs_.front().bytes;
    runs_.pop_front();
  }
  return replies_.TakeFront(released);
}

}  // namespace runnel
