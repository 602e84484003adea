// Replaying the records of a batch gives the state that applying the effects gave, and lists and
// sets are what plain ones become under the same changes.

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "data/hash/hash.h"
#include "data/set/set.h"
#include "data/sorted_set/sorted_set.h"
#include "data/testing.h"
#include "effects/batch.h"
#include "effects/function_effects.h"
#include "effects/hash_effects.h"
#include "effects/keyspace_effects.h"
#include "effects/list_effects.h"
#include "effects/set_effects.h"
#include "effects/sorted_set_effects.h"
#include "effects/string_effects.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

// Applies effects to a keyspace, notes them in a batch, and does the same to plain deques.
class EffectsToReplay {
 public:
  explicit EffectsToReplay(int seed) : random_(seed) { batch_.set_on(true); }

  void Step() {
    if (random_() % 10 == 0) return ChangeSet();
    if (random_() % 20 == 0) return ChangeLibrary();
    const KeyRef key = RandomKey();
    const auto found = lists_.find({key.db, std::string(key.name)});
    const KeyEntry* const entry = keyspace_.Find(key);
    const bool is_hash = entry != nullptr && entry->type() == ObjectType::kHash;
    const bool is_string = entry != nullptr && entry->type() == ObjectType::kString;
    if (random_() % 8 == 0) return ChangeSortedSet();
    const uint32_t choice = random_() % 100;
    if (choice < 8) return ChangeString(key);
    if (choice < 16) return ChangeKey(key);
    if (is_hash || (entry == nullptr && choice < 30)) return ChangeHash(key);
    if (is_string) return;
    if (found == lists_.end() || choice < 40) return Push(key);
    ChangeList(key, found->second);
    if (found->second.empty()) lists_.erase(found);
  }

  void Check() {
    KeyspaceContent lists;
    for (const auto& [at, content] : ContentOf(keyspace_)) {
      if (content.type == ObjectType::kList) lists[at] = content;
    }
    ASSERT_EQ(lists.size(), lists_.size());
    for (const auto& [at, elements] : lists_) {
      std::string payload;
      Encoder out(&payload);
      out.Byte(1);
      out.Varint(elements.size());
      for (const std::string& element : elements)
        out.Bytes(element);
      ASSERT_EQ(lists.at(at).payload, payload) << at.second;
    }
    for (uint32_t db = 0; db < 2; db++) {
      const KeyEntry* const entry = keyspace_.Find(SetKey(db));
      ASSERT_EQ(entry == nullptr, sets_[db].empty());
      std::set<std::string> members;
      if (entry != nullptr) {
        entry->As<runnel::Set>()->ForEach(
            [&](std::string_view member) { members.emplace(member); });
      }
      ASSERT_EQ(members, sets_[db]);
    }
    Keyspace replayed(2);
    ASSERT_TRUE(Batch::ForEach(
        batch_.bytes(), [&](const Record& record) { ASSERT_TRUE(Replay(record, replayed).ok()); }));
    ASSERT_EQ(ContentOf(replayed), ContentOf(keyspace_));
    CheckFieldExpiries(keyspace_);
    CheckFieldExpiries(replayed);
  }

 private:
  using List = std::deque<std::string>;

  // The index of hashes by the expiry of their fields is what a walk over all keys finds.
  static void CheckFieldExpiries(const Keyspace& keyspace) {
    for (uint32_t db = 0; db < keyspace.databases(); db++) {
      size_t hashes = 0;
      int64_t next_ms = kNoExpiry;
      keyspace.table(db).ForEach([&](const KeyEntry* entry) {
        const Hash* const hash = entry->As<Hash>();
        if (hash == nullptr || hash->expiring() == 0) return;
        hashes++;
        if (ExpiryOrder(hash->NextExpiry()) < ExpiryOrder(next_ms)) next_ms = hash->NextExpiry();
      });
      ASSERT_EQ(keyspace.with_expiring_fields(db), hashes);
      const KeyEntry* const next = keyspace.NextFieldToExpire(db);
      ASSERT_EQ(next != nullptr ? next->As<Hash>()->NextExpiry() : kNoExpiry, next_ms);
    }
  }

