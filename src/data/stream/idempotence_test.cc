#include "data/stream/idempotence.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>

namespace runnel {
namespace {

constexpr uint64_t kStart = 1'700'000'000'000;
constexpr int64_t kSeconds = 10;
constexpr uint64_t kMaxSize = 3;

class IdempotenceTest : public ::testing::Test {
 protected:
  IdempotenceTest() : memory_(kSeconds, kMaxSize) {}

  Idempotence memory_;
};

TEST_F(IdempotenceTest, FindsTheIdOfTheFirstTimeForTheSameProducerOnly) {
  memory_.Record("p", "1", {kStart, 5});
  EXPECT_EQ(memory_.Find("p", "1", kStart + 1), (StreamId{kStart, 5}));
  EXPECT_EQ(memory_.Find("p", "2", kStart + 1), std::nullopt);
  EXPECT_EQ(memory_.Find("q", "1", kStart + 1), std::nullopt);
}

TEST_F(IdempotenceTest, AnIidMatchesForTheDurationFromTheTimeInItsId) {
  memory_.Record("p", "1", {kStart, 0});
  EXPECT_TRUE(memory_.Find("p", "1", kStart + 1000 * kSeconds - 1).has_value());
  EXPECT_FALSE(memory_.Find("p", "1", kStart + 1000 * kSeconds).has_value());
  // A clock that went back finds it, too.
  EXPECT_TRUE(memory_.Find("p", "1", 0).has_value());
}

TEST_F(IdempotenceTest, TheOldestOfAProducerGivesWayToTheNewest) {
  for (uint64_t i = 0; i < 5; i++) {
    memory_.Record("p", std::to_string(i), {kStart, i});
  }
  memory_.Record("q", "0", {kStart, 9});
  EXPECT_FALSE(memory_.Find("p", "1", kStart).has_value());
  EXPECT_TRUE(memory_.Find("p", "2", kStart).has_value());
  EXPECT_EQ(memory_.iids_tracked(), kMaxSize + 1);
  EXPECT_EQ(memory_.pids_tracked(), 2u);
  EXPECT_EQ(memory_.iids_added(), 6u);
}

TEST_F(IdempotenceTest, WhatIsTooOldIsForgottenAsMessagesCome) {
  memory_.Record("silent", "1", {kStart, 0});
  memory_.Record("p", "1", {kStart + 1, 0});
  memory_.Record("p", "2", {kStart + 5000, 0});
  memory_.Record("p", "3", {kStart + 1000 * kSeconds + 1, 0});
  EXPECT_EQ(memory_.pids_tracked(), 1u);
  EXPECT_EQ(memory_.iids_tracked(), 2u);
  EXPECT_EQ(memory_.iids_added(), 4u);
}

TEST_F(IdempotenceTest, RecordingAnIidAgainGivesItTheNewId) {
  memory_.Record("p", "1", {kStart, 0});
  memory_.Record("p", "2", {kStart, 1});
  memory_.Record("p", "1", {kStart, 2});
  EXPECT_EQ(memory_.Find("p", "1", kStart), (StreamId{kStart, 2}));
  EXPECT_EQ(memory_.iids_tracked(), 2u);
  // It is the newest now.
  memory_.Record("p", "3", {kStart, 3});
  memory_.Record("p", "4", {kStart, 4});
  EXPECT_FALSE(memory_.Find("p", "2", kStart).has_value());
  EXPECT_TRUE(memory_.Find("p", "1", kStart).has_value());
}

TEST_F(IdempotenceTest, AChangedConfigurationForgetsAllButTheCounts) {
  memory_.Record("p", "1", {kStart, 0});
  memory_.CountDuplicate();
  memory_.Configure(kSeconds, kMaxSize);
  EXPECT_EQ(memory_.iids_tracked(), 1u);
  memory_.Configure(kSeconds, kMaxSize + 1);
  EXPECT_EQ(memory_.max_size(), kMaxSize + 1);
  EXPECT_EQ(memory_.pids_tracked(), 0u);
  EXPECT_EQ(memory_.iids_tracked(), 0u);
  EXPECT_EQ(memory_.iids_added(), 1u);
  EXPECT_EQ(memory_.iids_duplicates(), 1u);
  EXPECT_FALSE(memory_.Find("p", "1", kStart).has_value());
}

std::string Stored(const Idempotence& memory) {
  std::string payload;
  Encoder out(&payload);
  memory.Serialize(&out);
  return payload;
}

TEST_F(IdempotenceTest, KeepsEverythingWhenCopiedAndWhenStored) {
  std::mt19937_64 random(1);
  for (uint64_t i = 0; i < 1000; i++) {
    memory_.Record("producer" + std::to_string(random() % 20), std::to_string(random() % 100),
                   {kStart + 20 * i, 0});
  }
  memory_.CountDuplicate();
  const std::string payload = Stored(memory_);
  Decoder in(payload);
  const std::unique_ptr<Idempotence> loaded = Idempotence::Load(&in);
  ASSERT_NE(loaded, nullptr);
  EXPECT_TRUE(in.done());
  const std::unique_ptr<Idempotence> copied = memory_.Clone();
  EXPECT_EQ(Stored(*loaded), payload);
  EXPECT_EQ(Stored(*copied), payload);
  EXPECT_EQ(loaded->iids_tracked(), memory_.iids_tracked());
  // They go on alike, and the original does not change with them.
  for (Idempotence* twin : {loaded.get(), copied.get()}) {
    twin->Record("producer1", "new", {kStart + 25'000, 0});
  }
  EXPECT_EQ(Stored(*loaded), Stored(*copied));
  EXPECT_EQ(Stored(memory_), payload);
}

TEST_F(IdempotenceTest, DamagedPayloadsAreRefusedOrSound) {
  for (uint64_t i = 0; i < 30; i++) {
    memory_.Record("p" + std::to_string(i % 4), "iid" + std::to_string(i), {kStart + i, i});
  }
  const std::string payload = Stored(memory_);
  for (size_t size = 0; size < payload.size(); size++) {
    Decoder in(std::string_view(payload).substr(0, size));
    ASSERT_EQ(Idempotence::Load(&in), nullptr) << size;
  }
  std::mt19937_64 random(2);
  for (int round = 0; round < 20'000; round++) {
    std::string damaged = payload;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    Decoder in(damaged);
    const std::unique_ptr<Idempotence> loaded = Idempotence::Load(&in);
    if (!loaded) continue;
    loaded->Record("p1", "iid1", {kStart + 50, 0});
    loaded->Record("p2", "iid2", {kStart + 1'000'000, 0});
  }
}

}  // namespace
}  // namespace runnel
