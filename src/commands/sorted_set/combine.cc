#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "base/text.h"
#include "commands/sorted_set/arguments.h"
#include "commands/sorted_set/changes.h"
#include "commands/sorted_set/commands.h"
#include "commands/sorted_set/replies.h"
#include "data/set/set.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

// A value that takes part: a sorted set, a set whose members all have the score 1, or nothing.
class ScoredInput {
 public:
  explicit ScoredInput(const KeyEntry* entry)
      : sorted_(entry == nullptr ? nullptr : entry->As<SortedSet>()),
        plain_(entry == nullptr ? nullptr : entry->As<Set>()) {}

  double weight = 1;

  bool has_value() const { return sorted_ != nullptr || plain_ != nullptr; }
  size_t size() const {
    if (sorted_ != nullptr) return sorted_->size();
    return plain_ != nullptr ? plain_->size() : 0;
  }
  // The score of a member times the weight. What is no number counts as 0 for the first value that
  // has the member (Weighted) and is passed to the aggregate for the others, as in Redis.
  std::optional<double> Score(std::string_view member) const {
    if (sorted_ != nullptr) {
      const std::optional<double> score = sorted_->Score(member);
      return score ? std::optional(*score * weight) : std::nullopt;
    }
    return plain_ != nullptr && plain_->Contains(member) ? std::optional(weight) : std::nullopt;
  }
  // Calls visit(score, member, lasting) for all members; if `lasting` is false, the view is valid
  // during the call only. Stops when visit returns false.
  template <class Visit>
  void ForEach(Visit visit) const {
    if (sorted_ != nullptr) {
      for (SortedSet::Iterator at = sorted_->Seek(0); at.Valid(); at.Next()) {
        if (!visit(Weighted(at.score()), at.member(), true)) return;
      }
    } else if (plain_ != nullptr) {
      for (Set::Iterator at = plain_->begin(); at.Valid(); at.Next()) {
        if (!visit(Weighted(1), at.member(), false)) return;
      }
    }
  }

 private:
  double Weighted(double score) const {
    const double weighted = score * weight;
    return std::isnan(weighted) ? 0 : weighted;
  }

  const SortedSet* sorted_;
  const Set* plain_;
};

enum class Aggregate { kSum, kMin, kMax };

void AddScore(Aggregate aggregate, double score, double* total) {
  switch (aggregate) {
    case Aggregate::kSum:
      *total += score;
      // Infinity of both signs.
      if (std::isnan(*total)) *total = 0;
      return;
    case Aggregate::kMin:
      if (score < *total) *total = score;
      return;
    case Aggregate::kMax:
      if (score > *total) *total = score;
      return;
  }
}

enum class SetOperation { kUnion, kInter, kDiff };

struct Combination {
  SetOperation operation;
  bool stores = false;   // the first argument is where the result goes
  bool counts = false;   // the reply is only the number of members
  size_t first_key = 0;  // argument
  std::vector<ScoredInput> inputs = {};
  Aggregate aggregate = Aggregate::kSum;
  bool with_scores = false;
  int64_t limit = 0;  // of a count; 0: none
};

// The number of keys and the keys, from argument `first` on.
bool ReadInputs(Context& context, size_t first, Combination* combination) {
  int64_t keys;
  if (!ReadInteger(context, context.arg(first), &keys)) return false;
  if (keys < 1) {
    return Fail(context, fmt::format("ERR at least 1 input key is needed for '{}' command",
                                     LowerCase(context.arg(0))));
  }
  if (static_cast<uint64_t>(keys) > context.argc() - first - 1) return Fail(context, kSyntaxError);
  combination->first_key = first + 1;
  for (size_t i = first + 1; i <= first + static_cast<size_t>(keys); i++) {
    const KeyEntry* entry = context.Find(context.Key(i));
    const ScoredInput& input = combination->inputs.emplace_back(entry);
    if (entry != nullptr && !input.has_value()) return Fail(context, kWrongType);
  }
  return true;
}

// *at is the argument with the word; it is moved to the last one that belongs to it.
bool ReadWeights(Context& context, Combination* combination, size_t* at) {
  for (ScoredInput& input : combination->inputs) {
    if (!ReadScore(context, context.arg(++*at), &input.weight, "ERR weight value is not a float")) {
      return false;
    }
  }
  return true;
}

bool ReadAggregate(Context& context, std::string_view text, Combination* combination) {
  if (Is(text, "SUM")) {
    combination->aggregate = Aggregate::kSum;
  } else if (Is(text, "MIN")) {
    combination->aggregate = Aggregate::kMin;
  } else if (Is(text, "MAX")) {
    combination->aggregate = Aggregate::kMax;
  } else {
    return Fail(context, kSyntaxError);
  }
  return true;
}

bool ReadCombination(Context& context, Combination* combination) {
  if (!ReadInputs(context, combination->stores ? 2 : 1, combination)) return false;
  const size_t argc = context.argc();
  const size_t keys = combination->inputs.size();
  const bool scores = combination->operation != SetOperation::kDiff && !combination->counts;
  for (size_t i = combination->first_key + keys; i < argc; i++) {
    const std::string_view option = context.arg(i);
    if (scores && argc - i > keys && Is(option, "WEIGHTS")) {
      if (!ReadWeights(context, combination, &i)) return false;
    } else if (scores && i + 1 < argc && Is(option, "AGGREGATE")) {
      if (!ReadAggregate(context, context.arg(++i), combination)) return false;
    } else if (!combination->stores && !combination->counts && Is(option, "WITHSCORES")) {
      combination->with_scores = true;
    } else if (combination->counts && i + 1 < argc && Is(option, "LIMIT")) {
      if (!ReadInteger(context, context.arg(++i), &combination->limit,
                       "ERR LIMIT can't be negative", 0)) {
        return false;
      }
    } else {
      return Fail(context, kSyntaxError);
    }
  }
  return true;
}

