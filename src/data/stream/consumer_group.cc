#include "data/stream/consumer_group.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "data/stream/id_coding.h"

namespace runnel {

ConsumerGroup::ConsumerGroup(std::string_view name, StreamId last_delivered,
                             std::optional<uint64_t> entries_read)
    : name_(name), last_delivered_(last_delivered), entries_read_(entries_read) {}

std::unique_ptr<ConsumerGroup> ConsumerGroup::Clone() const {
  auto copy = std::make_unique<ConsumerGroup>(name_, last_delivered_, entries_read_);
  copy->last_place_ = last_place_;
  copy->nacked_ = nacked_;
  copy->by_index_.resize(by_index_.size());
  for (const auto& [name, consumer] : consumers_) {
    copy->AddConsumer(name, consumer->index) = *consumer;
  }
  copy->pending_ = pending_.Clone();
  return copy;
}

const Consumer* ConsumerGroup::FindConsumer(std::string_view name) const {
  const auto found = consumers_.find(name);
  return found == consumers_.end() ? nullptr : found->second.get();
}

PendingList::Cursor ConsumerGroup::History(const Consumer& consumer, StreamId from,
                                           int64_t latest) const {
  if (consumer.pending == 0) return PendingList::Cursor();
  return pending_.SeekOf(consumer.index, std::max(from, consumer.first_pending),
                         consumer.last_pending, latest);
}

std::optional<int64_t> ConsumerGroup::OldestDeliveryTime() const {
  const PendingList::AgeCursor oldest = pending_.Oldest();
  if (!oldest.valid()) return std::nullopt;
  return oldest->delivery_time;
}

Consumer& ConsumerGroup::CreateConsumer(std::string_view name, int64_t seen_time) {
  const auto found = consumers_.find(name);
  if (found != consumers_.end()) return *found->second;
  // Always the lowest free index, so that it does not depend on what happened before a restart. It
  // is free at once when its consumer goes, because that takes its pending entries with it.
  while (least_free_ < by_index_.size() && by_index_[least_free_] != nullptr) {
    least_free_++;
  }
  if (least_free_ == by_index_.size()) by_index_.push_back(nullptr);
  Consumer& consumer = AddConsumer(name, least_free_++);
  consumer.seen_time = seen_time;
  return consumer;
}

Consumer& ConsumerGroup::AddConsumer(std::string_view name, ConsumerIndex index) {
  auto consumer = std::make_unique<Consumer>();
  consumer->name = name;
  consumer->index = index;
  by_index_[index] = consumer.get();
  return *consumers_.emplace(name, std::move(consumer)).first->second;
}

uint64_t ConsumerGroup::RemoveConsumer(ConsumerIndex index) {
  Consumer* const consumer = by_index_[index];
  const uint64_t dropped = consumer->pending == 0 ? 0 : pending_.RemoveAllOf(index);
  ASSERT(dropped == consumer->pending);
  by_index_[index] = nullptr;
  least_free_ = std::min(least_free_, index);
  while (!by_index_.empty() && by_index_.back() == nullptr) {
    by_index_.pop_back();
  }
  consumers_.erase(consumers_.find(consumer->name));
  return dropped;
}

void ConsumerGroup::MarkSeen(ConsumerIndex index, int64_t time) {
  by_index_[index]->seen_time = time;
  by_index_[index]->polled_time_ = 0;
}

void ConsumerGroup::MarkActive(ConsumerIndex index, int64_t time) {
  by_index_[index]->active_time = time;
}

void ConsumerGroup::SetLastDelivered(StreamId id, std::optional<uint64_t> entries_read) {
  last_delivered_ = id;
  entries_read_ = entries_read;
}

void ConsumerGroup::Assign(StreamId id, ConsumerIndex consumer, int64_t delivery_time,
                           uint64_t deliveries) {
  NoteChange(pending_.Put(id, consumer, delivery_time, deliveries), consumer, id);
}

void ConsumerGroup::Redeliver(StreamId id, ConsumerIndex consumer, int64_t time) {
  const std::optional<PendingEntry> entry = pending_.Find(id);
  if (!entry) return;
  Assign(id, consumer, time, std::min(entry->deliveries, kMaxDeliveries - 1) + 1);
}

void ConsumerGroup::Release(StreamId id, uint64_t deliveries) {
  NoteChange(pending_.Release(id, deliveries), kNoConsumer, id);
}

bool ConsumerGroup::Ack(StreamId id) {
  const std::optional<ConsumerIndex> owner = pending_.Remove(id);
  if (!owner) return false;
  NoteRemoval(*owner);
  return true;
}

uint64_t ConsumerGroup::Ack(std::span<const StreamId> ids) {
  uint64_t count = 0;
  for (const StreamId id : ids) {
    count += Ack(id) ? 1 : 0;
  }
  return count;
}

void ConsumerGroup::AckUpTo(StreamId last) {
  while (!pending_.empty() && pending_.first_id() <= last) {
    Ack(pending_.first_id());
  }
}

void ConsumerGroup::NoteChange(PendingList::Change change, ConsumerIndex owner, StreamId id) {
  if (!change.inserted) NoteRemoval(change.previous);
  if (owner == kNoConsumer) {
    nacked_++;
    return;
  }
  Consumer& consumer = *by_index_[owner];
  if (consumer.pending == 0) {
    consumer.first_pending = id;
    consumer.last_pending = id;
  }
  consumer.first_pending = std::min(consumer.first_pending, id);
  consumer.last_pending = std::max(consumer.last_pending, id);
  consumer.pending++;
}

void ConsumerGroup::NoteRemoval(ConsumerIndex owner) {
  if (owner == kNoConsumer) {
    nacked_--;
  } else {
    by_index_[owner]->pending--;
  }
}

size_t ConsumerGroup::MemoryBytes() const {
  // Names of up to 15 bytes lie in the string itself.
  constexpr size_t kInPlace = 15;
  size_t bytes = sizeof(*this) + by_index_.capacity() * sizeof(void*);
  for (const auto& [name, consumer] : consumers_) {
    bytes += sizeof(Consumers::value_type) + sizeof(Consumer);
    if (name.size() > kInPlace) bytes += 2 * (name.size() + 1);
  }
  return bytes + pending_.MemoryBytes();
}

size_t ConsumerGroup::FreeEffort() const {
  return 1 + consumers_.size() + pending_.FreeEffort();
}

// --- Stored form ---
//
//   group    := name | last delivered | counter | varint consumers | consumer... | pending list
//   counter  := byte 1 if known, else 0 | varint entries read (0 if unknown)
//   consumer := byte 0 if the index is free | byte 1 | name | zigzag seen time | zigzag active time

void ConsumerGroup::Serialize(Encoder* out) const {
  out->Bytes(name_);
  WriteStreamId(out, last_delivered_);
  out->Byte(entries_read_ ? 1 : 0);
  out->Varint(entries_read_.value_or(0));
  out->Varint(by_index_.size());
  for (const Consumer* consumer : by_index_) {
    out->Byte(consumer != nullptr ? 1 : 0);
    if (consumer == nullptr) continue;
    out->Bytes(consumer->name);
    out->Signed(consumer->seen_time);
    out->Signed(consumer->active_time);
    out->Checkpoint();
  }
  pending_.Serialize(out);
}

std::unique_ptr<ConsumerGroup> ConsumerGroup::Load(Decoder* in) {
  const std::string name(in->Bytes());
  const StreamId last_delivered = ReadStreamId(in);
  const bool known = in->Byte() != 0;
  const uint64_t entries_read = in->Varint();
  auto group = std::make_unique<ConsumerGroup>(name, last_delivered,
                                               known ? std::optional(entries_read) : std::nullopt);
  const uint64_t indexes = in->Count(1);
  if (indexes >= kNoConsumer) return nullptr;
  for (ConsumerIndex index = 0; index < indexes && in->ok(); index++) {
    group->by_index_.push_back(nullptr);
    if (in->Byte() == 0) continue;
    const std::string_view consumer_name = in->Bytes();
    if (group->FindConsumer(consumer_name) != nullptr) return nullptr;
    Consumer& consumer = group->AddConsumer(consumer_name, index);
    consumer.seen_time = in->Signed();
    consumer.active_time = in->Signed();
  }
  PendingList pending;
  if (!in->ok() || !pending.Load(in, static_cast<ConsumerIndex>(indexes))) return nullptr;
  for (PendingList::Cursor at = pending.Seek(StreamId::Min()); at.valid(); at.Next()) {
    if (!at->released() && group->by_index_[at->consumer] == nullptr) return nullptr;
    group->NoteChange({true, kNoConsumer}, at->consumer, at->id);
  }
  group->pending_ = std::move(pending);
  return group;
}

}  // namespace runnel
