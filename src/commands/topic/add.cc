#include <algorithm>
#include <array>
#include <bit>
#include <utility>
#include <vector>

#include <absl/container/fixed_array.h>

#include "commands/stream/retention.h"
#include "commands/topic/commands.h"
#include "commands/topic/partitioner.h"
#include "commands/topic/producing.h"
#include "commands/topic_group/engine.h"
#include "data/topic/record.h"
#include "effects/topic_effects.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

// Few are in place.
using Strings = absl::FixedArray<std::string_view, 16>;

uint64_t SumOfBytes(std::span<const std::string_view> texts) {
  uint64_t bytes = 0;
  for (const std::string_view text : texts) {
    bytes += text.size();
  }
  return bytes;
}

// What TADD and TADDM look at before they change anything.
struct AddTarget {
  TopicPart part;
  bool make = false;  // the topic is missing, and is to be made
  std::optional<ProducerArguments> producer;

  const TopicOptions& options(const Context& context) const {
    return make ? context.options().topic_defaults : part.topic->options();
  }
  uint32_t partitions(const Context& context) const {
    return make ? context.options().auto_create_topics : part.topic->partitions();
  }
};

// TADD's arguments after the topic.
struct RecordArguments {
  std::optional<std::string_view> key;
  bool tombstone = false;
  std::span<const std::string_view> fields;
};

bool ReadRecord(Context& context, AddTarget* target, RecordArguments* record) {
  size_t i = 2;
  for (; i < context.argc(); i++) {
    const std::string_view option = context.arg(i);
    if (option.size() == 1 && option[0] == '*') break;
    if (Is(option, "KEY") && i + 1 < context.argc()) {
      if (record->key) return Fail(context, "ERR KEY is given twice");
      record->key = context.arg(++i);
    } else if (Is(option, "PRODUCER")) {
      if (!ReadProducerArguments(context, i + 1, &target->producer)) return false;
      i += 3;
    } else if (Is(option, "TOMBSTONE")) {
      record->tombstone = true;
      break;
    } else {
      return Fail(context,
                  fmt::format("ERR unknown option '{}': give * before the fields", option));
    }
  }
  if (i == context.argc()) return Fail(context, kSyntaxError);
  record->fields = {context.args().data() + i + 1, context.argc() - i - 1};
  if (record->tombstone) {
    if (!record->fields.empty()) return Fail(context, "ERR TOMBSTONE is a record without fields");
    if (!record->key) return Fail(context, "ERR TOMBSTONE needs a KEY");
    return true;
  }
  if (!record->fields.empty() && record->fields.size() % 2 == 0) return true;
  return Fail(context, "ERR wrong number of arguments for 'tadd' command");
}

// Where a record without a partition in the request goes.
uint32_t ChoosePartition(Context& context, const AddTarget& target,
                         const std::optional<std::string_view>& key, uint64_t bytes) {
  if (target.part.partition) return *target.part.partition;
  if (!key) return TakeSticky(context, *target.part.topic, bytes);
  return PartitionOfKey(target.options(context).partitioner, *key, target.partitions(context));
}

// The partition that a command appends to.
class TargetPartition {
 public:
  TargetPartition(Context& context, const TopicPart& part, uint32_t number) {
    const uint32_t db = CompanionOf(context.db());
    KeyPlace* const place = part.topic->place(number);
    const bool known = place != nullptr && context.keyspace().Recall(db, *place, &key_);
    if (!known) key_ = KeyRef(db, name_.emplace(part.key.name, number));
    const KeyEntry* const entry = context.FindForWrite(key_);
    if (entry == nullptr) return;
    stream_ = entry->As<Stream>();
    stream_->PrefetchGrowth();
    if (!known && place != nullptr) *place = context.keyspace().PlaceOf(key_);
  }
  TargetPartition(const TargetPartition&) = delete;
  TargetPartition& operator=(const TargetPartition&) = delete;

