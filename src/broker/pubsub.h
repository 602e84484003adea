#pragma once

#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/block.h"
#include "base/ref.h"
#include "base/string_map.h"
#include "broker/session.h"

namespace runnel {

// The subscriptions of sessions to channels, patterns and shard channels; each of the three has
// names of its own. Sessions are borrowed: a session is removed with Drop() before it is destroyed.
class PubSub {
 public:
  // A message for one receiver, as a whole reply in the receiver's protocol. `block` holds the
  // bytes, so that they need not be copied; or it is empty, and the bytes are valid only during the
  // call.
  using Deliver = std::function<void(Session&, const Ref<Block>& block, std::string_view bytes)>;

  explicit PubSub(Deliver deliver) : deliver_(std::move(deliver)) {}

  // Return false if nothing has changed: the session was already subscribed, or was not.
  bool Subscribe(Session& session, Subscription kind, std::string_view name);
  bool Unsubscribe(Session& session, Subscription kind, std::string_view name);
  // Ends all subscriptions of the session.
  void Drop(Session& session);

  // Delivers a message to the subscribers of the channel and, for a plain channel, of all patterns
  // that match it. A session gets it once for each of its subscriptions that match. Returns how
  // many times it was delivered.
  size_t Publish(Subscription kind, std::string_view channel, std::string_view message);
  // Sees each message before it is delivered; the views are valid during the call. nullptr: nobody
  // does.
  using Tap =
      std::function<void(Subscription kind, std::string_view channel, std::string_view message)>;
  void set_tap(Tap tap) { tap_ = std::move(tap); }

  // Names with at least one subscriber, of this kind.
  template <class Visit>
  void ForEachName(Subscription kind, Visit visit) const {
    for (const auto& [name, sessions] : Names(kind)) {
      visit(std::string_view(name));
    }
  }
  size_t names(Subscription kind) const { return Names(kind).size(); }
  // Whether anybody subscribes to anything.
  bool any() const {
    return std::any_of(std::begin(names_), std::end(names_),
                       [](const NameMap& names) { return !names.empty(); });
  }
  size_t subscribers(Subscription kind, std::string_view name) const;

  // Bytes of memory that are kept for later messages.
  size_t SpareBytes() const;

 private:
  using Sessions = std::vector<Session*>;
  using NameMap = StringMap<Sessions>;

  // Bytes of a message, and the block that they lie in.
  struct Shared {
    Ref<Block> block;
    std::string_view bytes;
  };
  // Messages for many receivers, one after the other in one block, so that the messages of one turn
  // are one piece for a receiver.
  struct SharedBytes {
    Ref<Block> block;  // of kSharedBlock bytes, however large a message was
    size_t used = 0;
    Shared Add(std::string_view bytes);
  };

  class Frame;
  void DeliverTo(const Sessions& sessions, Frame& frame);

  NameMap& Names(Subscription kind) { return names_[static_cast<size_t>(kind)]; }
  const NameMap& Names(Subscription kind) const { return names_[static_cast<size_t>(kind)]; }
  void Remove(Subscription kind, std::string_view name, size_t place);

  NameMap names_[kSubscriptionKinds];
  SharedBytes shared_[2];  // in RESP2 and RESP3
  Deliver deliver_;
  Tap tap_;
};

}  // namespace runnel
