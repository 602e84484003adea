#include "data/hash/hash.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "data/cold_testing.h"
#include "data/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::unique_ptr<Hash> CopyOf(const Hash& hash) {
  return std::unique_ptr<Hash>(static_cast<Hash*>(hash.Clone().release()));
}

std::string Payload(const Object& object) {
  std::string payload;
  object.Serialize(&payload);
  return payload;
}

TEST(Hash, SetsAndRemovesFields) {
  Hash hash;
  EXPECT_TRUE(hash.empty());
  EXPECT_TRUE(hash.Set("name", "value"));
  EXPECT_FALSE(hash.Set("name", "another"));
  EXPECT_EQ(hash.Find("name")->value, "another");
  EXPECT_FALSE(hash.Find("nam").has_value());
  EXPECT_TRUE(hash.Contains("name"));
  EXPECT_EQ(hash.size(), 1u);
  EXPECT_TRUE(hash.Remove("name"));
  EXPECT_FALSE(hash.Remove("name"));
  EXPECT_TRUE(hash.empty());
}

TEST(Hash, HoldsLargeValues) {
  Hash hash;
  const std::string large(20'000'000, 'x');
  hash.Set("large", large);
  hash.Set("small", "s");
  const std::unique_ptr<Hash> copy = CopyOf(hash);
  hash.Set("large", "now small");
  EXPECT_EQ(copy->Find("large")->value, large);
  EXPECT_EQ(hash.Find("large")->value, "now small");
  EXPECT_GT(copy->MemoryBytes(0), large.size());
  EXPECT_GT(copy->FreeEffort(), large.size() / 4096);
  EXPECT_LT(hash.MemoryBytes(0), 300u);
}

TEST(Hash, EncodingFollowsTheLimits) {
  Hash hash;
  hash.Set(std::string(64, 'f'), std::string(64, 'v'));
  EXPECT_EQ(hash.encoding(), "listpack");
  hash.Set("f", std::string(65, 'v'));
  EXPECT_EQ(hash.encoding(), "hashtable");
  hash.Remove("f");
  EXPECT_EQ(hash.encoding(), "hashtable");
  EXPECT_EQ(hash.EncodingUnder({.hash_max_listpack_value = 65}), "listpack");
  Hash many;
  for (int i = 0; i < 512; i++) {
    many.Set(std::to_string(i), "v");
    ASSERT_EQ(many.encoding(), "listpack");
  }
  many.Set("512", "v");
  EXPECT_EQ(many.encoding(), "hashtable");
  // What is loaded is taken as it is.
  many.Remove("512");
  EXPECT_EQ(LoadAs<Hash>(Payload(many))->encoding(), "listpack");
}

TEST(Hash, FieldsExpireOnTheirOwn) {
  Hash hash;
  hash.Set("a", "1");
  hash.Set("b", "2");
  hash.Set("c", "3");
  EXPECT_EQ(hash.expiring(), 0u);
  EXPECT_EQ(hash.NextExpiry(), kNoExpiry);
  EXPECT_EQ(hash.ExpiryOf("a"), kNoExpiry);
  EXPECT_FALSE(hash.ClearExpiry("a"));
  EXPECT_THAT(hash.ExpiredFields(1'000'000, 10), IsEmpty());

  hash.SetExpiry("a", 3000);
  hash.SetExpiry("b", 2000);
  hash.SetExpiry("c", 1000);
  hash.SetExpiry("c", 2500);
  EXPECT_EQ(hash.expiring(), 3u);
  EXPECT_EQ(hash.NextExpiry(), 2000);
  EXPECT_EQ(hash.ExpiryOf("c"), 2500);
  EXPECT_THAT(hash.ExpiredFields(1999, 10), IsEmpty());
  EXPECT_THAT(hash.ExpiredFields(2500, 10), ElementsAre("b", "c"));
  EXPECT_THAT(hash.ExpiredFields(9999, 2), ElementsAre("b", "c"));
  // A field that is there and expired is there.
  EXPECT_TRUE(hash.Contains("b"));

  hash.SetKeepingExpiry("b", "new");
  EXPECT_EQ(hash.ExpiryOf("b"), 2000);
  hash.Set("b", "newer");
  EXPECT_EQ(hash.ExpiryOf("b"), kNoExpiry);
  EXPECT_EQ(hash.NextExpiry(), 2500);
  hash.Remove("c");
  EXPECT_EQ(hash.ExpiryOf("c"), kNoExpiry);
  EXPECT_TRUE(hash.ClearExpiry("a"));
  EXPECT_EQ(hash.expiring(), 0u);
  EXPECT_EQ(hash.NextExpiry(), kNoExpiry);
}

