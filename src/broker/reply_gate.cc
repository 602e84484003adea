#include "broker/reply_gate.h"

#include <utility>

#include "base/assert.h"

namespace runnel {

void HeldReplies::Add(Rope&& replies, Position position) {
  ASSERT(runs_.empty() || runs_.back().position <= position);
  bytes_ += replies.size();
  if (!runs_.empty() && runs_.back().position == position) {
    runs_.back().replies.Append(std::move(replies));
  } else {
    runs_.push_back({position, std::move(replies)});
  }
}

Rope HeldReplies::Release(Position watermark) {
  Rope released;
  while (!runs_.empty() && runs_.front().position <= watermark) {
    bytes_ -= runs_.front().replies.size();
    released.Append(std::move(runs_.front().replies));
    runs_.pop_front();
  }
  return released;
}

void ReplyGate::Advance(Position watermark) {
  CHECK(watermark_ <= watermark && watermark <= appended_);
  watermark_ = watermark;
}

}  // namespace runnel
