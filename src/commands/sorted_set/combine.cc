#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

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
class ScoredValue {
 public:
  explicit ScoredValue(const KeyEntry* entry)
      : sorted_(entry == nullptr ? nullptr : entry->As<SortedSet>()),
        plain_(entry == nullptr ? nullptr : entry->As<Set>()) {}

  bool exists() const { return sorted_ != nullptr || plain_ != nullptr; }
  // Whether both are the value of one key, or nothing.
  bool operator==(const ScoredValue&) const = default;
  // Some order.
  bool operator<(const ScoredValue& other) const {
    return std::less<>()(address(), other.address());
  }
  size_t size() const {
    if (sorted_ != nullptr) return sorted_->size();
    return plain_ != nullptr ? plain_->size() : 0;
  }
  std::optional<double> Score(std::string_view member) const {
    if (sorted_ != nullptr) return sorted_->Score(member);
    return plain_ != nullptr && plain_->Contains(member) ? std::optional(1.0) : std::nullopt;
  }
  // Calls visit(score, member, lasting) for all members; if `lasting` is false, the view is valid
  // during the call only. Stops when visit returns false.
  template <class Visit>
  void ForEach(Visit visit) const {
    if (sorted_ != nullptr) {
      for (SortedSet::Iterator at = sorted_->Seek(0); at.Valid(); at.Next()) {
        if (!visit(at.score(), at.member(), true)) return;
      }
    } else if (plain_ != nullptr) {
      for (Set::Iterator at = plain_->begin(); at.Valid(); at.Next()) {
        if (!visit(1.0, at.member(), false)) return;
      }
    }
  }
  // Tells it from others; nullptr for nothing.
  const void* address() const {
    return sorted_ != nullptr ? static_cast<const void*>(sorted_) : plain_;
  }

 private:
  const SortedSet* sorted_;
  const Set* plain_;
};

using ScoredValues = std::vector<ScoredValue>;

// A value as the request names it.
struct ScoredInput {
  ScoredValue value;
  double weight = 1;
};

enum class Aggregate { kSum, kMin, kMax };

// How much a combination may do beside what the sizes of its values and of its request bound. A key
// that is named many times, with many weights, takes a step for each member and weight.
class RepeatSteps {
 public:
  static constexpr uint64_t kMost = uint64_t{1} << 28;  // some tenths of a second
  void Take(uint64_t steps) { left_ -= std::min(left_, steps); }
  bool spent() const { return left_ == 0; }

 private:
  uint64_t left_ = kMost;
};

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

