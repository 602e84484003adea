#include "broker/notifications.h"

#include "fmt/format.h"

namespace runnel {

void Notifications::Publish(NotifyClass event_class, std::string_view event, const KeyRef& key) {
  const uint32_t classes = settings_.notify_classes;
  if ((classes & event_class) == 0) return;
  if ((classes & kNotifyKeyspace) != 0) {
    pubsub_.Publish(Subscription::kChannel,
                    fmt::format("__keyspace@{}__:{}", DatabaseOf(key.db), key.name), event);
  }
  if ((classes & kNotifyKeyevent) != 0) {
    pubsub_.Publish(Subscription::kChannel,
                    fmt::format("__keyevent@{}__:{}", DatabaseOf(key.db), event), key.name);
  }
}

}  // namespace runnel
