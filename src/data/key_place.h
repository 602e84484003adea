#pragma once

#include <cstdint>

namespace runnel {

class KeyEntry;

// Where a key was found, for an owner that will look for the same key again
// (Keyspace::PlaceOf, Recall). Not durable state.
class KeyPlace {
 private:
  friend class Keyspace;

  KeyEntry* entry_ = nullptr;
  uint64_t hash_ = 0;
  // The keyspace's number of that moment, as in KeyRef.
  uint64_t found_in_ = UINT64_MAX;
};

}  // namespace runnel
