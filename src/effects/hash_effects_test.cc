#include "effects/hash_effects.h"

#include <string>
#include <vector>

#include "data/hash/hash.h"
#include "data/testing.h"
#include "effects/batch.h"
#include "effects/keyspace_effects.h"
#include "effects/string_effects.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;

// Applies effects to a keyspace, listens to it, and sees to it that their records do the same to
// another one.
class HashEffectsTest : public ::testing::Test, private KeyspaceObserver {
 protected:
  HashEffectsTest() {
    batch_.set_on(true);
    keyspace_.Observe(this);
  }
  void TearDown() override {
    keyspace_.Observe(nullptr);
    Keyspace replayed(2);
    ASSERT_TRUE(Batch::ForEach(
        batch_.bytes(), [&](const Record& record) { ASSERT_TRUE(Replay(record, replayed).ok()); }));
    EXPECT_EQ(ContentOf(replayed), ContentOf(keyspace_));
    EXPECT_EQ(NextOf(replayed), NextOf(keyspace_));
  }

  template <class E>
  void Apply(const E& effect) {
    changes_.clear();
    ASSERT_TRUE(effect.Fits(keyspace_).fits());
    Commit(effect, batch_, keyspace_);
  }
  void Set(std::vector<std::string_view> pairs, bool keep_expiries = false) {
    Apply(HashSet{key_, pairs, keep_expiries});
  }
  void Remove(std::vector<std::string_view> fields) { Apply(HashRemove{key_, fields}); }
  void Expire(uint64_t expire_at_ms, std::vector<std::string_view> fields) {
    Apply(HashExpire{key_, expire_at_ms, fields});
  }
  const Hash& hash() const { return *keyspace_.Find(key_)->As<Hash>(); }
  // The hash whose fields expire first, and when: "h 100".
  static std::string NextOf(const Keyspace& keyspace) {
    std::string text;
    for (uint32_t db = 0; db < keyspace.databases(); db++) {
      const KeyEntry* const next = keyspace.NextFieldToExpire(db);
      if (next == nullptr) continue;
      text += (db == 0 ? "" : "@") + std::string(next->name()) + " " +
              std::to_string(next->As<Hash>()->NextExpiry());
    }
    return text;
  }

  const KeyRef key_{0, "h"};
  Keyspace keyspace_{2};
  std::vector<KeyChange> changes_;

 private:
  void OnKeyChange(uint32_t, std::string_view, KeyChange change) override {
    changes_.push_back(change);
  }
  void OnFlush(uint32_t) override {}
  void OnSwap(uint32_t, uint32_t) override {}
  void OnTopicsChange(uint32_t) override {}

  Batch batch_;
};

TEST_F(HashEffectsTest, TheFirstFieldMakesTheKeyAndTheLastTakesIt) {
  Set({"a", "1", "b", "2"});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kAdded));
  EXPECT_EQ(hash().size(), 2u);
  Set({"b", "3", "b", "4"});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kModified));
  EXPECT_EQ(hash().Find("b")->value, "4");
  Remove({"a"});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kModified));
  Remove({"b"});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kRemoved));
  EXPECT_EQ(keyspace_.Find(key_), nullptr);
}

TEST_F(HashEffectsTest, SettingEndsAnExpiryUnlessItIsKept) {
  Set({"a", "1", "b", "2"});
  Expire(100, {"a", "b"});
  EXPECT_EQ(hash().ExpiryOf("a"), 100);
  Set({"a", "2"}, true);
  EXPECT_EQ(hash().ExpiryOf("a"), 100);
  Set({"a", "3"});
  EXPECT_EQ(hash().ExpiryOf("a"), kNoExpiry);
  EXPECT_EQ(hash().ExpiryOf("b"), 100);
  Expire(0, {"b"});
  EXPECT_EQ(hash().expiring(), 0u);
}