// The same so many times in a row. Each sum is rounded, so that is no product, unless all of them
// are whole numbers that a double has.
void AddRepeated(Aggregate aggregate, double score, uint64_t times, double* total,
                 RepeatSteps* steps) {
  if (aggregate == Aggregate::kSum && times > 1) {
    const double added = score * static_cast<double>(times);
    constexpr double kMostExact = 0x1p53;
    if (std::abs(*total) + std::abs(added) <= kMostExact && score == std::trunc(score) &&
        *total == std::trunc(*total)) {
      *total += added;
      return;
    }
  }
  for (double before; times > 0 && !steps->spent(); times--) {
    before = *total;
    AddScore(aggregate, score, total);
    if (*total == before) return;  // nor do the others change it
    if (times > 1) steps->Take(1);
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
    const ScoredValue value(entry);
    if (entry != nullptr && !value.exists()) return Fail(context, kWrongType);
    combination->inputs.push_back({value});
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

// A value, and the weights with which it is named in a row.
struct WeightedValue {
  struct Weight {
    double weight = 1;
    uint64_t times = 1;
  };
  ScoredValue value;
  size_t index = 0;  // of the value among those of the row
  std::vector<Weight> weights = {};

  // Adds what the value gives for a member that has `score` in it: with `begins` the total is
  // nothing yet. What is no number counts as 0 where the total begins with it, or wherever
  // `nan_is_zero`; otherwise it is passed to the aggregate, as in Redis.
  void AddTo(Aggregate aggregate, double score, bool begins, bool nan_is_zero, double* total,
             RepeatSteps* steps) const {
    if (weights.size() > 1) steps->Take(weights.size() - 1);
    for (const Weight& weight : weights) {
      double weighted = score * weight.weight;
      if (std::isnan(weighted) && (begins || nan_is_zero)) weighted = 0;
      if (begins) *total = weighted;
      AddRepeated(aggregate, weighted, weight.times - (begins ? 1 : 0), total, steps);
      begins = false;
    }
  }
};

// The values in the order in which Redis adds up their scores, which another order would round in
// another way: from the smallest one to the largest, and equally large ones as they are named.
struct ValueRow {
  // A value is here several times only if others of its size are named in between.
  std::vector<WeightedValue> row;
  ScoredValues values;  // each once, as they appear in the row
};

ValueRow InOrder(std::vector<ScoredInput> inputs) {
  std::stable_sort(inputs.begin(), inputs.end(), [](const ScoredInput& a, const ScoredInput& b) {
    return a.value.size() < b.value.size();
  });
  ValueRow result;
  std::vector<WeightedValue>& row = result.row;
  absl::flat_hash_map<const void*, size_t> indexes;
  for (const ScoredInput& input : inputs) {
    if (row.empty() || !(row.back().value == input.value)) {
      const auto [found, is_new] = indexes.try_emplace(input.value.address(), indexes.size());
      if (is_new) result.values.push_back(input.value);
      row.push_back({input.value, found->second});
    }
    std::vector<WeightedValue::Weight>& weights = row.back().weights;
    if (!weights.empty() && weights.back().weight == input.weight &&
        std::signbit(weights.back().weight) == std::signbit(input.weight)) {
      weights.back().times++;
    } else {
      weights.push_back({input.weight});
    }
  }
  return result;
}

void Unite(const Combination& combination, CombinedMembers* result, RepeatSteps* steps) {
  constexpr uint64_t kLookup = 16;  // steps that one takes
  const std::vector<WeightedValue> row = InOrder(combination.inputs).row;
  absl::flat_hash_map<std::string_view, size_t> places;
  places.reserve(row.back().value.size());
  std::vector<ScoredMember>& members = result->members();
  size_t met = 0;  // values
  for (const WeightedValue& weighted : row) {
    const bool again = weighted.index < met;
    if (!again) met++;
    weighted.value.ForEach([&](double score, std::string_view member, bool lasting) {
      if (again) steps->Take(kLookup);
      const auto found = places.find(member);
      const bool is_new = found == places.end();
      if (is_new) {
        result->Add(0, member, lasting);
        places.emplace(members.back().member, members.size() - 1);
      }
      double* const total = is_new ? &members.back().score : &members[found->second].score;
      weighted.AddTo(combination.aggregate, score, is_new, true, total, steps);
      return !steps->spent();
    });
  }
}

// The values without those that are named again, and without what is missing.
ScoredValues DistinctValues(std::span<const ScoredInput> inputs) {
  ScoredValues values;
  for (const ScoredInput& input : inputs) {
    if (input.value.exists()) values.push_back(input.value);
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

void Intersect(const Combination& combination, CombinedMembers* result, RepeatSteps* steps) {
  const ValueRow in_order = InOrder(combination.inputs);
  const std::vector<WeightedValue>& row = in_order.row;
  const ScoredValues& values = in_order.values;
  // The first one has the fewest members; each member is looked up once in each other value.
  std::vector<double> scores;
  values[0].ForEach([&](double score, std::string_view member, bool lasting) {
    scores.assign(1, score);
    for (size_t i = 1; i < values.size(); i++) {
      const std::optional<double> found = values[i].Score(member);
      if (!found) return true;
      scores.push_back(*found);
    }
    steps->Take(row.size() - values.size());
    double total = 0;
    bool begins = true;
    for (const WeightedValue& weighted : row) {
      weighted.AddTo(combination.aggregate, scores[weighted.index], begins, false, &total, steps);
      begins = false;
    }
    result->Add(total, member, lasting);
    return !steps->spent();
  });
}

void Subtract(const Combination& combination, CombinedMembers* result) {
  const ScoredValue first = combination.inputs[0].value;
  ScoredValues others = DistinctValues(std::span(combination.inputs).subspan(1));
  if (std::find(others.begin(), others.end(), first) != others.end()) return;
  // The larger one is, the likelier it has the member.
  std::stable_sort(others.begin(), others.end(),
                   [](const ScoredValue& a, const ScoredValue& b) { return a.size() > b.size(); });
  uint64_t all = first.size();
  for (const ScoredValue& other : others) {
    all += other.size();
  }
  // Either the members of the first are looked for in the others, or the other way round, whichever
  // are fewer steps.
  absl::flat_hash_set<std::string_view> removed;
  MemberCopies copies;
  const bool from_others = all < first.size() * others.size();
  if (from_others) {
    for (const ScoredValue& other : others) {
      other.ForEach([&](double, std::string_view member, bool lasting) {
        if (first.Score(member) && !removed.contains(member)) {
          removed.insert(lasting ? member : copies.Keep(member));
        }
        return true;
      });
    }
  }
  first.ForEach([&](double score, std::string_view member, bool lasting) {
    const bool in_other =
        from_others ? removed.contains(member)
                    : std::any_of(others.begin(), others.end(), [&](const ScoredValue& other) {
                        return other.Score(member).has_value();
                      });
    if (!in_other) result->Add(score, member, lasting);
    return true;
  });
}

// Writes an error and returns false if that takes too long.
bool Combine(Context& context, const Combination& combination, CombinedMembers* result) {
  RepeatSteps steps;
  switch (combination.operation) {
    case SetOperation::kUnion:
      Unite(combination, result, &steps);
      break;
    case SetOperation::kInter:
      Intersect(combination, result, &steps);
      break;
    case SetOperation::kDiff:
      Subtract(combination, result);
      break;
  }
  if (steps.spent()) {
    return Fail(context, fmt::format("ERR keys are named again and again: that would take more "
                                     "than {} steps",
                                     RepeatSteps::kMost));
  }
  result->Sort();
  return true;
}

void ReplyCombined(Context& context, SetOperation operation) {
  Combination combination{.operation = operation};
  if (!ReadCombination(context, &combination)) return;
  CombinedMembers result;
  if (!Combine(context, combination, &result)) return;
  BeginMembers(context.reply(), result.members().size(), combination.with_scores);
  for (const ScoredMember& member : result.members()) {
    WriteMember(context.reply(), member.member, member.score, combination.with_scores);
  }
}

void StoreCombined(Context& context, SetOperation operation, std::string_view event) {
  Combination combination{.operation = operation, .stores = true};
  if (!ReadCombination(context, &combination)) return;
  CombinedMembers result;
  if (!Combine(context, combination, &result)) return;
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
  ScoredValues values = DistinctValues(combination.inputs);
  const auto missing = [](const ScoredInput& input) { return !input.value.exists(); };
  if (std::any_of(combination.inputs.begin(), combination.inputs.end(), missing)) values.clear();
  std::sort(values.begin(), values.end(),
            [](const ScoredValue& a, const ScoredValue& b) { return a.size() < b.size(); });
  if (!values.empty()) {
    values[0].ForEach([&](double, std::string_view member, bool) {
      const bool in_all =
          std::all_of(values.begin() + 1, values.end(),
                      [&](const ScoredValue& value) { return value.Score(member).has_value(); });
      return !in_all || ++count != combination.limit;
    });
  }
  context.reply().Integer(count);
}

}  // namespace runnel::commands
