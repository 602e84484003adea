#include "effects/list_effects.h"

#include <optional>
#include <string>
#include <vector>

#include "data/list/list.h"
#include "effects/families.h"
#include "effects/foresight.h"

namespace runnel {
namespace {

void PushAt(List& list, ListEnd end, std::string_view value) {
  end == ListEnd::kFront ? list.PushFront(value) : list.PushBack(value);
}

// Takes `count` elements from one end. REQUIRES: 1 <= count <= size.
void Drop(List& list, ListEnd end, uint64_t count) {
  if (count == 1) {
    end == ListEnd::kFront ? list.PopFront() : list.PopBack();
  } else {
    list.Trim(end == ListEnd::kFront ? count : 0, list.size() - count);
  }
}

// The position of the first of `count` elements at one end.
size_t FirstAt(const List& list, ListEnd end, uint64_t count) {
  return end == ListEnd::kFront ? 0 : list.size() - count;
}

// Pushes the `count` elements at `end` of `source` on another list so that they have their order
// there, or the opposite one.
void PushBlock(const List& source, ListEnd end, uint64_t count, List& target, ListEnd to_end,
               bool reversed) {
  if (count == 1) {
    return PushAt(target, to_end, end == ListEnd::kFront ? source.Front() : source.Back());
  }
  const size_t first = FirstAt(source, end, count);
  const bool forward = (to_end == ListEnd::kBack) != reversed;
  List::Iterator it = source.Seek(forward ? first : first + count - 1);
  for (uint64_t i = 0; i < count; i++) {
    PushAt(target, to_end, it.value());
    forward ? it.Next() : it.Previous();
  }
}

// Moves elements within one list. Each is pushed before it is popped, so that the list is never
// empty.
void Rotate(List& list, ListEnd from_end, uint64_t count) {
  const ListEnd to_end = from_end == ListEnd::kFront ? ListEnd::kBack : ListEnd::kFront;
  for (uint64_t i = 0; i < count; i++) {
    PushAt(list, to_end, from_end == ListEnd::kFront ? list.Front() : list.Back());
    Drop(list, from_end, 1);
  }
}

void ReverseBlock(List& list, ListEnd end, uint64_t count) {
  const size_t first = FirstAt(list, end, count);
  std::vector<std::string> block;
  block.reserve(count);
  for (List::Iterator it = list.Seek(first); block.size() < count; it.Next()) {
    block.emplace_back(it.value());
  }
  Drop(list, end, count);
  // What is pushed last lies at the end itself.
  if (end == ListEnd::kFront) {
    for (const std::string& value : block)
      list.PushFront(value);
  } else {
    for (auto value = block.rbegin(); value != block.rend(); ++value)
      list.PushBack(*value);
  }
}

constexpr Misfit kShorter("the list has fewer elements");
constexpr Misfit kNoElements("it concerns no element");

// Whether there is a list with at least `count` elements.
Misfit FitsSize(const Keyspace& keyspace, const KeyRef& key, uint64_t count) {
  const List* list = nullptr;
  const Misfit misfit = FitsValue(keyspace, key, &list);
  if (!misfit.fits()) return misfit;
  return list->size() < count ? kShorter : Misfit();
}

bool IsEnd(ListEnd end) {
  return end == ListEnd::kFront || end == ListEnd::kBack;
}
constexpr Misfit kNoEnd("there is no such end of a list");

// The ranges of a ListErase; nothing if they are no such ranges, or not all in a list of this size.
std::optional<std::vector<List::Range>> DecodeRanges(std::string_view bytes, uint64_t size) {
  std::vector<List::Range> ranges;
  uint64_t end = 0;
  Decoder in(bytes);
  while (!in.done()) {
    const uint64_t gap = in.Varint();
    const uint64_t count = in.Varint();
    if (!in.ok() || count == 0 || gap > size - end || count > size - end - gap) return {};
    ranges.push_back({end + gap, count});
    end += gap + count;
  }
  return ranges;
}

constexpr Misfit kNoListThere("a companion has no lists");

}  // namespace

Misfit ListPush::Fits(const Keyspace& keyspace) const {
  if (IsCompanion(key.db)) return kNoListThere;
  if (!IsEnd(end)) return kNoEnd;
  if (values.empty()) return kNoElements;
  const List* list = nullptr;
  return FitsValueOrNothing(keyspace, key, &list);
}

void ListPush::Shift(Foresight& foresight) const {
  if (ForeseenList* list = foresight.ListAt(key)) list->Push(end == ListEnd::kFront, values.size());
}

void ListPush::Apply(Keyspace& keyspace) const {
  if (List* list = keyspace.MutableIf<List>(key)) {
    for (const std::string_view value : values)
      PushAt(*list, end, value);
    keyspace.Changed(key, KeyChange::kGrown);
    return;
  }
  auto list = std::make_unique<List>();
  for (const std::string_view value : values)
    PushAt(*list, end, value);
  keyspace.Put(key, std::move(list));
}

Misfit ListPop::Fits(const Keyspace& keyspace) const {
  if (!IsEnd(end)) return kNoEnd;
  if (count == 0) return kNoElements;
  return FitsSize(keyspace, key, count);
}

void ListPop::Shift(Foresight& foresight) const {
  if (ForeseenList* list = foresight.ListAt(key)) list->Drop(end == ListEnd::kFront, count);
}

void ListPop::Apply(Keyspace& keyspace) const {
  List& list = keyspace.Mutable<List>(key);
  // The whole list goes in one piece: it may be long, and is then freed elsewhere.
  if (count == list.size()) return keyspace.Remove(key);
  Drop(list, end, count);
  keyspace.Changed(key, KeyChange::kModified);
}

Misfit ListSet::Fits(const Keyspace& keyspace) const {
  if (index == UINT64_MAX) return kShorter;
  return FitsSize(keyspace, key, index + 1);
}

void ListSet::Foresee(Foresight& foresight) const {
  if (const ForeseenList* list = foresight.ListAt(key)) list->Look(index, 1, foresight.looks());
}

void ListSet::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<List>(key).Set(index, value);
  keyspace.Changed(key, KeyChange::kModified);
}

