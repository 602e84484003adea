#include "data/topic/producers.h"

#include <utility>

#include "base/assert.h"
#include "base/search.h"
#include "data/stream/id_coding.h"

namespace runnel {

// --- Producer ---

const Producer::Command* Producer::Find(int64_t first_seq) const {
  // It is mostly one of the last.
  const size_t count = commands();
  const size_t i = CountBeforeNear(count, count == 0 ? 0 : count - 1,
                                   [&](size_t k) { return command(k).first_seq < first_seq; });
  return i < count && command(i).first_seq == first_seq ? &command(i) : nullptr;
}

void Producer::Remember(Command command) {
  if (commands_.size() < kRemembered) return commands_.push_back(std::move(command));
  commands_[first_] = std::move(command);
  first_ = (first_ + 1) % kRemembered;
}

// --- Producers ---

const Producer* Producers::Find(std::string_view name) const {
  return Locate(name);
}

Producer* Producers::Locate(std::string_view name) const {
  if (last_found_ != nullptr && last_found_->name() == name) return last_found_;
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return nullptr;
  last_found_ = found->second;
  return last_found_;
}

size_t Producers::MemoryBytes() const {
  size_t bytes =
      map_.size() * sizeof(Map::value_type) + by_name_.capacity() * (sizeof(*by_name_.begin()) + 1);
  for (const auto& [name, producer] : map_) {
    bytes += sizeof(Producer) + 3 * name.capacity();
    bytes += producer->commands_.capacity() * sizeof(Producer::Command);
    for (const Producer::Command& command : producer->commands_) {
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
Producer& Producers::Insert(std::unique_ptr<Producer> producer) {
  Producer& inserted = *producer;
  by_name_.emplace(inserted.name(), &inserted);
  map_.emplace_hint(map_.end(), inserted.name(), std::move(producer));
  return inserted;
}

void Producers::Open(std::string_view name, int64_t now_ms) {
  Producer* producer = Locate(name);
  if (producer == nullptr) producer = &Insert(std::make_unique<Producer>(std::string(name)));
  producer->epoch_++;
  producer->used_ms_ = now_ms;
}

void Producers::Close(std::string_view name) {
  const auto found = map_.find(name);
  if (found == map_.end()) return;
  last_found_ = nullptr;
  by_name_.erase(found->first);
  map_.erase(found);
}

void Producers::Accept(std::string_view name, AddedList added, int64_t now_ms) {
  Producer& producer = *Locate(name);
  const int64_t first_seq = producer.last_seq_ + 1;
  int64_t records = 0;
  for (const AddedRecords& part : added) {
    records += static_cast<int64_t>(part.count);
  }
  ASSERT(records > 0);
  producer.last_seq_ += records;
  producer.used_ms_ = now_ms;
  producer.Remember({first_seq, records, std::move(added)});
}

Producers Producers::Clone() const {
  Producers copy;
  for (const auto& [name, producer] : map_) {
    copy.Insert(std::make_unique<Producer>(*producer));
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
    for (size_t i = 0; i < producer.commands(); i++) {
      const Producer::Command& command = producer.command(i);
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
    auto producer = std::make_unique<Producer>(name);
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
      producer->Remember(std::move(command));
    }
    if (records > static_cast<uint64_t>(producer->last_seq_ + 1)) return false;
    int64_t seq = producer->last_seq_ + 1 - static_cast<int64_t>(records);
    for (Producer::Command& command : producer->commands_) {
      command.first_seq = seq;
      seq += command.records;
    }
    Insert(std::move(producer));
    last = std::move(name);
  }
  return in->ok();
}

}  // namespace runnel
