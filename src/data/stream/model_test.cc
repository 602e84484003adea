#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "data/cold_testing.h"
#include "data/stream/model.h"
#include "data/stream/stream.h"
#include "data/testing.h"

// Drives streams through random changes, beside a model of maps that says what each of them means,
// and compares everything that can be asked. Blocks may go to a fake disk in between, which changes
// nothing of it: a question that misses is asked again, and so is a change, because it misses
// before it has changed anything.

namespace runnel {
namespace {

class Machine {
 public:
  explicit Machine(uint64_t seed, FakeColdSource* cold = nullptr)
      : random_(seed), cold_(cold), stream_(std::make_unique<Stream>()) {
    limits_.max_entries = Below(2) == 0 ? 100 : 1 + Below(20);
    limits_.max_bytes = Below(2) == 0 ? 4096 : 256;
    stream_->Attach(&hot_);
  }

  const Stream& stream() const { return *stream_; }
  const StreamModel& model() const { return model_; }

  void Step() {
    // Long phases in which more is added than taken away, and short ones in which trims empty the
    // stream.
    const bool growing = steps_++ % 25'000 < 20'000;
    const uint64_t choice = growing ? Below(168) : Below(200);
    if (choice < (growing ? 90u : 40u)) {
      Append();
    } else if (choice < 112) {
      Deliver();
    } else if (choice < 125) {
      Ack();
    } else if (choice < 140) {
      Delete(Below(3) == 0 ? model_.first_id() : SomeId());
    } else if (choice < 147) {
      Claim();
    } else if (choice < 150) {
      Release();
    } else if (choice < 155) {
      Redeliver();
    } else if (choice < 158) {
      ChangeConsumers();
    } else if (choice < 159) {
      ChangeGroups();
    } else if (choice < 160) {
      SetIds();
    } else if (choice >= 190) {
      Trim();
    } else if (choice >= 187) {
      AckedTrim();
    } else if (choice >= 185) {
      RemoveRanges();
    } else {
      if (cold_) {
        ASSERT_EQ(hot_.bytes(), stream_->hot_bytes());
        ASSERT_EQ(hot_.cold_entries(), stream_->cold_entries());
        ASSERT_EQ(hot_.cold_bytes(), stream_->cold_bytes());
      }
      Missing([this] { Compare(); });
    }
    if (cold_ && Below(20) == 0) Spill();
    if (cold_ && Below(10) == 0) cold_->EvictAll();
  }

  // Swaps the stream for one that should be the same; returns the old one.
  std::unique_ptr<Stream> Replace(std::unique_ptr<Stream> stream) {
    StopWriting();
    stream_->Attach(nullptr);
    stream_.swap(stream);
    stream_->Attach(&hot_);
    return stream;
  }

  // Questions about single IDs and ranges.
  void Compare() {
    const StreamId id = SomeId();
    const auto found = model_.entries.find(id);
    ASSERT_EQ(stream_->Contains(id), found != model_.entries.end());
    ASSERT_EQ(stream_->IsReferenced(id), model_.IsReferenced(id));
    const auto above = model_.entries.upper_bound(id);
    const auto from = model_.entries.lower_bound(id);
    const EntryCursor at = stream_->Seek(id);
    const EntryCursor next = stream_->SeekAfter(id);
    ASSERT_EQ(at.valid(), from != model_.entries.end());
    ASSERT_EQ(next.valid(), above != model_.entries.end());
    if (at.valid()) {
      ASSERT_EQ(at->id(), from->first);
      CompareForwardCounts(at, from);
    }
    if (next.valid()) {
      ASSERT_EQ(next->id(), above->first);
    }
    const EntryCursor before = stream_->SeekBack(id);
    ASSERT_EQ(before.valid(), above != model_.entries.begin());
    if (before.valid()) {
      ASSERT_EQ(before->id(), std::prev(above)->first);
      CompareBackwardCounts(before, above);
    }
    for (const auto& [name, group] : stream_->groups()) {
      CompareNew(*group);
    }
  }

 private:
  using Entries = std::map<StreamId, std::vector<std::string>>;

  uint64_t Below(uint64_t bound) { return random_() % bound; }

  // The same draws in each try.
  template <class What>
  void Missing(What what) {
    if (!cold_) return what();
    const std::mt19937_64 random = random_;
    cold_->WithMisses([&] {
      random_ = random;
      what();
    });
  }

