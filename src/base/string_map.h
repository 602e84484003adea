#pragma once

#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "base/hash.h"

namespace runnel {

// Hash maps with string keys that are looked up by a string_view without making a string. (The
// system's Abseil is built with a string_view of its own, so its default hash does not take the
// standard one.)
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return HashKey(text); }
};
struct StringEqual {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return a == b; }
};

template <class Value>
using StringMap = absl::flat_hash_map<std::string, Value, StringHash, StringEqual>;

}  // namespace runnel
