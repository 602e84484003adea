#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/parts.h"
#include "data/keyspace.h"

namespace runnel {

class Stream;
struct KeyRef;

class Session;

// Work that is due because time has passed: keys, and fields of hashes, whose time is over are
// removed, streams drop entries that are too old or that no group needs any more, topics forget
// producers that nobody uses, idle clients and clients that do not read are closed.
//
// Each of these is a job. A round of all jobs begins kCronHz times a second. It is done in slices,
// one per turn, which hold the loop for about a millisecond each. So a million keys that expire at
// once delay no client for longer than that.
class Upkeep {
 public:
  // The parts outlive it.
  explicit Upkeep(Parts& parts) : parts_(parts) {}

  // Begins a round of each job whose last round is over.
  void Begin();
  // The same for the job on topic groups alone: something is due.
  void BeginTopicGroups();
  // Does one slice. When it is over, pending() tells whether another one is needed.
  void Work();
  bool pending() const { return pending_ != 0 || MayContinueSweep(); }

 private:
  // The limits of a slice: a number of steps, and a time.
  class Budget;
  // Works on its round until the round is over (returns true) or the budget is used up.
  struct Job {
    bool (Upkeep::*work)(Budget& budget);
    std::string_view name;  // see TurnMeter
  };
  static const std::array<Job, 8> kJobs;

  // A job's place among all databases and companions. A round may begin in any of them.
  struct Walk {
    uint32_t slot = 0;                // Keyspace::DatabaseAt
    uint32_t done = 0;                // slots of this round
    const KeyEntry* after = nullptr;  // the key that was passed last; it may be gone

    uint32_t db() const { return Keyspace::DatabaseAt(slot); }
  };
  void Pass(Walk* walk) const;

  bool Take(Budget& budget);
  bool ExpireKeys(Budget& budget);
  bool ExpireFields(Budget& budget);
  bool Trim(const KeyRef& key, const Stream& stream);
  bool KeepRetention(Budget& budget);
  bool SweepStreams(Budget& budget);
  bool CloseProducers(Budget& budget);
  bool CheckSessions(Budget& budget);
  bool TendTopicGroups(Budget& budget);
  bool CollectScripts(Budget& budget);
  bool MayContinueSweep() const;
  void NoteSizes(Session& session);

  Parts& parts_;
  uint32_t pending_ = 0;  // a bit for each job whose round is not over
  size_t next_job_ = 0;
  // Where the jobs go on.
  uint32_t expire_db_ = 0;
  uint32_t expire_dbs_done_ = 0;  // in this round
  uint32_t fields_db_ = 0;
  uint32_t fields_dbs_done_ = 0;  // in this round
  Walk retention_;
  Walk sweep_;
  uint32_t producer_db_ = 0;
  std::string producer_topic_;                 // the next topic is this one or the next after it
  std::optional<std::string> producer_after_;  // its producer that was passed last
  uint64_t session_after_ = 0;
};

}  // namespace runnel