Misfit ListInsert::Fits(const Keyspace& keyspace) const {
  return FitsSize(keyspace, key, index);
}

void ListInsert::Foresee(Foresight& foresight) const {
  ForeseenList* const list = foresight.ListAt(key);
  if (list == nullptr) return;
  list->LookToInsert(index, foresight.looks());
  list->Insert(index);
}

void ListInsert::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<List>(key).Insert(index, value);
  keyspace.Changed(key, KeyChange::kGrown);
}

Misfit ListRemove::Fits(const Keyspace& keyspace) const {
  return FitsSize(keyspace, key, 0);
}

void ListRemove::Foresee(Foresight& foresight) const {
  if (ForeseenList* list = foresight.ListAt(key)) list->LookAtAll(foresight.looks());
}

void ListRemove::Apply(Keyspace& keyspace) const {
  List& list = keyspace.Mutable<List>(key);
  list.Remove(value, count);
  if (list.empty()) return keyspace.Remove(key);
  keyspace.Changed(key, KeyChange::kModified);
}

Misfit ListErase::Fits(const Keyspace& keyspace) const {
  const List* list = nullptr;
  const Misfit misfit = FitsValue(keyspace, key, &list);
  if (!misfit.fits()) return misfit;
  return DecodeRanges(ranges, list->size()) ? Misfit()
                                            : Misfit("the ranges do not lie in the list");
}

void ListErase::Shift(Foresight& foresight) const {
  ForeseenList* const list = foresight.ListAt(key);
  if (list == nullptr) return;
  if (const auto erased = DecodeRanges(ranges, list->size())) list->Erase(*erased);
}

void ListErase::Apply(Keyspace& keyspace) const {
  List& list = keyspace.Mutable<List>(key);
  const auto erased = DecodeRanges(ranges, list.size());
  CHECK(erased.has_value());
  list.Erase(*erased);
  if (list.empty()) return keyspace.Remove(key);
  keyspace.Changed(key, KeyChange::kModified);
}

Misfit ListTrim::Fits(const Keyspace& keyspace) const {
  if (count == 0) return FitsSize(keyspace, key, 0);
  if (start > UINT64_MAX - count) return kShorter;
  return FitsSize(keyspace, key, start + count);
}

void ListTrim::Shift(Foresight& foresight) const {
  ForeseenList* const list = foresight.ListAt(key);
  if (list == nullptr || list->size() < start + count) return;
  const uint64_t after = list->size() - start - count;
  list->Drop(true, start);
  list->Drop(false, count == 0 ? list->size() : after);
}

void ListTrim::Apply(Keyspace& keyspace) const {
  if (count == 0) return keyspace.Remove(key);
  keyspace.Mutable<List>(key).Trim(start, count);
  keyspace.Changed(key, KeyChange::kModified);
}

Misfit ListMove::Fits(const Keyspace& keyspace) const {
  if (IsCompanion(to.db)) return kNoListThere;
  if (!IsEnd(from_end) || !IsEnd(to_end)) return kNoEnd;
  if (count == 0) return kNoElements;
  if (reversed && from_end != to_end) return Misfit("both ends would have to be the same");
  const List* target = nullptr;
  const Misfit misfit = FitsValueOrNothing(keyspace, to, &target);
  return misfit.fits() ? FitsSize(keyspace, from, count) : misfit;
}

void ListMove::Foresee(Foresight& foresight) const {
  const bool same = from.db == to.db && from.name == to.name;
  if (ForeseenList* source = foresight.ListAt(from)) {
    const uint64_t size = source->size();
    if (size < count || (same && from_end == to_end && !reversed)) return;
    const bool front = from_end == ListEnd::kFront;
    source->Look(front ? 0 : size - count, count, foresight.looks());
    source->Drop(front, count);
  }
  if (ForeseenList* target = foresight.ListAt(to)) target->Push(to_end == ListEnd::kFront, count);
}

void ListMove::Apply(Keyspace& keyspace) const {
  List& source = keyspace.Mutable<List>(from);
  if (from.db == to.db && from.name == to.name) {
    if (from_end != to_end) {
      Rotate(source, from_end, count);
    } else if (reversed) {
      ReverseBlock(source, from_end, count);
    }
    return keyspace.Changed(from, KeyChange::kModified);
  }
  if (List* target = keyspace.MutableIf<List>(to)) {
    PushBlock(source, from_end, count, *target, to_end, reversed);
    keyspace.Changed(to, KeyChange::kGrown);
  } else {
    auto made = std::make_unique<List>();
    PushBlock(source, from_end, count, *made, to_end, reversed);
    keyspace.Put(to, std::move(made));
  }
  if (count == source.size()) return keyspace.Remove(from);
  Drop(source, from_end, count);
  keyspace.Changed(from, KeyChange::kModified);
}

std::span<const EffectKind> ListEffects() {
  static constexpr EffectKind kKinds[] = {
      KindOf<ListPush>("list-push"),     KindOf<ListPop>("list-pop"),
      KindOf<ListSet>("list-set"),       KindOf<ListInsert>("list-insert"),
      KindOf<ListRemove>("list-remove"), KindOf<ListTrim>("list-trim"),
      KindOf<ListMove>("list-move"),     KindOf<ListErase>("list-erase"),
  };
  return kKinds;
}

}  // namespace runnel
