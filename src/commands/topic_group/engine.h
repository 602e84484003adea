#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include "commands/topic_group/changes.h"
#include "data/keyspace.h"
#include "data/topic/group.h"

namespace runnel {

// A connection, as members of groups name it.
struct GroupClient {
  uint64_t id = 0;
  std::string address;
  std::string name;
};

// What the leader's broker does for topic groups: it knows which connection speaks for a member and
// until when a member counts as alive, divides partitions among members, hands partitions over, and
// knows which of a member's partitions have something to give.
//
// All that is durable is in the values (data/topic/group.h) and changes by effects alone. What is
// only known here stands in the values' `live` parts, so it goes with them. This class finds its
// way to them: by time, by connection, and by partition.
//
// A group is named by the companion of its database and its key there. Functions that take a group
// take its KeyRef, and its value, which must be that of the key.
class TopicGroups {
 public:
  // The keyspace outlives it.
  explicit TopicGroups(const Keyspace& keyspace) : keyspace_(keyspace) {}

  // --- What the keyspace tells: only notes are taken ---

  void OnKeyChange(uint32_t db, std::string_view name, KeyChange change);
  // Topics of this database were made, grew, or are gone.
  void OnTopicsChange(uint32_t db);
  // Everything has changed places.
  void OnSwap() { scattered_ = true; }

  // Whether Settle has something to do.
  bool anything_noted() const { return !grown_.empty() || !topics_changed_.empty() || scattered_; }
  // Acts on the notes: members whose partitions have got records are woken.
  void Settle(int64_t steady_ms);

  // A member whose blocked call is to run again.
  struct Wake {
    uint32_t db = 0;  // a companion
    std::string group_key;
    std::string member;
  };
  bool anything_to_wake() const { return !wakes_.empty(); }
  // REQUIRES: anything_to_wake().
  Wake TakeWake();

  // --- Connections and time ---

  // The connection has ended.
  void OnClientClosed(uint64_t client, int64_t steady_ms);
  // Its call does not wait any more, and does not run again.
  void OnWaitOver(uint64_t client, int64_t steady_ms, int64_t now_ms);
  // Begins with the groups that there are, as after a start: members have the grace time to call.
  void Begin(int64_t steady_ms);

  // Steady time at which Work has something to do; INT64_MAX: never, as far as is known.
  int64_t due_ms() const;
  // Does what is due: members are gone, partitions move, groups expire. Works on one group; call it
  // again while due_ms() has come.
  void Work(GroupChanges& changes);

  // --- For commands ---

  // Sorted names of the existing topics that these names and patterns name.
  std::vector<std::string_view> TopicsOf(uint32_t db, std::span<const std::string> subscription,
                                         int64_t now_ms) const;
  // The group gets to know what is new in topics that its members subscribe to. New partitions
  // begin at 0.
  void SeeNew(const KeyRef& key, const TopicGroup& group, GroupChanges& changes);
  // The partitions are divided anew: in a moment, so that other changes are included, or now.
  void RebalanceSoon(const KeyRef& key, const TopicGroup& group, int64_t steady_ms);
  void Rebalance(const KeyRef& key, const TopicGroup& group, GroupChanges& changes);
  // Members are gone: they, or their time.
  void Leave(const KeyRef& key, const TopicGroup& group, std::span<const std::string_view> members,
             GroupChanges& changes);

  // The connection speaks for the member from now on. What it was given over another one, or may
  // have been given before the start, counts as not given.
  void TakeOver(const KeyRef& key, const TopicGroup& group, const GroupMember& member,
                const GroupClient& client, GroupChanges& changes);
  // The member lives. Its blocked call, if there was one, does not wait any more.
  void SeeAlive(const KeyRef& key, const TopicGroup& group, const GroupMember& member,
                int64_t steady_ms, int64_t now_ms);
  // A sign of life over another connection, or none.
  void SeeHeartbeat(const GroupMember& member, int64_t steady_ms, int64_t now_ms);
  // There is a new group, or one with other options.
  void NoteMade(const KeyRef& key, const TopicGroup& group, int64_t steady_ms);
  void NoteAltered(const KeyRef& key, const TopicGroup& group, bool divides_anew,
                   int64_t steady_ms);
  // The group goes on at another offset in this partition, in a new epoch.
  void NoteReset(const KeyRef& key, const TopicGroup& group, const GroupTopic& topic,
                 uint32_t number, int64_t now_ms);
  // Something has changed for the partition: it moves if it only waited for this, or is ready for
  // its owner if it has something for it.
  void Refresh(const KeyRef& key, const TopicGroup& group, const GroupTopic& topic, uint32_t number,
               GroupChanges& changes);
  // The member was given everything of this partition: it is told of the next record.
  void NoteDry(const KeyRef& key, std::string_view topic, uint32_t number);
  // The member's assignment is another one now.
  void NoteAssigned(const KeyRef& key, const GroupMember& member, int64_t now_ms);
  // The blocked call of the member, if there is one, runs again.
  void WakeMember(const KeyRef& key, const GroupMember& member);
  // Whether it shall be logged that the group has lost records of this partition: once a minute.
  bool ShallTellLoss(const KeyRef& key, std::string_view partition, int64_t steady_ms);
  // Changes whenever a topic of any database is made, grows or goes.
  uint64_t topics_version() const { return topics_version_; }

