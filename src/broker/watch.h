#pragma once

#include <cstdint>
#include <string>

#include "base/intrusive_list.h"

namespace runnel {

class Session;
struct WatchedKey;

struct InWatchersOfKey;
// The fact that one session watches one key. Owned by the session.
struct Watch : ListNode<InWatchersOfKey> {
  WatchedKey* key = nullptr;
  Session* session = nullptr;
  bool existed = false;  // when WATCH was given
};

// A watched key.
struct WatchedKey {
  uint32_t db = 0;
  std::string name;
  IntrusiveList<Watch, InWatchersOfKey> watchers;
};

}  // namespace runnel