  const KeyRef& key() const { return key_; }
  // As it was before the append; nullptr if it was never written.
  const Stream* stream() const { return stream_; }

 private:
  std::optional<PartitionName> name_;  // if it was not known
  KeyRef key_;
  const Stream* stream_ = nullptr;
};

// What follows an append.
void FinishAppend(Context& context, const TargetPartition& target) {
  context.Notify(kNotifyStream, "tadd", target.key());
  const Stream* stream = target.stream();
  if (stream == nullptr) stream = context.keyspace().Find(target.key())->As<Stream>();
  KeepRetention(context, target.key(), *stream);
}

void WriteAdded(Context& context, std::string_view partition, const AddedRecords& added,
                bool many) {
  Rope& rope = context.reply().rope();
  constexpr size_t kHeader = ReplyWriter::kMaxHeader;
  char* out = rope.Reserve(4 * kHeader + partition.size() + kMaxStreamIdText + 4);
  out = ReplyWriter::WriteHeader(out, '*', many ? 3 : 2);
  out = ReplyWriter::WriteBulk(out, partition);
  out = ReplyWriter::WriteBulkId(out, added.first);
  if (many) out = ReplyWriter::WriteHeader(out, ':', added.count);
  rope.Commit(out);
}

}  // namespace

void TAdd(Context& context) {
  AddTarget target;
  RecordArguments record;
  if (!FindOrPlanTopic(context, context.arg(1), &target.part, &target.make)) return;
  if (!ReadRecord(context, &target, &record)) return;
  const uint64_t bytes = SumOfBytes(record.fields) + (record.key ? record.key->size() : 0);
  const TopicOptions& options = target.options(context);
  if (!CheckReplicas(context, target.part, options)) return;
  if (!CheckRecordBytes(context, target.part, options, bytes)) return;
  if (!CheckRecordKey(context, target.part, options, record.key.has_value())) return;
  if (target.producer) {
    const Producer::Command* repeated = nullptr;
    if (!CheckProducer(context, target.part, *target.producer, 1, &repeated)) return;
    if (repeated != nullptr) {
      const AddedRecords& added = repeated->added.front();
      return WriteAdded(context, PartitionName(target.part.key.name, added.partition), added,
                        false);
    }
  }
  if (target.make) MakeTopic(context, &target.part);

  const uint32_t number = ChoosePartition(context, target, record.key, bytes);
  const TargetPartition partition(context, target.part, number);
  if (record.key && partition.stream() != nullptr) partition.stream()->ExpectKey(*record.key);
  const AddedRecords added = NextRecords(context, number, partition.stream(), 1);
  const bool begins = record.key || NeedsNoRecordKey(true, record.fields[0]);
  Strings fields(begins ? 2 + record.fields.size() : 0);
  std::span<const std::string_view> stored = record.fields;
  if (begins) {
    fields[0] = record.key ? kRecordKey : kNoRecordKey;
    if (record.key) fields[1] = *record.key;
    std::copy(record.fields.begin(), record.fields.end(), fields.begin() + 2);
    stored = fields;
  }
  context.Apply(RecordAdd{partition.key(), added.first.ms, stored});
  context.topic_groups().stats().added++;
  if (target.producer) AcceptCommand(context, target.part.key, *target.producer, {&added, 1});
  FinishAppend(context, partition);
  WriteAdded(context, partition.key().name, added, false);
}

namespace {

// TADDM's arguments: records of `width` values each, of which the first is the key if `keyed`.
struct ManyArguments {
  bool keyed = true;
  std::span<const std::string_view> names;
  std::span<const std::string_view> values;
  size_t width = 0;