  template <class E>
  void Apply(const E& effect) {
    batch_.Add(effect);
    effect.Apply(keyspace_);
  }

  KeyRef RandomKey() {
    static const std::string_view names[] = {"a", "b", "c", "d"};
    return KeyRef(random_() % 2, names[random_() % 4]);
  }
  std::string RandomValue() {
    const size_t size = random_() % 20 == 0 ? random_() % 10000 : random_() % 3;
    return std::string(size, static_cast<char>('a' + random_() % 3));
  }
  void ChangeLibrary() {
    FunctionLibrary gone{LibraryChange::kRemoveAll, "", "", {}, {}, {}};
    if (random_() % 12 == 0) return Apply(gone);
    const std::string name(1, static_cast<char>('a' + random_() % 3));
    if (keyspace_.functions().Find(name) != nullptr && random_() % 2 == 0) {
      gone.change = LibraryChange::kRemove;
      gone.name = name;
      return Apply(gone);
    }
    StoredLibrary library{
        name, RandomValue(), {{"f" + name, static_cast<uint32_t>(random_() % 32), std::nullopt}}};
    if (random_() % 2 == 0) library.functions.push_back({"g" + name, 0, RandomValue()});
    Apply(PutLibrary(library).effect());
    ASSERT_EQ(*keyspace_.functions().Find(name)->library, library);
  }
  // A key that no other effect names, but those on whole databases.
  static KeyRef SetKey(uint32_t db) { return KeyRef(db, "set"); }
  void ChangeSet() {
    const uint32_t db = random_() % 2;
    std::vector<std::string> members(1 + random_() % 4);
    for (std::string& member : members)
      member = random_() % 3 == 0 ? RandomValue() : std::to_string(random_() % 1000);
    const std::vector<std::string_view> views(members.begin(), members.end());
    if (sets_[db].empty() || random_() % 2 == 0) {
      Apply(SetAdd{SetKey(db), views});
      sets_[db].insert(members.begin(), members.end());
    } else {
      Apply(SetRemove{SetKey(db), views});
      for (const std::string& member : members)
        sets_[db].erase(member);
    }
  }

  ListEnd RandomEnd() { return random_() % 2 == 0 ? ListEnd::kFront : ListEnd::kBack; }

  List& ListAt(const KeyRef& key) { return lists_[{key.db, std::string(key.name)}]; }

  void Push(const KeyRef& key) {
    std::vector<std::string> values(1 + random_() % 8);
    for (std::string& value : values)
      value = RandomValue();
    const std::vector<std::string_view> views(values.begin(), values.end());
    const ListEnd end = RandomEnd();
    Apply(ListPush{key, end, views});
    for (const std::string& value : values) {
      end == ListEnd::kFront ? ListAt(key).push_front(value) : ListAt(key).push_back(value);
    }
  }

  void ChangeList(const KeyRef& key, List& list) {
    switch (random_() % 6) {
      case 0: {
        const uint64_t count = random_() % 3 == 0 ? 1 + random_() % list.size() : 1;
        const ListEnd end = RandomEnd();
        Apply(ListPop{key, end, count});
        const auto first =
            end == ListEnd::kFront ? list.begin() : list.end() - static_cast<long>(count);
        list.erase(first, first + static_cast<long>(count));
        break;
      }
      case 1: {
        const uint64_t index = random_() % list.size();
        const std::string value = RandomValue();
        Apply(ListSet{key, index, value});
        list[index] = value;
        break;
      }
      case 2: {
        const uint64_t index = random_() % (list.size() + 1);
        const std::string value = RandomValue();
        Apply(ListInsert{key, index, value});
        list.insert(list.begin() + static_cast<long>(index), value);
        break;
      }
      case 3: {
        const int64_t count = static_cast<int64_t>(random_() % 5) - 2;
        const std::string value = RandomValue();
        Apply(ListRemove{key, count, value});
        Remove(list, value, count);
        break;
      }
      case 4: {
        if (random_() % 4 != 0) break;
        const uint64_t start = random_() % (list.size() + 1);
        const uint64_t count = random_() % (list.size() - start + 1);
        Apply(ListTrim{key, start, count});
        const auto first = list.begin() + static_cast<long>(start);
        list = List(first, first + static_cast<long>(count));
        break;
      }
      case 5:
        Move(key, list);
        break;
    }
  }

