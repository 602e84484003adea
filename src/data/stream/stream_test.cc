#include "data/stream/stream.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace runnel {
namespace {

constexpr int64_t kStreamNow = 1'700'000'000'000;

// Appends entries 1-0, 2-0, ... up to `count`-0, after those that are there.
void Fill(Stream* stream, uint64_t count) {
  while (stream->last_id().ms < count) {
    stream->Append({stream->last_id().ms + 1, 0}, std::vector<std::string_view>{"f", "v"},
                   StreamLimits());
  }
}

// The times of the entries that were found, which are as many as it says.
std::vector<uint64_t> Times(const Stream& stream, const AckedEntries& found) {
  std::vector<uint64_t> times;
  for (size_t i = 0; i < found.bounds.size(); i += 2) {
    EntryCursor at = stream.Seek(found.bounds[i]);
    for (; at.valid() && at->id() <= found.bounds[i + 1]; at.Next()) {
      times.push_back(at->id().ms);
    }
  }
  EXPECT_EQ(found.entries, times.size());
  return times;
}

StreamTrim ByLength(uint64_t max_length) {
  StreamTrim trim;
  trim.max_length = max_length;
  return trim;
}

StreamTrim ByMinId(StreamId min_id) {
  StreamTrim trim;
  trim.by = StreamTrim::By::kMinId;
  trim.min_id = min_id;
  return trim;
}

StreamTrim About(StreamTrim trim, uint64_t limit = 0) {
  trim.approximate = true;
  trim.limit = limit;
  return trim;
}

// --- Entries ---

TEST(StreamTest, KeepsFieldsInTheirOrderWithRepeatedAndEmptyNames) {
  Stream stream;
  const std::vector<std::string_view> fields = {"b", "1", "a", "", "b", "2", "", "3"};
  stream.Append({1, 1}, fields, StreamLimits());
  const EntryCursor at = stream.Seek({1, 1});
  ASSERT_TRUE(at.valid());
  EXPECT_EQ(at->size(), 4u);
  EXPECT_EQ(at->PayloadBytes(), 6u);
  size_t i = 0;
  for (const EntryView::Field& field : *at) {
    EXPECT_EQ(field.name, fields[i]);
    EXPECT_EQ(field.value, fields[i + 1]);
    i += 2;
  }
}

TEST(StreamTest, HoldsTheFirstAndTheLastPossibleId) {
  Stream stream;
  stream.Append({0, 1}, std::vector<std::string_view>{"f", "first"}, StreamLimits());
  stream.Append(StreamId::Max(), std::vector<std::string_view>{"f", "last"}, StreamLimits());
  EXPECT_EQ(stream.SeekBack(StreamId::Max())->id(), StreamId::Max());
  EXPECT_EQ(stream.SeekAfter({0, 1})->id(), StreamId::Max());
  EXPECT_FALSE(stream.SeekAfter(StreamId::Max()).valid());
  EXPECT_FALSE(stream.SeekBack(StreamId::Min()).valid());
}

TEST(StreamTest, AnEmptyStreamHasNothingToFind) {
  const Stream stream;
  EXPECT_FALSE(stream.Seek(StreamId::Min()).valid());
  EXPECT_FALSE(stream.SeekBack(StreamId::Max()).valid());
  EXPECT_FALSE(stream.Contains({1, 0}));
  EXPECT_EQ(stream.first_id(), StreamId());
  EXPECT_EQ(stream.blocks(), 0u);
}

TEST(StreamTest, DeletingRaisesTheHighestDeletedIdAndTrimmingDoesNot) {
  Stream stream;
  Fill(&stream, 5);
  EXPECT_TRUE(stream.Delete({3, 0}));
  EXPECT_TRUE(stream.Delete({2, 0}));
  EXPECT_FALSE(stream.Delete({2, 0}));
  EXPECT_FALSE(stream.Delete({9, 0}));
  EXPECT_EQ(stream.max_deleted_id(), (StreamId{3, 0}));
  EXPECT_TRUE(stream.Remove({5, 0}));
  stream.DropOldest(1);
  EXPECT_EQ(stream.max_deleted_id(), (StreamId{3, 0}));
  EXPECT_EQ(stream.length(), 1u);
  EXPECT_EQ(stream.first_id(), (StreamId{4, 0}));
  EXPECT_EQ(stream.last_id(), (StreamId{5, 0}));
  EXPECT_EQ(stream.entries_added(), 5u);
}

TEST(StreamTest, BlocksGoWhenTheirLastEntryDoes) {
  Stream stream;
  Fill(&stream, 250);
  EXPECT_EQ(stream.blocks(), 3u);
  for (uint64_t i = 101; i <= 200; i++) {
    EXPECT_TRUE(stream.Delete({i, 0}));
  }
  EXPECT_EQ(stream.blocks(), 2u);
  EXPECT_EQ(stream.SeekAfter({100, 0})->id(), (StreamId{201, 0}));
  EXPECT_EQ(stream.SeekBack({200, 0})->id(), (StreamId{100, 0}));
  stream.DropOldest(150);
  EXPECT_EQ(stream.blocks(), 0u);
  EXPECT_EQ(stream.first_id(), StreamId());
  Fill(&stream, 251);
  EXPECT_EQ(stream.first_id(), (StreamId{251, 0}));
}

TEST(StreamTest, CopiesShareWhatWasAndGoTheirOwnWays) {
  Stream stream;
  Fill(&stream, 150);
  stream.CreateGroup("g", {100, 0}, 100);
  const std::unique_ptr<Object> copy = stream.Clone();
  auto& twin = static_cast<Stream&>(*copy);
  stream.Append({151, 0}, std::vector<std::string_view>{"f", "original"}, StreamLimits());
  twin.Append({151, 0}, std::vector<std::string_view>{"f", "twin"}, StreamLimits());
  stream.Delete({1, 0});
  twin.FindGroup("g")->SetLastDelivered({5, 0}, std::nullopt);
  EXPECT_EQ((*stream.Seek({151, 0})->begin()).value, "original");
  EXPECT_EQ((*twin.Seek({151, 0})->begin()).value, "twin");
  EXPECT_TRUE(twin.Contains({1, 0}));
  EXPECT_EQ(stream.FindGroup("g")->last_delivered(), (StreamId{100, 0}));
}

// As snapshots are made.
TEST(StreamTest, AThreadMayReadACopyWhileTheOriginalGoesOn) {
  Stream stream;
  Fill(&stream, 1050);
  for (int round = 0; round < 20; round++) {
    const std::unique_ptr<Object> copy = stream.Clone();
    std::string before;
    copy->Serialize(&before);
    std::string meanwhile;
    std::thread reader([&] { copy->Serialize(&meanwhile); });
    Fill(&stream, stream.last_id().ms + 70);
    stream.Delete({stream.last_id().ms - 3, 0});
    stream.DropOldest(50);
    reader.join();
    EXPECT_EQ(meanwhile, before);
  }
}

TEST(StreamTest, AnEntryCostsLittleMoreThanItsBytes) {
  Stream stream;
  const std::string value(100, 'v');
  constexpr uint64_t kCount = 100'000;
  for (uint64_t i = 0; i < kCount; i++) {
    stream.Append({1'700'000'000'000 + i / 10, i % 10},
                  std::vector<std::string_view>{"field", value}, StreamLimits());
  }
  EXPECT_LT(stream.MemoryBytes(0), kCount * 113);
}

// --- Trimming ---

TEST(StreamTrimTest, ExactTrimsLeaveWhatIsAsked) {
  Stream stream;
  Fill(&stream, 250);
  stream.Delete({120, 0});
  EXPECT_EQ(stream.PlanTrim(ByLength(249)), 0u);
  EXPECT_EQ(stream.PlanTrim(ByLength(1000)), 0u);
  EXPECT_EQ(stream.PlanTrim(ByLength(0)), 249u);
  EXPECT_EQ(stream.PlanTrim(ByMinId({130, 0})), 128u);
  EXPECT_EQ(stream.PlanTrim(ByMinId({130, 1})), 129u);
  EXPECT_EQ(stream.PlanTrim(ByMinId({9999, 0})), 249u);
  stream.DropOldest(stream.PlanTrim(ByLength(120)));
  EXPECT_EQ(stream.length(), 120u);
  EXPECT_EQ(stream.first_id(), (StreamId{131, 0}));
}

TEST(StreamTrimTest, ApproximateTrimsByLengthDropWholeBlocksAndNeverTooMuch) {
  Stream stream;
  Fill(&stream, 250);
  EXPECT_EQ(stream.PlanTrim(About(ByLength(151))), 0u);
  EXPECT_EQ(stream.PlanTrim(About(ByLength(150))), 100u);
  EXPECT_EQ(stream.PlanTrim(About(ByLength(120))), 100u);
  EXPECT_EQ(stream.PlanTrim(About(ByLength(0))), 250u);
}

TEST(StreamTrimTest, ApproximateTrimsByIdDropOnlyBlocksThatLieBelow) {
  Stream stream;
  Fill(&stream, 250);
  EXPECT_EQ(stream.PlanTrim(About(ByMinId({100, 0}))), 0u);
  EXPECT_EQ(stream.PlanTrim(About(ByMinId({101, 0}))), 100u);
  EXPECT_EQ(stream.PlanTrim(About(ByMinId({250, 1}))), 250u);
}

TEST(StreamTrimTest, ABlockThatExceedsTheLimitStays) {
  Stream stream;
  Fill(&stream, 250);
  EXPECT_EQ(stream.PlanTrim(About(ByLength(0), 50)), 0u);
  EXPECT_EQ(stream.PlanTrim(About(ByLength(0), 100)), 100u);
  EXPECT_EQ(stream.PlanTrim(About(ByLength(0), 249)), 200u);
}

TEST(StreamTrimTest, DeletedEntriesDoNotCountInBlocks) {
  Stream stream;
  Fill(&stream, 250);
  for (uint64_t i = 11; i <= 100; i++) {
    stream.Delete({i, 0});
  }
  EXPECT_EQ(stream.PlanTrim(About(ByLength(150), 50)), 10u);
}

TEST(StreamTrimTest, PlansForAnEntryThatIsYetToBeAdded) {
  const std::vector<std::string_view> fields = {"f", "v"};
  const EntryLog::Addition added = {{101, 0}, fields, StreamLimits()};
  Stream stream;
  Fill(&stream, 100);
  // It begins a block, so the full one may go.
  EXPECT_EQ(stream.PlanTrim(About(ByLength(1)), &added), 100u);
  EXPECT_EQ(stream.PlanTrim(About(ByLength(2)), &added), 0u);
  EXPECT_EQ(stream.PlanTrim(ByLength(0), &added), 101u);
  EXPECT_EQ(stream.PlanTrim(ByMinId({200, 0}), &added), 101u);
}

TEST(StreamTrimTest, WithReferencesEntriesGoOneByOneUpToTheLimit) {
  Stream stream;
  Fill(&stream, 250);
  EXPECT_EQ(stream.PlanExactTrim(About(ByLength(120))), 130u);
  EXPECT_EQ(stream.PlanExactTrim(About(ByLength(120), 7)), 7u);
  ConsumerGroup& group = stream.CreateGroup("g", {}, 0);
  const ConsumerIndex consumer = group.CreateConsumer("c", kStreamNow).index;
  stream.Deliver(&group, consumer, {10, 0}, kStreamNow, false);
  // An entry that is pending and gone already keeps its reference: nothing is trimmed there.
  stream.Delete({2, 0});
  stream.DropOldest(4, true);
  EXPECT_EQ(group.pending().size(), 6u);
  EXPECT_TRUE(group.pending().Contains({2, 0}));
  EXPECT_EQ(group.pending().Seek({3, 0})->id, (StreamId{6, 0}));
}

TEST(StreamTrimTest, AckedTrimsPassOverWhatAGroupNeeds) {
  Stream stream;
  Fill(&stream, 10);
  EXPECT_EQ(Times(stream, stream.PlanAckedTrim(ByLength(8))), (std::vector<uint64_t>{1, 2}));
  ConsumerGroup& slow = stream.CreateGroup("slow", {5, 0}, std::nullopt);
  ConsumerGroup& group = stream.CreateGroup("g", {}, 0);
  const ConsumerIndex consumer = group.CreateConsumer("c", kStreamNow).index;
  // Nothing was delivered to that group.
  EXPECT_EQ(stream.PlanAckedTrim(ByLength(0)).entries, 0u);
  stream.Deliver(&group, consumer, {8, 0}, kStreamNow, false);
  group.Ack(std::vector<StreamId>{{1, 0}, {3, 0}, {4, 0}, {7, 0}});
  // 7-0 is not yet delivered to the slow one.
  EXPECT_EQ(Times(stream, stream.PlanAckedTrim(ByLength(0))), (std::vector<uint64_t>{1, 3, 4}));
  EXPECT_EQ(Times(stream, stream.PlanAckedTrim(ByLength(8))), (std::vector<uint64_t>{1, 3}));
  EXPECT_EQ(Times(stream, stream.PlanAckedTrim(ByMinId({4, 0}))), (std::vector<uint64_t>{1, 3}));
  EXPECT_EQ(Times(stream, stream.PlanAckedTrim(About(ByLength(0), 1))), (std::vector<uint64_t>{1}));
  slow.SetLastDelivered({10, 0}, std::nullopt);
  EXPECT_EQ(Times(stream, stream.PlanAckedTrim(ByLength(0))), (std::vector<uint64_t>{1, 3, 4, 7}));
}

TEST(StreamTrimTest, AckedTrimsCountTheEntryThatIsYetToBeAdded) {
  Stream stream;
  Fill(&stream, 2);
  const auto times = [&](const StreamTrim& trim) {
    return Times(stream, stream.PlanAckedTrim(trim, true));
  };
  EXPECT_EQ(times(ByLength(2)), (std::vector<uint64_t>{1}));
  EXPECT_EQ(times(ByLength(3)), std::vector<uint64_t>());
  EXPECT_EQ(times(ByLength(0)), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(times(ByMinId({9, 0})), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(times(ByMinId({2, 0})), (std::vector<uint64_t>{1}));
  EXPECT_EQ(times(ByMinId({0, 0})), std::vector<uint64_t>());
}

// Gives entries 1-0 to `count`-0 to the only consumer of a new group, which acknowledges those of
// which `acked` is true.
template <class Acked>
void DeliverAndAck(Stream* stream, uint64_t count, Acked acked) {
  ConsumerGroup& group = stream->CreateGroup("g", {}, 0);
  const ConsumerIndex consumer = group.CreateConsumer("c", kStreamNow).index;
  stream->Deliver(&group, consumer, {count, 0}, kStreamNow, false);
  for (uint64_t ms = 1; ms <= count; ms++) {
    if (acked(ms)) group.Ack({ms, 0});
  }
}

// What is wholly acknowledged is one range, however many blocks that are.
TEST(StreamTrimTest, AckedEntriesAreFoundAsRanges) {
  Stream stream;
  Fill(&stream, 1000);
  DeliverAndAck(&stream, 900, [](uint64_t ms) { return ms != 450; });
  const AckedEntries found = stream.PlanAcked({});
  EXPECT_EQ(found.bounds.size(), 4u);
  EXPECT_EQ(found.entries, 899u);
  EXPECT_EQ(stream.RemoveRanges(found.bounds), 899u);
  EXPECT_EQ(stream.length(), 101u);
  EXPECT_EQ(stream.first_id(), (StreamId{450, 0}));
  EXPECT_EQ(stream.max_deleted_id(), StreamId());
}

// Entries that are needed and not needed by turns make many ranges: a search ends after so many.
TEST(StreamTrimTest, ASearchForAckedEntriesFindsSoManyRanges) {
  Stream stream;
  Fill(&stream, 1000);
  DeliverAndAck(&stream, 1000, [](uint64_t ms) { return ms % 3 != 0; });
  AckedSearch search;
  search.ranges = 100;
  uint64_t entries = 0;
  int searches = 0;
  for (; search.first != StreamId::Max(); searches++) {
    const AckedEntries found = stream.PlanAcked(search);
    ASSERT_LE(found.bounds.size(), 200u);
    entries += found.entries;
    search.first = found.next;
  }
  EXPECT_EQ(searches, 4);
  EXPECT_EQ(entries, 667u);
}

TEST(StreamTrimTest, SweepsGoOnWhereTheyStopped) {
  Stream stream;
  Fill(&stream, 20'000);
  DeliverAndAck(&stream, 20'000, [](uint64_t ms) { return ms % 2 == 0; });
  EXPECT_EQ(stream.unswept(), std::nullopt);
  stream.Retain({.delete_on_ack = true});
  int slices = 0;
  for (; stream.unswept(); slices++) {
    const AckedEntries found = stream.PlanSweep(0);
    ASSERT_LT(found.entries, 3000u);
    stream.RemoveRanges(found.bounds);
    stream.SetSwept(found.next);
  }
  EXPECT_GT(slices, 4);
  EXPECT_EQ(stream.length(), 10'000u);
  EXPECT_EQ(stream.Seek({2, 0})->id(), (StreamId{3, 0}));
}

TEST(StreamTest, AnEntryIsReferencedUntilEveryGroupAcknowledgedIt) {
  Stream stream;
  Fill(&stream, 3);
  EXPECT_FALSE(stream.IsReferenced({1, 0}));
  ConsumerGroup& group = stream.CreateGroup("g", {1, 0}, std::nullopt);
  EXPECT_FALSE(stream.IsReferenced({1, 0}));
  EXPECT_TRUE(stream.IsReferenced({2, 0}));
  // Whether the entry exists is not asked.
  EXPECT_TRUE(stream.IsReferenced({99, 0}));
  const ConsumerIndex consumer = group.CreateConsumer("c", kStreamNow).index;
  stream.Deliver(&group, consumer, {2, 0}, kStreamNow, false);
  EXPECT_TRUE(stream.IsReferenced({2, 0}));
  EXPECT_EQ(stream.DropReferences({2, 0}), 1u);
  EXPECT_FALSE(stream.IsReferenced({2, 0}));
}

}  // namespace
}  // namespace runnel