TEST_F(HashEffectsTest, TheKeyspaceKnowsWhichFieldsExpireFirst) {
  Set({"a", "1", "b", "2", "c", "3"});
  EXPECT_EQ(NextOf(keyspace_), "");
  Expire(300, {"a"});
  EXPECT_EQ(NextOf(keyspace_), "h 300");
  Expire(200, {"b"});
  EXPECT_EQ(NextOf(keyspace_), "h 200");
  EXPECT_EQ(keyspace_.with_expiring_fields(0), 1u);
  const std::string_view pair[] = {"f", "v"};
  const std::string_view field[] = {"f"};
  const KeyRef other(0, "i");
  Apply(HashSet{other, pair});
  Apply(HashExpire{other, 250, field});
  EXPECT_EQ(keyspace_.with_expiring_fields(0), 2u);
  Set({"b", "3"});
  EXPECT_EQ(NextOf(keyspace_), "i 250");
  Remove({"a"});
  EXPECT_EQ(keyspace_.with_expiring_fields(0), 1u);
  Apply(HashRemove{other, field});
  EXPECT_EQ(NextOf(keyspace_), "");
}

// Whatever becomes of the key, the index has it where it is.
TEST_F(HashEffectsTest, TheIndexFollowsTheKey) {
  Set({"a", "1", "b", "2"});
  Expire(300, {"a"});
  const KeyRef moved(1, "m");
  Apply(KeyRename{key_, moved});
  EXPECT_EQ(NextOf(keyspace_), "@m 300");
  Apply(KeyCopy{moved, key_});
  EXPECT_EQ(NextOf(keyspace_), "h 300@m 300");
  Expire(200, {"b"});
  Apply(Swap{0, 1});
  EXPECT_EQ(NextOf(keyspace_), "m 300@h 200");
  Apply(StringSet{KeyRef(0, "m"), "v"});
  EXPECT_EQ(NextOf(keyspace_), "@h 200");
  std::string payload;
  keyspace_.Find(KeyRef(1, "h"))->value().Serialize(&payload);
  Apply(KeyRestore{KeyRef(0, "r"), ObjectType::kHash, payload, kNoExpiry});
  EXPECT_EQ(NextOf(keyspace_), "r 200@h 200");
  Apply(KeyRemove{KeyRef(0, "r")});
  Apply(Flush{false, 1});
  EXPECT_EQ(NextOf(keyspace_), "");
}

TEST_F(HashEffectsTest, WhatDoesNotFitIsRefused) {
  const std::string_view one[] = {"a"};
  const std::string_view pair[] = {"a", "1"};
  EXPECT_STREQ((HashRemove{key_, one}.Fits(keyspace_).why()), "there is no such key");
  EXPECT_STREQ((HashExpire{key_, 1, one}.Fits(keyspace_).why()), "there is no such key");
  EXPECT_STREQ((HashSet{key_, one}.Fits(keyspace_).why()), "the last field has no value");
  EXPECT_STREQ((HashSet{key_, {}}.Fits(keyspace_).why()), "it concerns no field");
  EXPECT_STREQ((HashSet{KeyRef(CompanionOf(0), "h"), pair}.Fits(keyspace_).why()),
               "a companion has no hashes");
  Set({"b", "1"});
  EXPECT_STREQ((HashRemove{key_, one}.Fits(keyspace_).why()), "the hash has no such field");
  EXPECT_STREQ((HashExpire{key_, 1, one}.Fits(keyspace_).why()), "the hash has no such field");
  EXPECT_STREQ((HashRemove{key_, {}}.Fits(keyspace_).why()), "it concerns no field");
  EXPECT_STREQ((HashExpire{key_, uint64_t{1} << 53, one}.Fits(keyspace_).why()),
               "the time is too late");
  Apply(StringSet{key_, "v"});
  EXPECT_STREQ((HashSet{key_, pair}.Fits(keyspace_).why()),
               "the key holds a value of another type");
}

}  // namespace
}  // namespace runnel
