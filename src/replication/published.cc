#include "replication/published.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/coding.h"
#include "base/log.h"
#include "fmt/format.h"

namespace runnel::replication {
namespace {

constexpr size_t kSmallMessages = 32 * 1024;
constexpr int64_t kSayDroppedEveryMs = 10'000;
// What a message takes beside its bytes.
constexpr size_t kMessageOverhead = 64;

}  // namespace

void AppendPublished(const Published& published, std::string* out) {
  std::string head;
  Encoder encoder(&head);
  encoder.Byte(published.shard ? 1 : 0);
  encoder.Fixed(published.position);
  encoder.Varint(published.channel.size());
  encoder.Varint(published.channel.size() + published.message.size());
  const std::string_view parts[] = {published.channel, published.message};
  size_t left = published.channel.size() + published.message.size();
  size_t part = 0;
  size_t done = 0;  // of the part
  MessageType type = MessageType::kPublished;
  do {
    size_t room = std::min(left, kMostPieceBytes);
    AppendMessageHeader(type, head.size() + room, out);
    out->append(head);
    left -= room;
    while (room > 0) {
      const std::string_view bytes = parts[part].substr(done, room);
      out->append(bytes);
      room -= bytes.size();
      done += bytes.size();
      if (done == parts[part].size()) {
        part++;
        done = 0;
      }
    }
    head.clear();
    type = MessageType::kPublishedMore;
  } while (left > 0);
}

std::optional<bool> DecodeSubscribed(std::string_view body) {
  Decoder in(body);
  const bool subscribed = in.Byte() != 0;
  if (!in.ok()) return std::nullopt;
  return subscribed;
}

// --- What was dropped ---

void DroppedMessages::MayLog(std::string_view why, int64_t now_ms) {
  if (!due(now_ms)) return;
  LogWarning("{} published messages were dropped: {}", std::exchange(unsaid_, 0), why);
  say_again_ms_ = now_ms + kSayDroppedEveryMs;
}

// --- The messages of all followers ---

void PublishedTail::Add(const Published& published, size_t most_bytes) {
  encoded_.clear();
  AppendPublished(published, &encoded_);
  const size_t size = encoded_.size();
  // A large one has a block of its own, which goes with its last receiver.
  const bool alone = size > kSmallMessages;
  // Nobody refers to what was there: it is written over, and stays in the processor's cache.
  if (open_ && open_->unique()) used_ = 0;
  if (!alone && (!open_ || open_->capacity() - used_ < size)) {
    open_ = Block::Create(kSmallMessages);
    used_ = 0;
  }
  const Ref<Block> block = alone ? Block::Create(size) : open_;
  char* const place = block->data() + (alone ? 0 : used_);
  std::memcpy(place, encoded_.data(), size);
  if (!alone) used_ += size;
  if (alone) encoded_ = {};
  messages_.push_back({block, {place, size}});
  bytes_ += size + kMessageOverhead;
  while (bytes_ > most_bytes && messages_.size() > 1) {
    DropFirst();
  }
}

PublishedTail::Piece PublishedTail::At(uint64_t number, size_t most) const {
  ASSERT(begin() <= number && number < end());
  const Message& first = messages_[number - begin_];
  Piece piece{first.block, first.bytes, 1};
  for (uint64_t next = number + 1; next < end(); next++) {
    const Message& message = messages_[next - begin_];
    const bool follows = message.block.get() == piece.block.get();
    if (!follows || piece.bytes.size() + message.bytes.size() > most) break;
    piece.bytes = {piece.bytes.data(), piece.bytes.size() + message.bytes.size()};
    piece.messages++;
  }
  return piece;
}

void PublishedTail::DropFirst() {
  bytes_ -= messages_.front().bytes.size() + kMessageOverhead;
  messages_.pop_front();
  begin_++;
}

void PublishedTail::Forget(uint64_t number) {
  while (!messages_.empty() && begin_ < number) {
    DropFirst();
  }
}

// --- The leader's side ---

void Publisher::Subscribe(Subscriber& subscriber, bool subscribed) {
  if (subscribed && !subscriber.subscribed) subscriber.next = tail_.end();
  subscriber.subscribed = subscribed;
}

void Publisher::Add(const Published& published) {
  const size_t size = published.channel.size() + published.message.size();
  if (size <= kMostPublishedBytes) return tail_.Add(published, settings_.published_bytes);
  LogWarning("A published message of {} bytes is not sent to followers: more than {} are not", size,
             kMostPublishedBytes);
  total_dropped_++;
}

void Publisher::Drop(Subscriber& subscriber, uint64_t messages) {
  subscriber.dropped.Add(messages);
  total_dropped_ += messages;
}

void Publisher::Send(Subscriber& subscriber, Link& link) {
  const bool subscribed = subscriber.subscribed;
  if (subscribed && subscriber.next < tail_.begin()) {
    Drop(subscriber, tail_.begin() - subscriber.next);
    subscriber.next = tail_.begin();
  }
  while (link.output().size() < kMostUnsentBytes) {
    if (!subscriber.rest.empty()) {
      const auto header = DecodeMessageHeader(subscriber.rest);
      const size_t size = kMessageHeaderBytes + header->body_bytes;
      link.SendEncoded(subscriber.large, subscriber.rest.substr(0, size));
      subscriber.rest.remove_prefix(size);
      if (subscriber.rest.empty()) subscriber.large = {};
      continue;
    }
    if (!subscribed || subscriber.next == tail_.end()) return;
    const PublishedTail::Piece piece = tail_.At(subscriber.next, kMostUnsentBytes);
    subscriber.next += piece.messages;
    if (piece.bytes.size() <= kMostUnsentBytes) {
      link.SendEncoded(piece.block, piece.bytes);
    } else {
      subscriber.large = piece.block;
      subscriber.rest = piece.bytes;
    }
  }
}

void Publisher::End(Subscriber& subscriber) {
  if (subscriber.subscribed) {
    Drop(subscriber, tail_.end() - subscriber.next + (subscriber.rest.empty() ? 0 : 1));
  }
  subscriber.subscribed = false;
}

// --- The follower's side ---

Published PublishedInbox::Waiting::published() const {
  const std::string_view all = bytes;
  return {position, shard, all.substr(0, channel_bytes), all.substr(channel_bytes)};
}

Status PublishedInbox::Take(MessageType type, std::string_view body, Position applied) {
  if ((type == MessageType::kPublishedMore) != (left_ > 0)) {
    return Status::Error("pieces of published messages came out of turn");
  }
  if (type == MessageType::kPublished) {
    Decoder in(body);
    partial_ = {};
    partial_.shard = in.Byte() != 0;
    partial_.position = in.Fixed<uint64_t>();
    partial_.channel_bytes = in.Varint();
    left_ = in.Varint();
    if (!in.ok() || partial_.channel_bytes > left_) {
      left_ = 0;
      return Status::Error("a published message that is none");
    }
    if (left_ > kMostPublishedBytes) {
      return Status::Error(
          fmt::format("a published message of {} bytes, more than {}", left_, kMostPublishedBytes));
    }
    // What has no room is not even kept until it is whole.
    skips_ = bytes_ + left_ > settings_.published_bytes;
    body = body.substr(in.position());
  }
  if (body.size() > left_ || (body.empty() && left_ > 0)) {
    return Status::Error("a piece of a published message that is none");
  }
  left_ -= body.size();
  if (!skips_) partial_.bytes += body;
  if (left_ > 0) return {};
  skips_ ? Drop(1) : Keep(std::exchange(partial_, {}), applied);
  return {};
}

void PublishedInbox::Keep(Waiting message, Position applied) {
  if (waiting_.empty() && message.position <= applied) return deliver_(message.published());
  bytes_ += message.bytes.size() + kMessageOverhead;
  waiting_.push_back(std::move(message));
}

void PublishedInbox::OnApplied(Position applied) {
  while (!waiting_.empty() && waiting_.front().position <= applied) {
    const Waiting message = std::move(waiting_.front());
    waiting_.pop_front();
    bytes_ -= message.bytes.size() + kMessageOverhead;
    deliver_(message.published());
  }
}

void PublishedInbox::Drop(uint64_t messages) {
  dropped_.Add(messages);
  total_dropped_ += messages;
}

void PublishedInbox::Clear() {
  Drop(waiting_.size() + (left_ > 0 ? 1 : 0));
  waiting_.clear();
  bytes_ = 0;
  partial_ = {};
  left_ = 0;
}

}  // namespace runnel::replication
