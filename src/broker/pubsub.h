#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/string_map.h"
#include "broker/session.h"

namespace runnel {

// Who is subscribed to what: channels, patterns and shard channels, each a space of names of its own. Sessions are
// borrowed: one is taken out with Drop() before it goes.
class PubSub {
 public:
  // `deliver` gets each message for each receiver, as a whole reply in the receiver's protocol.
  explicit PubSub(std::function<void(Session&, std::string_view)> deliver)
      : deliver_(std::move(deliver)) {}

  // False if it was subscribed (or was not) already.
  bool Subscribe(Session& session, Subscription kind, std::string_view name);
  bool Unsubscribe(Session& session, Subscription kind, std::string_view name);
  // Ends all subscriptions of the session.
  void Drop(Session& session);

  // Delivers a message to the subscribers of the channel and, for a plain channel, of all patterns that match it; a session
  // gets it once for each of its subscriptions that does. Returns how many times it was delivered.
  size_t Publish(Subscription kind, std::string_view channel, std::string_view message);

  // Names with at least one subscriber, of this kind.
  template <class Visit>
  void ForEachName(Subscription kind, Visit visit) const {
    for (const auto& [name, sessions] : Names(kind)) {
      visit(std::string_view(name));
    }
  }
  size_t names(Subscription kind) const { return Names(kind).size(); }
  size_t subscribers(Subscription kind, std::string_view name) const;

 private:
  using Sessions = std::vector<Session*>;
  using NameMap = StringMap<Sessions>;

  NameMap& Names(Subscription kind) { return names_[static_cast<size_t>(kind)]; }
  const NameMap& Names(Subscription kind) const { return names_[static_cast<size_t>(kind)]; }
  void Remove(Subscription kind, std::string_view name, size_t place);

  NameMap names_[kSubscriptionKinds];
  std::function<void(Session&, std::string_view)> deliver_;
};

}  // namespace runnel
