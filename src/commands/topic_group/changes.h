#pragma once

#include <cstdint>

#include "commands/context.h"
#include "effects/keyspace_effects.h"
#include "effects/topic_group_effects.h"

namespace runnel {

// By what changes of groups are made that nobody asks for in so many words: a command, in whose
// course they become due, or upkeep.
class GroupChanges {
 public:
  virtual ~GroupChanges() = default;

  virtual int64_t now_ms() const = 0;     // Unix time
  virtual int64_t steady_ms() const = 0;  // time that only goes forward
  virtual void Apply(const TopicGroupSee& effect) = 0;
  virtual void Apply(const TopicGroupAssign& effect) = 0;
  virtual void Apply(const TopicGroupLeave& effect) = 0;
  virtual void Apply(const KeyRemove& effect) = 0;
};

// Those of a command. Outlived by the context.
class CommandGroupChanges final : public GroupChanges {
 public:
  explicit CommandGroupChanges(Context& context) : context_(context) {}

  int64_t now_ms() const override { return context_.now_ms(); }
  int64_t steady_ms() const override { return context_.steady_ms(); }
  void Apply(const TopicGroupSee& effect) override { context_.Apply(effect); }
  void Apply(const TopicGroupAssign& effect) override { context_.Apply(effect); }
  void Apply(const TopicGroupLeave& effect) override { context_.Apply(effect); }
  void Apply(const KeyRemove& effect) override { context_.Apply(effect); }

 private:
  Context& context_;
};

}  // namespace runnel
