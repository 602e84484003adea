#pragma once

#include <cstdint>
#include <string>

#include "base/random.h"
#include "data/keyspace.h"

namespace runnel::sim {

// Changes a keyspace at random: few names, all types, all ways in which keys come, change and go.
// The same seed makes the same changes.
class RandomChanges {
 public:
  explicit RandomChanges(uint64_t seed) : random_(seed) {}

  void Make(Keyspace& keyspace);

 private:
  uint64_t Below(uint64_t limit) { return random_.Below(limit); }
  std::string Text(uint64_t most);
  void ChangeStrings(Keyspace& keyspace, const KeyRef& key);
  void ChangeLists(Keyspace& keyspace, const KeyRef& key);
  void ChangeHashes(Keyspace& keyspace, const KeyRef& key);
  void ChangeSets(Keyspace& keyspace, const KeyRef& key);
  void ChangeSortedSets(Keyspace& keyspace, const KeyRef& key);
  void ChangeStreams(Keyspace& keyspace, const KeyRef& key);
  void ChangeLibraries(Keyspace& keyspace);
  void ChangeKeys(Keyspace& keyspace, const KeyRef& key);

  Random random_;
  uint64_t now_ms_ = 1000;
};

}  // namespace runnel::sim