TEST(Hash, ExpiryCostsNothingWhereThereIsNone) {
  Hash hash;
  hash.Set("a", "1");
  const size_t before = hash.MemoryBytes(0);
  hash.SetExpiry("a", 1000);
  EXPECT_GT(hash.MemoryBytes(0), before);
  hash.ClearExpiry("a");
  EXPECT_EQ(hash.MemoryBytes(0), before);
}

TEST(Hash, ThereIsOnePayload) {
  Hash forth;
  Hash back;
  for (int i = 0; i < 100; i++) {
    forth.Set(std::to_string(i), "v" + std::to_string(i));
    back.Set(std::to_string(99 - i), "v" + std::to_string(99 - i));
  }
  const std::string payload = Payload(forth);
  EXPECT_EQ(payload, Payload(back));
  EXPECT_EQ(Payload(*LoadAs<Hash>(payload)), payload);
  forth.SetExpiry("7", 12345);
  const std::string with_expiry = Payload(forth);
  EXPECT_EQ(with_expiry.size(), payload.size() + 100 + 3);
  const std::unique_ptr<Object> loaded = LoadAs<Hash>(with_expiry);
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(static_cast<const Hash&>(*loaded).ExpiryOf("7"), 12345);
  EXPECT_EQ(Payload(*loaded), with_expiry);
}

TEST(Hash, LoadTakesNoOtherPayload) {
  // "b" comes before "a" in the order of checksums.
  Hash hash;
  hash.Set("a", "1");
  hash.Set("b", "2");
  const std::string a(
      "\x01"
      "a\x01"
      "1",
      4);
  const std::string b(
      "\x01"
      "b\x01"
      "2",
      4);
  const bool a_first = Payload(hash) == "\x01\x02" + a + b;
  ASSERT_TRUE(a_first || Payload(hash) == "\x01\x02" + b + a);
  const std::string first = a_first ? a : b;
  const std::string second = a_first ? b : a;
  const std::string none(1, '\0');
  ASSERT_NE(LoadAs<Hash>("\x01\x02" + first + second), nullptr);
  ASSERT_NE(LoadAs<Hash>("\x02\x01" + a + "\x01\x02"), nullptr);
  for (const std::string& bad : {
           std::string(),
           "\x01" + none,                       // empty
           "\x03\x02" + first + second,         // another version
           "\x01\x02" + second + first,         // another order
           "\x01\x02" + a + a,                  // a field twice
           "\x01\x03" + first + second,         // a field is missing
           "\x01\x02" + first + second + "x",   // something follows
           "\x01\x82" + none + first + second,  // a longer varint
           "\x01\x01\x81" + none +
               "a\x01"
               "1",                             // likewise
           "\x02\x01" + a + none,               // version 2 without an expiry
           "\x02\x01" + a + "\x02\x02",         // neither with nor without
           "\x02\x01" + a + "\x01\x82" + none,  // a longer varint
           "\x02\x01" + a + "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  // too late
       }) {
    EXPECT_EQ(LoadAs<Hash>(bad), nullptr) << testing::PrintToString(bad);
  }
}

// The stored form has any order, and the rest is refused as in a payload.
TEST(Hash, StoredFormHasAnyOrder) {
  Hash hash;
  for (int i = 0; i < 1000; i++) {
    hash.Set(std::to_string(i), "v");
    if (i % 10 == 0) hash.SetExpiry(std::to_string(i), i);
  }
  std::string stored;
  Encoder out(&stored);
  hash.EncodeStored(&out);
  FakeColdSource source;
  Decoder in(stored);
  const std::unique_ptr<Object> loaded = Hash::LoadStored(&in, source);
  ASSERT_NE(loaded, nullptr);
  EXPECT_TRUE(in.done());
  EXPECT_EQ(Payload(*loaded), Payload(hash));
  Decoder twice(
      "\x01\x02\x01"
      "a\x01"
      "1\x01"
      "a\x01"
      "1");
  EXPECT_EQ(Hash::LoadStored(&twice, source), nullptr);
}

// Hashes and what they must hold, with expiries. Some are copies of others.
class HashModelTest : public testing::TestWithParam<uint32_t> {
 protected:
  struct Pair {
    std::unique_ptr<Hash> hash = std::make_unique<Hash>();
    std::map<std::string, std::pair<std::string, int64_t>> model;
  };
  size_t Below(size_t bound) { return random_() % bound; }

