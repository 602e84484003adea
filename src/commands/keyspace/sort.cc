#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "base/numbers.h"
#include "commands/arguments.h"
#include "commands/key_events.h"
#include "commands/keyspace/commands.h"
#include "commands/string/replies.h"
#include "commands/string_row.h"
#include "data/hash/hash.h"
#include "data/list/list.h"
#include "data/set/set.h"
#include "data/sorted_set/sorted_set.h"
#include "data/string_object.h"
#include "effects/list_effects.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

// BY and GET: names a key for each element, and perhaps a field of the hash at that key.
struct SortPattern {
  bool element = false;  // "#": the element itself
  bool has_star = false;
  std::string_view before;  // the star, for which the element stands
  std::string_view after;
  std::string_view field;  // empty: the key holds a string
};

SortPattern ParseSortPattern(std::string_view text) {
  SortPattern pattern;
  pattern.element = text == "#";
  const size_t star = text.find('*');
  pattern.has_star = star != std::string_view::npos;
  if (!pattern.has_star) return pattern;
  pattern.before = text.substr(0, star);
  pattern.after = text.substr(star + 1);
  const size_t arrow = pattern.after.find("->");
  if (arrow != std::string_view::npos && arrow + 2 < pattern.after.size()) {
    pattern.field = pattern.after.substr(arrow + 2);
    pattern.after = pattern.after.substr(0, arrow);
  }
  return pattern;
}

struct SortOptions {
  std::optional<SortPattern> by;
  std::vector<SortPattern> gets;
  std::optional<size_t> target;  // the argument of STORE
  int64_t start = 0;
  int64_t count = -1;  // negative: all
  bool descending = false;
  bool alpha = false;

  // With a constant BY the elements are left as they lie.
  bool sorts() const { return !by || by->has_star; }
};

bool ReadSortOptions(Context& context, bool may_store, SortOptions* options) {
  for (size_t i = 2; i < context.argc(); i++) {
    const std::string_view option = context.arg(i);
    const size_t left = context.argc() - i - 1;
    if (Is(option, "ASC")) {
      options->descending = false;
    } else if (Is(option, "DESC")) {
      options->descending = true;
    } else if (Is(option, "ALPHA")) {
      options->alpha = true;
    } else if (Is(option, "LIMIT") && left >= 2) {
      if (!ReadInteger(context, context.arg(i + 1), &options->start)) return false;
      if (!ReadInteger(context, context.arg(i + 2), &options->count)) return false;
      i += 2;
    } else if (may_store && Is(option, "STORE") && left >= 1) {
      options->target = ++i;
    } else if (Is(option, "BY") && left >= 1) {
      options->by = ParseSortPattern(context.arg(++i));
    } else if (Is(option, "GET") && left >= 1) {
      options->gets.push_back(ParseSortPattern(context.arg(++i)));
    } else {
      return Fail(context, kSyntaxError);
    }
  }
  return true;
}

// The elements that the reply is about: from `begin` to before `end`.
struct SortRange {
  size_t begin = 0;
  size_t end = 0;
  size_t size() const { return end - begin; }
};

SortRange RangeOfLimit(const SortOptions& options, size_t size) {
  const int64_t length = static_cast<int64_t>(size);
  const int64_t begin = std::clamp<int64_t>(options.start, 0, length);
  const int64_t count = options.count < 0 ? length : std::min(options.count, length);
  return {static_cast<size_t>(begin), static_cast<size_t>(std::min(begin + count, length))};
}

// How much a call may do beside what its elements take: with many patterns, or long ones, a short
// request could ask for any number of lookups, and for a reply of any size.
class SortBudget {
 public:
  explicit SortBudget(uint64_t bytes) : left_(bytes) {}
  void Spend(uint64_t bytes) { left_ -= std::min(left_, bytes); }
  bool spent() const { return left_ == 0; }

 private:
  uint64_t left_;
};

// What a pattern names for an element.
struct SortValue {
  const StringObject* string = nullptr;
  std::optional<std::string_view> text = {};  // of a field, or the element
};

