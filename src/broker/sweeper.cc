#include "broker/sweeper.h"

#include <utility>

#include "base/log.h"
#include "effects/stream_effects.h"

namespace runnel {

void Sweeper::Use(ColdStore* cold) {
  if (load_ != nullptr) cold_->Cancel(&load_->pins);
  load_.reset();
  cold_ = cold;
}

bool Sweeper::Sweep(const KeyRef& key, const Stream& stream) {
  constexpr size_t kRuns = 4;  // on the disk, for one slice
  if (load_ != nullptr) return false;
  AckedEntries found;
  try {
    const ColdStore::Look look(cold_);
    found = stream.PlanSweep(kRuns);
  } catch (const ColdMiss& miss) {
    load_ = std::make_unique<Load>();
    load_->db = key.db;
    load_->name = key.name;
    cold_->Load(miss, &load_->pins, [load = load_.get()] { load->done = true; });
    return false;
  } catch (const ColdFailure& failure) {
    // What is left stays until the next change of a group asks for it again.
    LogWarning("ON-ACK DELETE of stream '{}' gives up: {}", key.name, failure.message);
  }
  if (found.entries > 0) {
    log_.Apply(StreamRemoveRanges{key, found.bounds});
    notifications_.Publish(kNotifyStream, "xdel", key);
  }
  log_.Apply(StreamSwept{key, found.next});
  return stream.unswept().has_value();
}

void Sweeper::Continue() {
  // The runs stay pinned until the slice is done that needs them.
  const std::unique_ptr<Load> load = std::move(load_);
  const KeyRef key(load->db, load->name);
  const KeyEntry* entry = keyspace_.Find(key);
  const Stream* stream = entry == nullptr ? nullptr : entry->As<Stream>();
  if (stream != nullptr && stream->unswept()) Sweep(key, *stream);
}

}  // namespace runnel
