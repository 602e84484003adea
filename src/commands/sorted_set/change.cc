#include <array>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include "commands/key_events.h"
#include "commands/sorted_set/arguments.h"
#include "commands/sorted_set/changes.h"
#include "commands/sorted_set/commands.h"
#include "commands/sorted_set/replies.h"

namespace runnel::commands {
namespace {

// Up to so many members are searched one by one.
constexpr size_t kFewMembers = 16;

struct AddOptions {
  bool only_new = false;       // NX
  bool only_existing = false;  // XX
  bool only_greater = false;   // GT
  bool only_less = false;      // LT
  bool count_changed = false;  // CH
  bool increment = false;      // INCR
};

// What is to be done to one member.
enum class AddOutcome {
  kRefused,  // an option forbids it
  kSame,     // it has this score
  kAdded,
  kMoved,
  kNotANumber,
};

// `old` is the score that the member has. Sets *result to the score that it gets, unless it is
// refused or no number.
AddOutcome DecideAdd(const AddOptions& options, std::optional<double> old, double given,
                     double* result) {
  *result = given;
  if (!old) return options.only_existing ? AddOutcome::kRefused : AddOutcome::kAdded;
  if (options.only_new) return AddOutcome::kRefused;
  if (options.increment) *result += *old;
  if (std::isnan(*result)) return AddOutcome::kNotANumber;
  if (options.only_less && *result >= *old) return AddOutcome::kRefused;
  if (options.only_greater && *result <= *old) return AddOutcome::kRefused;
  return *result == *old ? AddOutcome::kSame : AddOutcome::kMoved;
}

// The scores that members will have, as far as a command has planned.
class PlannedScores {
 public:
  // `set` may be nullptr. For up to `count` changes.
  PlannedScores(const SortedSet* set, size_t count) : set_(set), indexed_(count > kFewMembers) {}

  std::optional<double> Score(std::string_view member) const {
    if (indexed_) {
      const auto found = index_.find(member);
      if (found != index_.end()) return found->second;
    } else {
      for (auto planned = changes_.rbegin(); planned != changes_.rend(); ++planned) {
        if (planned->member == member) return planned->score;
      }
    }
    return set_ == nullptr ? std::nullopt : set_->Score(member);
  }
  void Set(std::string_view member, double score) {
    changes_.push_back({score, member});
    if (indexed_) index_[member] = score;
  }

  const std::vector<ScoredMember>& changes() const { return changes_; }

