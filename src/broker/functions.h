#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/status.h"
#include "broker/scripts.h"
#include "data/keyspace.h"

namespace runnel {

class Context;

// The functions of the libraries that the keyspace has. A library is compiled when one of its
// functions is first called, after a start or after a leader has stated it; one that is loaded here
// is compiled to find out whether it can be.
//
// A library that does not compile any more, because this version or its bounds are others, stays:
// it is logged, and calls of its functions fail.
class Functions {
 public:
  static constexpr size_t kMostLibraries = 10'000;
  static constexpr size_t kMostLibraryBytes = 16 * 1024 * 1024;

  // Both outlive it.
  Functions(const Keyspace& keyspace, Scripts& scripts) : keyspace_(keyspace), scripts_(scripts) {}
  Functions(const Functions&) = delete;
  Functions& operator=(const Functions&) = delete;

  struct Found {
    const ScriptFunction* function = nullptr;  // valid until the next call of any function here
    std::string error;                         // if there is no function: the whole reply
  };
  // The function, ready to be called. REQUIRES: no script is running.
  Found Find(std::string_view name);

  // State that the library, or all of them, are gone. REQUIRES: there is such a library.
  void Remove(Context& context, std::string_view library);
  void RemoveAll(Context& context);

  // Libraries that a command is about to add: FUNCTION LOAD and RESTORE. Lives during the command,
  // which calls nothing else here meanwhile. What was not committed leaves no trace.
  class Addition {
   public:
    explicit Addition(Functions& functions);
    ~Addition();
    Addition(const Addition&) = delete;
    Addition& operator=(const Addition&) = delete;

    // Compiles a library. Fails if that cannot be done, if it clashes with one of this addition, or
    // if what was compiled takes more together than libraries may; the messages of failures, here
    // and below, have no code. An addition is of no use after a failure.
    Status Compile(std::string_view code);
    // The name of the library that was compiled last.
    const std::string& name() const { return stored_.back().name; }
    enum class Policy { kAppend, kReplace, kFlush };
    // Whether the libraries may be added to those that are there. With kAppend none may have the
    // name of one that is there, with kReplace they take its place, with kFlush all others go. No
    // two libraries may have functions of the same name.
    Status Check(Policy policy) const;
    // States the changes. Returns false if an error reply was written instead. REQUIRES: Check was
    // asked with this policy.
    bool Commit(Context& context, Policy policy);

   private:
    size_t BytesAfter(Policy policy) const;

    Functions& functions_;
    FunctionLibraries& engine_;
    WorkBudget budget_;  // for all libraries together
    std::vector<std::unique_ptr<ScriptLibrary>> compiled_;
    std::vector<StoredLibrary> stored_;               // the same, in the same order
    size_t bytes_ = 0;                                // of what is stored
    std::unordered_set<std::string> names_;           // of the libraries
    std::unordered_set<std::string> function_names_;  // in lower case
  };

 private:
  // A library of which the engine knows, or has said that it cannot be compiled.
  struct Compiled {
    uint64_t number = 0;     // FunctionCatalog::Entry::number
    std::string error = {};  // why it cannot be compiled; empty if it was
    size_t memory_max = 0;   // with which it could not
    // When it may be tried again if it only took too long; by the steady clock.
    int64_t retry_us = INT64_MAX;
  };

  // Takes from the engine what the keyspace has no more, or has otherwise.
  void Sync();
  // Takes note that nothing but what the engine has done too has changed since Sync.
  void NoteSynced() { seen_ = keyspace_.functions().changes(); }
  void Forget(std::string_view library);
  void Compile(const FunctionCatalog::Entry& entry, Compiled* compiled);

  const Keyspace& keyspace_;
  Scripts& scripts_;
  std::map<std::string, Compiled, std::less<>> compiled_;
  uint64_t seen_ = 0;  // FunctionCatalog::changes of the last Sync
};

}  // namespace runnel
