#pragma once

#include <cstdint>
#include <string>

#include "absl/container/btree_set.h"

namespace runnel {

// How one session has its client-side cache kept right (CLIENT TRACKING). Owned by the session,
// which has none while tracking is off.
struct TrackingState {
  bool broadcast = false;  // BCAST: told of all keys with one of `prefixes`, read or not
  bool opt_in = false;     // OPTIN: only keys that a command after CLIENT CACHING YES reads
  bool opt_out = false;  // OPTOUT: all keys but those that a command after CLIENT CACHING NO reads
  bool no_loop = false;  // NOLOOP: not told of what the session itself changes
  // CLIENT CACHING was given for the next command or transaction.
  bool caching = false;
  // The session that is told in the place of this one; 0: this one is.
  uint64_t redirect = 0;
  // That session was gone when it was to be told.
  bool redirect_broken = false;
  // For BCAST, in order. The empty prefix takes all keys.
  absl::btree_set<std::string> prefixes;
};

// The ID that clients are shown for `redirect`: -1 if tracking is off (nullptr).
inline int64_t RedirectOf(const TrackingState* state) {
  return state == nullptr ? -1 : static_cast<int64_t>(state->redirect);
}

}  // namespace runnel
