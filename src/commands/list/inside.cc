#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "commands/arguments.h"
#include "commands/key_events.h"
#include "commands/list/commands.h"
#include "data/list/list.h"
#include "data/list/search.h"

namespace runnel::commands {
namespace {

// The position that an index names, where negative ones count from the end; nothing if it names
// none.
std::optional<size_t> PositionOf(int64_t index, size_t size) {
  const int64_t length = static_cast<int64_t>(size);
  if (index < 0) index += length;
  if (index < 0 || index >= length) return std::nullopt;
  return static_cast<size_t>(index);
}

struct Range {
  size_t start = 0;
  size_t count = 0;
};

// The elements from `start` to `stop`, both included, as far as there are any.
Range RangeOf(int64_t start, int64_t stop, size_t size) {
  const int64_t length = static_cast<int64_t>(size);
  if (start < 0) start = std::max<int64_t>(start + length, 0);
  if (stop < 0) stop += length;
  stop = std::min(stop, length - 1);
  if (start > stop) return {};
  return {static_cast<size_t>(start), static_cast<size_t>(stop - start + 1)};
}

struct PosOptions {
  int64_t rank = 1;
  std::optional<int64_t> count;  // 0: all
  int64_t max_length = 0;        // 0: no limit
};

bool ReadRank(Context& context, std::string_view text, int64_t* rank) {
  if (!ReadInteger(context, text, rank)) return false;
  if (*rank == 0) {
    context.reply().Error(
        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
        "negative to start from the end of the list");
    return false;
  }
  // The least integer has no opposite to count with.
  if (*rank == std::numeric_limits<int64_t>::min()) {
    context.reply().Error(
        "ERR value is out of range, value must between -9223372036854775807 and "
        "9223372036854775807");
    return false;
  }
  return true;
}

bool ReadPosOptions(Context& context, PosOptions* options) {
  for (size_t i = 3; i < context.argc(); i += 2) {
    const std::string_view option = context.arg(i);
    if (i + 1 == context.argc()) {
      context.reply().Error(kSyntaxError);
      return false;
    }
    const std::string_view value = context.arg(i + 1);
    if (Is(option, "RANK")) {
      if (!ReadRank(context, value, &options->rank)) return false;
    } else if (Is(option, "COUNT")) {
      int64_t count;
      if (!ReadInteger(context, value, &count, "ERR COUNT can't be negative", 0)) return false;
      options->count = count;
    } else if (Is(option, "MAXLEN")) {
      if (!ReadInteger(context, value, &options->max_length, "ERR MAXLEN can't be negative", 0)) {
        return false;
      }
    } else {
      context.reply().Error(kSyntaxError);
      return false;
    }
  }
  return true;
}

// The positions of the elements equal to `value` that are met first. Looks at what is on the disk
// in small pieces; the command may be run again for each of them.
std::vector<uint64_t> Search(Context& context, const List& list, std::string_view value,
                             const ListSearch::Order& order) {
  std::unique_ptr<ColdProgress>& progress = context.progress();
  if (progress == nullptr) progress = std::make_unique<ListSearch>();
  return static_cast<ListSearch&>(*progress).Find(list, value, order);
}

// The positions of the elements equal to `value` that the options ask for, in the order in which
// they are met.
std::vector<uint64_t> FindPositions(Context& context, const List& list, std::string_view value,
                                    const PosOptions& options) {
  std::vector<uint64_t> found;
  const bool from_back = options.rank < 0;
  const uint64_t size = list.size();
  const uint64_t limit =
      options.max_length == 0 ? size : std::min(size, static_cast<uint64_t>(options.max_length));
  uint64_t wanted = static_cast<uint64_t>(options.count.value_or(1));
  if (wanted == 0) wanted = size;
  const uint64_t skipped = static_cast<uint64_t>(from_back ? -options.rank : options.rank) - 1;
  if (list.has_cold()) {
    const uint64_t most = skipped > size - std::min(wanted, size) ? size : skipped + wanted;
    found = Search(context, list, value,
                   {.from_back = from_back, .wanted = most, .most_looked = limit});
    found.erase(found.begin(),
                found.begin() + static_cast<ptrdiff_t>(std::min<uint64_t>(skipped, found.size())));
    return found;
  }
  uint64_t to_skip = skipped;
  List::Iterator it = list.Seek(from_back ? size - 1 : 0);
  for (uint64_t i = 0; i < limit && found.size() < wanted; i++) {
    if (it.value() == value) {
      if (to_skip == 0) {
        found.push_back(from_back ? size - 1 - i : i);
      } else {
        to_skip--;
      }
    }
    from_back ? it.Previous() : it.Next();
  }
  return found;
}

// Whether any element is equal to `value`.
bool HasEqual(const List& list, std::string_view value, bool from_back) {
  const size_t size = list.size();
  List::Iterator it = list.Seek(from_back ? size - 1 : 0);
  for (size_t i = 0; i < size; i++) {
    if (it.value() == value) return true;
    from_back ? it.Previous() : it.Next();
  }
  return false;
}

// As ListErase has them.
std::string EncodeRanges(std::span<const List::Range> ranges) {
  std::string bytes;
  Encoder encoder(&bytes);
  uint64_t end = 0;
  for (const List::Range& range : ranges) {
    encoder.Varint(range.begin - end);
    encoder.Varint(range.count);
    end = range.begin + range.count;
  }
  return bytes;
}

}  // namespace

void LLen(Context& context) {
  const List* list;
  if (!context.Read(context.Key(1), &list)) return;
  context.reply().Integer(list == nullptr ? 0 : static_cast<int64_t>(list->size()));
}

void LIndex(Context& context) {
  const List* list;
  if (!context.Read(context.Key(1), &list)) return;
  if (list == nullptr) return context.reply().Null();
  int64_t index;
  if (!ReadInteger(context, context.arg(2), &index)) return;
  const std::optional<size_t> position = PositionOf(index, list->size());
  if (!position) return context.reply().Null();
  context.reply().Bulk(list->At(*position));
}

void LRange(Context& context) {
  int64_t start;
  int64_t stop;
  if (!ReadInteger(context, context.arg(2), &start)) return;
  if (!ReadInteger(context, context.arg(3), &stop)) return;
  const List* list;
  if (!context.Read(context.Key(1), &list)) return;
  if (list == nullptr) return context.reply().Array(0);
  const Range range = RangeOf(start, stop, list->size());
  list->Require(range.start, range.count);
  ReplyWriter& reply = context.reply();
  reply.Array(range.count);
  List::Iterator it = list->Seek(range.start);
  for (size_t i = 0; i < range.count; i++) {
    reply.Bulk(it.value());
    it.Next();
  }
}

void LPos(Context& context) {
  PosOptions options;
  if (!ReadPosOptions(context, &options)) return;
  const List* list;
  if (!context.Read(context.Key(1), &list)) return;
  std::vector<uint64_t> found;
  if (list != nullptr) found = FindPositions(context, *list, context.arg(2), options);
  if (!options.count) {
    if (found.empty()) return context.reply().Null();
    return context.reply().Integer(static_cast<int64_t>(found[0]));
  }
  context.reply().Array(found.size());
  for (const uint64_t position : found) {
    context.reply().Integer(static_cast<int64_t>(position));
  }
}

void LSet(Context& context) {
  const KeyRef key = context.Key(1);
  const List* list;
  if (!context.ReadForWrite(key, &list)) return;
  if (list == nullptr) return context.reply().Error(kNoSuchKey);
  int64_t index;
  if (!ReadInteger(context, context.arg(2), &index)) return;
  const std::optional<size_t> position = PositionOf(index, list->size());
  if (!position) return context.reply().Error(kIndexOutOfRange);
  list->Require(*position, 1);
  context.Apply(ListSet{key, *position, context.arg(3)});
  context.Notify(kNotifyList, "lset", key);
  context.reply().Ok();
}

void LInsert(Context& context) {
  const bool after = Is(context.arg(2), "AFTER");
  if (!after && !Is(context.arg(2), "BEFORE")) return context.reply().Error(kSyntaxError);
  const KeyRef key = context.Key(1);
  const List* list;
  if (!context.ReadForWrite(key, &list)) return;
  if (list == nullptr) return context.reply().Integer(0);
  const std::vector<uint64_t> pivot = FindPositions(context, *list, context.arg(3), {});
  if (pivot.empty()) return context.reply().Integer(-1);
  const size_t size = list->size() + 1;
  const uint64_t index = pivot.front() + (after ? 1 : 0);
  list->RequireToInsert(index);
  context.Apply(ListInsert{key, index, context.arg(4)});
  context.Notify(kNotifyList, "linsert", key);
  context.reply().Integer(static_cast<int64_t>(size));
}

void LRem(Context& context) {
  int64_t count;
  if (!ReadInteger(context, context.arg(2), &count)) return;
  const KeyRef key = context.Key(1);
  const List* list;
  if (!context.ReadForWrite(key, &list)) return;
  const std::string_view value = context.arg(3);
  if (list == nullptr) return context.reply().Integer(0);
  const bool from_back = count < 0;
  const size_t before = list->size();
  if (list->has_cold()) {
    const uint64_t magnitude =
        from_back ? -static_cast<uint64_t>(count) : static_cast<uint64_t>(count);
    const uint64_t wanted = count == 0 ? before : magnitude;
    std::vector<uint64_t> found =
        Search(context, *list, value, {.from_back = from_back, .wanted = wanted});
    if (found.empty()) return context.reply().Integer(0);
    context.Apply(ListErase{key, EncodeRanges(ListSearch::ToRanges(&found))}, 0);
  } else {
    if (!HasEqual(*list, value, from_back)) return context.reply().Integer(0);
    context.Apply(ListRemove{key, count, value}, 0);
  }
  const KeyEntry* entry = context.keyspace().Find(key);
  const size_t after = entry == nullptr ? 0 : entry->As<List>()->size();
  context.CountElements(before - after);
  context.Notify(kNotifyList, "lrem", key);
  if (after == 0) NotifyDeleted(context, key);
  context.reply().Integer(static_cast<int64_t>(before - after));
}

void LTrim(Context& context) {
  int64_t start;
  int64_t stop;
  if (!ReadInteger(context, context.arg(2), &start)) return;
  if (!ReadInteger(context, context.arg(3), &stop)) return;
  const KeyRef key = context.Key(1);
  const List* list;
  if (!context.ReadForWrite(key, &list)) return;
  if (list == nullptr) return context.reply().Ok();
  // Also where nothing goes: the key counts as touched for sessions that watch it.
  const Range range = RangeOf(start, stop, list->size());
  context.Apply(ListTrim{key, range.start, range.count}, list->size() - range.count);
  context.Notify(kNotifyList, "ltrim", key);
  if (range.count == 0) NotifyDeleted(context, key);
  context.reply().Ok();
}

}  // namespace runnel::commands
