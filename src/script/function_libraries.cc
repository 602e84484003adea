#include "script/function_libraries.h"

#include <optional>

#include "base/assert.h"
#include "base/text.h"
#include "script/shebang.h"

namespace runnel {
namespace {

// The work that libraries may do while they are loaded: about half a second.
constexpr uint64_t kMaxLoadWork = 50'000'000;
// What is not counted as work ends here. Far above the other bound, so that a load that succeeds
// does so on a slow machine, too.
constexpr int64_t kMaxLoadMicros = 5'000'000;

constexpr char kBadLibraryName[] =
    "Library names can only contain letters, numbers, or underscores(_) and must be at least one "
    "character long";

}  // namespace

FunctionLibraries::FunctionLibraries(Interpreter& interpreter, Sandbox& sandbox)
    : interpreter_(interpreter), sandbox_(sandbox) {
  lua_newtable(interpreter_.lua());
  table_ = luaL_ref(interpreter_.lua(), LUA_REGISTRYINDEX);
}

Result<FunctionLibraries::Header> FunctionLibraries::ReadHeader(std::string_view code) {
  if (!code.starts_with("#!")) return Status::Error("Missing library metadata");
  const std::optional<Shebang> shebang = SplitShebang(code);
  if (!shebang) return Status::Error("Invalid library metadata");
  std::optional<std::vector<std::string>> words = SplitWords(shebang->line.substr(2));
  if (!words) return Status::Error("Invalid library metadata");
  // "#! lua" names no engine; the rest is read as usual.
  const bool names_engine = shebang->line.size() > 2 && !IsSpace(shebang->line[2]);
  const std::string engine = names_engine ? words->front() : "";
  Header header{{}, shebang->body};
  bool named = false;
  for (size_t i = names_engine ? 1 : 0; i < words->size(); i++) {
    const std::string& word = (*words)[i];
    constexpr std::string_view kName = "name=";
    if (!EqualsIgnoreCase(std::string_view(word).substr(0, kName.size()), kName)) {
      return Status::Error("Invalid metadata value given: " + word);
    }
    if (named) {
      return Status::Error("Invalid metadata value, name argument was given multiple times");
    }
    named = true;
    header.name = word.substr(kName.size());
  }
  if (!named) return Status::Error("Library name was not given");
  if (!IsLibraryName(header.name)) return Status::Error(kBadLibraryName);
  if (!EqualsIgnoreCase(engine, "lua")) return Status::Error("Engine '" + engine + "' not found");
  return header;
}

Result<std::string> FunctionLibraries::NameOf(std::string_view code) {
  Result<Header> header = ReadHeader(code);
  if (!header.ok()) return header.status();
  return std::move(header->name);
}

Result<std::unique_ptr<ScriptLibrary>> FunctionLibraries::Prepare(std::string_view code,
                                                                  WorkBudget& budget) {
  CHECK(!interpreter_.running());
  Result<Header> header = ReadHeader(code);
  if (!header.ok()) return header.status();
  FunctionLoad load;
  load.table = table_;
  Status status = Execute(header->body, &load, budget);
  // Those of which registering failed, and the library went on.
  std::erase_if(load.functions, [](const auto& function) { return function->place == LUA_NOREF; });
  if (status.ok() && load.functions.empty()) status = Status::Error("No functions registered");
  if (!status.ok()) {
    Forget(load.functions);
    return status;
  }
  auto library = std::make_unique<ScriptLibrary>();
  library->name = std::move(header->name);
  library->functions = std::move(load.functions);
  for (const auto& function : library->functions) {
    function->library = library.get();
  }
  return library;
}

WorkBudget FunctionLibraries::NewBudget() const {
  return {kMaxLoadWork, now_us() + kMaxLoadMicros};
}

const ScriptLibrary* FunctionLibraries::Install(std::unique_ptr<ScriptLibrary> library) {
  CHECK(!interpreter_.running());
  (void)Delete(library->name);
  for (const auto& function : library->functions) {
    CHECK(functions_.emplace(LowerCase(function->name), function.get()).second);
  }
  const ScriptLibrary* const installed = library.get();
  libraries_.emplace(library->name, std::move(library));
  return installed;
}

void FunctionLibraries::Discard(std::unique_ptr<ScriptLibrary> library) {
  Forget(library->functions);
}

Result<const ScriptLibrary*> FunctionLibraries::Load(std::string_view code, bool replace) {
  const Result<std::string> name = NameOf(code);
  if (!name.ok()) return name.status();
  const ScriptLibrary* const old = FindLibrary(*name);
  if (old != nullptr && !replace) {
    return Status::Error("Library '" + *name + "' already exists");
  }
  WorkBudget budget = NewBudget();
  Result<std::unique_ptr<ScriptLibrary>> library = Prepare(code, budget);
  if (!library.ok()) return library.status();
  for (const auto& function : (*library)->functions) {
    const ScriptFunction* const known = Find(function->name);
    if (known == nullptr || known->library == old) continue;
    const std::string clash = function->name;
    Discard(std::move(*library));
    return Status::Error("Function " + clash + " already exists");
  }
  return Install(std::move(*library));
}

Status FunctionLibraries::Execute(std::string_view body, FunctionLoad* load, WorkBudget& budget) {
  lua_State* L = interpreter_.lua();
  interpreter_.Begin(nullptr, &budget);
  interpreter_.load = load;
  interpreter_.in_function = true;
  Status status;
  if (interpreter_.Compile(body, "@user_function") != 0) {
    const char* message = lua_tostring(L, -1);
    status = Status::Error("Error compiling function: " +
                           std::string(message == nullptr ? "FUNCTION LOAD timeout" : message));
  } else {
    sandbox_.SetGlobalsOfFunction(L, Sandbox::Globals::kFunctions);
    sandbox_.UseGlobals(L, Sandbox::Globals::kFunctions);
    sandbox_.BeginLoading(L);
    if (lua_pcall(L, 0, 0, Interpreter::kErrorHandlerSlot) != 0) {
      const ScriptFailure& failure = interpreter_.failure;
      std::string error = failure.noted ? failure.message : "ERR not enough memory";
      if (interpreter_.ending() == ScriptEnding::kKilled) error = "ERR FUNCTION LOAD timeout";
      status = Status::Error("Error registering functions: " + error);
    }
    sandbox_.EndLoading(L);
  }
  interpreter_.load = nullptr;
  interpreter_.ResetStack();
  interpreter_.End();
  return status;
}

bool FunctionLibraries::Delete(std::string_view name) {
  CHECK(!interpreter_.running());
  const auto library = libraries_.find(name);
  if (library == libraries_.end()) return false;
  Remove(library);
  return true;
}

void FunctionLibraries::Flush() {
  CHECK(!interpreter_.running());
  // One by one: what was prepared stays in the table.
  while (!libraries_.empty()) {
    Remove(libraries_.begin());
  }
}

const ScriptFunction* FunctionLibraries::Find(std::string_view function) const {
  const auto found = functions_.find(LowerCase(function));
  return found == functions_.end() ? nullptr : found->second;
}

const ScriptLibrary* FunctionLibraries::FindLibrary(std::string_view name) const {
  const auto found = libraries_.find(name);
  return found == libraries_.end() ? nullptr : found->second.get();
}

void FunctionLibraries::PushFunction(lua_State* L, const ScriptFunction& function) const {
  lua_rawgeti(L, LUA_REGISTRYINDEX, table_);
  lua_rawgeti(L, -1, function.place);
  lua_remove(L, -2);
}

void FunctionLibraries::Forget(const std::vector<std::unique_ptr<ScriptFunction>>& functions) {
  lua_State* L = interpreter_.lua();
  lua_rawgeti(L, LUA_REGISTRYINDEX, table_);
  for (const auto& function : functions) {
    luaL_unref(L, -1, function->place);
  }
  lua_pop(L, 1);
}

void FunctionLibraries::Remove(Libraries::iterator library) {
  const auto functions = std::move(library->second->functions);
  for (const auto& function : functions) {
    functions_.erase(LowerCase(function->name));
  }
  Forget(functions);
  libraries_.erase(library);
}

}  // namespace runnel
