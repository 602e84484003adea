#pragma once

#include <tuple>

#include "effects/effect.h"

namespace runnel {

// An end of a list: LEFT and RIGHT in commands. The numbers are stored in the journal.
enum class ListEnd : uint8_t {
  kFront = 0,
  kBack = 1,
};

// Values were pushed at one end, one after the other; the list was made if there was none.
// REQUIRES: at least one value.
struct ListPush {
  static constexpr EffectType kType = EffectType::kListPush;
  KeyRef key;
  ListEnd end = ListEnd::kBack;
  std::span<const std::string_view> values;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.end, self.values);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Shift(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// `count` elements were removed from one end; the key is removed with its last element. REQUIRES: 1
// <= count <= size.
struct ListPop {
  static constexpr EffectType kType = EffectType::kListPop;
  KeyRef key;
  ListEnd end = ListEnd::kFront;
  uint64_t count = 1;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.end, self.count);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Shift(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// The element at this position from the front has another value. REQUIRES: index < size.
struct ListSet {
  static constexpr EffectType kType = EffectType::kListSet;
  KeyRef key;
  uint64_t index = 0;
  std::string_view value;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.index, self.value);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Foresee(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// An element was put before the one at this position, or after the last one. REQUIRES: index <=
// size.
struct ListInsert {
  static constexpr EffectType kType = EffectType::kListInsert;
  KeyRef key;
  uint64_t index = 0;
  std::string_view value;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.index, self.value);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Foresee(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// The first `count` elements equal to the value were removed (the last ones, if the count is
// negative; all, if it is 0); the key is removed with its last element. REQUIRES: the key is a
// list.
struct ListRemove {
  static constexpr EffectType kType = EffectType::kListRemove;
  KeyRef key;
  int64_t count = 0;
  std::string_view value;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.count, self.value);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Foresee(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// The elements of these ranges were removed. A range is two varints: how many elements are between
// it and the range before it, or the front; and how many elements it has, at least 1. The key is
// removed with its last element. REQUIRES: all are within the list.
struct ListErase {
  static constexpr EffectType kType = EffectType::kListErase;
  KeyRef key;
  std::string_view ranges;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.ranges);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Shift(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// Only `count` elements from `start` on are left; if that is none, the key is gone. REQUIRES: start
// + count <= size.
struct ListTrim {
  static constexpr EffectType kType = EffectType::kListTrim;
  KeyRef key;
  uint64_t start = 0;
  uint64_t count = 0;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.start, self.count);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Shift(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// `count` elements were taken from one end of a list and put at one end of another, which was made
// if there was none, or of the same one. They have the same order there, or, if `reversed`, the
// opposite one. The source is removed with its last element. REQUIRES: 1 <= count <= size of the
// source; `reversed` only where both ends are the same.
struct ListMove {
  static constexpr EffectType kType = EffectType::kListMove;
  KeyRef from;
  KeyRef to;
  ListEnd from_end = ListEnd::kFront;
  ListEnd to_end = ListEnd::kBack;
  uint64_t count = 1;
  bool reversed = false;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.from, self.to, self.from_end, self.to_end, self.count, self.reversed);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Foresee(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

}  // namespace runnel
