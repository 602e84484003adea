#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "commands/context.h"
#include "data/sorted_set/sorted_set.h"
#include "effects/sorted_set_effects.h"

// Changes that several sorted-set commands make.

namespace runnel::commands {

// Copies of members, for effects that change the value that holds them. Views of them are valid as
// long as this object.
class MemberCopies {
 public:
  std::string_view Keep(std::string_view member);

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* at_ = nullptr;
  size_t left_ = 0;
};

// The removal of members in a row. It is planned first, so that the members can be written to the
// reply before they go.
class RangeRemoval {
 public:
  // Writes an error and returns false if the change would be too large. REQUIRES: the range is not
  // empty.
  [[nodiscard]] bool Plan(Context& context, const SortedSet& set, RankRange range);
  // Removes them, and the key with its last member; notifies `event` and the end of the key. The
  // set is not good any more.
  void Apply(Context& context, const KeyRef& key, std::string_view event);

 private:
  uint64_t count_ = 0;
  bool emptied_ = false;
  std::vector<std::string_view> members_;  // if it is not emptied
  MemberCopies copies_;
};

// Gives the key these members as its value, whatever it was, notifies `event`, and replies with
// their number. With no members the key goes. `own`: the members may be views into what the key
// holds now. REQUIRES: no member is named twice.
void StoreSorted(Context& context, const KeyRef& to, std::span<ScoredMember> members, bool own,
                 std::string_view event);

}  // namespace runnel::commands