  // Counters of all that has to do with topics, for INFO.
  struct Stats {
    uint64_t added = 0;       // records
    uint64_t duplicates = 0;  // commands of producers that were accepted before
    uint64_t given = 0;       // records, by TREAD and TREADGROUP
    uint64_t moves = 0;       // of partitions, from one member to another
    uint64_t fenced = 0;      // commits refused
    uint64_t skipped = 0;     // records lost to retention
  };
  Stats& stats() { return stats_; }
  const Stats& stats() const { return stats_; }

  // A partition with more separate ranges of acknowledged records gives nothing new.
  static constexpr size_t kMostRanges = 1000;
  static bool HasManyRanges(const GroupPartition& partition) {
    return partition.acknowledged != nullptr && partition.acknowledged->size() > kMostRanges;
  }
  // Whether a record at this offset is withheld for that reason. What lies before the last range is
  // given all the same, or the ranges would never close.
  static bool IsWithheld(const GroupPartition& partition, uint64_t offset) {
    return HasManyRanges(partition) && offset >= partition.acknowledged->end();
  }
  // Changes within this time are one.
  static constexpr int64_t kGatherMs = 100;

 private:
  // A group that is due at a time.
  using Due = std::tuple<int64_t, uint32_t, std::string>;

  // Partitions of a topic, each after its new owner.
  using NewOwners = std::vector<std::pair<MemberId, uint64_t>>;

  const TopicGroup* Find(const KeyRef& key) const;
  template <class Visit>
  void ForEachSpoken(uint64_t client, Visit visit) const;
  void Schedule(const KeyRef& key, const TopicGroup& group, int64_t at_ms);
  void ScheduleAll(const KeyRef& key, const TopicGroup& group);
  int64_t EndOf(const TopicGroup& group, const GroupMember& member) const;
  void Gather();
  void ForgetClient(const KeyRef& key, uint64_t client, const std::string& member);
  void SeeTopic(const KeyRef& key, const TopicGroup& group, std::string_view topic,
                GroupChanges& changes);
  void Give(const KeyRef& key, const TopicGroup& group, const GroupTopic& topic,
            std::span<const uint64_t> numbers, MemberId owner, GroupChanges& changes);
  void GiveAll(const KeyRef& key, const TopicGroup& group, const GroupTopic& topic,
               NewOwners* owners, GroupChanges& changes);
  void MoveLeaving(const KeyRef& key, const TopicGroup& group, GroupChanges& changes);
  void Offer(const KeyRef& key, const TopicGroup& group, const GroupTopic& topic, uint32_t number);
  void Settle(const TopicGroup& group, const GroupPartition& partition);
  void NoteGrown(const KeyRef& partition);
  static uint64_t HashOf(uint32_t db, std::string_view partition);

  const Keyspace& keyspace_;
  Stats stats_;
  absl::btree_set<Due> due_;
  // For which members of which groups a connection speaks: companion, key, member.
  using Spoken = std::tuple<uint32_t, std::string, std::string>;
  absl::flat_hash_map<uint64_t, absl::btree_set<Spoken>> clients_;
  // Hashes of the partitions of which some owner was given everything. So an append to any other
  // one costs a look here.
  absl::flat_hash_set<uint64_t> dry_;
  static constexpr size_t kLeastMostDry = 10'000;
  size_t most_dry_ = kLeastMostDry;
  // Notes: partitions that were dry and have grown, databases whose topics have changed.
  std::vector<std::pair<uint32_t, std::string>> grown_;
  absl::flat_hash_set<uint32_t> topics_changed_;
  bool scattered_ = false;
  uint64_t topics_version_ = 1;
  // When losses were told last, by hashes of group and partition.
  absl::flat_hash_map<uint64_t, int64_t> told_ms_;
  std::deque<Wake> wakes_;
};

}  // namespace runnel