 private:
  const SortedSet* set_;
  const bool indexed_;
  std::vector<ScoredMember> changes_;
  absl::flat_hash_map<std::string_view, double> index_;
};

// Reads the options from argument 2 on; *first is set to the first argument after them.
void ReadAddOptions(Context& context, AddOptions* options, size_t* first) {
  const std::pair<std::string_view, bool*> kOptions[] = {
      {"NX", &options->only_new},  {"XX", &options->only_existing}, {"GT", &options->only_greater},
      {"LT", &options->only_less}, {"CH", &options->count_changed}, {"INCR", &options->increment},
  };
  for (*first = 2; *first < context.argc(); (*first)++) {
    bool known = false;
    for (const auto& [word, flag] : kOptions) {
      if (!Is(context.arg(*first), word)) continue;
      *flag = true;
      known = true;
    }
    if (!known) return;
  }
}

bool CheckAddOptions(Context& context, const AddOptions& options, size_t arguments) {
  if (arguments == 0 || arguments % 2 != 0) return Fail(context, kSyntaxError);
  if (options.only_new && options.only_existing) {
    return Fail(context, "ERR XX and NX options at the same time are not compatible");
  }
  if (options.only_greater + options.only_less + options.only_new > 1) {
    return Fail(context, "ERR GT, LT, and/or NX options at the same time are not compatible");
  }
  if (options.increment && arguments > 2) {
    return Fail(context, "ERR INCR option supports a single increment-element pair");
  }
  return true;
}

// States the changes, if there are any.
void ApplyAdd(Context& context, const KeyRef& key, std::span<const ScoredMember> changes,
              bool created, std::string_view event) {
  if (changes.empty()) return;
  context.Apply(SortedSetAdd{key, changes}, changes.size());
  if (created) NotifyNew(context, key);
  context.Notify(kNotifyZset, event, key);
}

// ZADD with INCR, and ZINCRBY.
void Increment(Context& context, const KeyRef& key, const AddOptions& options,
               std::string_view score, std::string_view member) {
  double increment;
  if (!ReadScore(context, score, &increment)) return;
  const SortedSet* set;
  if (!context.ReadForWrite(key, &set)) return;
  const std::optional<double> old = set == nullptr ? std::nullopt : set->Score(member);
  ScoredMember change{0, member};
  const AddOutcome outcome = DecideAdd(options, old, increment, &change.score);
  switch (outcome) {
    case AddOutcome::kNotANumber:
      return context.reply().Error("ERR resulting score is not a number (NaN)");
    case AddOutcome::kRefused:
      return context.reply().Null();
    case AddOutcome::kSame:
      break;
    case AddOutcome::kAdded:
    case AddOutcome::kMoved:
      ApplyAdd(context, key, {&change, 1}, set == nullptr, "zincr");
  }
  WriteScore(context.reply(), change.score);
}

}  // namespace

void ZAdd(Context& context) {
  AddOptions options;
  size_t first;
  ReadAddOptions(context, &options, &first);
  const size_t arguments = context.argc() - first;
  if (!CheckAddOptions(context, options, arguments)) return;
  const KeyRef key = context.Key(1);
  if (options.increment) {
    return Increment(context, key, options, context.arg(first), context.arg(first + 1));
  }

  // All scores are read before anything else is looked at.
  const size_t pairs = arguments / 2;
  std::vector<double> scores(pairs);
  for (size_t i = 0; i < pairs; i++) {
    if (!ReadScore(context, context.arg(first + 2 * i), &scores[i])) return;
  }
  const SortedSet* set;
  if (!context.ReadForWrite(key, &set)) return;
  PlannedScores planned(set, pairs);
  int64_t added = 0;
  int64_t moved = 0;
  for (size_t i = 0; i < pairs; i++) {
    const std::string_view member = context.arg(first + 2 * i + 1);
    double score;
    const AddOutcome outcome = DecideAdd(options, planned.Score(member), scores[i], &score);
    if (outcome != AddOutcome::kAdded && outcome != AddOutcome::kMoved) continue;
    outcome == AddOutcome::kAdded ? added++ : moved++;
    planned.Set(member, score);
  }
  ApplyAdd(context, key, planned.changes(), set == nullptr, "zadd");
  context.reply().Integer(options.count_changed ? added + moved : added);
}

void ZIncrBy(Context& context) {
  Increment(context, context.Key(1), {.increment = true}, context.arg(2), context.arg(3));
}

void ZRem(Context& context) {
  const KeyRef key = context.Key(1);
  const SortedSet* set;
  if (!context.ReadForWrite(key, &set)) return;
  if (set == nullptr) return context.reply().Integer(0);
  const std::span<const std::string_view> named = context.args().subspan(2);
  std::vector<std::string_view> members;
  absl::flat_hash_set<std::string_view> seen;
  for (const std::string_view member : named) {
    if (named.size() > 1 && !seen.insert(member).second) continue;
    if (set->Score(member)) members.push_back(member);
  }
  if (members.empty()) return context.reply().Integer(0);
  const bool emptied = members.size() == set->size();
  context.Apply(SortedSetRemove{key, members}, members.size());
  context.Notify(kNotifyZset, "zrem", key);
  if (emptied) NotifyDeleted(context, key);
  context.reply().Integer(static_cast<int64_t>(members.size()));
}

}  // namespace runnel::commands
