#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "broker/change_log.h"
#include "broker/notifications.h"
#include "cold/cold_store.h"
#include "data/keyspace.h"
#include "data/stream/stream.h"

namespace runnel {

// ON-ACK DELETE after a group or a consumer has gone, or a group has moved: removes, in slices, the
// entries of a stream that no group needs any more. What lies on the disk is dropped unread where
// no entry of a run is needed. Runs of which some entries are still needed are loaded without the
// loop waiting for them, those of one stream at a time.
//
// For the loop's thread. What calls it decides when: see Upkeep.
class Sweeper {
 public:
  // Everything is borrowed and outlives it.
  Sweeper(const Keyspace& keyspace, ChangeLog& log, Notifications& notifications)
      : keyspace_(keyspace), log_(log), notifications_(notifications) {}
  ~Sweeper() { Use(nullptr); }
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;

  // Where the runs are; nullptr (the default): there are none. Outlives the sweeper or is taken
  // away.
  void Use(ColdStore* cold);

  // The next slice of the stream at `key`, about a millisecond of work. Returns whether the next
  // one can follow at once. If not, the stream is swept, or what it needs is being loaded, or
  // another stream's runs are. REQUIRES: stream.unswept(); changes are allowed now.
  bool Sweep(const KeyRef& key, const Stream& stream);
  // True if runs were loaded, so that Continue() has something to do.
  bool loaded() const { return load_ != nullptr && load_->done; }
  // The slice that the loaded runs are for. REQUIRES: loaded(); changes are allowed now.
  void Continue();

 private:
  struct Load {
    uint32_t db = 0;
    std::string name;
    ColdStore::Pins pins;
    bool done = false;
  };

  const Keyspace& keyspace_;
  ChangeLog& log_;
  Notifications& notifications_;
  ColdStore* cold_ = nullptr;
  std::unique_ptr<Load> load_;  // null: nothing is being loaded
};

}  // namespace runnel