  static void Remove(List& list, const std::string& value, int64_t count) {
    size_t left = count == 0 ? list.size() : static_cast<size_t>(std::abs(count));
    if (count < 0) std::reverse(list.begin(), list.end());
    std::erase_if(list, [&](const std::string& element) {
      return element == value && left > 0 && left-- > 0;
    });
    if (count < 0) std::reverse(list.begin(), list.end());
  }

  void Move(const KeyRef& key, List& list) {
    const KeyRef to = RandomKey();
    const bool to_other =
        keyspace_.Find(to) != nullptr && !lists_.contains({to.db, std::string(to.name)});
    if (to_other) return;
    const ListEnd from_end = RandomEnd();
    const ListEnd to_end = RandomEnd();
    const uint64_t count = random_() % 3 == 0 ? 1 + random_() % list.size() : 1;
    const bool reversed = from_end == to_end && random_() % 2 == 0;
    Apply(ListMove{key, to, from_end, to_end, count, reversed});

    const auto first =
        from_end == ListEnd::kFront ? list.begin() : list.end() - static_cast<long>(count);
    List block(first, first + static_cast<long>(count));
    list.erase(first, first + static_cast<long>(count));
    if (reversed) std::reverse(block.begin(), block.end());
    List& target = ListAt(to);
    target.insert(to_end == ListEnd::kFront ? target.begin() : target.end(), block.begin(),
                  block.end());
  }

  // Sorted sets have names of their own; what becomes of their keys is seen to elsewhere.
  void ChangeSortedSet() {
    static const std::string_view members[] = {"", "a", "b", "c", "d", "a longer member"};
    const KeyRef key(random_() % 2, random_() % 2 == 0 ? "z" : "y");
    const KeyEntry* const entry = keyspace_.Find(key);
    if (entry == nullptr || random_() % 2 == 0) {
      std::vector<ScoredMember> scored(1 + random_() % 4);
      for (ScoredMember& member : scored)
        member = {static_cast<double>(random_() % 100) / 4, members[random_() % 6]};
      return Apply(SortedSetAdd{key, scored});
    }
    std::vector<std::string_view> removed;
    for (const std::string_view member : members) {
      if (random_() % 4 == 0 && entry->As<SortedSet>()->Score(member)) removed.push_back(member);
    }
    if (!removed.empty()) Apply(SortedSetRemove{key, removed});
  }

  // Some fields of which the hash at the key has those that must exist.
  void ChangeHash(const KeyRef& key) {
    static const std::string_view names[] = {"f", "g", "h"};
    const KeyEntry* const entry = keyspace_.Find(key);
    const std::string value = RandomValue();
    const std::string_view field = names[random_() % 3];
    const std::string_view pair[] = {field, value};
    const std::string_view fields[] = {field};
    const bool exists = entry != nullptr && entry->As<Hash>()->Contains(field);
    switch (exists ? random_() % 4 : 3) {
      case 0:
        return Apply(HashRemove{key, fields});
      case 1:
        return Apply(HashExpire{key, random_() % 3 == 0 ? 0 : random_() % 1000, fields});
      default:
        return Apply(HashSet{key, pair, random_() % 2 == 0});
    }
  }

