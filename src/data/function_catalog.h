#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "base/string_map.h"

namespace runnel {

// A function as its library registered it when it was loaded.
struct StoredFunction {
  std::string name;
  // As scripts define them (script/script_flags.h). The numbers are on the disk.
  uint32_t flags = 0;
  std::optional<std::string> description = std::nullopt;

  bool operator==(const StoredFunction&) const = default;
};

// A library of functions: its text, and what the text registers.
struct StoredLibrary {
  std::string name;
  std::string code;  // the whole text
  std::vector<StoredFunction> functions;

  // Bytes that it takes in memory, about.
  size_t MemoryBytes() const;
  void Encode(Encoder* out) const;
  // Nothing if it is damaged.
  static std::optional<StoredLibrary> Load(Decoder* in);

  bool operator==(const StoredLibrary&) const = default;
};

// The libraries of functions that a keyspace has beside its keys, as texts: they belong to no
// database, and a flush leaves them. They are compiled elsewhere, when they are used.
class FunctionCatalog {
 public:
  FunctionCatalog();
  FunctionCatalog(const FunctionCatalog&) = delete;
  FunctionCatalog& operator=(const FunctionCatalog&) = delete;

  struct Entry {
    std::shared_ptr<const StoredLibrary> library;
    // No other library of this catalog has had it, also none of the same name.
    uint64_t number = 0;
  };
  // By their names, in order. The names are those in the libraries.
  using Entries = std::map<std::string_view, Entry>;
  const Entries& entries() const { return *entries_; }

  bool empty() const { return entries_->empty(); }
  size_t size() const { return entries_->size(); }
  size_t function_count() const { return owners_.size(); }
  // Bytes that the libraries take in memory, about.
  size_t MemoryBytes() const { return bytes_; }
  // Another number after each change.
  uint64_t changes() const { return changes_; }

  // nullptr if there is none. Valid until the next change.
  const Entry* Find(std::string_view library) const;
  // The library that has this function. Case does not matter in names of functions.
  const Entry* OwnerOf(std::string_view function) const;

  // The libraries of this moment, which later changes leave as they are; another thread may read
  // and free them. Costs a copy of the index with the next change.
  std::shared_ptr<const Entries> Share() const;

  // Whether the library may be put in, in the place of what has its name: it has functions, no
  // other library has one of them, and no two have the same name. Names that differ only in case
  // are the same.
  bool MayPut(const StoredLibrary& library) const;

  // --- For effects only ---

  // REQUIRES: MayPut().
  void Put(StoredLibrary library);
  // REQUIRES: there is such a library.
  void Remove(std::string_view library);
  void Clear();

 private:
  // The index, to be changed.
  Entries& Mutable();
  // Takes the library out of everything but the index.
  void Forget(const StoredLibrary& library);

  std::shared_ptr<Entries> entries_;
  mutable bool shared_ = false;             // somebody else may have entries_
  StringMap<const StoredLibrary*> owners_;  // of each function, by its name in lower case
  size_t bytes_ = 0;
  uint64_t changes_ = 0;
};

}  // namespace runnel
