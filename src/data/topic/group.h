#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>

#include "base/paged_vector.h"
#include "base/ring.h"
#include "data/object.h"
#include "data/topic/names.h"
#include "data/topic/offset_ranges.h"

namespace runnel {

class Keyspace;
struct KeyRef;

// How a topic group divides partitions among its members. The numbers are stored: never reuse one.
enum class Assignor : uint8_t {
  kUniform = 0,  // over all topics alike, with as few moves as that allows
  kRange = 1,    // the same numbers of all topics to the same member
};

// Where a group begins to read the topics that exist when it first sees them. The numbers are
// stored: never reuse one.
enum class GroupStart : uint8_t {
  kEarliest = 0,
  kLatest = 1,
  kTime = 2,  // the first record that was appended at a time or later
};

struct TopicGroupOptions {
  GroupStart start = GroupStart::kEarliest;
  uint64_t start_ms = 0;  // Unix time, for kTime
  Assignor assignor = Assignor::kUniform;
  uint64_t session_ms = 300'000;  // a member is gone so long after its last sign of life,
  uint64_t grace_ms = 10'000;     // or so long after the end of its connection
  uint64_t move_ms = 30'000;      // a partition that is to move waits so long for commits
  uint64_t expire_ms = 0;         // a group goes after so long without members; 0: never

  // Whether start and assignor are some that there are.
  bool AreKnown() const { return start <= GroupStart::kTime && assignor <= Assignor::kRange; }
  bool operator==(const TopicGroupOptions&) const = default;
};

// The number of a member within its group: never given twice.
using MemberId = uint32_t;
inline constexpr MemberId kNobody = 0;

// What a group knows of one partition.
struct GroupPartition {
  uint64_t epoch = 0;      // grows with each new owner; 0: there was none yet
  uint64_t committed = 0;  // all records below this offset are done
  uint64_t skipped = 0;    // so many records were lost to retention before they were given
  // Records that are acknowledged, none of them below or at `committed`. Null: none.
  std::unique_ptr<OffsetRanges> acknowledged;
  MemberId owner = kNobody;

  // What only the leader's broker knows: not durable state, and commands change it, too. A new
  // owner begins with nothing.
  struct Live {
    uint64_t position = 0;      // the next offset to be given, if it is above `committed`
    MemberId heir = kNobody;    // who gets it when it has left
    bool queued : 1 = false;    // stands in the owner's `ready`
    bool seen : 1 = false;      // the call that runs has come across it there
    bool given : 1 = false;     // stands in the owner's `given`
    bool leaving : 1 = false;   // nothing more is given; it moves when nothing is in flight
    bool withheld : 1 = false;  // nothing more is given until acknowledged ranges have closed
    bool unknown : 1 = false;   // what the owner was given before the start may be in flight
    uint8_t turns = 0;          // how often it was served again without giving way to others
  };
  mutable Live live;

  // Everything below this offset was given, or is done.
  uint64_t position() const { return live.position > committed ? live.position : committed; }
  // The offset of the next record to be given.
  uint64_t next() const {
    return acknowledged == nullptr ? position() : acknowledged->NextMissing(position());
  }
  // Whether some records were given to the owner and are neither committed nor acknowledged.
  bool in_flight() const { return live.position > committed; }
  // How many they are.
  uint64_t CountInFlight() const { return CountOpen(committed, live.position); }
  // How many offsets from `from` on and below `end` are not acknowledged; 0 if `end` is not above.
  uint64_t CountOpen(uint64_t from, uint64_t end) const;
};

// A server may have a million of them.
static_assert(sizeof(GroupPartition) <= 56);

// A topic as a group sees it.
struct GroupTopic {
  std::string name;
  uint32_t slot = 0;  // never used again by this group
  // 64 take a piece of memory that the allocator has a size for.
  PagedVector<GroupPartition, 64> partitions;
};

// One partition of a group's topic, by the numbers of both.
struct GroupPlace {
  uint32_t slot = 0;
  uint32_t number = 0;
};

struct GroupMember {
  std::string name;
  MemberId id = kNobody;
  std::vector<std::string> topics;  // names and patterns it subscribes to: sorted, each once
  int64_t since_ms = 0;             // Unix time of joining
  uint32_t partitions = 0;          // how many it owns

