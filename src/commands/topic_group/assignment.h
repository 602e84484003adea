#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/topic/group.h"

// Who of a group's members owns which partitions. These functions decide from their arguments
// alone.

namespace runnel::commands {

// One member, as far as the assignment must know.
struct AssignmentMember {
  MemberId id = kNobody;
  std::string_view name;
  // Which topics it subscribes to, as indexes into the list of topics: ascending.
  std::span<const uint32_t> topics;
};

// One topic: who owns its partitions now, and who shall own them.
struct AssignmentTopic {
  struct Partition {
    MemberId owner = kNobody;
    bool in_flight = false;     // it cannot move at once; another one moves rather than this one
    MemberId target = kNobody;  // the result
  };
  std::vector<Partition> partitions;
};

// Sets the target of every partition: nobody only if no member subscribes to the topic. An owner
// that is no member, or does not subscribe to the topic, counts as nobody. Members are sorted by
// name; topics are in the order of their names.
//
// kUniform: the numbers of partitions of two members differ by at most one, as far as the
// subscriptions allow it, and no assignment as balanced as this moves fewer partitions. Within
// that, those move that are not in flight.
// kRange: within each topic, the members that subscribe to it, in the order of their names, get
// ranges of numbers that differ by at most one in length, the longer ones first.
void Assign(Assignor assignor, std::span<const AssignmentMember> members,
            std::span<AssignmentTopic> topics);

}  // namespace runnel::commands
