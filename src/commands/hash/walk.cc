#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "base/glob.h"
#include "base/numbers.h"
#include "base/random.h"
#include "commands/arguments.h"
#include "commands/hash/commands.h"
#include "commands/hash/live.h"
#include "commands/repeats.h"

namespace runnel::commands {
namespace {

// What of each field a reply has.
enum class FieldPart { kNames, kValues, kBoth };

void WriteField(ReplyWriter& reply, const Field& field, FieldPart part) {
  if (part != FieldPart::kValues) reply.Bulk(field.name);
  if (part != FieldPart::kNames) reply.Bulk(field.value);
}

template <class Visit>
void ForEachLiveField(const Hash& hash, int64_t now_ms, Visit visit) {
  if (hash.expiring() == 0) return hash.fields().ForEach(visit);
  hash.fields().ForEach([&](const Field& field) {
    if (IsLive(hash, field.name, now_ms)) visit(field);
  });
}

void ReplyAllFields(Context& context, FieldPart part) {
  const Hash* hash;
  if (!context.Read(context.Key(1), &hash)) return;
  ReplyWriter& reply = context.reply();
  const size_t size = LiveSize(hash, context.now_ms());
  part == FieldPart::kBoth ? reply.Map(size) : reply.Array(size);
  if (size == 0) return;
  ForEachLiveField(*hash, context.now_ms(),
                   [&](const Field& field) { WriteField(reply, field, part); });
}

struct HashScan {
  int64_t count = 10;
  std::string_view pattern = "*";
  FieldPart part = FieldPart::kBoth;
};

bool ReadHashScan(Context& context, HashScan* scan) {
  for (size_t i = 3; i < context.argc(); i++) {
    const std::string_view option = context.arg(i);
    const bool has_value = i + 1 < context.argc();
    if (Is(option, "NOVALUES")) {
      scan->part = FieldPart::kNames;
      continue;
    }
    if (has_value && Is(option, "COUNT")) {
      if (!ReadInteger(context, context.arg(++i), &scan->count)) return false;
      if (scan->count >= 1) continue;
    } else if (has_value && Is(option, "MATCH")) {
      scan->pattern = context.arg(++i);
      continue;
    }
    return Fail(context, kSyntaxError);
  }
  return true;
}

// Draws from the living fields of a hash, of which there is at least one.
class FieldDraw {
 public:
  FieldDraw(Context& context, const Hash& hash)
      : random_(context.random()), hash_(hash), now_ms_(context.now_ms()) {}

  // Any field, each with the same probability.
  Field Next() {
    // Nearly all fields live, or upkeep is about to remove the others.
    constexpr int kDraws = 100;
    for (int draw = 0; draw < kDraws && places_.empty(); draw++) {
      const Field field = hash_.fields().Random(random_.Next());
      if (IsLive(hash_, field.name, now_ms_)) return field;
    }
    ListPlaces();
    return hash_.fields().At(places_[random_.Below(places_.size())]);
  }

  // `count` different fields, in an arbitrary order. REQUIRES: so many live.
  template <class Visit>
  void Distinct(size_t count, Visit visit) {
    const size_t live = LiveSize(&hash_, now_ms_);
    // With fewer, drawing again what was drawn already is rare.
    constexpr size_t kShare = 3;
    if (count * kShare < live && hash_.size() < 2 * live) {
      absl::flat_hash_set<std::string_view> drawn;
      while (drawn.size() < count) {
        const Field field = Next();
        if (drawn.insert(field.name).second) visit(field);
      }
      return;
    }
    ListPlaces();
    for (size_t i = 0; i < count; i++) {
      std::swap(places_[i], places_[i + random_.Below(places_.size() - i)]);
      visit(hash_.fields().At(places_[i]));
    }
  }

 private:
  void ListPlaces() {
    if (!places_.empty()) return;
    hash_.fields().ForEachPlace([&](FieldTable::Place place) {
      if (IsLive(hash_, hash_.fields().At(place).name, now_ms_)) places_.push_back(place);
    });
  }

