#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <absl/container/flat_hash_map.h>
#include <absl/container/node_hash_map.h>

#include "base/coding.h"
#include "base/ring.h"
#include "base/stream_id.h"
#include "base/string_map.h"

namespace runnel {

// What a stream remembers of producers that number their messages (XADD IDMP, IDMPAUTO): for each
// producer its latest message numbers (iids) and the IDs of their entries. So a message that is
// sent again gets the ID of the first time. Bounded by a number per producer and by age.
class Idempotence {
 public:
  static constexpr int64_t kDefaultDuration = 100;  // seconds
  static constexpr uint64_t kDefaultMaxSize = 100;

  Idempotence(int64_t duration_s, uint64_t max_size) : duration_(duration_s), max_size_(max_size) {}
  Idempotence(const Idempotence&) = delete;
  Idempotence& operator=(const Idempotence&) = delete;
  std::unique_ptr<Idempotence> Clone() const;

  // For how many seconds an iid is kept, counted from the time in its entry's ID; and how many iids
  // are kept for a producer.
  int64_t duration() const { return duration_; }
  uint64_t max_size() const { return max_size_; }

  // The number of remembered producers and iids; some may be too old to match but not removed yet.
  uint64_t pids_tracked() const { return by_pid_.size(); }
  uint64_t iids_tracked() const { return iids_tracked_; }
  // Since the stream exists: entries added with an iid, and messages found to be repeated.
  uint64_t iids_added() const { return iids_added_; }
  uint64_t iids_duplicates() const { return iids_duplicates_; }

  // The ID that this message got when it first came, if that was within duration() seconds before
  // `now` (Unix ms) and is still remembered. It does not matter whether the entry still exists.
  std::optional<StreamId> Find(std::string_view pid, std::string_view iid, int64_t now) const;

  // --- Changes ---

  // Remembers that the message became entry `id`, and counts it. Forgets iids that are too old at
  // the time in `id`, or too many for the producer. An iid that is already there gets the new ID.
  void Record(std::string_view pid, std::string_view iid, StreamId id);
  // Find() gave an ID, and nothing was added.
  void CountDuplicate() { iids_duplicates_++; }
  // XCFGSET: forgets everything remembered if a value changes; the counts stay.
  void Configure(int64_t duration_s, uint64_t max_size);

  size_t MemoryBytes() const;
  size_t FreeEffort() const { return iids_tracked_; }

  void Serialize(Encoder* out) const;
  // nullptr if the bytes are damaged.
  static std::unique_ptr<Idempotence> Load(Decoder* in);

 private:
  using Iids = absl::node_hash_map<std::string, StreamId, StringHash, StringEqual>;

  struct Producer {
    std::string pid;
    Iids iids;
    Ring<const Iids::value_type*> order;  // the nodes of `iids`, oldest first
  };
  // In the order of their latest message, so that those that expire first are at the front.
  using Producers = std::list<Producer>;

  bool Expired(StreamId id, uint64_t now) const;
  void ExpireAt(uint64_t now);
  Producer& AddProducer(std::string_view pid);
  void Insert(Producer* producer, std::string_view iid, StreamId id);
  void Forget(Producer* producer, Iids::iterator iid);
  void ForgetOldest(Producer* producer);

  int64_t duration_;
  uint64_t max_size_;
  uint64_t iids_tracked_ = 0;
  uint64_t iids_added_ = 0;
  uint64_t iids_duplicates_ = 0;
  Producers producers_;
  // The keys are views of the producers' pids.
  absl::flat_hash_map<std::string_view, Producers::iterator, StringHash, StringEqual> by_pid_;
};

}  // namespace runnel
