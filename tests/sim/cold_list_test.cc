// Long lists in the store of cold entries, on a disk that fails when it is told to.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "data/list/list.h"
#include "tests/sim/cold_fixture.h"

namespace runnel::sim {
namespace {

using ::testing::IsEmpty;

std::string ListElement(uint64_t n) {
  return std::to_string(n) + " the quick brown fox jumps over the lazy dog, again and again";
}

class ColdListTest : public ::testing::Test {
 protected:
  ColdListTest() { list_->Attach(&world_.hot); }

  void Push(uint64_t begin, uint64_t end) {
    for (; begin < end; begin++) {
      list_->PushBack(ListElement(begin));
    }
  }
  // A queue that holds the elements from `begin` to before `end`.
  void ExpectElements(const List& list, uint64_t begin, uint64_t end) {
    ASSERT_EQ(list.size(), end - begin);
    uint64_t n = begin;
    for (List::Iterator it = list.Seek(0); it.Valid(); it.Next(), n++) {
      ASSERT_EQ(it.value(), ListElement(n));
    }
    ASSERT_EQ(n, end);
  }
  std::vector<std::string> Files() { return world_.Files(); }

  ColdWorld world_{1};
  std::unique_ptr<List> list_ = std::make_unique<List>();
};

TEST_F(ColdListTest, HoldsTheBoundAndReadsEverythingBack) {
  for (const Codec codec : {Codec::kNone, Codec::kLz4, Codec::kZstd}) {
    world_.settings.compression = codec;
    for (int i = 0; i < 20; i++) {
      Push(list_->size(), list_->size() + 100);
      world_.Settle();
      EXPECT_LE(world_.hot.bytes(), world_.settings.stream_memory + 8192);
    }
  }
  EXPECT_GT(world_.hot.cold_entries(), 5000u);
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
  ExpectElements(*list_, 0, 6000);
  EXPECT_GT(world_.store->stats().blocking_reads, 10u);
  world_.Settle();
  EXPECT_LE(world_.store->stats().cache_bytes, ColdWorld::kSizes.least_cache);
  EXPECT_EQ(world_.store->stats().files, Files().size());
}

TEST_F(ColdListTest, TrimmingAndPoppingReadNothingAndFilesGo) {
  Push(0, 6000);
  world_.Settle();
  const size_t files = Files().size();
  ASSERT_GT(files, 5u);
  list_->Trim(2501, 2000);
  for (int i = 0; i < 500; i++) {
    list_->PopFront();
    list_->PopBack();
  }
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
  world_.Settle();
  EXPECT_LT(Files().size(), files - 2);
  ExpectElements(*list_, 3001, 4001);
  list_.reset();
  world_.Settle();
  world_.Settle();  // what was in the cache is let go of by and by
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_EQ(world_.hot.bytes() + world_.hot.cold_bytes() + world_.hot.cold_entries(), 0u);
}

// Runs are there before the consumer is, whichever end it pops from.
TEST_F(ColdListTest, AQueueIsReadAheadOfItsConsumer) {
  for (const bool front : {true, false}) {
    list_->Trim(0, 0);
    Push(0, 6000);
    world_.Settle();
    const uint64_t before = world_.store->stats().blocking_reads;
    for (uint64_t n = 0; n < 6000; n++) {
      ASSERT_EQ(front ? list_->Front() : list_->Back(), ListElement(front ? n : 5999 - n));
      front ? list_->PopFront() : list_->PopBack();
      if (n % 20 == 0) world_.Settle();
    }
    EXPECT_EQ(world_.store->stats().blocking_reads, before);
  }
  EXPECT_GT(world_.store->stats().ahead_hits, 20u);
}

TEST_F(ColdListTest, ARunThatIsBeingPoppedStaysInMemory) {
  Push(0, 2000);
  world_.store->EndTurn(world_.now_ms);
  ASSERT_FALSE(world_.writer.idle());
  world_.writer.Step();
  list_->Trim(1030, 900);
  world_.Settle();
  ExpectElements(*list_, 1030, 1930);
}

TEST_F(ColdListTest, AListThatGoesWhileItIsWrittenLeavesNoFile) {
  Push(0, 2000);
  world_.store->EndTurn(world_.now_ms);
  world_.writer.Step();
  list_.reset();
  world_.Settle();
  EXPECT_THAT(Files(), IsEmpty());
}

// Lists that keep all they have for their ends, while there is room, give it when there is none.
TEST(ColdListsTest, ManyListsOfMediumSizeHoldTheBoundTogether) {
  ColdSizes sizes;
  sizes.run_bytes = 64 * 1024;
  ModelDisk disk(1);
  SteppedWorker writer, reader, syncer;
  HotBlocks hot;
  ColdSettings settings;
  settings.stream_memory = 2'000'000;
  ColdStore store(disk, "streams", writer, reader, syncer, hot, settings, sizes);
  ASSERT_TRUE(store.Open().ok());
  const auto settle = [&] {
    do {
      store.EndTurn(1000);
      writer.Drain();
      store.EndTurn(1000);
    } while (!writer.idle());
  };
  std::vector<std::unique_ptr<List>> lists;
  for (int n = 0; n < 40; n++) {
    List& list = *lists.emplace_back(std::make_unique<List>());
    list.Attach(&hot);
    for (uint64_t i = 0; i < 3000; i++) {
      list.PushBack(ListElement(i));
    }
    settle();
    if (n < 5) {
      EXPECT_FALSE(hot.tight());
    }
  }
  EXPECT_TRUE(hot.tight());
  EXPECT_LE(hot.bytes(), settings.stream_memory);
  for (const auto& list : lists) {
    ASSERT_EQ(list->size(), 3000u);
    EXPECT_EQ(list->At(1500), ListElement(1500));
  }
  lists.resize(3);
  settle();
  EXPECT_FALSE(hot.tight());
  lists.clear();
  settle();
}

TEST_F(ColdListTest, CopiesShareExtentsAndGoOnInFilesOfTheirOwn) {
  Push(0, 3000);
  world_.Settle();
  std::unique_ptr<Object> clone = list_->Clone();
  auto& copy = static_cast<List&>(*clone);
  copy.Attach(&world_.hot);
  Push(3000, 5000);
  list_->Set(1500, "changed");
  copy.Trim(100, 2900);
  world_.Settle();
  EXPECT_EQ(list_->At(1500), "changed");
  ExpectElements(copy, 100, 3000);
  list_->Set(1500, ListElement(1500));
  ExpectElements(*list_, 0, 5000);
}

// What was changed in the middle becomes part of a run again.
TEST_F(ColdListTest, ChangesInTheMiddleGoToTheDiskAgain) {
  Push(0, 6000);
  world_.Settle();
  for (uint64_t n = 1000; n < 4000; n++) {
    list_->Set(n, ListElement(n) + "!");
    if (n % 50 == 0) world_.Settle();
    ASSERT_LE(world_.hot.bytes(), world_.settings.stream_memory + 3 * 8192);
  }
  for (uint64_t n = 1000; n < 4000; n++) {
    ASSERT_EQ(list_->At(n), ListElement(n) + "!");
  }
}

TEST_F(ColdListTest, WhatASnapshotNamesIsThereAfterAPowerCut) {
  Push(0, 6000);
  world_.Settle();
  list_->Trim(2000, 3990);
  std::string payload;
  Encoder encoder(&payload);
  list_->EncodeStored(&encoder);
  EXPECT_LT(payload.size(), 120'000u);
  ColdExtents extents;
  list_->AddExtents(&extents);
  world_.SyncAndPin(extents);
  extents.clear();
  list_->Trim(3500, 10);
  world_.Settle();

  list_.reset();
  world_.LosePower();
  Decoder in(payload);
  std::unique_ptr<Object> loaded = List::LoadStored(&in, *world_.store);
  ASSERT_NE(loaded, nullptr);
  EXPECT_TRUE(world_.store->RemoveUnused().ok());
  auto& list = static_cast<List&>(*loaded);
  list.Attach(&world_.hot);
  EXPECT_GT(world_.hot.cold_entries(), 1000u);
  ExpectElements(list, 2000, 5990);
  for (uint64_t n = 5990; n < 8000; n++) {
    list.PushBack(ListElement(n));
  }
  world_.Settle();
  ExpectElements(list, 2000, 8000);
}

// A stream's extent is not taken for a list's, nor one for more than it holds.
TEST_F(ColdListTest, WrongDescriptionsAreRefused) {
  Push(0, 3000);
  world_.Settle();
  std::string payload;
  Encoder encoder(&payload);
  list_->EncodeStored(&encoder);
  std::mt19937_64 random(3);
  for (int i = 0; i < 3000; i++) {
    std::string damaged = payload;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    Decoder in(damaged);
    const std::unique_ptr<Object> loaded = List::LoadStored(&in, *world_.store);
    if (loaded == nullptr) continue;
    auto& list = static_cast<List&>(*loaded);
    try {
      size_t size = 0;
      for (List::Iterator it = list.Seek(0); it.Valid(); it.Next()) {
        size += it.value().size() < payload.size() ? 1 : 0;
      }
      EXPECT_EQ(size, list.size());
    } catch (const ColdFailure&) {
    }
    world_.Settle();
  }
}

// Whatever fails: no element is lost, none comes back, and what is left of the files is what lists
// refer to.
TEST_F(ColdListTest, NoFaultLosesAnElement) {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    SCOPED_TRACE(seed);
    ColdWorld world(seed);
    std::mt19937_64 random(seed);
    auto list = std::make_unique<List>();
    list->Attach(&world.hot);
    std::deque<std::string> model;
    for (int step = 0; step < 300; step++) {
      for (uint64_t count = random() % 60; count > 0; count--) {
        model.push_back(ListElement(random() % 1'000'000));
        list->PushBack(model.back());
      }
      if (random() % 20 == 0) {
        const int errors[] = {EIO, ENOSPC, EACCES};
        const int error = errors[random() % 3];
        const uint64_t count = 1 + random() % 3;
        world.disk.FailCalls(world.disk.calls() + 1 + random() % 10, count, error);
      }
      try {
        if (random() % 3 == 0 && !model.empty()) {
          const size_t index = random() % model.size();
          list->Set(index, "changed");
          model[index] = "changed";
        }
        if (random() % 20 == 0) {
          const size_t found =
              static_cast<size_t>(std::count(model.begin(), model.end(), "changed"));
          EXPECT_EQ(list->Remove("changed", 0), found);
          std::erase(model, "changed");
        }
      } catch (const ColdFailure&) {
        // Nothing has changed.
      }
      for (uint64_t count = std::min<uint64_t>(random() % 40, model.size()); count > 0; count--) {
        list->PopFront();
        model.pop_front();
      }
      for (uint64_t steps = random() % 6; steps > 0; steps--) {
        random() % 2 == 0 ? world.writer.Step() : world.reader.Step();
      }
      world.now_ms += static_cast<int64_t>(random() % 600);
      world.store->EndTurn(world.now_ms);
      ASSERT_EQ(list->size(), model.size());
    }
    world.disk.FailCalls(1, 0, EIO);
    size_t i = 0;
    for (List::Iterator it = list->Seek(0); it.Valid(); it.Next(), i++) {
      ASSERT_EQ(it.value(), model[i]);
    }
    list.reset();
    for (int n = 0; n < 20; n++) {
      world.now_ms += 2000;
      world.Settle();
    }
    const auto names = world.disk.List("streams");
    ASSERT_TRUE(!names.ok() || names->empty());
  }
}

}  // namespace
}  // namespace runnel::sim
