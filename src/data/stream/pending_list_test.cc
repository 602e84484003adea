#include "data/stream/pending_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace runnel {
namespace {

struct NaiveRecord {
  ConsumerIndex consumer = kNoConsumer;
  int64_t time = 0;
  uint64_t deliveries = 0;
  uint64_t release = 0;
};
using NaiveList = std::map<StreamId, NaiveRecord>;

void ExpectEqual(const PendingEntry& entry, const NaiveList::value_type& naive) {
  ASSERT_EQ(entry.id, naive.first);
  ASSERT_EQ(entry.consumer, naive.second.consumer);
  ASSERT_EQ(entry.delivery_time, naive.second.consumer == kNoConsumer ? 0 : naive.second.time);
  ASSERT_EQ(entry.deliveries, naive.second.deliveries);
}

void ExpectSame(const PendingList& list, const NaiveList& naive) {
  ASSERT_EQ(list.size(), naive.size());
  auto expected = naive.begin();
  for (PendingList::Cursor at = list.Seek(StreamId::Min()); at.valid(); at.Next(), ++expected) {
    ASSERT_NE(expected, naive.end());
    ExpectEqual(*at, *expected);
  }
  ASSERT_EQ(expected, naive.end());
  if (naive.empty()) return;
  ASSERT_EQ(list.first_id(), naive.begin()->first);
  ASSERT_EQ(list.last_id(), naive.rbegin()->first);
}

void ExpectSameOrderByAge(const PendingList& list, const NaiveList& naive) {
  using Key = std::tuple<bool, uint64_t, int64_t, StreamId>;
  std::vector<Key> order;
  for (const auto& [id, record] : naive) {
    const bool owned = record.consumer != kNoConsumer;
    order.emplace_back(owned, owned ? 0 : record.release, owned ? record.time : 0, id);
  }
  std::sort(order.begin(), order.end());
  auto expected = order.begin();
  for (PendingList::AgeCursor at = list.Oldest(); at.valid(); at.Next(), ++expected) {
    ASSERT_NE(expected, order.end());
    ExpectEqual(*at, *naive.find(std::get<StreamId>(*expected)));
  }
  ASSERT_EQ(expected, order.end());
}

void ExpectSameOfConsumer(const PendingList& list, const NaiveList& naive, ConsumerIndex consumer,
                          StreamId from, StreamId to) {
  PendingList::Cursor at = list.SeekOf(consumer, from, to);
  for (auto naive_at = naive.lower_bound(from); naive_at != naive.end(); ++naive_at) {
    if (naive_at->second.consumer != consumer || to < naive_at->first) continue;
    ASSERT_TRUE(at.valid());
    ExpectEqual(*at, *naive_at);
    at.Next();
  }
  ASSERT_FALSE(at.valid());
}

std::string Payload(const PendingList& list) {
  std::string payload;
  Encoder out(&payload);
  list.Serialize(&out);
  return payload;
}

PendingList Reloaded(const PendingList& list) {
  const std::string payload = Payload(list);
  Decoder in(payload);
  PendingList loaded;
  EXPECT_TRUE(loaded.Load(&in, 1000));
  EXPECT_TRUE(in.done());
  return loaded;
}

// Drives a list and its model through the same random changes.
class PendingMachine {
 public:
  PendingMachine(uint64_t seed, bool wild_ids) : random_(seed), wild_ids_(wild_ids) {}

  void Step() {
    const uint64_t phase = (steps_++ / 4000) % 3;
    const uint64_t choice = random_() % 100;
    if (choice < (phase == 0 ? 60u : 30u)) {
      Put(NextId());
    } else if (choice < 40) {
      Put(SomeId());
    } else if (choice < 48) {
      Release(choice < 47 ? PendingId() : SomeId());
    } else if (choice < 99) {
      Remove(phase == 1 && !naive_.empty() ? naive_.begin()->first : PendingId());
    } else if (random_() % 40 == 0) {
      RemoveAllOf(SomeConsumer());
    }
  }

  void Check() {
    ExpectSame(list_, naive_);
    ExpectSameOrderByAge(list_, naive_);
    StreamId from = SomeId();
    StreamId to = SomeId();
    if (to < from) std::swap(from, to);
    ExpectSameOfConsumer(list_, naive_, SomeConsumer(), from, to);
    ExpectSameOfConsumer(list_, naive_, kNoConsumer, StreamId::Min(), StreamId::Max());
    const StreamId sought = SomeId();
    const auto found = naive_.find(sought);
    ASSERT_EQ(list_.Contains(sought), found != naive_.end());
    ASSERT_EQ(list_.Find(sought).has_value(), found != naive_.end());
  }

  PendingList& list() { return list_; }
  const NaiveList& naive() const { return naive_; }

