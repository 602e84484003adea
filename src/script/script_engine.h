#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/intrusive_list.h"
#include "base/status.h"
#include "base/string_map.h"
#include "resp/reply_writer.h"
#include "script/function_libraries.h"
#include "script/host.h"
#include "script/interpreter.h"
#include "script/reply_conversion.h"
#include "script/sandbox.h"
#include "script/script_flags.h"

namespace runnel {

struct OldestScripts;

// A compiled script. Its name is the SHA-1 of its text.
struct Script : ListNode<OldestScripts> {
  std::string sha;     // 40 lower-case hexadecimal digits
  uint32_t flags = 0;  // of ScriptFlag
  size_t text_bytes = 0;
  int place = LUA_NOREF;  // of the function, in the engine's table
};

struct ScriptResult {
  enum End {
    kReplied,  // the reply of the script was written; it may be an error that the script returned
    kFailed,   // an error that the script did not catch: an error reply was written
    kKilled,   // the host ended it: an error reply was written
    kNotNow,   // nothing was written: run it again, from the start
  };
  End end = kReplied;
  // How many of the errors that were written are replies of commands, which the host has run and
  // counted.
  uint64_t counted_errors = 0;
};

// Compiles scripts, keeps them by their SHA-1, and runs them, one at a time, in one Lua state.
// Knows nothing of keys and clients: that is what a ScriptHost is for.
class ScriptEngine {
 public:
  // `memory_max`: bytes that all scripts together may have (`script-memory-max`). `clock` bounds
  // what has no host: compiling, and loading libraries.
  explicit ScriptEngine(size_t memory_max, SteadyClock clock = SystemSteadyMicros);
  ~ScriptEngine();
  ScriptEngine(const ScriptEngine&) = delete;
  ScriptEngine& operator=(const ScriptEngine&) = delete;

  // Scripts of EVAL that are kept; above that, the ones that were not used for the longest time go.
  static constexpr size_t kMaxEvalScripts = 500;

  enum class Keep {
    kWhileUsed,  // EVAL
    kAlways,     // SCRIPT LOAD: until Flush
  };
  // The script with this text, which is compiled if it is not known. The message of a failure has
  // no code. Valid until the next call of Compile or Flush, or of Run or Call for another one.
  // REQUIRES: !running().
  Result<const Script*> Compile(std::string_view text, Keep keep);
  // By its SHA-1 in hexadecimal digits of any case; nullptr if it is not known. Counts as a use.
  const Script* Find(std::string_view sha);
  bool Knows(std::string_view sha) const;
  // The flags of a script by its SHA-1, which is no use; and those that its text says, known or
  // not. Nothing if there is no such script, or if it says nothing that is right.
  std::optional<uint32_t> FlagsOf(std::string_view sha) const;
  static std::optional<uint32_t> FlagsInText(std::string_view text);
  // Forgets all scripts, but not libraries. Its time depends on their number only.
  // REQUIRES: !running().
  void Flush();

  // Runs the script. `reply` gets exactly one reply, or nothing (ScriptResult::kNotNow); its
  // protocol is the client's. All views live until the end of the call. REQUIRES: !running().
  ScriptResult Run(const Script& script, std::span<const std::string_view> keys,
                   std::span<const std::string_view> args, ScriptHost& host, ReplyWriter& reply);
  // The same for a function of a library.
  ScriptResult Call(const ScriptFunction& function, std::span<const std::string_view> keys,
                    std::span<const std::string_view> args, ScriptHost& host, ReplyWriter& reply);

  FunctionLibraries& libraries() { return libraries_; }

  // The state of math.random. A run that ends with kNotNow leaves it as it was; if others run
  // before it runs again, its host gives it back.
  const Random48& random() const { return interpreter_.random; }
  void set_random(const Random48& random) { interpreter_.random = random; }

  // A script is running: the host of the run sees it, nobody else.
  bool running() const { return interpreter_.running(); }

  // Frees memory that no script can reach, in a piece of about 100 microseconds. Returns true if
  // there may be more. To be called when there is time. REQUIRES: !running().
  bool CollectSome() { return interpreter_.CollectSome(); }

  // Bytes that Lua has allocated.
  size_t lua_bytes() const { return interpreter_.used(); }
  // Bytes that the engine has for the scripts it knows, without those of Lua; about.
  size_t cache_bytes() const { return scripts_.size() * (sizeof(Script) + 120); }
  size_t script_count() const { return scripts_.size(); }
  // How many scripts of EVAL went because there were too many, or no memory for them.
  uint64_t evicted_scripts() const { return evicted_scripts_; }

  size_t memory_max() const { return interpreter_.memory_max(); }
  // From the next run on.
  void set_memory_max(size_t bytes) { interpreter_.set_memory_max(bytes); }

 private:
  // What a run is about, for the function under Lua that does it.
  struct Activity;
  static int Enter(lua_State* L);

  Status LoadText(std::string_view body, int* place);
  ScriptResult Perform(Activity& activity, ScriptHost& host);
  void WriteFailure(const Activity& activity, int status, ReplyWriter& reply);
  void EvictOldest();
  void MakeRoom(const Script* kept);

  Interpreter interpreter_;
  Sandbox sandbox_;
  FunctionLibraries libraries_;
  ReplyBuilder builder_;
  StringMap<std::unique_ptr<Script>> scripts_;
  IntrusiveList<Script, OldestScripts> eval_scripts_;  // the one used last at the end
  size_t eval_script_count_ = 0;
  size_t eval_text_bytes_ = 0;
  uint64_t evicted_scripts_ = 0;
  int table_;  // in the registry: the functions of the scripts
};

}  // namespace runnel