class Sorting {
 public:
  Sorting(Context& context, const SortOptions& options)
      : context_(context), options_(options), budget_(context.options().most_change_bytes) {}

  // Runs the command from the lookup of its key on.
  void Run();

 private:
  struct Element {
    std::string_view text;
    double score = 0;
    std::string_view by = {};  // with ALPHA and BY
    bool has_by = false;
    size_t index = 0;  // where it lay
  };

  // The elements, as far as they can be in the reply, in the order in which they lie. Returns false
  // with the error written if the key holds none.
  bool Load();
  void LoadList(const List& list);
  void LoadSet(const runnel::Set& set);
  void LoadSortedSet(const SortedSet& set);
  // Whether only those in the range are loaded, in their order.
  bool IsInOrder() const { return !options_.sorts() && !is_set_; }

  // What the elements are sorted by. Returns false if one has no number.
  bool Weigh();
  bool WeighElement(Element* element);
  std::string_view WholeText(const StringObject& string);
  bool ComesBefore(const Element& a, const Element& b) const;
  void Arrange();

  SortValue Lookup(const SortPattern& pattern, std::string_view element);
  void Reply();
  void ReplyValue(const SortValue& value);
  void Store();
  StringRow Collect();
  void FailBudget() {
    context_.reply().Error(fmt::format("ERR SORT would look up or return more than {} bytes",
                                       context_.options().most_change_bytes));
  }

  Context& context_;
  const SortOptions& options_;
  SortBudget budget_;
  bool is_set_ = false;
  bool by_text_ = false;
  bool use_by_ = false;
  std::vector<Element> elements_;
  SortRange range_;   // in elements_
  StringRow copies_;  // members of a set: its walk gives views for a moment
  // Strings that BY names and that do not lie in one piece, whole.
  absl::flat_hash_map<const StringObject*, std::unique_ptr<std::string>> long_values_;
  std::string name_;  // of the key that is looked up
};

void Sorting::LoadList(const List& list) {
  range_ = RangeOfLimit(options_, list.size());
  if (!IsInOrder()) {
    list.Require(0, list.size());
    List::Iterator it = list.Seek(0);
    for (size_t i = 0; i < list.size(); i++, it.Next()) {
      elements_.push_back({.text = it.value(), .index = i});
    }
    return;
  }
  const size_t count = range_.size();
  const size_t first = options_.descending ? list.size() - range_.end : range_.begin;
  list.Require(first, count);
  range_ = {0, count};
  if (count == 0) return;
  List::Iterator it = list.Seek(options_.descending ? first + count - 1 : first);
  for (size_t i = 0; i < count; i++) {
    elements_.push_back({.text = it.value(), .index = i});
    options_.descending ? it.Previous() : it.Next();
  }
}

void Sorting::LoadSet(const runnel::Set& set) {
  range_ = RangeOfLimit(options_, set.size());
  set.ForEach([&](std::string_view member) { copies_.Add(member); });
  for (size_t i = 0; i < copies_.size(); i++) {
    elements_.push_back({.text = copies_[i], .index = i});
  }
}

void Sorting::LoadSortedSet(const SortedSet& set) {
  range_ = RangeOfLimit(options_, set.size());
  const bool backward = IsInOrder() && options_.descending;
  const SortRange loaded = IsInOrder() ? range_ : SortRange{0, set.size()};
  SortedSet::Iterator it = set.Seek(backward ? set.size() - 1 - loaded.begin : loaded.begin);
  for (size_t i = 0; i < loaded.size(); i++) {
    elements_.push_back({.text = it.member(), .index = i});
    backward ? it.Previous() : it.Next();
  }
  if (IsInOrder()) range_ = {0, loaded.size()};
}

