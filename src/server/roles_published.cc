#include <utility>

#include "server/roles.h"

namespace runnel {

// What is published on the leader, on its way to the subscribers on its followers.

// Publishing costs nothing while nobody subscribes on a follower.
void Roles::TapPublished() {
  const bool taps = leader_ != nullptr && leader_->wants_published();
  if (std::exchange(taps_published_, taps) == taps) return;
  PubSub& pubsub = parts_.broker.parts().pubsub;
  if (!taps) return pubsub.set_tap(nullptr);
  pubsub.set_tap([this](Subscription kind, std::string_view channel, std::string_view message) {
    const ChangeLog& log = parts_.broker.log();
    // What this turn has changed so far will be in one frame, of which it is known where it begins.
    const Position position = log.next_change() - (log.sealed() ? 1 : 0);
    leader_->Publish({position, kind == Subscription::kShard, channel, message});
  });
}

bool Roles::wants_published() const {
  return parts_.broker.pubsub().any() || (relay_ != nullptr && relay_->wants_published());
}

// What was published before it is applied here.
void Roles::Deliver(const replication::Published& published) {
  parts_.broker.parts().pubsub.Publish(
      published.shard ? Subscription::kShard : Subscription::kChannel, published.channel,
      published.message);
  // Its followers get it in the same order of changes.
  if (relay_ != nullptr && relay_->wants_published()) relay_->Publish(published);
}

}  // namespace runnel
