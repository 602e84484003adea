#include "broker/held_replies.h"

#include <utility>

#include "base/assert.h"

namespace runnel {

void HeldReplies::Add(Rope&& replies, const Demand& demand, int64_t now_ms) {
  ASSERT(runs_.empty() || runs_.back().appended <= demand.appended);
  if (runs_.empty()) since_ms_ = now_ms;
  if (runs_.empty() || DemandOf(runs_.back()) != demand) {
    runs_.push_back(
        {demand.appended, demand.question, 0, demand.members, static_cast<uint64_t>(demand.acks)});
  }
  runs_.back().bytes += replies.size();
  replies_.Append(std::move(replies));
}

Rope HeldReplies::Release(const Watermarks& now, int64_t now_ms) {
  size_t released = 0;
  while (!runs_.empty() && MayLeave(DemandOf(runs_.front()), now)) {
    released += runs_.front().bytes;
    runs_.pop_front();
  }
  if (released > 0) since_ms_ = now_ms;
  return replies_.TakeFront(released);
}

}  // namespace runnel