bool Sorting::Load() {
  const KeyEntry* const entry = context_.Find(context_.Key(1));
  if (entry == nullptr) return true;
  is_set_ = entry->type() == ObjectType::kSet;
  if (const auto* list = entry->As<List>()) {
    LoadList(*list);
  } else if (const auto* set = entry->As<runnel::Set>()) {
    LoadSet(*set);
  } else if (const auto* sorted = entry->As<SortedSet>()) {
    LoadSortedSet(*sorted);
  } else {
    return Fail(context_, kWrongType);
  }
  return true;
}

// As strtod reads a number, blanks before it and hexadecimal digits included; nothing is 0.
std::optional<double> ParseSortWeight(std::string_view text) {
  if (const std::optional<int64_t> integer = ParseInteger(text)) {
    return static_cast<double>(*integer);
  }
  const std::string copy(text);
  char* end;
  errno = 0;
  const double weight = std::strtod(copy.c_str(), &end);
  if (*end != '\0' || errno == ERANGE || std::isnan(weight)) return std::nullopt;
  return weight;
}

// The string in one piece. It stays valid.
std::string_view Sorting::WholeText(const StringObject& string) {
  const std::string_view head = string.head();
  if (head.size() == string.size()) return head;
  std::unique_ptr<std::string>& copy = long_values_[&string];
  if (copy == nullptr) copy = std::make_unique<std::string>(string.ToString());
  return *copy;
}

bool Sorting::WeighElement(Element* element) {
  std::string_view text = element->text;
  if (use_by_) {
    const SortValue value = Lookup(*options_.by, element->text);
    if (value.string == nullptr && !value.text) return true;
    // Many elements may have the same long text, which is read for each of them.
    budget_.Spend(value.string != nullptr ? value.string->size() : value.text->size());
    if (budget_.spent()) return true;
    text = value.string != nullptr ? WholeText(*value.string) : *value.text;
    element->has_by = true;
    element->by = text;
  }
  if (by_text_) return true;
  const std::optional<double> weight = ParseSortWeight(text);
  if (weight) element->score = *weight;
  return weight.has_value();
}

bool Sorting::Weigh() {
  bool are_numbers = true;
  for (Element& element : elements_) {
    are_numbers = WeighElement(&element) && are_numbers;
    if (budget_.spent()) return true;
  }
  return are_numbers;
}

bool Sorting::ComesBefore(const Element& a, const Element& b) const {
  int order;
  if (by_text_ && use_by_) {
    const bool same = a.by.data() == b.by.data() && a.by.size() == b.by.size();
    order = a.has_by && b.has_by && !same ? a.by.compare(b.by) : a.has_by - b.has_by;
  } else if (by_text_ || a.score == b.score) {
    order = a.text.compare(b.text);
  } else {
    order = a.score < b.score ? -1 : 1;
  }
  if (order == 0) return a.index < b.index;
  return options_.descending ? order > 0 : order < 0;
}

// Puts the elements of the range into their order.
void Sorting::Arrange() {
  const auto comes_before = [this](const Element& a, const Element& b) {
    return ComesBefore(a, b);
  };
  const auto begin = elements_.begin();
  const auto end = begin + static_cast<ptrdiff_t>(range_.end);
  if (end != elements_.end()) std::nth_element(begin, end, elements_.end(), comes_before);
  std::sort(begin, end, comes_before);
}

SortValue Sorting::Lookup(const SortPattern& pattern, std::string_view element) {
  if (pattern.element) return {.text = element};
  if (!pattern.has_star) return {};
  name_.assign(pattern.before).append(element).append(pattern.after);
  constexpr uint64_t kLookup = 64;  // about what one costs as if it were bytes
  budget_.Spend(kLookup + name_.size() + pattern.field.size());
  const KeyEntry* const entry = context_.Find(KeyRef(context_.db(), name_));
  if (entry == nullptr) return {};
  if (pattern.field.empty()) return {.string = entry->As<StringObject>()};
  const auto* const hash = entry->As<Hash>();
  if (hash == nullptr) return {};
  const std::optional<Field> field = hash->Find(pattern.field);
  if (!field) return {};
  if (hash->expiring() > 0 && Expired(hash->ExpiryOf(pattern.field), context_.now_ms())) return {};
  return {.text = field->value};
}