  size_t records() const { return values.size() / width; }
  std::span<const std::string_view> Record(size_t i) const {
    return {values.data() + i * width, width};
  }
};

bool ReadMany(Context& context, AddTarget* target, ManyArguments* many) {
  size_t i = 2;
  for (; i < context.argc() && !Is(context.arg(i), "FIELDS"); i++) {
    if (Is(context.arg(i), "NOKEYS")) {
      if (!many->keyed) return Fail(context, "ERR NOKEYS is given twice");
      many->keyed = false;
    } else if (Is(context.arg(i), "PRODUCER")) {
      if (!ReadProducerArguments(context, i + 1, &target->producer)) return false;
      i += 3;
    } else {
      return Fail(context, fmt::format("ERR unknown option '{}'", context.arg(i)));
    }
  }
  if (i + 1 >= context.argc()) return Fail(context, "ERR FIELDS is missing");
  const auto most = static_cast<int64_t>(context.argc() - i - 2);
  int64_t count;
  if (!ReadInteger(context, context.arg(i + 1), &count,
                   "ERR FIELDS needs the number of names, from 1 on, and the names", 1, most)) {
    return false;
  }
  many->names = context.args().subspan(i + 2, static_cast<size_t>(count));
  i += 2 + many->names.size();
  if (i >= context.argc() || !Is(context.arg(i), "RECORDS")) {
    return Fail(context, "ERR RECORDS must follow the names of the fields");
  }
  many->values = context.args().subspan(i + 1);
  many->width = many->names.size() + (many->keyed ? 1 : 0);
  if (!many->values.empty() && many->values.size() % many->width == 0) return true;
  return Fail(context, fmt::format("ERR {} values do not fill records of {}", many->values.size(),
                                   many->width));
}

bool CheckSizes(Context& context, const AddTarget& target, const ManyArguments& many) {
  const uint64_t names = SumOfBytes(many.names);
  for (size_t i = 0; i < many.records(); i++) {
    const uint64_t bytes = names + SumOfBytes(many.Record(i));
    if (!CheckRecordBytes(context, target.part, target.options(context), bytes)) return false;
  }
  return true;
}

// The records of one partition: those whose indexes are from `first` on, `count` of them.
struct Share {
  uint32_t partition = 0;
  size_t first = 0;
  size_t count = 0;
};

// Which records go to which partition. The records of one keep their order.
struct Shares {
  std::vector<uint64_t> order;  // in the low half: indexes of records
  std::vector<Share> shares;    // by partition

