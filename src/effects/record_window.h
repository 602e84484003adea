#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "data/keyspace.h"
#include "effects/batch.h"

namespace runnel {

// Reads the bytes of a batch record by record, as BatchReader does, and some records ahead. What
// the records ahead will change is fetched into the processor's cache meanwhile, step by step
// (Keyspace::Prefetch): a journal whose records concern thousands of keys by turns is applied at
// the speed of the processor, not at that of the memory.
class RecordWindow {
 public:
  // The bytes and the keyspace outlive it.
  RecordWindow(std::string_view bytes, const Keyspace& keyspace);

  // The next record; nothing at the end, or where the bytes cannot be cut into records.
  std::optional<Record> Next();
  // Whether all that was read could be cut into records, once Next has given nothing.
  bool ok() const { return reader_.ok(); }

 private:
  // Records between two steps: a step takes about as long as a record. A power of two.
  static constexpr size_t kStride = 4;
  static constexpr size_t kAhead = Keyspace::kPrefetchSteps * kStride;

  struct Ahead {
    std::optional<Record> record;
    bool fetch = false;  // it has a key, which is not that of the record before it
  };

  Ahead& At(size_t number) { return ahead_[number % kAhead]; }
  bool IsAnotherKey(const KeyRef& key);
  void Read();

  const Keyspace& keyspace_;
  BatchReader reader_;
  // Those whose number is from next_ on, below read_.
  std::array<Ahead, kAhead> ahead_;
  size_t next_ = 0;
  size_t read_ = 0;
  const char* last_key_ = nullptr;  // where the name of the last key stands in the bytes
};

}  // namespace runnel