void Sorting::ReplyValue(const SortValue& value) {
  if (value.string != nullptr) {
    budget_.Spend(value.string->size());
    if (!budget_.spent()) ReplyBytes(context_, *value.string, 0, value.string->size());
  } else if (value.text) {
    budget_.Spend(value.text->size());
    if (!budget_.spent()) context_.reply().Bulk(*value.text);
  } else {
    context_.reply().Null();
  }
}

void Sorting::Reply() {
  ReplyWriter& reply = context_.reply();
  const size_t before = reply.rope().size();
  reply.Array(range_.size() * std::max<size_t>(options_.gets.size(), 1));
  for (size_t i = range_.begin; i < range_.end; i++) {
    const std::string_view element = elements_[i].text;
    if (options_.gets.empty()) reply.Bulk(element);
    for (const SortPattern& pattern : options_.gets) {
      ReplyValue(Lookup(pattern, element));
      if (!budget_.spent()) continue;
      reply.rope().Truncate(before);
      return FailBudget();
    }
  }
}

// Copies: the key that they are stored at may be the one that was sorted, or one of those that the
// patterns name. Stops when the budget is spent.
StringRow Sorting::Collect() {
  StringRow values;
  for (size_t i = range_.begin; i < range_.end; i++) {
    const std::string_view element = elements_[i].text;
    if (options_.gets.empty()) values.Add(element);
    for (const SortPattern& pattern : options_.gets) {
      const SortValue value = Lookup(pattern, element);
      constexpr uint64_t kEntry = 16;
      budget_.Spend(kEntry + (value.string != nullptr ? value.string->size()
                              : value.text            ? value.text->size()
                                                      : 0));
      if (budget_.spent()) return values;
      if (value.string != nullptr) {
        values.Add(value.string->ToString());
      } else {
        values.Add(value.text.value_or(std::string_view()));
      }
    }
  }
  return values;
}

void Sorting::Store() {
  const StringRow values = Collect();
  if (budget_.spent()) return FailBudget();
  if (context_.FailIfTooManyChanges(values.EffectBytes())) return;
  const KeyRef target = context_.Key(*options_.target);
  const bool existed = context_.Peek(target) != nullptr;
  if (existed) context_.Apply(KeyRemove{target}, values.empty() ? 1 : 0);
  if (values.empty()) {
    if (existed) NotifyDeleted(context_, target);
    return context_.reply().Integer(0);
  }
  values.ForEachPart([&](std::span<const std::string_view> part) {
    context_.Apply(ListPush{target, ListEnd::kBack, part}, part.size());
  });
  // Counts as an access to the new key.
  (void)context_.FindForWrite(target);
  if (!existed) NotifyNew(context_, target);
  context_.Notify(kNotifyList, "sortstore", target);
  context_.reply().Integer(static_cast<int64_t>(values.size()));
}

void Sorting::Run() {
  if (!Load()) return;
  // A set has no order that could be kept: what is stored, and what a script gets, is sorted by its
  // bytes.
  const bool forced =
      is_set_ && !options_.sorts() && (options_.target.has_value() || context_.in_script());
  by_text_ = options_.alpha || forced;
  use_by_ = options_.by.has_value() && !forced;
  if (options_.sorts() || forced) {
    const bool are_numbers = Weigh();
    if (budget_.spent()) return FailBudget();
    if (!are_numbers) {
      return context_.reply().Error("ERR One or more scores can't be converted into double");
    }
    Arrange();
  }
  options_.target ? Store() : Reply();
}

void RunSort(Context& context, bool may_store) {
  SortOptions options;
  if (!ReadSortOptions(context, may_store, &options)) return;
  Sorting(context, options).Run();
}

}  // namespace

void Sort(Context& context) {
  RunSort(context, true);
}

void SortRo(Context& context) {
  RunSort(context, false);
}

}  // namespace runnel::commands