  static void Check(const Pair& pair) {
    ASSERT_EQ(pair.hash->size(), pair.model.size());
    int64_t next = kNoExpiry;
    size_t expiring = 0;
    for (const auto& [field, held] : pair.model) {
      ASSERT_EQ(pair.hash->Find(field)->value, held.first);
      ASSERT_EQ(pair.hash->ExpiryOf(field), held.second);
      if (held.second == kNoExpiry) continue;
      expiring++;
      if (next == kNoExpiry || held.second < next) next = held.second;
    }
    ASSERT_EQ(pair.hash->expiring(), expiring);
    ASSERT_EQ(pair.hash->NextExpiry(), next);
    if (pair.model.empty()) return;
    const std::string payload = Payload(*pair.hash);
    const std::unique_ptr<Object> loaded = LoadAs<Hash>(payload);
    ASSERT_NE(loaded, nullptr);
    ASSERT_EQ(Payload(*loaded), payload);
  }

  std::mt19937_64 random_{GetParam()};
};

TEST_P(HashModelTest, DoesWhatAMapDoes) {
  std::vector<Pair> pairs(3);
  size_t fields = 10;
  for (int i = 0; i < 20'000; i++) {
    if (i % 2048 == 0) fields = size_t{10} << Below(9);
    Pair& pair = pairs[Below(pairs.size())];
    const std::string field = "f" + std::to_string(Below(fields));
    const bool is_there = pair.model.contains(field);
    switch (Below(8)) {
      case 0:
      case 1: {
        const std::string value(Below(200), 'v');
        ASSERT_EQ(pair.hash->Set(field, value), !is_there);
        pair.model[field] = {value, kNoExpiry};
        break;
      }
      case 2: {
        const std::string value(Below(20), 'w');
        ASSERT_EQ(pair.hash->SetKeepingExpiry(field, value), !is_there);
        pair.model[field] = {value, is_there ? pair.model[field].second : kNoExpiry};
        break;
      }
      case 3:
        ASSERT_EQ(pair.hash->Remove(field), is_there);
        pair.model.erase(field);
        break;
      case 4:
      case 5: {
        if (!is_there) break;
        const int64_t time = static_cast<int64_t>(Below(1000)) - 10;
        pair.hash->SetExpiry(field, time);
        pair.model[field].second = time;
        break;
      }
      case 6: {
        const bool had = is_there && pair.model[field].second != kNoExpiry;
        ASSERT_EQ(pair.hash->ClearExpiry(field), had);
        if (had) pair.model[field].second = kNoExpiry;
        break;
      }
      default: {
        if (Below(4) == 0) {
          const int64_t now = static_cast<int64_t>(Below(500));
          for (const std::string& gone : pair.hash->ExpiredFields(now, 5)) {
            ASSERT_LE(pair.model.at(gone).second, now);
            ASSERT_TRUE(pair.hash->Remove(gone));
            pair.model.erase(gone);
          }
        } else if (Below(20) == 0) {
          Pair copy{CopyOf(*pair.hash), pair.model};
          pairs[Below(pairs.size())] = std::move(copy);
        }
      }
    }
    if (i % 500 == 499) {
      for (const Pair& each : pairs) {
        Check(each);
      }
    }
    if (HasFailure()) FAIL() << "after operation " << i << " of seed " << GetParam();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, HashModelTest, testing::Range(1u, 7u));

// The keyspace captures a hash in one step, and the capture does not see what comes after.
TEST(Hash, IsCapturedWhileItChanges) {
  Keyspace keyspace(1);
  CaptureCheck check;
  std::mt19937 random(9);
  for (int i = 0; i < 20; i++) {
    auto hash = std::make_unique<Hash>();
    hash->Set("first", "v");
    keyspace.Put(KeyRef(0, "h" + std::to_string(i)), std::move(hash));
  }
  for (int i = 0; i < 5000; i++) {
    check.Step(keyspace, [&] { return random(); });
    const std::string name = "h" + std::to_string(random() % 20);
    const KeyRef key(0, name);
    Hash& hash = keyspace.Mutable<Hash>(key);
    const std::string field = std::to_string(random() % 60);
    if (random() % 3 == 0) {
      hash.Remove(field);
    } else {
      hash.Set(field, std::to_string(i));
      if (random() % 4 == 0) hash.SetExpiry(field, i);
    }
    keyspace.Changed(key, KeyChange::kModified);
  }
  EXPECT_GT(check.finished(), 20);
  EXPECT_EQ(check.wrong(), 0);
  keyspace.EndCapture();
}

}  // namespace
}  // namespace runnel
