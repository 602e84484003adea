#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/position.h"
#include "data/keyspace.h"

namespace runnel {

// What a blocked command waits for on its keys.
enum class WaitKind : uint8_t {
  kList,       // a list with elements
  kSortedSet,  // a sorted set with members
  kStream,     // entries added to a stream
  kGroup,      // entries that were not delivered to a consumer group yet; or the end of the group
  kPartition,  // a change of a partition or its topic, or the end of one
  kMember,     // something for a member of a topic group (its key); or the end of the group
  kDurable,    // no key: the journal becomes durable, here or on followers
  kEvent,      // no key: something outside of the broker happens; see Wait::event
};

// What a blocked command waits for. The broker keeps it, with a copy of the command's arguments.
// When one of the keys may satisfy the command, it runs again from the start, and either answers or
// blocks again.
struct Wait {
  WaitKind kind = WaitKind::kList;
  // The wait begins after the command has returned, so the names are views into its arguments, or
  // into `kept`.
  std::vector<KeyRef> keys;
  std::vector<std::unique_ptr<const std::string>> kept;
  // For kGroup: the group. Sessions that wait for the same key and group compete, so not all of
  // them need to run at each change. For kMember: the member. A view into the arguments, too.
  std::string_view group;
  // Milliseconds on Context::steady_ms()'s clock at which the wait ends; kForever if it does not.
  int64_t deadline_ms = kForever;
  // The Unix time in milliseconds at which the command runs again even if no key has changed,
  // because an entry becomes claimable. kForever if there is no such time.
  int64_t retry_at_ms = kForever;
  // For kDurable: the command runs again when the journal is durable up to here. It also runs again
  // after the deadline, and must not block then.
  Position durable_at = kNowhere;
  // Also for kDurable: the command runs again when so many followers have the journal up to
  // `position`; 0: it does not wait for followers.
  struct Followers {
    bool synced = false;  // it must be on their disks; if not, it need only be in their journals
    size_t count = 0;
    Position position = 0;
    friend auto operator<=>(const Followers&, const Followers&) = default;
  };
  Followers followers;
  // For kEvent: which event. The code that makes it happen ends the wait (Broker::EndEvent) or
  // makes the command run again. Another client cannot unblock the client meanwhile.
  uint64_t event = kSnapshotEnd;
  // The reply after the deadline: a null array, or, if false, a null.
  bool timeout_is_array = true;
  // Arguments that are replaced when the command runs again, such as `$`, which stands for the last
  // ID at the time of the call.
  std::vector<std::pair<size_t, std::string>> replaced;

  // Adds a key whose name is not among the arguments.
  void AddKept(uint32_t db, std::string_view name) {
    keys.emplace_back(db, *kept.emplace_back(std::make_unique<const std::string>(name)));
  }

  static constexpr int64_t kForever = INT64_MAX;
  static constexpr Position kNowhere = UINT64_MAX;
  // The event that the running snapshot ends, with or without success.
  static constexpr uint64_t kSnapshotEnd = 0;
};

// Whether a session that waits like this for the key can be served now, as far as the key alone
// tells. While it cannot, the broker does not run their commands.
bool CanServe(WaitKind kind, std::string_view group, const KeyEntry* entry);

}  // namespace runnel
