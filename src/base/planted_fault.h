#pragma once

#include <cstdint>

// Faults that tests plant, one at a time, to see that the simulation finds them: a simulation that
// finds none of them proves nothing. Where the code would have the fault, it asks IsPlanted. Builds
// without assertions have no faults: there the question is answered by the compiler.

namespace runnel {

enum class PlantedFault : uint8_t {
  kNone,
  // A journal that returns is cut where the leader's mark is, not where the epochs part.
  kCutByTheMark,
  // The mark does not wait for a member of the record that has not connected to this leader yet.
  kCountBeforeTheHandshake,
  // A follower applies what it has written, whatever its leader's mark is.
  kApplyBeyondTheMark,
  // What foreign frames say of being synced is taken for a fact about the own disk.
  kBelieveForeignClaims,
  // A follower counts as one of min-insync-replicas when it is proposed: the record may never have
  // it.
  kAcknowledgeWhenProposed,
  // A follower that is proposed is not waited for until the record has it.
  kForgetWhoJoins,
  // A member is not waited for as soon as there is a reason to remove it: the record still has it.
  kForgetWhoLeaves,
  // A follower joins that had the end of the journal not long ago, though it lacks something below
  // the mark.
  kJoinBelowTheMark,
  // InSyncSet::MayJoin and what is told leave out that others may know of more than the mark.
  kJoinBelowWhatWasTold,
  // The mark moves though a member does not have the record that holds.
  kTrustOldRecords,
  // Whoever is promoted goes on in the epoch of its journal.
  kReuseAnEpoch,
  // A read under `acks all` is answered before the in-sync set has said that this server still
  // leads.
  kAnswerWithoutAsking,
  // The end of a journal is trusted whatever has happened to the machine.
  kTrustEveryTail,
  // A leader whose journal has lost its end leads without asking others for it.
  kLeadWithLess,
  // A follower whose journal has lost its end takes over before it has caught up.
  kTakeOverInDoubt,
  // A follower under `always` tells its leader what it has not synced yet.
  kTellTheUnsynced,
  // A follower that starts applies all that its journal has.
  kApplyAllAtStart,
};

#ifdef RUNNEL_ASSERTIONS

inline PlantedFault planted_fault = PlantedFault::kNone;
inline bool IsPlanted(PlantedFault fault) {
  return planted_fault == fault;
}

// The code has the fault while this exists. For one thread, and not within one another.
class PlantFault {
 public:
  explicit PlantFault(PlantedFault fault) { planted_fault = fault; }
  ~PlantFault() { planted_fault = PlantedFault::kNone; }
  PlantFault(const PlantFault&) = delete;
  PlantFault& operator=(const PlantFault&) = delete;
};

#else

constexpr bool IsPlanted(PlantedFault) {
  return false;
}

#endif

}  // namespace runnel