 private:
  ConsumerIndex SomeConsumer() { return static_cast<ConsumerIndex>(random_() % 100); }

  StreamId NextId() {
    if (wild_ids_ && random_() % 50 == 0) newest_.ms += uint64_t{1} << (random_() % 40);
    if (wild_ids_ && random_() % 10 == 0) newest_.seq += random_() >> 20;
    if (random_() % 3 == 0) {
      newest_ = {newest_.ms + 1, wild_ids_ && random_() % 4 == 0 ? random_() : 0};
    } else {
      newest_.seq++;
    }
    return newest_;
  }
  StreamId PendingId() {
    if (naive_.empty()) return SomeId();
    const auto at = naive_.lower_bound(SomeId());
    return at == naive_.end() ? naive_.begin()->first : at->first;
  }
  // Near an entry that is pending, or anywhere.
  StreamId SomeId() {
    StreamId id;
    id.ms = random_() % (newest_.ms + 2);
    id.seq = random_() % 8;
    const auto at = naive_.lower_bound(id);
    if (at == naive_.end() || random_() % 4 == 0) return id;
    id = at->first;
    if (wild_ids_ && random_() % 2 == 0) id.seq = random_();
    id.seq += random_() % 3;
    return id;
  }

  void Put(StreamId id) {
    const ConsumerIndex consumer = SomeConsumer();
    now_ += random_() % 3;
    const int64_t time = random_() % 8 == 0 ? now_ - static_cast<int64_t>(random_() % 1000) : now_;
    const uint64_t deliveries = random_() % 5;
    Note(id, list_.Put(id, consumer, time, deliveries));
    naive_[id] = {consumer, time, deliveries, 0};
  }
  void Release(StreamId id) {
    const uint64_t deliveries = random_() % 10 == 0 ? kMaxDeliveries : random_() % 5;
    Note(id, list_.Release(id, deliveries));
    naive_[id] = {kNoConsumer, 0, deliveries, ++releases_};
  }
  void Note(StreamId id, PendingList::Change change) {
    const auto found = naive_.find(id);
    ASSERT_EQ(change.inserted, found == naive_.end());
    if (!change.inserted) {
      ASSERT_EQ(change.previous, found->second.consumer);
    }
  }
  void Remove(StreamId id) {
    const std::optional<ConsumerIndex> owner = list_.Remove(id);
    const auto found = naive_.find(id);
    ASSERT_EQ(owner.has_value(), found != naive_.end());
    if (!owner) return;
    ASSERT_EQ(*owner, found->second.consumer);
    naive_.erase(found);
  }
  void RemoveAllOf(ConsumerIndex consumer) {
    const uint64_t removed = std::erase_if(
        naive_, [consumer](const auto& named) { return named.second.consumer == consumer; });
    ASSERT_EQ(list_.RemoveAllOf(consumer), removed);
  }

