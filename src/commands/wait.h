#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/position.h"
#include "data/keyspace.h"

namespace runnel {

// What a blocked command waits for on its keys.
enum class WaitKind : uint8_t {
  kList,     // a list with elements
  kStream,   // entries added to a stream
  kGroup,    // entries that a consumer group has not yet been given; or the group's end
  kDurable,  // no key: the journal's way to the disk
  kEvent,    // no key: something outside of the broker happens; see Wait::event
};

// How a blocked command stays blocked. The broker keeps it, and a copy of the command's arguments;
// when one of the keys may satisfy it, the command is run again from the start, and either answers
// or blocks again.
struct Wait {
  WaitKind kind = WaitKind::kList;
  // Names of keys in the connection's database.
  std::vector<std::string_view> keys;
  // For kGroup: the group. Waiters of one key and group compete, so they need not all be asked at
  // each change.
  std::string_view group;
  // Milliseconds on Context::steady_ms()'s clock at which the wait ends; kForever if it does not.
  int64_t deadline_ms = kForever;
  // At the latest at this time (Unix milliseconds) the command is run again though no key has
  // changed: an entry becomes claimable then. kForever if there is no such time.
  int64_t retry_at_ms = kForever;
  // For kDurable: the command is run again when the journal is durable up to here. After the
  // deadline it is run again too, and may not block then.
  Position durable_at = kNowhere;
  // For kEvent: which event. Whoever makes it happen ends the wait (Broker::EndEvent) or has the
  // command run again; a client cannot be unblocked by another one meanwhile.
  uint64_t event = kSnapshotEnd;
  // The answer after the deadline: a null array, or (false) a null.
  bool timeout_is_array = true;
  // Arguments that the command must see otherwise when it is run again, such as `$` that stands for
  // the last ID at the time of the call.
  std::vector<std::pair<size_t, std::string>> replaced;

  static constexpr int64_t kForever = INT64_MAX;
  static constexpr Position kNowhere = UINT64_MAX;
  // The event that the snapshot which is being taken ends, well or not.
  static constexpr uint64_t kSnapshotEnd = 0;
};

// Whether somebody who waits like this on the key can be served now, as far as the key alone tells.
// While it cannot, the broker leaves the waiters in peace.
bool CanServe(WaitKind kind, std::string_view group, const KeyEntry* entry);

}  // namespace runnel