  // What only the leader's broker knows.
  struct Live {
    uint64_t client = 0;        // the connection that speaks for it; 0: none
    bool blocked = false;       // a call of that connection waits,
    bool woken = false;         // and is about to run again
    int64_t alive_ms = 0;       // the last sign of life, in steady time
    int64_t alive_unix_ms = 0;  // the same in Unix time
    int64_t closed_ms = 0;      // when its last connection was closed, in steady time
    uint64_t version = 0;       // of its assignment
    std::string address;        // of that connection
    std::string client_name;
    std::vector<std::string> asked;  // TOPICS of its last call, as they were written
    uint64_t topics_checked = 0;     // see TopicGroups
    // Partitions that may have something for it, in the order in which they are served. A place is
    // valid if the member owns it and it is `queued`.
    Ring<GroupPlace> ready;
    // Partitions of which records may be in flight. A place is valid if the member owns it and it
    // is `given`.
    std::vector<GroupPlace> given;
    size_t settled = 0;  // about how many of these are not valid any more
  };
  mutable Live live;
};

// A group of consumers of topics: the value of a key in the companion of a database, under
// TopicGroupKey. It knows who its members are, which partitions they own, and what is done.
//
// Commands call the const functions, and change what is `live`; effects call the changes, which
// cannot fail.
class TopicGroup final : public Object {
 public:
  static constexpr ObjectType kType = ObjectType::kTopicGroup;
  // By name.
  using Members = absl::btree_map<std::string, std::unique_ptr<GroupMember>, std::less<>>;
  using Topics = absl::btree_map<std::string, std::unique_ptr<GroupTopic>, std::less<>>;

  explicit TopicGroup(const TopicGroupOptions& options) : Object(kType), options_(options) {}
  static std::unique_ptr<Object> Load(Decoder* in);

  const TopicGroupOptions& options() const { return options_; }
  const Members& members() const { return members_; }
  const Topics& topics() const { return topics_; }
  // nullptr if there is none.
  const GroupMember* FindMember(std::string_view name) const;
  const GroupMember* FindMember(MemberId id) const;
  const GroupTopic* FindTopic(std::string_view name) const;
  const GroupTopic* FindTopic(uint32_t slot) const;
  // The same if it has the partition.
  const GroupTopic* FindTopic(const GroupPlace& place) const;
  const GroupPartition* FindPartition(std::string_view topic, uint32_t number) const;
  // How often a partition that had an owner before went to another one.
  uint64_t moves() const { return moves_; }
  // Whether there is a number left for another member, or topic.
  bool MayAddMember() const { return last_id_ < UINT32_MAX; }
  bool MayAddTopic() const { return last_slot_ < UINT32_MAX; }

  // What only the leader's broker knows of the group as a whole. Times are steady.
  struct Live {
    // A partition that is to move, and the time at which it does in any case. It may have moved.
    struct Leaving {
      GroupPlace place;
      int64_t at_ms = 0;
    };
    std::vector<Leaving> leaving;
    int64_t rebalance_at_ms = 0;  // 0: nothing has changed
    int64_t due_ms = 0;           // when something is to be done next; 0: nothing
    int64_t empty_since_ms = 0;   // since when it has no member
    uint64_t fenced = 0;          // commits that were refused
  };
  Live& live() const { return live_; }

  // --- Changes ---

  void Configure(const TopicGroupOptions& options) { options_ = options; }
  // The member, which is made if it does not exist, subscribes to these topics.
  void Subscribe(std::string_view member, std::span<const std::string_view> topics, int64_t now_ms);
  // The member goes. Its partitions have no owner then.
  void Remove(std::string_view member);
  // The group knows these further partitions of the topic, and begins at these offsets.
  void AddPartitions(std::string_view topic, std::span<const uint64_t> starts);
  void RemoveTopic(std::string_view topic);
  // The partition has this owner (kNobody: none), and its next epoch. REQUIRES: the group has them.
  void Assign(std::string_view topic, uint32_t number, MemberId owner);
  // All below this offset is done. Does nothing if it was already.
  void Commit(std::string_view topic, uint32_t number, uint64_t offset);
  // The records at these offsets are done.
  void Acknowledge(std::string_view topic, uint32_t number, std::span<const uint64_t> offsets);
  // The group goes on at this offset, in a new epoch; nothing else is done.
  void Reset(std::string_view topic, uint32_t number, uint64_t offset);
  // Retention has removed `count` records that were not given. All below the offset counts as done.
  void Skip(std::string_view topic, uint32_t number, uint64_t offset, uint64_t count);

  // The key that had this value has gone or has another one: topics forget the group.
  void Leave(Keyspace& keyspace, const KeyRef& key) const;

  // --- Object ---

  std::string_view encoding() const override { return "topic-group"; }
  size_t MemoryBytes(size_t samples) const override;
  size_t FreeEffort() const override;
  std::unique_ptr<Object> Clone() const override;
  void Encode(Encoder* out) const override;

 private:
  GroupPartition& Mutable(std::string_view topic, uint32_t number);
  void SetOwner(GroupPartition& partition, MemberId owner);
  // What is acknowledged from `committed` on is committed.
  static void Absorb(GroupPartition& partition);
  [[nodiscard]] bool LoadMember(Decoder* in);
  [[nodiscard]] bool LoadTopic(Decoder* in);

  TopicGroupOptions options_;
  Members members_;
  Topics topics_;
  absl::flat_hash_map<MemberId, GroupMember*> by_id_;
  absl::flat_hash_map<uint32_t, GroupTopic*> by_slot_;
  MemberId last_id_ = kNobody;
  uint32_t last_slot_ = 0;
  uint64_t moves_ = 0;
  mutable Live live_;
};

}  // namespace runnel