  size_t RecordAt(size_t place) const { return static_cast<uint32_t>(order[place]); }
};

// Sorts by the numbers below `end` that are in the high halves, and keeps the order of those that
// are equal. Digit by digit: the comparisons of another sort could not be predicted.
void SortByHighHalf(std::vector<uint64_t>* places, uint32_t end) {
  constexpr int kDigitBits = 8;
  std::array<uint32_t, (size_t{1} << kDigitBits) + 1> begins;
  std::vector<uint64_t> sorted(places->size());
  for (int bits = std::bit_width(end - 1), shift = 32; bits > 0; bits -= kDigitBits) {
    const uint64_t mask = (uint64_t{1} << std::min(bits, kDigitBits)) - 1;
    std::fill_n(begins.begin(), mask + 2, 0);
    for (const uint64_t place : *places) {
      begins[(place >> shift & mask) + 1]++;
    }
    for (size_t digit = 1; digit <= mask; digit++) {
      begins[digit] += begins[digit - 1];
    }
    for (const uint64_t place : *places) {
      sorted[begins[place >> shift & mask]++] = place;
    }
    std::swap(*places, sorted);
    shift += kDigitBits;
  }
}

Shares Divide(Context& context, const AddTarget& target, const ManyArguments& many) {
  Shares shares;
  const size_t records = many.records();
  shares.order.resize(records);
  const bool by_key = !target.part.partition && many.keyed;
  const uint32_t one =
      by_key ? 0 : ChoosePartition(context, target, std::nullopt, SumOfBytes(many.values));
  const Topic& topic = *target.part.topic;
  const Partitioner partitioner = topic.options().partitioner;
  for (size_t i = 0; i < records; i++) {
    const uint32_t partition =
        by_key ? PartitionOfKey(partitioner, many.Record(i)[0], topic.partitions()) : one;
    shares.order[i] = uint64_t{partition} << 32 | i;
  }
  if (by_key) SortByHighHalf(&shares.order, topic.partitions());
  for (size_t i = 0; i < records; i++) {
    const auto partition = static_cast<uint32_t>(shares.order[i] >> 32);
    if (shares.shares.empty() || shares.shares.back().partition != partition) {
      shares.shares.push_back({partition, i, 0});
    }
    shares.shares.back().count++;
  }
  return shares;
}

void WriteManyAdded(Context& context, const TopicPart& part, std::span<const AddedRecords> added) {
  context.reply().Array(added.size());
  for (const AddedRecords& share : added) {
    WriteAdded(context, PartitionName(part.key.name, share.partition), share, true);
  }
}

// Appends one share and returns where it is. `room` is for the values of any share.
AddedRecords AddShare(Context& context, const AddTarget& target, const ManyArguments& many,
                      const Shares& shares, const Share& share,
                      std::span<const std::string_view> names, std::span<std::string_view> room) {
  const bool marked = names.size() != many.width;  // by kNoRecordKey, whose value is empty
  std::string_view* out = room.data();
  for (size_t i = share.first; i < share.first + share.count; i++) {
    if (marked) *out++ = {};
    for (const std::string_view value : many.Record(shares.RecordAt(i))) {
      *out++ = value;
    }
  }
  const auto values = room.first(share.count * names.size());
  const TargetPartition partition(context, target.part, share.partition);
  const AddedRecords added = NextRecords(context, share.partition, partition.stream(), share.count);
  context.Apply(RecordsAdd{partition.key(), added.first.ms, names, values}, share.count);
  context.topic_groups().stats().added += share.count;
  FinishAppend(context, partition);
  return added;
}

}  // namespace

void TAddM(Context& context) {
  AddTarget target;
  ManyArguments many;
  if (!FindOrPlanTopic(context, context.arg(1), &target.part, &target.make)) return;
  if (!ReadMany(context, &target, &many)) return;
  if (!CheckReplicas(context, target.part, target.options(context))) return;
  if (!CheckSizes(context, target, many)) return;
  if (!CheckRecordKey(context, target.part, target.options(context), many.keyed)) return;
  if (target.producer) {
    const Producer::Command* repeated = nullptr;
    if (!CheckProducer(context, target.part, *target.producer, static_cast<int64_t>(many.records()),
                       &repeated)) {
      return;
    }
    if (repeated != nullptr) return WriteManyAdded(context, target.part, repeated->added);
  }
  // Each partition that the command touches has the names once more, and its own name.
  const uint64_t partitions = std::min<uint64_t>(target.partitions(context), many.records());
  constexpr uint64_t kRecordBytes = 64;
  const uint64_t repeated_bytes =
      SumOfBytes(many.names) + target.part.key.name.size() + many.names.size() * 5 + kRecordBytes;
  if (context.FailIfTooManyChanges(partitions * repeated_bytes)) return;
  if (target.make) MakeTopic(context, &target.part);

  const bool begins = many.keyed || NeedsNoRecordKey(true, many.names[0]);
  Strings names(many.names.size() + (begins ? 1 : 0));
  if (begins) names[0] = many.keyed ? kRecordKey : kNoRecordKey;
  std::copy(many.names.begin(), many.names.end(), names.begin() + (begins ? 1 : 0));
  const Shares shares = Divide(context, target, many);
  std::vector<AddedRecords> added;
  added.reserve(shares.shares.size());
  std::vector<std::string_view> room(many.records() * names.size());
  for (const Share& share : shares.shares) {
    added.push_back(AddShare(context, target, many, shares, share, names, room));
  }
  if (target.producer) AcceptCommand(context, target.part.key, *target.producer, added);
  WriteManyAdded(context, target.part, added);
}

}  // namespace runnel::commands