// The members of a result. Those of plain sets are copied, as the views of a walk do not last.
class CombinedMembers {
 public:
  void Add(double score, std::string_view member, bool lasting) {
    members_.push_back({score, lasting ? member : copies_.Keep(member)});
  }
  std::vector<ScoredMember>& members() { return members_; }
  // In the order of a sorted set.
  void Sort() {
    std::sort(members_.begin(), members_.end(), [](const ScoredMember& a, const ScoredMember& b) {
      return a.score < b.score || (a.score == b.score && a.member < b.member);
    });
  }

 private:
  std::vector<ScoredMember> members_;
  MemberCopies copies_;
};

// Scores are added up from the smallest value to the largest, as in Redis: another order would
// round them in another way.
void SortBySize(std::vector<ScoredInput>& inputs) {
  std::stable_sort(inputs.begin(), inputs.end(),
                   [](const ScoredInput& a, const ScoredInput& b) { return a.size() < b.size(); });
}

void Unite(Combination& combination, CombinedMembers* result) {
  SortBySize(combination.inputs);
  absl::flat_hash_map<std::string_view, size_t> places;
  places.reserve(combination.inputs.back().size());
  std::vector<ScoredMember>& members = result->members();
  for (const ScoredInput& input : combination.inputs) {
    input.ForEach([&](double score, std::string_view member, bool lasting) {
      const auto found = places.find(member);
      if (found != places.end()) {
        AddScore(combination.aggregate, score, &members[found->second].score);
      } else {
        result->Add(score, member, lasting);
        places.emplace(members.back().member, members.size() - 1);
      }
      return true;
    });
  }
}

// Calls visit(score, member, lasting) for the members that all inputs have, until it returns false.
template <class Visit>
void VisitCommon(Combination& combination, Visit visit) {
  SortBySize(combination.inputs);
  const std::span<const ScoredInput> others = std::span(combination.inputs).subspan(1);
  combination.inputs[0].ForEach([&](double score, std::string_view member, bool lasting) {
    for (const ScoredInput& other : others) {
      const std::optional<double> further = other.Score(member);
      if (!further) return true;
      AddScore(combination.aggregate, *further, &score);
    }
    return visit(score, member, lasting);
  });
}

void Subtract(const Combination& combination, CombinedMembers* result) {
  const std::span<const ScoredInput> others = std::span(combination.inputs).subspan(1);
  combination.inputs[0].ForEach([&](double score, std::string_view member, bool lasting) {
    const bool in_other = std::any_of(others.begin(), others.end(), [&](const ScoredInput& other) {
      return other.Score(member).has_value();
    });
    if (!in_other) result->Add(score, member, lasting);
    return true;
  });
}

void Combine(Combination& combination, CombinedMembers* result) {
  switch (combination.operation) {
    case SetOperation::kUnion:
      Unite(combination, result);
      break;
    case SetOperation::kInter:
      VisitCommon(combination, [&](double score, std::string_view member, bool lasting) {
        result->Add(score, member, lasting);
        return true;
      });
      break;
    case SetOperation::kDiff:
      Subtract(combination, result);
      break;
  }
  result->Sort();
}

void ReplyCombined(Context& context, SetOperation operation) {
  Combination combination{.operation = operation};
  if (!ReadCombination(context, &combination)) return;
  CombinedMembers result;
  Combine(combination, &result);
  BeginMembers(context.reply(), result.members().size(), combination.with_scores);
  for (const ScoredMember& member : result.members()) {
    WriteMember(context.reply(), member.member, member.score, combination.with_scores);
  }
}

void StoreCombined(Context& context, SetOperation operation, std::string_view event) {
  Combination combination{.operation = operation, .stores = true};
  if (!ReadCombination(context, &combination)) return;
  CombinedMembers result;
  Combine(combination, &result);
  const auto inputs = context.args().subspan(combination.first_key, combination.inputs.size());
  const bool own = std::find(inputs.begin(), inputs.end(), context.arg(1)) != inputs.end();
  StoreSorted(context, context.Key(1), result.members(), own, event);
}

}  // namespace

void ZUnion(Context& context) {
  ReplyCombined(context, SetOperation::kUnion);
}
void ZInter(Context& context) {
  ReplyCombined(context, SetOperation::kInter);
}
void ZDiff(Context& context) {
  ReplyCombined(context, SetOperation::kDiff);
}
void ZUnionStore(Context& context) {
  StoreCombined(context, SetOperation::kUnion, "zunionstore");
}
void ZInterStore(Context& context) {
  StoreCombined(context, SetOperation::kInter, "zinterstore");
}
void ZDiffStore(Context& context) {
  StoreCombined(context, SetOperation::kDiff, "zdiffstore");
}

void ZInterCard(Context& context) {
  Combination combination{.operation = SetOperation::kInter, .counts = true};
  if (!ReadCombination(context, &combination)) return;
  int64_t count = 0;
  VisitCommon(combination,
              [&](double, std::string_view, bool) { return ++count != combination.limit; });
  context.reply().Integer(count);
}

}  // namespace runnel::commands
