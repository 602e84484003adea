#include "data/stream/idempotence.h"

#include <algorithm>
#include <utility>

#include "data/stream/id_coding.h"

namespace runnel {

namespace {

constexpr uint64_t kMsPerSecond = 1000;

}  // namespace

std::unique_ptr<Idempotence> Idempotence::Clone() const {
  auto copy = std::make_unique<Idempotence>(duration_, max_size_);
  for (const Producer& producer : producers_) {
    Producer& twin = copy->AddProducer(producer.pid);
    for (size_t i = 0; i < producer.order.size(); i++) {
      copy->Insert(&twin, producer.order[i]->first, producer.order[i]->second);
    }
  }
  copy->iids_added_ = iids_added_;
  copy->iids_duplicates_ = iids_duplicates_;
  return copy;
}

bool Idempotence::Expired(StreamId id, uint64_t now) const {
  const uint64_t duration = static_cast<uint64_t>(duration_) * kMsPerSecond;
  return now >= duration && id.ms <= now - duration;
}

std::optional<StreamId> Idempotence::Find(std::string_view pid, std::string_view iid,
                                          int64_t now) const {
  const auto producer = by_pid_.find(pid);
  if (producer == by_pid_.end()) return std::nullopt;
  const Iids& iids = producer->second->iids;
  const auto found = iids.find(iid);
  if (found == iids.end()) return std::nullopt;
  if (Expired(found->second, static_cast<uint64_t>(std::max<int64_t>(now, 0)))) return std::nullopt;
  return found->second;
}

void Idempotence::Record(std::string_view pid, std::string_view iid, StreamId id) {
  ExpireAt(id.ms);
  const auto known = by_pid_.find(pid);
  Producer* producer = nullptr;
  if (known == by_pid_.end()) {
    producer = &AddProducer(pid);
  } else {
    // Its latest message is now the latest of all.
    producers_.splice(producers_.end(), producers_, known->second);
    producer = &*known->second;
    while (!producer->order.empty() && Expired(producer->order.front()->second, id.ms)) {
      ForgetOldest(producer);
    }
  }
  iids_added_++;
  if (const auto found = producer->iids.find(iid); found != producer->iids.end()) {
    Forget(producer, found);
  }
  Insert(producer, iid, id);
  while (producer->order.size() > max_size_) {
    ForgetOldest(producer);
  }
}

// Producers whose latest message is too old go as a whole; of the first that is not, the too old
// iids go. (Those of others stay until the producer's next message: they cannot match.)
void Idempotence::ExpireAt(uint64_t now) {
  while (!producers_.empty()) {
    Producer& oldest = producers_.front();
    while (!oldest.order.empty() && Expired(oldest.order.front()->second, now)) {
      ForgetOldest(&oldest);
    }
    if (!oldest.order.empty()) return;
    by_pid_.erase(oldest.pid);
    producers_.pop_front();
  }
}

void Idempotence::Configure(int64_t duration_s, uint64_t max_size) {
  if (duration_s == duration_ && max_size == max_size_) return;
  duration_ = duration_s;
  max_size_ = max_size;
  by_pid_.clear();
  producers_.clear();
  iids_tracked_ = 0;
}

Idempotence::Producer& Idempotence::AddProducer(std::string_view pid) {
  Producer& producer = producers_.emplace_back();
  producer.pid = pid;
  by_pid_.emplace(producer.pid, std::prev(producers_.end()));
  return producer;
}

// REQUIRES: the producer has no such iid.
void Idempotence::Insert(Producer* producer, std::string_view iid, StreamId id) {
  const auto inserted = producer->iids.emplace(iid, id).first;
  producer->order.PushBack(&*inserted);
  iids_tracked_++;
}

void Idempotence::ForgetOldest(Producer* producer) {
  producer->iids.erase(producer->iids.find(producer->order.front()->first));
  producer->order.PopFront();
  iids_tracked_--;
}

void Idempotence::Forget(Producer* producer, Iids::iterator iid) {
  size_t at = 0;
  while (producer->order[at] != &*iid) {
    at++;
  }
  producer->order.Erase(at);
  producer->iids.erase(iid);
  iids_tracked_--;
}

size_t Idempotence::MemoryBytes() const {
  constexpr size_t kInPlace = 15;  // strings up to this size have no allocation of their own
  size_t bytes =
      sizeof(*this) + by_pid_.capacity() * (sizeof(std::pair<std::string_view, void*>) + 1);
  for (const Producer& producer : producers_) {
    bytes += sizeof(Producer) + 2 * sizeof(void*) + producer.order.capacity() * sizeof(void*) +
             producer.iids.capacity() * (sizeof(void*) + 1) +
             producer.iids.size() * sizeof(Iids::value_type);
    if (producer.pid.size() > kInPlace) bytes += producer.pid.size() + 1;
    if (!producer.order.empty() && producer.order.front()->first.size() > kInPlace) {
      bytes += producer.order.size() * (producer.order.front()->first.size() + 1);
    }
  }
  return bytes;
}

// --- Stored form ---
//
//   idempotence := varint duration | varint max size | varint added | varint duplicates
//                  | varint producers | producer...           in the order of their latest message
//   producer    := pid | varint iids | (iid | varint ms | varint seq)...        oldest first

void Idempotence::Serialize(Encoder* out) const {
  out->Varint(static_cast<uint64_t>(duration_));
  out->Varint(max_size_);
  out->Varint(iids_added_);
  out->Varint(iids_duplicates_);
  out->Varint(producers_.size());
  for (const Producer& producer : producers_) {
    out->Bytes(producer.pid);
    out->Varint(producer.order.size());
    for (size_t i = 0; i < producer.order.size(); i++) {
      const auto& [iid, id] = *producer.order[i];
      out->Bytes(iid);
      WriteStreamId(out, id);
      out->Checkpoint();
    }
  }
}

std::unique_ptr<Idempotence> Idempotence::Load(Decoder* in) {
  constexpr uint64_t kMostSeconds = uint64_t{1} << 32;
  const uint64_t duration = in->Varint();
  const uint64_t max_size = in->Varint();
  if (duration > kMostSeconds) return nullptr;
  auto loaded = std::make_unique<Idempotence>(static_cast<int64_t>(duration), max_size);
  loaded->iids_added_ = in->Varint();
  loaded->iids_duplicates_ = in->Varint();
  const uint64_t producers = in->Count(2);
  for (uint64_t p = 0; p < producers && in->ok(); p++) {
    const std::string pid(in->Bytes());
    if (loaded->by_pid_.contains(pid)) return nullptr;
    Producer& producer = loaded->AddProducer(pid);
    const uint64_t iids = in->Count(3);
    for (uint64_t i = 0; i < iids && in->ok(); i++) {
      const std::string iid(in->Bytes());
      const StreamId id = ReadStreamId(in);
      if (producer.iids.contains(iid)) return nullptr;
      loaded->Insert(&producer, iid, id);
    }
  }
  return in->ok() ? std::move(loaded) : nullptr;
}

}  // namespace runnel
