#include "effects/function_effects.h"

#include <limits>
#include <utility>

#include "effects/families.h"

namespace runnel {
namespace {

constexpr Misfit kNoSuchChange("there is no such change of libraries");
constexpr Misfit kLibraryIsMissing("there is no such library");
constexpr Misfit kLibraryIsDamaged("the fields are no library");
constexpr Misfit kLibraryClashes("another library has a function of this name");

}  // namespace

// What is put in; with kRemove and kRemoveAll it only says whether the effect fits.
Misfit FunctionLibrary::Read(const Keyspace& keyspace, StoredLibrary* library) const {
  switch (change) {
    case LibraryChange::kRemoveAll:
      return NamesOnly() && name.empty() ? Misfit() : kLibraryIsDamaged;
    case LibraryChange::kRemove:
      if (!NamesOnly()) return kLibraryIsDamaged;
      return keyspace.functions().Find(name) == nullptr ? kLibraryIsMissing : Misfit();
    case LibraryChange::kPut:
      break;
    default:
      return kNoSuchChange;
  }
  if (flags.size() != functions.size() || descriptions.size() != functions.size()) {
    return kLibraryIsDamaged;
  }
  library->name = name;
  library->code = code;
  library->functions.reserve(functions.size());
  for (size_t i = 0; i < functions.size(); i++) {
    StoredFunction& function = library->functions.emplace_back();
    function.name = functions[i];
    function.flags = static_cast<uint32_t>(flags[i] >> 1);
    const bool described = (flags[i] & kDescribed) != 0;
    if (described) function.description = descriptions[i];
    if (flags[i] >> 1 > std::numeric_limits<uint32_t>::max() ||
        (!described && !descriptions[i].empty())) {
      return kLibraryIsDamaged;
    }
  }
  return keyspace.functions().MayPut(*library) ? Misfit() : kLibraryClashes;
}

Misfit FunctionLibrary::Fits(const Keyspace& keyspace) const {
  StoredLibrary library;
  return Read(keyspace, &library);
}

Misfit FunctionLibrary::ApplyIfFits(Keyspace& keyspace) const {
  StoredLibrary library;
  const Misfit misfit = Read(keyspace, &library);
  if (!misfit.fits()) return misfit;
  switch (change) {
    case LibraryChange::kPut:
      keyspace.functions().Put(std::move(library));
      break;
    case LibraryChange::kRemove:
      keyspace.functions().Remove(name);
      break;
    case LibraryChange::kRemoveAll:
      keyspace.functions().Clear();
      break;
  }
  return {};
}

void FunctionLibrary::Apply(Keyspace& keyspace) const {
  CHECK(ApplyIfFits(keyspace).fits());
}

PutLibrary::PutLibrary(const StoredLibrary& library)
    : bytes_(library.name.size() + library.code.size()) {
  for (const StoredFunction& function : library.functions) {
    functions_.push_back(function.name);
    flags_.push_back(uint64_t{function.flags} << 1 |
                     (function.description ? FunctionLibrary::kDescribed : 0));
    descriptions_.push_back(function.description ? std::string_view(*function.description)
                                                 : std::string_view());
    // The three lengths and the flags.
    bytes_ += functions_.back().size() + descriptions_.back().size() + 4 * sizeof(uint32_t);
  }
  effect_.name = library.name;
  effect_.code = library.code;
  effect_.functions = functions_;
  effect_.flags = flags_;
  effect_.descriptions = descriptions_;
}

std::span<const EffectKind> FunctionEffects() {
  static constexpr EffectKind kKinds[] = {KindOf<FunctionLibrary>("function-library")};
  return kKinds;
}

}  // namespace runnel
