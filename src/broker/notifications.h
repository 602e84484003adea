#pragma once

#include <string_view>

#include "broker/pubsub.h"
#include "broker/settings.h"
#include "commands/notify.h"
#include "data/keyspace.h"

namespace runnel {

// Keyspace notifications: publishes what happened to keys.
class Notifications {
 public:
  // Everything is borrowed and outlives it.
  Notifications(const Settings& settings, PubSub& pubsub) : settings_(settings), pubsub_(pubsub) {}

  // Does nothing for classes of events that notify-keyspace-events does not name.
  void Publish(NotifyClass event_class, std::string_view event, const KeyRef& key);

 private:
  const Settings& settings_;
  PubSub& pubsub_;
};

}  // namespace runnel
