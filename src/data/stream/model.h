#pragma once

// For tests: what a stream means, in maps, and how to compare the two.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "data/stream/stream.h"

namespace runnel {

struct PendingModel {
  std::string consumer;  // "" if released
  int64_t time = 0;
  uint64_t deliveries = 0;
  uint64_t release = 0;
};

struct ConsumerModel {
  int64_t seen_time = 0;
  int64_t active_time = -1;
};

struct GroupModel {
  StreamId last_delivered;
  std::map<std::string, ConsumerModel> consumers;
  std::map<StreamId, PendingModel> pending;
};

struct StreamModel {
  std::map<StreamId, std::vector<std::string>> entries;
  StreamId last_id;
  StreamId max_deleted_id;
  uint64_t entries_added = 0;
  std::map<std::string, GroupModel> groups;

  StreamId first_id() const { return entries.empty() ? StreamId() : entries.begin()->first; }
  bool IsReferenced(StreamId id) const {
    return std::any_of(groups.begin(), groups.end(), [id](const auto& named) {
      return named.second.last_delivered < id || named.second.pending.contains(id);
    });
  }
};

inline std::vector<std::string_view> Views(const std::vector<std::string>& strings) {
  return std::vector<std::string_view>(strings.begin(), strings.end());
}

inline std::vector<std::string> FieldsOf(const EntryView& entry) {
  std::vector<std::string> fields;
  for (const EntryView::Field& field : entry) {
    fields.emplace_back(field.name);
    fields.emplace_back(field.value);
  }
  return fields;
}

inline void ExpectSameEntries(const Stream& stream, const StreamModel& model) {
  ASSERT_EQ(stream.length(), model.entries.size());
  ASSERT_EQ(stream.first_id(), model.first_id());
  ASSERT_EQ(stream.last_id(), model.last_id);
  ASSERT_EQ(stream.max_deleted_id(), model.max_deleted_id);
  ASSERT_EQ(stream.entries_added(), model.entries_added);
  auto expected = model.entries.begin();
  for (EntryCursor at = stream.Seek(StreamId::Min()); at.valid(); at.Next(), ++expected) {
    ASSERT_NE(expected, model.entries.end());
    ASSERT_EQ(at->id(), expected->first);
    ASSERT_EQ(FieldsOf(*at), expected->second);
  }
  ASSERT_EQ(expected, model.entries.end());
  auto backward = model.entries.rbegin();
  for (EntryCursor at = stream.SeekBack(StreamId::Max()); at.valid(); at.Previous(), ++backward) {
    ASSERT_NE(backward, model.entries.rend());
    ASSERT_EQ(at->id(), backward->first);
    ASSERT_EQ(FieldsOf(*at), backward->second);
  }
  ASSERT_EQ(backward, model.entries.rend());
}

// First released entries in the order of their release, then the others by time and ID.
inline void ExpectSameAges(const ConsumerGroup& group, const GroupModel& model) {
  using Key = std::tuple<bool, uint64_t, int64_t, StreamId>;
  std::vector<Key> expected;
  for (const auto& [id, pending] : model.pending) {
    expected.emplace_back(!pending.consumer.empty(), pending.release, pending.time, id);
  }
  std::sort(expected.begin(), expected.end());
  auto next = expected.begin();
  for (auto at = group.pending().Oldest(); at.valid(); at.Next(), ++next) {
    ASSERT_NE(next, expected.end());
    ASSERT_EQ(at->id, std::get<StreamId>(*next));
  }
  ASSERT_EQ(next, expected.end());
}

inline void ExpectSameGroup(const ConsumerGroup& group, const GroupModel& model) {
  ASSERT_EQ(group.last_delivered(), model.last_delivered);
  ASSERT_EQ(group.pending().size(), model.pending.size());
  auto expected = model.pending.begin();
  uint64_t released = 0;
  for (auto at = group.pending().Seek(StreamId::Min()); at.valid(); at.Next(), ++expected) {
    ASSERT_EQ(at->id, expected->first);
    ASSERT_EQ(group.NameOf(at->consumer), expected->second.consumer);
    ASSERT_EQ(at->delivery_time, expected->second.time);
    ASSERT_EQ(at->deliveries, expected->second.deliveries);
    released += at->released() ? 1 : 0;
  }
  ASSERT_EQ(expected, model.pending.end());
  ASSERT_EQ(group.nacked(), released);
  // Asking for this order changes how a list works from then on: some groups are never asked.
  if (group.name().back() % 2 == 0) ExpectSameAges(group, model);
  ASSERT_EQ(group.consumers().size(), model.consumers.size());
  auto expected_consumer = model.consumers.begin();
  for (const auto& [name, consumer] : group.consumers()) {
    ASSERT_EQ(name, expected_consumer->first);
    ASSERT_EQ(consumer->seen_time, expected_consumer->second.seen_time);
    ASSERT_EQ(consumer->active_time, expected_consumer->second.active_time);
    uint64_t owned = 0;
    auto history = group.History(*consumer, StreamId::Min());
    for (const auto& [id, pending] : model.pending) {
      if (pending.consumer != name) continue;
      ASSERT_TRUE(history.valid());
      ASSERT_EQ(history->id, id);
      history.Next();
      owned++;
    }
    ASSERT_FALSE(history.valid());
    ASSERT_EQ(consumer->pending, owned);
    ++expected_consumer;
  }
}

inline void ExpectSame(const Stream& stream, const StreamModel& model) {
  ExpectSameEntries(stream, model);
  if (::testing::Test::HasFatalFailure()) return;
  ASSERT_EQ(stream.groups().size(), model.groups.size());
  auto expected = model.groups.begin();
  for (const auto& [name, group] : stream.groups()) {
    ASSERT_EQ(name, expected->first);
    ASSERT_EQ(name, group->name());
    ExpectSameGroup(*group, expected->second);
    if (::testing::Test::HasFatalFailure()) return;
    ++expected;
  }
}

}  // namespace runnel