  Random& random_;
  const Hash& hash_;
  const int64_t now_ms_;
  std::vector<FieldTable::Place> places_;  // of all living fields, once they were listed
};

void ReplyRandomFields(Context& context, const Hash& hash, int64_t count, bool with_values) {
  ReplyWriter& reply = context.reply();
  const auto live = static_cast<int64_t>(LiveSize(&hash, context.now_ms()));
  if (live == 0 || count == 0) return reply.Array(0);
  RepeatBound bound(context);
  if (count < 0 && !bound.Allows(static_cast<uint64_t>(-count))) return;
  const auto fields = static_cast<size_t>(count < 0 ? -count : std::min(count, live));
  const bool in_pairs = with_values && reply.protocol() == 3;
  reply.Array(with_values && !in_pairs ? 2 * fields : fields);
  const auto write = [&](const Field& field) {
    if (in_pairs) reply.Array(2);
    WriteField(reply, field, with_values ? FieldPart::kBoth : FieldPart::kNames);
  };
  if (count >= live) return ForEachLiveField(hash, context.now_ms(), write);
  FieldDraw draw(context, hash);
  if (count > 0) return draw.Distinct(fields, write);
  for (size_t i = 0; i < fields; i++) {
    write(draw.Next());
    if (!bound.Holds()) return;
  }
}

}  // namespace

void HGetAll(Context& context) {
  ReplyAllFields(context, FieldPart::kBoth);
}
void HKeys(Context& context) {
  ReplyAllFields(context, FieldPart::kNames);
}
void HVals(Context& context) {
  ReplyAllFields(context, FieldPart::kValues);
}

// A hash that is small to clients is shown as a whole, as in Redis. Of another one, buckets are
// shown until there are enough fields.
void HScan(Context& context) {
  const std::optional<uint64_t> start = ParseDigits(context.arg(2));
  if (!start) return context.reply().Error("ERR invalid cursor");
  const Hash* hash;
  if (!context.Read(context.Key(1), &hash)) return;
  ReplyWriter& reply = context.reply();
  if (hash == nullptr) {
    reply.Array(2);
    reply.Bulk("0");
    return reply.Array(0);
  }
  HashScan scan;
  if (!ReadHashScan(context, &scan)) return;

  const uint64_t count = static_cast<uint64_t>(scan.count);
  const bool whole = hash->EncodingUnder(context.options().encoding_limits) != "hashtable";
  uint64_t buckets_left = count > UINT64_MAX / 10 ? UINT64_MAX : 10 * count;
  uint64_t visited = 0;
  uint64_t cursor = whole ? 0 : *start;
  std::vector<Field> fields;
  do {
    cursor = hash->fields().Scan(cursor, [&](const Field& field) {
      visited++;
      if (scan.pattern != "*" && !GlobMatch(scan.pattern, field.name)) return;
      if (IsLive(*hash, field.name, context.now_ms())) fields.push_back(field);
    });
  } while (cursor != 0 && (whole || (visited < count && --buckets_left > 0)));

  reply.Array(2);
  reply.BulkInteger(static_cast<int64_t>(cursor));
  reply.Array(scan.part == FieldPart::kBoth ? 2 * fields.size() : fields.size());
  for (const Field& field : fields) {
    WriteField(reply, field, scan.part);
  }
}

void HRandField(Context& context) {
  const Hash* hash;
  if (context.argc() == 2) {
    if (!context.Read(context.Key(1), &hash)) return;
    if (LiveSize(hash, context.now_ms()) == 0) return context.reply().Null();
    return context.reply().Bulk(FieldDraw(context, *hash).Next().name);
  }
  int64_t count;
  if (!ReadDrawCount(context, context.arg(2), &count)) return;
  const bool with_values = context.argc() == 4 && Is(context.arg(3), "WITHVALUES");
  if (context.argc() > 3 && !with_values) return context.reply().Error(kSyntaxError);
  if (with_values && !CheckPairCount(context, count)) return;
  if (!context.Read(context.Key(1), &hash)) return;
  if (hash == nullptr) return context.reply().Array(0);
  ReplyRandomFields(context, *hash, count, with_values);
}

}  // namespace runnel::commands
