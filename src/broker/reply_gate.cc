#include "broker/reply_gate.h"

#include <utility>

#include "base/assert.h"

namespace runnel {

void HeldReplies::Add(Rope&& replies, Position position) {
  ASSERT(runs_.empty() || runs_.back().position <= position);
  if (runs_.empty() || runs_.back().position != position) runs_.push_back({position, 0});
  runs_.back().bytes += replies.size();
  replies_.Append(std::move(replies));
}

Rope HeldReplies::Release(Position watermark) {
  size_t released = 0;
  while (!runs_.empty() && runs_.front().position <= watermark) {
    released += runs_.front().bytes;
    runs_.pop_front();
  }
  return replies_.TakeFront(released);
}

void ReplyGate::Advance(Position watermark) {
  CHECK(watermark_ <= watermark && watermark <= appended_);
  watermark_ = watermark;
}

}  // namespace runnel
