#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/block.h"
#include "base/position.h"
#include "base/ref.h"
#include "base/status.h"
#include "replication/link.h"
#include "replication/settings.h"
#include "replication/wire.h"

// What is published on a leader, on its way to the subscribers on its followers. It is not durable,
// and what has no room is dropped: publishing is at most once. See README.md.

namespace runnel::replication {

struct Published {
  // The changes that were made before it lie in front of this position: no subscriber gets the
  // message before they are applied.
  Position position = 0;
  bool shard = false;  // of a shard channel
  std::string_view channel;
  std::string_view message;
};

// A channel and a message have at most so many bytes together. No subscriber gets more by default
// (client-output-buffer-limit).
inline constexpr size_t kMostPublishedBytes = size_t{32} << 20;

// Appends the message as it travels, with its headers: one kPublished, and as many kPublishedMore
// as it takes. REQUIRES: it has at most kMostPublishedBytes.
void AppendPublished(const Published& published, std::string* out);

// The body of kSubscribed.
std::optional<bool> DecodeSubscribed(std::string_view body);

// Messages that were dropped, for the log, which does not say it for each.
class DroppedMessages {
 public:
  void Add(uint64_t messages) { unsaid_ += messages; }
  // A line for all that were dropped since the last one, if that was a while ago. `why` is its end,
  // after "... published messages were dropped: ".
  void MayLog(std::string_view why, int64_t now_ms);
  // Whether it would say something.
  bool due(int64_t now_ms) const { return unsaid_ > 0 && now_ms >= say_again_ms_; }

 private:
  uint64_t unsaid_ = 0;
  int64_t say_again_ms_ = 0;
};

// Messages, encoded once for all followers, the newest ones within a bound. Each has a number; the
// numbers have no gaps.
class PublishedTail {
 public:
  // REQUIRES: it has at most kMostPublishedBytes. Then the oldest go until all have no more than
  // `most_bytes`, or the new one is alone.
  void Add(const Published& published, size_t most_bytes);

  // The messages with the numbers from begin() to end() - 1 are here.
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return begin_ + messages_.size(); }
  // Bytes of all of them.
  size_t bytes() const { return bytes_; }

  // Messages from `number` on that lie in one piece: as many as have `most` bytes together, but at
  // least one. The block never changes. REQUIRES: begin() <= number < end().
  struct Piece {
    Ref<Block> block;
    std::string_view bytes;
    uint64_t messages = 0;
  };
  Piece At(uint64_t number, size_t most) const;
  // The messages before this one are not needed any more.
  void Forget(uint64_t number);

 private:
  struct Message {
    Ref<Block> block;
    std::string_view bytes;
  };

  void DropFirst();

  std::deque<Message> messages_;
  uint64_t begin_ = 0;
  size_t bytes_ = 0;
  Ref<Block> open_;  // where small messages are written
  size_t used_ = 0;  // bytes of it
  std::string encoded_;
};

// The leader's side. Each follower is sent what comes after that which it was sent last, as its
// connection takes it. All share one bound; a follower that is too slow for it misses the oldest.
class Publisher {
 public:
  // What is known of one follower.
  struct Subscriber {
    bool subscribed = false;  // somebody subscribes there
    uint64_t next = 0;        // the number of the message that is sent next
    // What is left of a large one, which is sent to its end whatever happens: whole messages of the
    // link.
    Ref<Block> large;
    std::string_view rest;
    DroppedMessages dropped;
  };

  // Nothing is sent while so much waits in a link, of whatever kind.
  static constexpr size_t kMostUnsentBytes = size_t{128} << 10;
  // So much of it may wait there.
  static constexpr size_t kMostWaitingBytes = 2 * kMostUnsentBytes + kMostPieceBytes;

  // Messages that a follower misses are added to `total_dropped`. Both outlive it.
  Publisher(const ReplicationSettings& settings, uint64_t& total_dropped)
      : settings_(settings), total_dropped_(total_dropped) {}

  // Somebody subscribes there from now on, or nobody any more.
  void Subscribe(Subscriber& subscriber, bool subscribed);
  // One that is too large is dropped. REQUIRES: somebody is subscribed; else nobody would take it
  // away again.
  void Add(const Published& published);
  // Sends what is there, as long as little waits in the connection: what comes after it, marks and
  // heartbeats, is not to be late. The link is to be flushed then.
  void Send(Subscriber& subscriber, Link& link);
  // The connection of the subscriber ends: what it has not been sent is dropped.
  void End(Subscriber& subscriber);
  // The messages before `next` are not needed any more: the least `next` of all subscribers, or
  // end() if there are none.
  void Forget(uint64_t next) { tail_.Forget(next); }
  uint64_t end() const { return tail_.end(); }
  size_t bytes() const { return tail_.bytes(); }

 private:
  void Drop(Subscriber& subscriber, uint64_t messages);

  const ReplicationSettings& settings_;
  uint64_t& total_dropped_;
  PublishedTail tail_;
};

// The follower's side: puts messages together, and keeps each until what was changed before it is
// applied.
class PublishedInbox {
 public:
  // The views are valid during the call.
  using Deliver = std::function<void(const Published&)>;

  // Messages that are dropped are added to `total_dropped`. Both outlive it.
  PublishedInbox(const ReplicationSettings& settings, uint64_t& total_dropped, Deliver deliver)
      : settings_(settings), total_dropped_(total_dropped), deliver_(std::move(deliver)) {}
  ~PublishedInbox() { Clear(); }
  PublishedInbox(const PublishedInbox&) = delete;
  PublishedInbox& operator=(const PublishedInbox&) = delete;

  // A kPublished or kPublishedMore has come. All up to `applied` is applied. Fails if it is none.
  Status Take(MessageType type, std::string_view body, Position applied);
  // Delivers what has waited for this.
  void OnApplied(Position applied);
  // The connection has ended: what a message that is here waits for may never come.
  void Clear();
  // Bytes that wait.
  size_t bytes() const { return bytes_; }
  DroppedMessages& dropped() { return dropped_; }

 private:
  struct Waiting {
    Position position = 0;
    bool shard = false;
    size_t channel_bytes = 0;
    std::string bytes;  // the channel and the message

    Published published() const;
  };

  void Keep(Waiting message, Position applied);
  void Drop(uint64_t messages);

  const ReplicationSettings& settings_;
  uint64_t& total_dropped_;
  const Deliver deliver_;
  std::deque<Waiting> waiting_;
  size_t bytes_ = 0;
  Waiting partial_;     // a message that is not whole yet
  size_t left_ = 0;     // bytes of it that are to come; 0: there is none
  bool skips_ = false;  // it is dropped when it is whole
  DroppedMessages dropped_;
};

}  // namespace runnel::replication
