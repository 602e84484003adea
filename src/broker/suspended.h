#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/intrusive_list.h"
#include "base/position.h"
#include "broker/owned_args.h"
#include "cold/cold_store.h"
#include "commands/wait.h"

namespace runnel {

struct Command;
class Session;
struct WaitQueue;

struct InWaitQueue;
// A session's place among those that wait for one key (see Waiting).
struct WaitPlace : ListNode<InWaitQueue> {
  WaitQueue* queue;
  Session* session;
};

// A command that has not been answered and runs again later, from its start: it waits for a key,
// the journal, an event or entries on the disk, or it was put off. Owned by its session while it
// waits, and by the function that runs it again during the run. It moves from one way of waiting to
// another without a new copy of its arguments.
struct Suspended {
  const Command* command = nullptr;
  OwnedArgs args;

  // --- How it was run, and how it runs again ---

  // It has blocked before: the deadline of that run counts, and a pause does not hold it.
  bool resumed = false;
  // False: it must answer now, as after a timeout.
  bool may_block = true;

  // --- Blocked: see Waiting ---

  uint32_t db = 0;
  WaitKind kind = WaitKind::kList;
  int64_t deadline_ms = Wait::kForever;  // steady clock
  int64_t retry_at_ms = Wait::kForever;  // Unix clock
  Position durable_at = Wait::kNowhere;
  Wait::Followers followers;
  uint64_t event = 0;
  bool timeout_is_array = true;
  std::unique_ptr<WaitPlace[]> places;  // one for each key, without repetitions
  size_t place_count = 0;

  // --- Parked ---

  // Keeps in memory the entries that were loaded for it, now and in earlier rounds.
  ColdStore::Pins pins;
  // What it has found in these rounds.
  std::unique_ptr<ColdProgress> progress;
};

}  // namespace runnel