  std::mt19937_64 random_;
  const bool wild_ids_;
  PendingList list_;
  NaiveList naive_;
  StreamId newest_;
  int64_t now_ = 1'000'000;
  uint64_t releases_ = 0;
  uint64_t steps_ = 0;
};

void RunMachine(uint64_t seed, bool wild_ids) {
  SCOPED_TRACE(testing::Message() << "seed " << seed << (wild_ids ? ", wild IDs" : ""));
  PendingMachine machine(seed, wild_ids);
  for (int step = 0; step < 60'000; step++) {
    machine.Step();
    if (testing::Test::HasFatalFailure()) return;
    if (step % 500 != 0) continue;
    machine.Check();
    if (testing::Test::HasFatalFailure()) return;
    if (step % 5'000 != 0) continue;
    // A copy and what was stored are the same list, and do not change with the original.
    PendingList copy = machine.list().Clone();
    const NaiveList then = machine.naive();
    ExpectSame(Reloaded(machine.list()), then);
    ExpectSameOrderByAge(Reloaded(machine.list()), then);
    std::swap(copy, machine.list());
    for (int more = 0; more < 500; more++) {
      machine.Step();
    }
    ExpectSame(copy, then);
    ExpectSameOrderByAge(copy, then);
  }
}

TEST(PendingListTest, BehavesAsASortedMap) {
  for (uint64_t seed = 1; seed <= 8; seed++) {
    RunMachine(seed, false);
  }
}

TEST(PendingListTest, BehavesAsASortedMapWithAnyIds) {
  for (uint64_t seed = 1; seed <= 8; seed++) {
    RunMachine(seed, true);
  }
}

TEST(PendingListTest, DeliveryCountsStopAtTheLargestInteger) {
  PendingList list;
  list.Put({1, 0}, 0, 5, uint64_t{1} << 63);
  EXPECT_EQ(list.Find({1, 0})->deliveries, kMaxDeliveries);
}

TEST(PendingListTest, ReleasedEntriesAreClaimableAtOnceAndHaveNoIdleTime) {
  PendingList list;
  list.Release({1, 0}, 3);
  const PendingEntry entry = *list.Find({1, 0});
  EXPECT_TRUE(entry.released());
  EXPECT_EQ(entry.delivery_time, 0);
  EXPECT_EQ(entry.Idle(1000), -1);
  EXPECT_TRUE(entry.Claimable(1000, 1'000'000));
}

TEST(PendingListTest, ReleasingAgainMovesBehindOthers) {
  PendingList list;
  list.Release({1, 0}, 1);
  list.Release({2, 0}, 1);
  list.Release({1, 0}, 1);
  EXPECT_EQ(list.Oldest()->id, (StreamId{2, 0}));
}

TEST(PendingListTest, FewLeftOverEntriesTakeLittleMemory) {
  PendingList list;
  constexpr uint64_t kCount = 100'000;
  for (uint64_t i = 1; i <= kCount; i++) {
    list.Put({i, 0}, 0, 1, 1);
  }
  EXPECT_LT(list.MemoryBytes(), kCount * 36);
  for (uint64_t i = 1; i <= kCount; i++) {
    if (i % 100 != 0) list.Remove({i, 0});
  }
  EXPECT_EQ(list.size(), kCount / 100);
  EXPECT_LT(list.MemoryBytes(), kCount / 100 * 200);
}

TEST(PendingListTest, DistantIdsDoNotTakeAChunkEach) {
  PendingList list;
  constexpr uint64_t kCount = 1000;
  for (uint64_t i = 1; i <= kCount; i++) {
    list.Put({i << 40, 0}, 0, 1, 1);
  }
  EXPECT_LT(list.MemoryBytes(), kCount * 300);
}

// Clones share records until one of the two changes; here both do, and older clones outlive younger
// ones.
TEST(PendingListTest, ClonesKeepWhatTheyHeld) {
  for (const uint64_t seed : {1, 2, 3}) {
    PendingMachine machine(seed, seed == 3);
    std::vector<std::pair<PendingList, std::string>> clones;
    std::mt19937_64 random(seed);
    for (int i = 0; i < 10'000; i++) {
      machine.Step();
      if (random() % 200 == 0) {
        PendingList clone = machine.list().Clone();
        std::string held = Payload(clone);
        EXPECT_EQ(held, Payload(machine.list()));
        if (random() % 2 == 0 && !clone.empty()) {
          clone.Remove(clone.first_id());
          clone.Put(clone.empty() ? StreamId{1, 1} : clone.last_id(), 7, 7, 7);
          held = Payload(clone);
        }
        clones.emplace_back(std::move(clone), std::move(held));
      }
      if (clones.size() > 5) {
        const size_t gone = random() % clones.size();
        EXPECT_EQ(Payload(clones[gone].first), clones[gone].second);
        clones.erase(clones.begin() + static_cast<long>(gone));
      }
    }
    for (const auto& [clone, held] : clones) {
      EXPECT_EQ(Payload(clone), held);
    }
  }
}

// A clone is let go by another thread at any time.
TEST(PendingListTest, ClonesMayGoInAnotherThread) {
  PendingList list;
  for (uint64_t i = 0; i < 50'000; i++) {
    list.Put({i, 0}, 1, 1, 1);
  }
  for (int round = 0; round < 5; round++) {
    PendingList clone = list.Clone();
    const std::string before = Payload(list);
    std::string meanwhile;
    std::thread other([&] {
      meanwhile = Payload(clone);
      clone = PendingList();
    });
    for (uint64_t i = 0; i < 50'000; i += 3) {
      list.Put({i, 0}, 2, round, 1);
    }
    other.join();
    EXPECT_EQ(meanwhile, before);
  }
}

TEST(PendingListTest, DamagedPayloadsAreRefusedOrSound) {
  PendingMachine machine(5, true);
  for (int i = 0; i < 3000; i++) {
    machine.Step();
  }
  std::string payload;
  Encoder out(&payload);
  machine.list().Serialize(&out);
  std::mt19937_64 random(17);
  for (int round = 0; round < 3000; round++) {
    std::string damaged = payload;
    damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    if (round % 3 == 0) damaged.resize(random() % damaged.size());
    Decoder in(damaged);
    PendingList loaded;
    if (!loaded.Load(&in, 100)) continue;
    uint64_t count = 0;
    StreamId last;
    for (PendingList::Cursor at = loaded.Seek(StreamId::Min()); at.valid(); at.Next()) {
      ASSERT_LT(last, at->id);
      ASSERT_TRUE(at->released() || at->consumer < 100);
      last = at->id;
      count++;
    }
    ASSERT_EQ(count, loaded.size());
  }
}

}  // namespace
}  // namespace runnel
