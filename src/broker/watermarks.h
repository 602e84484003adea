#pragma once

#include <compare>
#include <cstdint>

#include "base/position.h"
#include "broker/acks.h"

namespace runnel {

// How far the journal has come in one respect. Each respect has a type of its own, so that they
// cannot be confused.
template <class Respect>
struct Watermark {
  Position position = 0;
  friend auto operator<=>(const Watermark&, const Watermark&) = default;
};

// All changes made so far are in frames before this position.
using Appended = Watermark<struct AppendedRespect>;
// Everything before this position is on the disk.
using Durable = Watermark<struct DurableRespect>;
// Everything before this position is as safe as the policy (appendfsync) asks: replies that depend
// on it may be sent.
using Safe = Watermark<struct SafeRespect>;
// Every in-sync replica has everything before this position: the high watermark.
using Committed = Watermark<struct CommittedRespect>;

// Without a journal all are 0, and nothing waits.
struct Watermarks {
  Appended appended;
  Durable durable;
  Safe safe;
  Committed committed;
  // A leader asks the in-sync replicas in numbered questions whether they still follow it. All have
  // answered up to this one.
  uint64_t answered = UINT64_MAX;
  // How many servers, this one included, have everything before `committed`.
  uint32_t members = 1;
};

// What a reply waits for.
struct Demand {
  Appended appended;  // it shows all changes up to here
  Acks acks = Acks::kLeader;
  // For kAll: the question that is asked after the command ran. A leader that was replaced without
  // knowing it gets no answer, so nobody sees what it shows. 0: none is needed.
  uint64_t question = 0;
  // For kAll: so many servers are to have it. 0: those that have all that is committed.
  uint32_t members = 0;

  bool operator==(const Demand&) const = default;
};

// Whether the reply may be sent.
inline bool MayLeave(const Demand& demand, const Watermarks& now) {
  switch (demand.acks) {
    case Acks::kNone:
      return true;
    case Acks::kLeader:
      return demand.appended.position <= now.safe.position;
    case Acks::kAll:
      break;
  }
  return demand.appended.position <= now.committed.position && demand.question <= now.answered &&
         demand.members <= now.members;
}

}  // namespace runnel
