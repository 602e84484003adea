#include "broker/functions.h"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "commands/context.h"
#include "effects/function_effects.h"
#include "fmt/format.h"

namespace runnel {
namespace {

// A library that has taken too long is not tried again before this time: it holds all others up.
constexpr int64_t kRetryAfterUs = 100'000'000;

std::string TooManyLibraries() {
  return fmt::format("there may be {} libraries", Functions::kMostLibraries);
}

std::string TooManyBytes(size_t memory_max) {
  return fmt::format("the libraries would take more than script-memory-max ({} bytes)", memory_max);
}

// Another try may succeed when others have left memory.
bool IsLackOfMemory(std::string_view error) {
  return error.find("not enough memory") != error.npos;
}

// Whether the library registers the functions that it is known to have, and no others.
bool HasItsFunctions(const ScriptLibrary& library, const StoredLibrary& stored) {
  std::unordered_set<std::string_view> names;
  for (const StoredFunction& function : stored.functions) {
    names.insert(function.name);
  }
  return library.functions.size() == names.size() &&
         std::all_of(library.functions.begin(), library.functions.end(),
                     [&](const auto& function) { return names.contains(function->name); });
}

}  // namespace

void Functions::Forget(std::string_view library) {
  const auto known = compiled_.find(library);
  if (known == compiled_.end()) return;
  if (scripts_.engine().libraries().Delete(library)) scripts_.NoteRun();
  compiled_.erase(known);
}

void Functions::Sync() {
  const FunctionCatalog& catalog = keyspace_.functions();
  if (seen_ == catalog.changes()) return;
  for (auto it = compiled_.begin(); it != compiled_.end();) {
    const auto& [name, compiled] = *it++;
    const FunctionCatalog::Entry* const entry = catalog.Find(name);
    if (entry == nullptr || entry->number != compiled.number) Forget(std::string(name));
  }
  NoteSynced();
}

Functions::Found Functions::Find(std::string_view name) {
  const FunctionCatalog::Entry* const entry = keyspace_.functions().OwnerOf(name);
  if (entry == nullptr) return {nullptr, "ERR Function not found"};
  Sync();
  ScriptEngine& engine = scripts_.engine();
  const std::string& library = entry->library->name;
  const auto [known, is_new] = compiled_.try_emplace(library, Compiled{.number = entry->number});
  Compiled& compiled = known->second;
  const bool failed = !compiled.error.empty();
  const bool again =
      failed && (compiled.memory_max != engine.memory_max() || IsLackOfMemory(compiled.error) ||
                 engine.libraries().now_us() >= compiled.retry_us);
  if (is_new || again) {
    Compile(*entry, &compiled);
  }
  if (!compiled.error.empty()) {
    return {nullptr,
            fmt::format("ERR Function not available: its library '{}' does not load any more: {}",
                        library, compiled.error)};
  }
  return {engine.libraries().Find(name), {}};
}

void Functions::Compile(const FunctionCatalog::Entry& entry, Compiled* compiled) {
  const StoredLibrary& stored = *entry.library;
  FunctionLibraries& engine = scripts_.engine().libraries();
  WorkBudget budget = engine.NewBudget();
  Result<std::unique_ptr<ScriptLibrary>> library = engine.Prepare(stored.code, budget);
  std::string error;
  compiled->retry_us = INT64_MAX;
  if (!library.ok()) {
    error = library.message();
    if (engine.ran_out_of_time(budget)) compiled->retry_us = engine.now_us() + kRetryAfterUs;
  } else if ((*library)->name != stored.name || !HasItsFunctions(**library, stored)) {
    error = "it registers other functions than before";
    engine.Discard(std::move(*library));
  } else {
    engine.Install(std::move(*library));
  }
  scripts_.NoteRun();
  if (!error.empty() && error != compiled->error) {
    LogWarning(
        "The library of functions '{}' does not load any more, calls of its functions fail: {}",
        stored.name, error);
  }
  compiled->error = std::move(error);
  compiled->memory_max = scripts_.engine().memory_max();
}

void Functions::Remove(Context& context, std::string_view library) {
  Sync();
  FunctionLibrary effect;
  effect.change = LibraryChange::kRemove;
  effect.name = library;
  context.Apply(effect);
  Forget(library);
  NoteSynced();
}

void Functions::RemoveAll(Context& context) {
  FunctionLibrary effect;
  effect.change = LibraryChange::kRemoveAll;
  context.Apply(effect);
  if (!compiled_.empty()) {
    scripts_.engine().libraries().Flush();
    scripts_.NoteRun();
    compiled_.clear();
  }
  NoteSynced();
}

// --- Additions ---

Functions::Addition::Addition(Functions& functions)
    : functions_(functions),
      engine_(functions.scripts_.engine().libraries()),
      budget_(engine_.NewBudget()) {
  functions_.Sync();
}

Functions::Addition::~Addition() {
  for (auto& library : compiled_) {
    if (library != nullptr) engine_.Discard(std::move(library));
  }
  functions_.scripts_.NoteRun();
}

Status Functions::Addition::Compile(std::string_view code) {
  if (code.size() > kMostLibraryBytes) {
    return Status::Error(fmt::format("a library may have {} bytes, this one has {}",
                                     kMostLibraryBytes, code.size()));
  }
  // What is known to be too much when all are there is not compiled first.
  if (stored_.size() >= kMostLibraries) return Status::Error(TooManyLibraries());
  const size_t memory_max = functions_.scripts_.engine().memory_max();
  if (code.size() > memory_max || bytes_ > memory_max - code.size()) {
    return Status::Error(TooManyBytes(memory_max));
  }
  const Result<std::string> name = FunctionLibraries::NameOf(code);
  if (!name.ok()) return name.status();
  if (names_.contains(*name)) {
    return Status::Error(fmt::format("Library '{}' already exists", *name));
  }
  Result<std::unique_ptr<ScriptLibrary>> library = engine_.Prepare(code, budget_);
  if (!library.ok()) return library.status();
  names_.insert(*name);
  StoredLibrary& stored = stored_.emplace_back(StoredLibrary{*name, std::string(code), {}});
  compiled_.push_back(std::move(*library));
  for (const auto& function : compiled_.back()->functions) {
    if (!function_names_.insert(LowerCase(function->name)).second) {
      return Status::Error(fmt::format("Function {} already exists", function->name));
    }
    stored.functions.push_back({function->name, function->flags, function->description});
  }
  bytes_ += stored.MemoryBytes();
  return Status();
}

Status Functions::Addition::Check(Policy policy) const {
  if (policy == Policy::kFlush) return Status();
  const FunctionCatalog& catalog = functions_.keyspace_.functions();
  for (const StoredLibrary& library : stored_) {
    if (policy == Policy::kAppend && catalog.Find(library.name) != nullptr) {
      return Status::Error(fmt::format("Library {} already exists", library.name));
    }
  }
  for (const StoredLibrary& library : stored_) {
    for (const StoredFunction& function : library.functions) {
      const FunctionCatalog::Entry* const owner = catalog.OwnerOf(function.name);
      if (owner != nullptr && !names_.contains(owner->library->name)) {
        return Status::Error(fmt::format("Function {} already exists", function.name));
      }
    }
  }
  return Status();
}

size_t Functions::Addition::BytesAfter(Policy policy) const {
  const FunctionCatalog& catalog = functions_.keyspace_.functions();
  size_t bytes = policy == Policy::kFlush ? 0 : catalog.MemoryBytes();
  for (const StoredLibrary& library : stored_) {
    const FunctionCatalog::Entry* const old = catalog.Find(library.name);
    if (old != nullptr && policy != Policy::kFlush) bytes -= old->library->MemoryBytes();
    bytes += library.MemoryBytes();
  }
  return bytes;
}

bool Functions::Addition::Commit(Context& context, Policy policy) {
  const FunctionCatalog& catalog = functions_.keyspace_.functions();
  std::vector<std::string> replaced;
  if (policy == Policy::kReplace) {
    for (const StoredLibrary& library : stored_) {
      if (catalog.Find(library.name) != nullptr) replaced.push_back(library.name);
    }
  }
  const size_t others = policy == Policy::kFlush ? 0 : catalog.size() - replaced.size();
  if (others + stored_.size() > kMostLibraries) {
    context.reply().Error("ERR " + TooManyLibraries());
    return false;
  }
  const size_t memory_max = functions_.scripts_.engine().memory_max();
  if (BytesAfter(policy) > memory_max) {
    context.reply().Error("ERR " + TooManyBytes(memory_max));
    return false;
  }
  uint64_t bytes = 0;
  for (const StoredLibrary& library : stored_) {
    bytes += PutLibrary(library).bytes();
  }
  if (context.FailIfTooManyChanges(bytes)) return false;

  if (policy == Policy::kFlush && !catalog.empty()) functions_.RemoveAll(context);
  // All of them before the first one is put: functions may have changed their libraries.
  if (stored_.size() > 1) {
    for (const std::string& name : replaced) {
      functions_.Remove(context, name);
    }
  }
  for (size_t i = 0; i < stored_.size(); i++) {
    const StoredLibrary& library = stored_[i];
    context.Apply(PutLibrary(library).effect());
    engine_.Install(std::move(compiled_[i]));
    functions_.compiled_.insert_or_assign(library.name,
                                          Compiled{.number = catalog.Find(library.name)->number});
  }
  functions_.NoteSynced();
  return true;
}

}  // namespace runnel
