#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "data/function_catalog.h"
#include "effects/effect.h"

namespace runnel {

// The numbers are stored in the journal.
enum class LibraryChange : uint8_t {
  kPut = 0,        // the library is there, in the place of one of the same name
  kRemove = 1,     // the library is gone
  kRemoveAll = 2,  // there are no libraries
};

// A library of functions was loaded or removed, or all of them were removed. The other fields are
// those of a library that was loaded; one that is removed has only its name.
struct FunctionLibrary {
  static constexpr EffectType kType = EffectType::kFunctionLibrary;
  // The flags of a function are twice its StoredFunction::flags, and this if it has a description.
  static constexpr uint64_t kDescribed = 1;

  LibraryChange change = LibraryChange::kPut;
  std::string_view name;
  std::string_view code;
  // Of each function, in the same order.
  std::span<const std::string_view> functions;
  std::span<const uint64_t> flags;
  std::span<const std::string_view> descriptions;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.change, self.name, self.code, self.functions, self.flags,
                    self.descriptions);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  Misfit ApplyIfFits(Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;

 private:
  bool NamesOnly() const {
    return code.empty() && functions.empty() && flags.empty() && descriptions.empty();
  }
  Misfit Read(const Keyspace& keyspace, StoredLibrary* library) const;
};

// The effect that puts a library in, with what its views need. The library outlives it.
class PutLibrary {
 public:
  explicit PutLibrary(const StoredLibrary& library);

  const FunctionLibrary& effect() const { return effect_; }
  // Of the effect, about.
  size_t bytes() const { return bytes_; }

 private:
  std::vector<std::string_view> functions_;
  std::vector<uint64_t> flags_;
  std::vector<std::string_view> descriptions_;
  FunctionLibrary effect_;
  size_t bytes_;
};

}  // namespace runnel
