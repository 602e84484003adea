#include "data/topic/producers.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "data/stream/id_coding.h"

namespace runnel {

// --- Producer ---

const Producer::Command* Producer::Find(int64_t first_seq) const {
  const auto found =
      std::lower_bound(commands_.begin(), commands_.end(), first_seq,
                       [](const Command& command, int64_t seq) { return command.first_seq < seq; });
  return found != commands_.end() && found->first_seq == first_seq ? &*found : nullptr;
}

// --- Producers ---

const Producer* Producers::Find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

size_t Producers::MemoryBytes() const {
  size_t bytes =
      map_.size() * sizeof(Map::value_type) + by_name_.capacity() * (sizeof(*by_name_.begin()) + 1);
  for (const auto& [name, producer] : map_) {
    bytes += sizeof(Producer) + 2 * name.capacity();
    for (const Producer::Command& command : producer->commands_) {
      bytes += sizeof(command);
      if (command.added.size() > 1) bytes += command.added.capacity() * sizeof(AddedRecords);
    }
  }
  return bytes;
}

size_t Producers::FreeEffort() const {
  size_t effort = 0;
  for (const auto& [name, producer] : map_) {
    effort += 2 + producer->commands_.size();
  }
  return effort;
}

// Returns the producer. REQUIRES: there is no other one of this name.
Producer& Producers::Insert(std::string name, std::unique_ptr<Producer> producer) {
  Producer& inserted = *producer;
  by_name_.emplace(name, &inserted);
  map_.emplace_hint(map_.end(), std::move(name), std::move(producer));
  return inserted;
}

void Producers::Open(std::string_view name, int64_t now_ms) {
  const auto found = by_name_.find(name);
  Producer& producer = found == by_name_.end()
                           ? Insert(std::string(name), std::make_unique<Producer>())
                           : *found->second;
  producer.epoch_++;
  producer.used_ms_ = now_ms;
}

void Producers::Close(std::string_view name) {
  const auto found = map_.find(name);
  if (found == map_.end()) return;
  by_name_.erase(found->first);
  map_.erase(found);
}

void Producers::Accept(std::string_view name, AddedList added, int64_t now_ms) {
  Producer& producer = *by_name_.find(name)->second;
  const int64_t first_seq = producer.last_seq_ + 1;
  int64_t records = 0;
  for (const AddedRecords& part : added) {
    records += static_cast<int64_t>(part.count);
  }
  ASSERT(records > 0);
  producer.last_seq_ += records;
  producer.used_ms_ = now_ms;
  producer.commands_.push_back({first_seq, records, std::move(added)});
  if (producer.commands_.size() > Producer::kRemembered) producer.commands_.pop_front();
}

Producers Producers::Clone() const {
  Producers copy;
  for (const auto& [name, producer] : map_) {
    copy.Insert(name, std::make_unique<Producer>(*producer));
  }
  return copy;
}

// --- Stored form ---
//
//   producers := varint n | producer...
//   producer  := string name | varint epoch | signed last sequence | signed used ms
//                | varint commands | command...
//   command   := varint records | varint parts | part...
//   part      := varint partition | ID of the first record | varint count
//
// The numbers of the commands follow from the last one: they are consecutive.

void Producers::Encode(Encoder* out) const {
  out->Varint(map_.size());
  for (const auto& [name, value] : map_) {
    const Producer& producer = *value;
    out->Bytes(name);
    out->Varint(producer.epoch_);
    out->Signed(producer.last_seq_);
    out->Signed(producer.used_ms_);
    out->Varint(producer.commands_.size());
    for (const Producer::Command& command : producer.commands_) {
      out->Varint(static_cast<uint64_t>(command.records));
      out->Varint(command.added.size());
      for (const AddedRecords& added : command.added) {
        out->Varint(added.partition);
        WriteStreamId(out, added.first);
        out->Varint(added.count);
      }
    }
    out->Checkpoint();
  }
}

bool Producers::Load(Decoder* in) {
  const uint64_t count = in->Count(5);
  std::string last;
  for (uint64_t i = 0; i < count && in->ok(); i++) {
    std::string name(in->Bytes());
    if (i > 0 && name <= last) return false;
    auto producer = std::make_unique<Producer>();
    producer->epoch_ = in->Varint();
    producer->last_seq_ = in->Signed();
    producer->used_ms_ = in->Signed();
    if (producer->epoch_ == 0 || producer->last_seq_ < -1 || producer->last_seq_ == INT64_MAX) {
      return false;
    }
    const uint64_t commands = in->Count(2);
    if (commands > Producer::kRemembered) return false;
    uint64_t records = 0;
    for (uint64_t j = 0; j < commands && in->ok(); j++) {
      Producer::Command command;
      const uint64_t own = in->Varint();
      const uint64_t parts = in->Count(4);
      uint64_t sum = 0;
      for (uint64_t k = 0; k < parts && in->ok(); k++) {
        AddedRecords added;
        const uint64_t partition = in->Varint();
        added.partition = static_cast<uint32_t>(partition);
        added.first = ReadStreamId(in);
        added.count = in->Varint();
        if (added.partition != partition || added.count > own - sum) return false;
        sum += added.count;
        command.added.push_back(added);
      }
      if (own == 0 || sum != own || own > INT64_MAX - records) return false;
      records += own;
      command.records = static_cast<int64_t>(own);
      producer->commands_.push_back(std::move(command));
    }
    if (records > static_cast<uint64_t>(producer->last_seq_ + 1)) return false;
    int64_t seq = producer->last_seq_ + 1 - static_cast<int64_t>(records);
    for (Producer::Command& command : producer->commands_) {
      command.first_seq = seq;
      seq += command.records;
    }
    last = name;
    Insert(std::move(name), std::move(producer));
  }
  return in->ok();
}

}  // namespace runnel