  void StopWriting() {
    if (writing_ != nullptr) writing_->NoteWriting(nullptr);
    writing_ = nullptr;
    runs_.clear();
  }
  // Begins to write runs, or ends it some steps later.
  void Spill() {
    if (writing_ == nullptr) {
      writing_ = hot_.Largest();
      if (writing_ == nullptr) return;
      runs_ = writing_->TakeRuns(1 + Below(8000), 1 + Below(20'000));
      writing_->NoteWriting(&writing_);
      ASSERT_EQ(hot_.Largest(), nullptr);
      return;
    }
    std::vector<Spillable::Written> written;
    for (const auto& run : runs_) {
      written.push_back({run, cold_->Write(*run)});
    }
    writing_->GiveAway(written);
    StopWriting();
  }

  void CompareForwardCounts(EntryCursor at, Entries::const_iterator from) {
    const StreamId last = SomeId();
    const Entries::const_iterator end = model_.entries.upper_bound(last);
    const uint64_t most = Below(300);
    const uint64_t count = last < from->first ? 0 : static_cast<uint64_t>(std::distance(from, end));
    ASSERT_EQ(at.CountTo(last, most), std::min(count, most));
    if (count == 0) return;
    const uint64_t steps = Below(count);
    at.Require(steps + 1);
    const uint64_t fetches = cold_ ? cold_->fetches : 0;
    EntryCursor walk = at;
    for (uint64_t i = 0; i < steps; i++) {
      walk.Next();
    }
    at.Skip(steps);
    ASSERT_EQ(walk->id(), at->id());
    ASSERT_EQ(cold_ ? cold_->fetches : 0, fetches);
    ASSERT_EQ(at->id(), std::next(from, static_cast<ptrdiff_t>(steps))->first);
    ASSERT_EQ(FieldsOf(*at), std::next(from, static_cast<ptrdiff_t>(steps))->second);
  }
  void CompareBackwardCounts(const EntryCursor& at, Entries::const_iterator end) {
    const StreamId first = SomeId();
    const Entries::const_iterator begin = model_.entries.lower_bound(first);
    const uint64_t most = Below(300);
    const uint64_t count = at->id() < first ? 0 : static_cast<uint64_t>(std::distance(begin, end));
    ASSERT_EQ(at.CountBackTo(first, most), std::min(count, most));
    if (count == 0) return;
    const uint64_t steps = Below(std::min<uint64_t>(count, 200));
    at.RequireBack(steps + 1);
    const uint64_t fetches = cold_ ? cold_->fetches : 0;
    EntryCursor walk = at;
    for (uint64_t i = 0; i < steps; i++) {
      walk.Previous();
    }
    ASSERT_EQ(walk->id(), std::prev(end, static_cast<ptrdiff_t>(steps) + 1)->first);
    ASSERT_EQ(cold_ ? cold_->fetches : 0, fetches);
  }
  void CompareNew(const ConsumerGroup& group) {
    const EntryCursor at = stream_->SeekNew(group);
    const auto expected = model_.entries.upper_bound(group.last_delivered());
    ASSERT_EQ(at.valid(), expected != model_.entries.end());
    ASSERT_EQ(stream_->HasNew(group), at.valid());
    if (at.valid()) {
      ASSERT_EQ(at->id(), expected->first);
    }
  }

  StreamId SomeId() {
    // IDs around those that exist: mostly one of them, or its neighbour.
    const StreamId id = {model_.first_id().ms + Below(model_.last_id.ms - model_.first_id().ms + 2),
                         Below(4)};
    const auto at = model_.entries.lower_bound(id);
    if (at == model_.entries.end() || Below(4) == 0) return id;
    return {at->first.ms, at->first.seq + Below(2)};
  }
  StreamId NextId() {
    StreamId id = model_.last_id;
    if (Below(3) != 0) return {id.ms, id.seq + 1};
    if (Below(5000) == 0) return {id.ms + (uint64_t{1} << 33), random_()};
    return {id.ms + 1 + Below(3), Below(2)};
  }
  std::vector<std::string> SomeFields() {
    static constexpr const char* kNames[] = {"a", "temperature", "", "a longer name of a field"};
    std::vector<std::string> fields;
    for (uint64_t count = Below(50) == 0 ? 30 : 1 + Below(3); count > 0; count--) {
      fields.emplace_back(kNames[Below(4)]);
      fields.emplace_back(Below(Below(100) == 0 ? 3000 : 40), static_cast<char>(Below(256)));
    }
    return fields;
  }

  void Append() {
    const StreamId id = NextId();
    std::vector<std::string> fields = SomeFields();
    const std::vector<std::string_view> views = Views(fields);
    const EntryLog::Addition added = {id, views, limits_};
    const StreamTrim trim = SomeTrim();
    uint64_t planned = 0;
    Missing([&] { planned = stream_->PlanTrim(trim, &added); });
    stream_->Append(id, views, limits_);
    model_.entries[id] = std::move(fields);
    model_.last_id = id;
    model_.entries_added++;
    // What was planned for the stream with the entry is what is planned now that it is there.
    ASSERT_EQ(stream_->PlanTrim(trim), planned);
  }

  void Delete(StreamId id) {
    const bool exists = model_.entries.erase(id) > 0;
    Missing([&] { ASSERT_EQ(stream_->Delete(id), exists); });
    if (exists) model_.max_deleted_id = std::max(model_.max_deleted_id, id);
  }

  StreamTrim SomeTrim() {
    StreamTrim trim;
    trim.by = Below(2) == 0 ? StreamTrim::By::kLength : StreamTrim::By::kMinId;
    const uint64_t length = model_.entries.size();
    trim.max_length = length - Below(std::min<uint64_t>(length, 300) + 1);
    const auto kept = std::next(model_.entries.begin(),
                                static_cast<ptrdiff_t>(Below(std::min<uint64_t>(length, 300) + 1)));
    trim.min_id = kept == model_.entries.end() ? model_.last_id : kept->first;
    trim.approximate = Below(2) == 0;
    trim.limit = Below(2) == 0 ? 0 : Below(200);
    return trim;
  }
  uint64_t ExactCount(const StreamTrim& trim) const {
    const uint64_t length = model_.entries.size();
    if (trim.by == StreamTrim::By::kLength) return length - std::min(length, trim.max_length);
    return static_cast<uint64_t>(
        std::distance(model_.entries.begin(), model_.entries.lower_bound(trim.min_id)));
  }

  void Trim() {
    const StreamTrim trim = SomeTrim();
    const bool references = Below(2) == 0;
    const uint64_t exact = ExactCount(trim);
    uint64_t count = 0;
    Missing([&] { count = references ? stream_->PlanExactTrim(trim) : stream_->PlanTrim(trim); });
    // What was planned does not miss.
    if (cold_) cold_->misses = true;
    if (!trim.approximate) {
      ASSERT_EQ(count, exact);
    } else {
      ASSERT_LE(count, exact);
      if (trim.limit != 0) {
        ASSERT_LE(count, trim.limit);
      } else if (!references) {
        // Less than a block too much may stay.
        ASSERT_LT(exact - count, limits_.max_entries + 1);
      }
    }
    stream_->DropOldest(count);
    if (references) {
      stream_->ForgetUpTo(stream_->length() == 0 ? StreamId::Max()
                                                 : *stream_->first_id().Previous());
    }
    if (cold_) cold_->misses = false;
    for (uint64_t i = 0; i < count; i++) {
      model_.entries.erase(model_.entries.begin());
    }
    for (auto& [name, group] : model_.groups) {
      if (!references) break;
      const auto end = model_.entries.empty()
                           ? group.pending.end()
                           : group.pending.lower_bound(model_.entries.begin()->first);
      group.pending.erase(group.pending.begin(), end);
    }
  }

  void AckedTrim() {
    const StreamTrim trim = SomeTrim();
    std::vector<StreamId> expected;
    uint64_t most = trim.by == StreamTrim::By::kLength ? ExactCount(trim) : model_.entries.size();
    if (trim.approximate && trim.limit != 0) most = std::min(most, trim.limit);
    for (const auto& [id, fields] : model_.entries) {
      if (expected.size() >= most) break;
      if (trim.by == StreamTrim::By::kMinId && id >= trim.min_id) break;
      if (!model_.IsReferenced(id)) expected.push_back(id);
    }
    AckedEntries planned;
    Missing([&] { planned = stream_->PlanAckedTrim(trim); });
    ASSERT_EQ(planned.entries, expected.size());
    std::vector<StreamId> ids;
    for (size_t i = 0; i < planned.bounds.size(); i += 2) {
      for (auto at = model_.entries.lower_bound(planned.bounds[i]);
           at != model_.entries.end() && at->first <= planned.bounds[i + 1]; ++at) {
        ids.push_back(at->first);
      }
    }
    ASSERT_EQ(ids, expected);
    // What was planned does not miss.
    if (cold_) cold_->misses = true;
    ASSERT_EQ(stream_->RemoveRanges(planned.bounds), expected.size());
    if (cold_) cold_->misses = false;
    for (const StreamId id : expected) {
      model_.entries.erase(id);
    }
  }

  void RemoveRanges() {
    std::vector<StreamId> bounds;
    StreamId at = SomeId();
    for (uint64_t i = 2 * (1 + Below(4)); i > 0; i--) {
      bounds.push_back(at);
      at = {at.ms + Below(Below(10) == 0 ? 100 : 5), at.seq + 1};
    }
    uint64_t expected = 0;
    for (size_t i = 0; i < bounds.size(); i += 2) {
      const auto begin = model_.entries.lower_bound(bounds[i]);
      const auto end = model_.entries.upper_bound(bounds[i + 1]);
      expected += static_cast<uint64_t>(std::distance(begin, end));
      model_.entries.erase(begin, end);
    }
    uint64_t removed = 0;
    Missing([&] { removed = stream_->RemoveRanges(bounds); });
    ASSERT_EQ(removed, expected);
  }

  // A random group; false if there is none.
  bool PickGroup(ConsumerGroup** group, GroupModel** model) {
    if (model_.groups.empty()) return false;
    const auto at =
        std::next(model_.groups.begin(), static_cast<ptrdiff_t>(Below(model_.groups.size())));
    *group = stream_->FindGroup(at->first);
    *model = &at->second;
    return true;
  }
  // The same with a random consumer.
  bool PickConsumer(ConsumerGroup** group, GroupModel** model, std::string* name,
                    ConsumerIndex* index) {
    if (!PickGroup(group, model) || (*model)->consumers.empty()) return false;
    const auto at = std::next((*model)->consumers.begin(),
                              static_cast<ptrdiff_t>(Below((*model)->consumers.size())));
    *name = at->first;
    *index = (*group)->FindConsumer(*name)->index;
    return true;
  }
  StreamId SomePendingId(const GroupModel& model) {
    const auto at = model.pending.lower_bound(SomeId());
    if (at != model.pending.end()) return at->first;
    return model.pending.empty() ? SomeId() : model.pending.begin()->first;
  }

  void Deliver() {
    ConsumerGroup* group;
    GroupModel* model;
    std::string name;
    ConsumerIndex index;
    if (!PickConsumer(&group, &model, &name, &index)) return;
    auto at = model_.entries.upper_bound(model->last_delivered);
    if (at == model_.entries.end()) return;
    now_ += static_cast<int64_t>(Below(5));
    const bool no_ack = Below(10) == 0;
    StreamId last;
    uint64_t count = 0;
    for (uint64_t most = 1 + Below(10); count < most && at != model_.entries.end(); count++, ++at) {
      last = at->first;
      if (!no_ack) model->pending[last] = {name, now_, 1, 0};
    }
    model->last_delivered = last;
    model->consumers[name].seen_time = now_;
    if (!no_ack) model->consumers[name].active_time = now_;
    ASSERT_EQ(stream_->Deliver(group, index, last, now_, no_ack), count);
  }

  void Ack() {
    ConsumerGroup* group;
    GroupModel* model;
    if (!PickGroup(&group, &model)) return;
    std::vector<StreamId> ids;
    uint64_t expected = 0;
    for (uint64_t count = 1 + Below(4); count > 0; count--) {
      ids.push_back(Below(2) == 0 && !model->pending.empty() ? model->pending.begin()->first
                                                             : SomePendingId(*model));
      expected += model->pending.erase(ids.back());
    }
    ASSERT_EQ(group->Ack(ids), expected);
  }

  void Claim() {
    ConsumerGroup* group;
    GroupModel* model;
    std::string name;
    ConsumerIndex index;
    if (!PickConsumer(&group, &model, &name, &index)) return;
    const StreamId id = Below(4) == 0 ? SomeId() : SomePendingId(*model);
    const int64_t time = now_ - static_cast<int64_t>(Below(100));
    const uint64_t deliveries = Below(5);
    group->Assign(id, index, time, deliveries);
    model->pending[id] = {name, time, deliveries, 0};
  }

  void Redeliver() {
    ConsumerGroup* group;
    GroupModel* model;
    std::string name;
    ConsumerIndex index;
    if (!PickConsumer(&group, &model, &name, &index)) return;
    const StreamId id = SomePendingId(*model);
    group->Redeliver(id, index, now_);
    const auto found = model->pending.find(id);
    if (found == model->pending.end()) return;
    found->second = {name, now_, std::min(found->second.deliveries, kMaxDeliveries - 1) + 1, 0};
  }

  void Release() {
    ConsumerGroup* group;
    GroupModel* model;
    if (!PickGroup(&group, &model)) return;
    const StreamId id = SomePendingId(*model);
    const uint64_t deliveries = Below(2) == 0 ? kMaxDeliveries : Below(5);
    group->Release(id, deliveries);
    model->pending[id] = {"", 0, deliveries, ++releases_};
  }

  void ChangeConsumers() {
    ConsumerGroup* group;
    GroupModel* model;
    if (!PickGroup(&group, &model)) return;
    const std::string name = "consumer" + std::to_string(Below(90));
    const Consumer* consumer = group->FindConsumer(name);
    ASSERT_EQ(consumer != nullptr, model->consumers.contains(name));
    if (consumer == nullptr) {
      group->CreateConsumer(name, now_);
      model->consumers[name] = {now_, -1};
    } else if (Below(4) == 0) {
      const uint64_t dropped = std::erase_if(
          model->pending, [&name](const auto& named) { return named.second.consumer == name; });
      ASSERT_EQ(group->RemoveConsumer(consumer->index), dropped);
      model->consumers.erase(name);
    } else {
      group->MarkSeen(consumer->index, now_);
      model->consumers[name].seen_time = now_;
    }
  }

  void ChangeGroups() {
    const std::string name = "group" + std::to_string(Below(5));
    if (ConsumerGroup* group = stream_->FindGroup(name)) {
      ASSERT_TRUE(model_.groups.contains(name));
      if (Below(4) == 0) {
        ASSERT_TRUE(stream_->DestroyGroup(name));
        model_.groups.erase(name);
      } else {
        const StreamId id = SomeId();
        group->SetLastDelivered(id, std::nullopt);
        model_.groups[name].last_delivered = id;
      }
    } else {
      ASSERT_FALSE(model_.groups.contains(name));
      ASSERT_FALSE(stream_->DestroyGroup(name));
      const StreamId id = Below(2) == 0 ? StreamId() : model_.last_id;
      stream_->CreateGroup(name, id, std::nullopt).CreateConsumer("consumer1", now_);
      model_.groups[name].last_delivered = id;
      model_.groups[name].consumers["consumer1"] = {now_, -1};
    }
  }

  void SetIds() {
    model_.last_id.seq += Below(3);
    model_.entries_added += Below(3);
    stream_->SetLastId(model_.last_id);
    stream_->SetEntriesAdded(model_.entries_added);
  }

  std::mt19937_64 random_;
  FakeColdSource* const cold_;
  HotBlocks hot_;
  Spillable* writing_ = nullptr;
  std::vector<std::shared_ptr<const BlockRun>> runs_;  // that are being written
  StreamLimits limits_;
  std::unique_ptr<Stream> stream_;
  StreamModel model_;
  int64_t now_ = 1'700'000'000'000;
  uint64_t releases_ = 0;
  uint64_t steps_ = 0;
};

std::unique_ptr<Stream> AsStream(std::unique_ptr<Object> object) {
  return std::unique_ptr<Stream>(static_cast<Stream*>(object.release()));
}

std::string Serialized(const Stream& stream) {
  std::string payload;
  stream.Serialize(&payload);
  return payload;
}

// Every so often, the machine goes on with a copy or with what was stored and loaded; the other one
// must stay what it was.
void RunMachine(uint64_t seed, int steps, FakeColdSource* cold = nullptr) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Machine machine(seed, cold);
  std::unique_ptr<Stream> left_behind;
  StreamModel then;
  for (int step = 1; step <= steps; step++) {
    machine.Step();
    if (testing::Test::HasFatalFailure()) return;
    if (step % 2500 != 0) continue;
    ExpectSame(machine.stream(), machine.model());
    if (testing::Test::HasFatalFailure()) return;
    if (left_behind) ExpectSame(*left_behind, then);
    then = machine.model();
    const std::string payload = Serialized(machine.stream());
    if (step % 5000 == 0) {
      left_behind = machine.Replace(AsStream(machine.stream().Clone()));
    } else if (cold && step % 7500 == 0) {
      std::string with_runs;
      Encoder encoder(&with_runs);
      machine.stream().EncodeStored(&encoder);
      Decoder in(with_runs);
      left_behind = machine.Replace(AsStream(Stream::LoadWithRuns(&in, *cold)));
      ASSERT_TRUE(in.done());
    } else {
      left_behind = machine.Replace(AsStream(LoadAs<Stream>(payload)));
    }
    ASSERT_EQ(Serialized(machine.stream()), payload);
  }
}

TEST(StreamModelTest, BehavesAsMaps) {
  for (uint64_t seed = 1; seed <= 8; seed++) {
    RunMachine(seed, 100'000);
  }
}

TEST(StreamModelTest, BehavesAsMapsWhileBlocksComeAndGo) {
  for (uint64_t seed = 1; seed <= 8; seed++) {
    FakeColdSource cold;
    RunMachine(seed, 50'000, &cold);
    if (testing::Test::HasFatalFailure()) return;
    EXPECT_GT(cold.fetches, 100u);
    EXPECT_GT(cold.expected, 100u);
  }
}

// A stream that was stored and loaded in between makes the same blocks of the same entries: what it
// is stored as must not depend on its past.
TEST(StreamModelTest, StoredFormDoesNotDependOnRestarts) {
  for (uint64_t seed = 100; seed < 104; seed++) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Machine straight(seed);
    Machine restarted(seed);
    for (int step = 1; step <= 20'000; step++) {
      straight.Step();
      restarted.Step();
      if (testing::Test::HasFatalFailure()) return;
      if (step % 777 != 0) continue;
      const std::string payload = Serialized(restarted.stream());
      ASSERT_EQ(payload, Serialized(straight.stream()));
      restarted.Replace(AsStream(LoadAs<Stream>(payload)));
    }
  }
}

TEST(StreamModelTest, DamagedPayloadsAreRefusedOrSound) {
  Machine machine(9);
  for (int step = 0; step < 4000; step++) {
    machine.Step();
  }
  const std::string payload = Serialized(machine.stream());
  std::mt19937_64 random(23);
  int sound = 0;
  for (int round = 0; round < 4000; round++) {
    std::string damaged = payload;
    for (uint64_t changes = 1 + random() % 3; changes > 0; changes--) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    if (round % 4 == 0) damaged.resize(random() % damaged.size());
    const std::unique_ptr<Object> loaded = LoadAs<Stream>(damaged);
    if (!loaded) continue;
    sound++;
    // Whatever it is, it can be walked, stored and loaded again.
    const auto& stream = static_cast<const Stream&>(*loaded);
    uint64_t count = 0;
    for (EntryCursor at = stream.Seek(StreamId::Min()); at.valid(); at.Next()) {
      FieldsOf(*at);
      count++;
    }
    ASSERT_EQ(count, stream.length());
    const std::string again = Serialized(stream);
    const std::unique_ptr<Object> twice = LoadAs<Stream>(again);
    ASSERT_NE(twice, nullptr);
    ASSERT_EQ(Serialized(static_cast<const Stream&>(*twice)), again);
  }
  EXPECT_GT(sound, 0);
}

TEST(StreamModelTest, TruncatedPayloadsAreRefused) {
  Machine machine(10);
  for (int step = 0; step < 500; step++) {
    machine.Step();
  }
  const std::string payload = Serialized(machine.stream());
  ASSERT_NE(LoadAs<Stream>(payload), nullptr);
  EXPECT_EQ(LoadAs<Stream>(payload + '\0'), nullptr);
  for (size_t size = 0; size < payload.size(); size++) {
    ASSERT_EQ(LoadAs<Stream>(payload.substr(0, size)), nullptr) << size;
  }
}

}  // namespace
}  // namespace runnel
