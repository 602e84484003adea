#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/inlined_vector.h"
#include "base/coding.h"
#include "base/prefetch.h"
#include "base/stream_id.h"
#include "base/string_map.h"

namespace runnel {

// Records that one command added to one partition.
struct AddedRecords {
  uint32_t partition = 0;
  StreamId first;  // the ID of the first one; the others have the offsets after it
  uint64_t count = 0;

  bool operator==(const AddedRecords&) const = default;
};

// Of one command; most add to one partition.
using AddedList = absl::InlinedVector<AddedRecords, 1>;

// An idempotent producer of a topic. It numbers its records: a command with n records has n
// sequence numbers in a row. The latest commands are remembered with their result, so a command
// that is sent again gets the first result and adds nothing.
class Producer {
 public:
  // So many commands are remembered.
  static constexpr size_t kRemembered = 256;

  struct Command {
    int64_t first_seq = 0;
    int64_t records = 0;
    AddedList added;
  };

  explicit Producer(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  uint64_t epoch() const { return epoch_; }
  // The last sequence number that was accepted; -1 if none was.
  int64_t last_seq() const { return last_seq_; }
  // When it was last opened or last added a record, in Unix ms.
  int64_t used_ms() const { return used_ms_; }
  // How many commands are remembered, and each of them, the oldest one first.
  size_t commands() const { return commands_.size(); }
  const Command& command(size_t i) const { return commands_[(first_ + i) % commands_.size()]; }
  // The remembered command that began with this number; nullptr if there is none.
  const Command* Find(int64_t first_seq) const;
  // Its next command is going to be accepted: the place for it is fetched into the processor's
  // cache meanwhile.
  void ExpectNext() const {
    if (commands_.size() == kRemembered) PrefetchLines(&commands_[first_], sizeof(Command));
  }

 private:
  friend class Producers;

  void Remember(Command command);

  std::string name_;
  uint64_t epoch_ = 0;
  int64_t last_seq_ = -1;
  int64_t used_ms_ = 0;
  // In a ring: once there are as many as are remembered, the next one takes the place of the
  // oldest, which is at first_.
  std::vector<Command> commands_;
  size_t first_ = 0;
};

// The idempotent producers of one topic, by name.
class Producers {
 public:
  using Map = absl::btree_map<std::string, std::unique_ptr<Producer>, std::less<>>;

  const Map& all() const { return map_; }
  // nullptr if there is none.
  const Producer* Find(std::string_view name) const;
  size_t MemoryBytes() const;
  size_t FreeEffort() const;

  // --- Changes ---

  // Begins a new epoch of the producer, which is made if it does not exist.
  void Open(std::string_view name, int64_t now_ms);
  // A command was accepted, whose first number is last_seq() + 1. REQUIRES: the producer exists;
  // something was added.
  void Accept(std::string_view name, AddedList added, int64_t now_ms);
  void Close(std::string_view name);

  Producers Clone() const;
  // There is exactly one payload for the same producers: they are sorted by name.
  void Encode(Encoder* out) const;
  [[nodiscard]] bool Load(Decoder* in);

 private:
  Producer& Insert(std::unique_ptr<Producer> producer);
  Producer* Locate(std::string_view name) const;

  Map map_;
  // The same: every command looks for its producer.
  StringMap<Producer*> by_name_;
  // The one that was looked up last: a command looks its producer up, its effect does so again, and
  // then comes the next command of the same one.
  mutable Producer* last_found_ = nullptr;
};

}  // namespace runnel
