#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/string_map.h"
#include "script/function_load.h"
#include "script/interpreter.h"
#include "script/sandbox.h"

namespace runnel {

// A library of functions: text whose first line is "#!lua name=<name>".
struct ScriptLibrary {
  std::string name;
  std::vector<std::unique_ptr<ScriptFunction>> functions;
};

// The libraries of FUNCTION LOAD and their functions. Libraries share nothing but the sandbox; what
// the functions of one keep between calls is theirs.
class FunctionLibraries {
 public:
  // Both outlive it.
  FunctionLibraries(Interpreter& interpreter, Sandbox& sandbox);

  // Compiles and runs the text, which registers its functions. If there is a library with this
  // name, it is replaced if `replace` is set; else that is an error. Returns the library; on
  // failure nothing has changed, and the message has no code. REQUIRES: no script is running.
  Result<const ScriptLibrary*> Load(std::string_view code, bool replace);
  // False if there is no such library. REQUIRES: no script is running.
  bool Delete(std::string_view name);
  // REQUIRES: no script is running.
  void Flush();

  // The name that the first line of the text says. The message of a failure has no code.
  static Result<std::string> NameOf(std::string_view code);
  // The parts of Load. Prepare compiles and runs the text, and returns the library that it makes,
  // which is not in use yet: it must come to Install, in the place of the one of the same name, or
  // to Discard. Install does not ask whether another library has one of its functions: REQUIRES
  // that none has. REQUIRES: no script is running.
  // Loading takes from `budget`, which several loads may share, and fails when that is spent.
  Result<std::unique_ptr<ScriptLibrary>> Prepare(std::string_view code, WorkBudget& budget);
  const ScriptLibrary* Install(std::unique_ptr<ScriptLibrary> library);
  void Discard(std::unique_ptr<ScriptLibrary> library);

  // What one command may spend on loading, from now on.
  WorkBudget NewBudget() const;
  // Whether there was no time left, though there was work: another try may succeed.
  bool ran_out_of_time(const WorkBudget& budget) const {
    return budget.work > 0 && now_us() >= budget.end_us;
  }
  int64_t now_us() const { return interpreter_.now_us(); }

  // nullptr if there is none. Case does not matter in names of functions.
  const ScriptFunction* Find(std::string_view function) const;
  const ScriptLibrary* FindLibrary(std::string_view name) const;
  // By their names, in order.
  using Libraries = std::map<std::string, std::unique_ptr<ScriptLibrary>, std::less<>>;
  const Libraries& libraries() const { return libraries_; }
  size_t function_count() const { return functions_.size(); }

  // Leaves the function on the top of Lua's stack.
  void PushFunction(lua_State* L, const ScriptFunction& function) const;

 private:
  struct Header {
    std::string name;
    std::string_view body;
  };
  static Result<Header> ReadHeader(std::string_view code);
  // Runs the body; leaves what it registers in `load`.
  Status Execute(std::string_view body, FunctionLoad* load, WorkBudget& budget);
  void Forget(const std::vector<std::unique_ptr<ScriptFunction>>& functions);
  void Remove(Libraries::iterator library);

  Interpreter& interpreter_;
  Sandbox& sandbox_;
  Libraries libraries_;
  StringMap<const ScriptFunction*> functions_;  // by their names in lower case
  int table_;                                   // in the registry: the functions of all libraries
};

}  // namespace runnel
