#include <algorithm>

#include "commands/stream/arguments.h"
#include "commands/stream/commands.h"
#include "commands/stream/retention.h"
#include "commands/stream/trim.h"
#include "commands/topic/partitions.h"
#include "effects/stream_effects.h"

namespace runnel::commands {

namespace {

// How many of the oldest entries a trim removes that is not ACKED. What removing them looks at is
// in memory afterwards.
uint64_t PlanDrop(const Stream& stream, const TrimOptions& options,
                  const EntryLog::Addition* added) {
  if (options.references != References::kDelete) return stream.PlanTrim(options.trim, added);
  return stream.PlanExactTrim(options.trim, added);
}

// DELREF: the groups forget all that lies before the first entry, also what was deleted earlier.
void ForgetTrimmed(Context& context, const KeyRef& key, const Stream& stream) {
  const StreamId last = stream.length() == 0 ? StreamId::Max() : *stream.first_id().Previous();
  if (stream.IsPendingUpTo(last)) context.Apply(StreamForget{key, last}, 0);
}

}  // namespace

void FetchForTrim(const Stream& stream, const TrimOptions& options,
                  const EntryLog::Addition& added) {
  if (!stream.has_cold()) return;
  if (options.references == References::kAcked) {
    stream.PlanAckedTrim(options.trim, true);
  } else {
    PlanDrop(stream, options, &added);
  }
}

uint64_t Trim(Context& context, const KeyRef& key, const Stream& stream, const TrimOptions& options,
              TrimCounts counts) {
  const bool counted = counts == TrimCounts::kEntries;
  const uint64_t length = stream.length();
  if (options.references == References::kAcked) {
    const AckedEntries found = stream.PlanAckedTrim(options.trim);
    if (found.entries > 0) RemoveRanges(context, key, found.bounds);
    if (counted) context.CountElements(found.entries);
  } else {
    const uint64_t count = PlanDrop(stream, options, nullptr);
    if (count > 0) context.Apply(StreamDropOldest{key, count, false}, counted ? count : 0);
    if (options.references == References::kDelete) ForgetTrimmed(context, key, stream);
  }
  const uint64_t removed = length - stream.length();
  if (removed > 0) context.Notify(kNotifyStream, "xtrim", key);
  return removed;
}

void XTrim(Context& context) {
  TrimOptions options;
  for (size_t i = 2; i < context.argc(); i++) {
    const OptionRead read = ReadTrimOption(context, &i, &options);
    if (read == OptionRead::kUnknown) context.reply().Error(kSyntaxError);
    if (read != OptionRead::kTaken) return;
  }
  if (!FinishTrimOptions(context, true, &options)) return;
  const KeyRef key = context.Key(1);
  const Stream* stream;
  if (!context.ReadForWrite(key, &stream)) return;
  if (stream == nullptr && FailIfPartition(context, 1)) return;
  const uint64_t removed =
      stream == nullptr ? 0 : Trim(context, key, *stream, options, TrimCounts::kEntries);
  context.reply().Integer(static_cast<int64_t>(removed));
}

void XDel(Context& context) {
  const KeyRef key = context.Key(1);
  const Stream* stream;
  if (!context.ReadForWrite(key, &stream)) return;
  if (stream == nullptr && FailIfPartition(context, 1)) return;
  if (stream == nullptr) return context.reply().Integer(0);
  IdList ids;
  if (!ReadIds(context, context.args().subspan(2), &ids)) return;
  stream->Require(ids);
  ids.erase(std::remove_if(ids.begin(), ids.end(),
                           [stream](StreamId id) { return !stream->Contains(id); }),
            ids.end());
  if (ids.empty()) return context.reply().Integer(0);
  // The difference, because an ID may be named twice.
  const uint64_t length = stream->length();
  context.Apply(StreamRemove{key, Removal::kDeleted, ids}, ids.size());
  context.Notify(kNotifyStream, "xdel", key);
  context.reply().Integer(static_cast<int64_t>(length - stream->length()));
}

namespace {

// Answers of XDELEX for one ID.
constexpr int64_t kNoSuchId = -1;
constexpr int64_t kDeleted = 1;
constexpr int64_t kStillNeeded = 2;

// What XDELEX does with its IDs.
struct Deletion {
  absl::InlinedVector<int64_t, 16> answers;
  IdList ids;            // to be removed
  bool entries = false;  // some of them are entries, not only references
};

bool IsPendingAnywhere(const Stream& stream, StreamId id) {
  for (const auto& [name, group] : stream.groups()) {
    if (group->pending().Contains(id)) return true;
  }
  return false;
}

Deletion PlanDeletion(const Stream& stream, const IdList& ids, References references) {
  Deletion plan;
  stream.Require(ids);
  RepeatFinder repeats(ids);
  for (const StreamId id : ids) {
    if (references == References::kAcked && stream.IsReferenced(id)) {
      plan.answers.push_back(kStillNeeded);
      continue;
    }
    const bool exists = !repeats.IsRepeat(id) && stream.Contains(id);
    plan.answers.push_back(exists ? kDeleted : kNoSuchId);
    plan.entries |= exists;
    // DELREF also clears what groups remember of an entry that is gone already.
    const bool dangling = references == References::kDelete && IsPendingAnywhere(stream, id);
    if (exists || dangling) plan.ids.push_back(id);
  }
  return plan;
}

}  // namespace

void XDelEx(Context& context) {
  const KeyRef key = context.Key(1);
  const Stream* stream;
  if (!context.ReadForWrite(key, &stream)) return;
  if (stream == nullptr && FailIfPartition(context, 1)) return;
  References references = References::kKeep;
  std::span<const std::string_view> texts;
  if (!ReadIdsBlock(context, 2, &references, &texts)) return;
  IdList ids;
  if (stream != nullptr && !ReadIds(context, texts, &ids)) return;
  Deletion plan;
  if (stream == nullptr) {
    plan.answers.resize(texts.size(), kNoSuchId);
  } else {
    plan = PlanDeletion(*stream, ids, references);
  }
  if (!plan.ids.empty()) {
    const bool with_references = references == References::kDelete;
    context.Apply(StreamRemove{
        key, with_references ? Removal::kDeletedWithReferences : Removal::kDeleted, plan.ids});
  }
  if (plan.entries) context.Notify(kNotifyStream, "xdel", key);
  context.reply().Array(plan.answers.size());
  for (const int64_t answer : plan.answers) {
    context.reply().Integer(answer);
  }
}

}  // namespace runnel::commands
