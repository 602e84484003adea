#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "base/stream_id.h"
#include "data/keyspace.h"
#include "effects/codec.h"

namespace runnel {

// Effects in words, for people who read a journal.

// What is longer is cut, and the text says how much is left out.
struct DescribeLimits {
  size_t bytes = 64;     // of a string
  size_t elements = 16;  // of a list of strings, IDs or numbers
};

struct Description {
  // The effect's name and its fields in their order: string-set 0:"key" "value" never
  std::string text;
  // The keys that it names, as views into the batch. None: it concerns whole databases.
  std::vector<KeyRef> keys;
};

// Appends fields to a description.
class Describer {
 public:
  Describer(const DescribeLimits& limits, Description* out) : limits_(limits), out_(*out) {}

  template <class E>
  void Effect(const E& effect) {
    std::apply([this](const auto&... fields) { (this->Field(fields), ...); }, E::Fields(effect));
  }

 private:
  template <class T>
  void Field(const T& value) {
    out_.text += ' ';
    if constexpr (std::is_enum_v<T>) {
      Add(uint64_t{static_cast<uint8_t>(value)});
    } else if constexpr (std::same_as<T, bool>) {
      out_.text += value ? "yes" : "no";
    } else if constexpr (std::signed_integral<T>) {
      Add(int64_t{value});
    } else if constexpr (std::unsigned_integral<T>) {
      Add(uint64_t{value});
    } else {
      Add(value);
    }
  }

  void Add(uint64_t number);
  void Add(int64_t number);
  void Add(ExpiryTime time);
  void Add(std::string_view bytes);
  void Add(StreamId id);
  void Add(const ScoredMember& member);
  void Add(const KeyRef& key);
  template <class T>
  void Add(std::span<const T> elements) {
    out_.text += '[';
    const size_t shown = std::min(elements.size(), limits_.elements);
    for (size_t i = 0; i < shown; i++) {
      if (i > 0) out_.text += ", ";
      Add(elements[i]);
    }
    out_.text += ']';
    AddRest(elements.size() - shown);
  }
  void AddRest(size_t left_out);

  const DescribeLimits limits_;
  Description& out_;
};

}  // namespace runnel
