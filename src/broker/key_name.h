#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "data/keyspace.h"

namespace runnel {

// Hashing and comparing of things that have a database and a name (`db`, `name`), to find them by a
// KeyRef without making a string.
struct KeyNameHash {
  using is_transparent = void;
  size_t operator()(const KeyRef& key) const { return key.hash ^ key.db; }
  template <class T>
  size_t operator()(const T& thing) const {
    return (*this)(KeyRef(thing->db, thing->name));
  }
};
struct KeyNameEqual {
  using is_transparent = void;
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    return Db(a) == Db(b) && Name(a) == Name(b);
  }

 private:
  static uint32_t Db(const KeyRef& key) { return key.db; }
  static std::string_view Name(const KeyRef& key) { return key.name; }
  template <class T>
  static uint32_t Db(const T& thing) {
    return thing->db;
  }
  template <class T>
  static std::string_view Name(const T& thing) {
    return thing->name;
  }
};

}  // namespace runnel
