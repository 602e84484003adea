#pragma once

#include <cmath>
#include <concepts>
#include <cstring>
#include <forward_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "base/stream_id.h"
#include "data/keyspace.h"

namespace runnel {

// How the fields of effects become bytes and come back. An effect lists its fields once, in
// Fields(); encoding, decoding and their order follow from that. A field is a KeyRef, an integer, a
// bool, an enum (of one byte), a StreamId, an ExpiryTime, a string_view, or a span of string_views,
// StreamIds, uint64_ts or ScoredMembers. A key as the first field is part of the record's head,
// which Batch writes and Record reads; the others stand here.

// When a key expires, in Unix milliseconds, or kNoExpiry. In the bytes the highest number stands
// for kNoExpiry, as in the first journals, and the lowest number for the last millisecond.
struct ExpiryTime {
  constexpr ExpiryTime(int64_t at_ms = kNoExpiry) : ms(at_ms) {}  // NOLINT: is a time
  constexpr operator int64_t() const { return ms; }               // NOLINT
  // From the number in the bytes to the time, and back.
  static constexpr int64_t Swap(int64_t number) {
    constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
    if (number == kNoExpiry) return kLast;
    return number == kLast ? kNoExpiry : number;
  }

  int64_t ms;
};

// A member of a sorted set and its score, which is not NaN. -0 is the same as 0.
struct ScoredMember {
  double score = 0;
  std::string_view member;
};

// Most scores are times or other whole numbers: in the bytes these are a varint, twice the zigzag
// of the number. Any other score is a varint 1 and its eight bytes.
inline constexpr uint64_t kScoreInFull = 1;
inline constexpr int64_t kMostWholeScore = int64_t{1} << 53;
inline bool IsWholeScore(double score) {
  constexpr double kMost = static_cast<double>(kMostWholeScore);
  return score > -kMost && score < kMost &&
         score == static_cast<double>(static_cast<int64_t>(score));
}

// Keeps what decoded effects point to: their spans. Strings are views into the record itself.
class DecodeArena {
 public:
  std::vector<std::string_view>& NewStrings() { return strings_.emplace_front(); }
  std::vector<StreamId>& NewIds() { return ids_.emplace_front(); }
  std::vector<uint64_t>& NewNumbers() { return numbers_.emplace_front(); }
  std::vector<ScoredMember>& NewScoredMembers() { return scored_.emplace_front(); }

 private:
  // Most effects have no list or one: these lists hold no memory while they are empty.
  std::forward_list<std::vector<std::string_view>> strings_;
  std::forward_list<std::vector<StreamId>> ids_;
  std::forward_list<std::vector<uint64_t>> numbers_;
  std::forward_list<std::vector<ScoredMember>> scored_;
};

// What EncodeField gives fields to: one counts the bytes that they take, the other writes them to
// where there is room for so many.
class FieldSizer {
 public:
  void Byte(uint8_t) { size_++; }
  void Varint(uint64_t value) { size_ += VarintSize(value); }
  void Raw(std::string_view bytes) { size_ += bytes.size(); }
  size_t size() const { return size_; }

 private:
  size_t size_ = 0;
};
class FieldWriter {
 public:
  explicit FieldWriter(char* out) : end_(out) {}
  void Byte(uint8_t value) { *end_++ = static_cast<char>(value); }
  void Varint(uint64_t value) { end_ = WriteVarint(end_, value); }
  void Raw(std::string_view bytes) {
    // An empty view may point nowhere.
    if (!bytes.empty()) std::memcpy(end_, bytes.data(), bytes.size());
    end_ += bytes.size();
  }
  char* end() const { return end_; }