  void ChangeString(const KeyRef& key) {
    const std::string value = RandomValue();
    const KeyEntry* const entry = keyspace_.Find(key);
    const bool is_list = entry != nullptr && entry->type() != ObjectType::kString;
    switch (random_() % 3) {
      case 0:
        Apply(StringSet{key, value,
                        random_() % 2 == 0 ? kNoExpiry : static_cast<int64_t>(random_() % 1000)});
        lists_.erase({key.db, std::string(key.name)});
        break;
      case 1:
        if (!is_list) Apply(StringAppend{key, value});
        break;
      case 2:
        if (!is_list) Apply(StringSetRange{key, random_() % 10, value});
        break;
    }
  }

  void ChangeKey(const KeyRef& key) {
    const std::pair<uint32_t, std::string> at{key.db, std::string(key.name)};
    const bool exists = keyspace_.Find(key) != nullptr;
    const KeyRef to = RandomKey();
    const std::pair<uint32_t, std::string> to_at{to.db, std::string(to.name)};
    switch (random_() % 8) {
      case 0:
        Apply(KeyRemove{key});
        lists_.erase(at);
        break;
      case 1:
        if (exists)
          Apply(KeyExpire{key, random_() % 2 == 0 ? kNoExpiry : static_cast<int64_t>(random_())});
        break;
      case 2:
        if (!exists || at == to_at) break;
        Apply(KeyRename{key, to});
        Replace(to_at, at);
        lists_.erase(at);
        break;
      case 3:
        if (!exists || at == to_at) break;
        Apply(KeyCopy{key, to});
        Replace(to_at, at);
        break;
      case 4: {
        if (!exists) break;
        std::string payload;
        const ObjectType type = keyspace_.Find(key)->type();
        keyspace_.Find(key)->value().Serialize(&payload);
        Apply(KeyRestore{to, type, payload,
                         random_() % 2 == 0 ? kNoExpiry : static_cast<int64_t>(random_())});
        if (at != to_at) Replace(to_at, at);
        break;
      }
      case 5:
        if (random_() % 8 != 0) break;
        Apply(Flush{false, key.db});
        sets_[key.db].clear();
        std::erase_if(lists_, [&](const auto& item) { return item.first.first == key.db; });
        break;
      case 6: {
        Apply(Swap{0, 1});
        std::swap(sets_[0], sets_[1]);
        decltype(lists_) swapped;
        for (auto& [place, list] : lists_)
          swapped[{1 - place.first, place.second}] = std::move(list);
        lists_ = std::move(swapped);
        break;
      }
      case 7:
        if (random_() % 16 != 0) break;
        Apply(Flush{true, 0});
        lists_.clear();
        sets_[0].clear();
        sets_[1].clear();
        break;
    }
  }

  // What is at `from` is now also at `to`, whatever was there.
  void Replace(const std::pair<uint32_t, std::string>& to,
               const std::pair<uint32_t, std::string>& from) {
    lists_.erase(to);
    if (lists_.contains(from)) lists_[to] = lists_[from];
  }

  std::mt19937 random_;
  Keyspace keyspace_{2};
  Batch batch_;
  std::map<std::pair<uint32_t, std::string>, List> lists_;
  std::set<std::string> sets_[2];
};

class EffectReplay : public testing::TestWithParam<int> {};

TEST_P(EffectReplay, GivesTheStateThatApplyingGave) {
  EffectsToReplay effects(GetParam());
  for (int i = 0; i < 3000; i++) {
    effects.Step();
    if (i % 300 != 0) continue;
    ASSERT_NO_FATAL_FAILURE(effects.Check()) << "after step " << i;
  }
  ASSERT_NO_FATAL_FAILURE(effects.Check());
}

INSTANTIATE_TEST_SUITE_P(Seeds, EffectReplay, testing::Range(0, 20));

}  // namespace
}  // namespace runnel