 private:
  char* end_;
};

template <class Out, class T>
void EncodeField(Out& out, const T& value) {
  if constexpr (std::is_enum_v<T>) {
    static_assert(sizeof(T) == 1);
    out.Byte(static_cast<uint8_t>(value));
  } else if constexpr (std::same_as<T, bool>) {
    out.Byte(value ? 1 : 0);
  } else if constexpr (std::signed_integral<T>) {
    out.Varint(ZigZag(value));
  } else if constexpr (std::same_as<T, ExpiryTime>) {
    out.Varint(ZigZag(ExpiryTime::Swap(value.ms)));
  } else if constexpr (std::unsigned_integral<T>) {
    out.Varint(value);
  } else if constexpr (std::same_as<T, std::string_view>) {
    out.Varint(value.size());
    out.Raw(value);
  } else if constexpr (std::same_as<T, KeyRef>) {
    out.Varint(value.db);
    EncodeField(out, value.name);
  } else if constexpr (std::same_as<T, StreamId>) {
    out.Varint(value.ms);
    out.Varint(value.seq);
  } else if constexpr (std::same_as<T, ScoredMember>) {
    if (IsWholeScore(value.score)) {
      out.Varint(2 * ZigZag(static_cast<int64_t>(value.score)));
    } else {
      out.Varint(kScoreInFull);
      out.Raw({reinterpret_cast<const char*>(&value.score), sizeof(value.score)});
    }
    EncodeField(out, value.member);
  } else {
    out.Varint(value.size());
    for (const auto& element : value) {
      EncodeField(out, element);
    }
  }
}

inline KeyRef DecodeKey(Decoder& in) {
  const uint64_t number = in.Varint();
  const uint32_t db = static_cast<uint32_t>(number);
  if (db != number) in.Fail();
  return KeyRef(db, in.Bytes());
}

template <class T>
void DecodeField(Decoder& in, DecodeArena& arena, T& value) {
  if constexpr (std::is_enum_v<T>) {
    value = static_cast<T>(in.Byte());
  } else if constexpr (std::same_as<T, bool>) {
    const uint8_t byte = in.Byte();
    if (byte > 1) in.Fail();
    value = byte == 1;
  } else if constexpr (std::signed_integral<T>) {
    const int64_t number = in.Signed();
    value = static_cast<T>(number);
    if (value != number) in.Fail();
  } else if constexpr (std::same_as<T, ExpiryTime>) {
    value.ms = ExpiryTime::Swap(in.Signed());
  } else if constexpr (std::unsigned_integral<T>) {
    const uint64_t number = in.Varint();
    value = static_cast<T>(number);
    if (value != number) in.Fail();
  } else if constexpr (std::same_as<T, std::string_view>) {
    value = in.Bytes();
  } else if constexpr (std::same_as<T, KeyRef>) {
    value = DecodeKey(in);
  } else if constexpr (std::same_as<T, StreamId>) {
    value.ms = in.Varint();
    value.seq = in.Varint();
  } else if constexpr (std::same_as<T, ScoredMember>) {
    const uint64_t number = in.Varint();
    if (number == kScoreInFull) {
      value.score = in.Fixed<double>();
      if (std::isnan(value.score) || IsWholeScore(value.score)) in.Fail();
    } else {
      const int64_t whole = UnZigZag(number / 2);
      if (number % 2 != 0 || whole <= -kMostWholeScore || whole >= kMostWholeScore) in.Fail();
      value.score = static_cast<double>(whole);
    }
    value.member = in.Bytes();
  } else if constexpr (std::same_as<T, std::span<const ScoredMember>>) {
    auto& members = arena.NewScoredMembers();
    members.resize(in.Count(2));
    for (ScoredMember& member : members) {
      DecodeField(in, arena, member);
    }
    value = members;
  } else if constexpr (std::same_as<T, std::span<const std::string_view>>) {
    auto& strings = arena.NewStrings();
    strings.resize(in.Count(1));
    for (std::string_view& string : strings) {
      DecodeField(in, arena, string);
    }
    value = strings;
  } else if constexpr (std::same_as<T, std::span<const uint64_t>>) {
    auto& numbers = arena.NewNumbers();
    numbers.resize(in.Count(1));
    for (uint64_t& number : numbers) {
      number = in.Varint();
    }
    value = numbers;
  } else {
    static_assert(std::same_as<T, std::span<const StreamId>>);
    auto& ids = arena.NewIds();
    ids.resize(in.Count(2));
    for (StreamId& id : ids) {
      DecodeField(in, arena, id);
    }
    value = ids;
  }
}

// Whether the first field of such an effect is a key.
template <class E>
inline constexpr bool kBeginsWithKey =
    std::same_as<std::tuple_element_t<0, decltype(E::Fields(std::declval<E&>()))>, KeyRef&>;

// References to the fields but for a key that they begin with. `Effect` may be const.
template <class Effect>
auto FieldsAfterKey(Effect& effect) {
  if constexpr (kBeginsWithKey<std::remove_const_t<Effect>>) {
    return std::apply([](auto&, auto&... fields) { return std::tie(fields...); },
                      Effect::Fields(effect));
  } else {
    return Effect::Fields(effect);
  }
}

template <class Out, class E>
void EncodeAfterKey(Out& out, const E& effect) {
  std::apply([&](const auto&... fields) { (EncodeField(out, fields), ...); },
             FieldsAfterKey(effect));
}

template <class E>
void DecodeAfterKey(Decoder& in, DecodeArena& arena, E& effect) {
  std::apply([&](auto&... fields) { (DecodeField(in, arena, fields), ...); },
             FieldsAfterKey(effect));
}

}  // namespace runnel
