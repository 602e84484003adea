#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <lua.hpp>

#include "script/call_buffers.h"
#include "script/host.h"
#include "script/random48.h"

namespace runnel {

struct FunctionLoad;

// Options of the cjson library. A script may change them; the next run begins with these.
struct JsonOptions {
  enum InvalidNumbers { kRefuse, kAccept, kAsNull };
  bool sparse_to_object = false;  // sparse arrays become objects; else they are an error
  int sparse_ratio = 2;  // an array is sparse above this ratio of its length to its elements,
  int sparse_safe = 10;  // if it is longer than this
  int encode_max_depth = 1000;
  int decode_max_depth = 1000;
  int precision = 14;  // significant digits of numbers
  bool keep_buffer = true;
  InvalidNumbers encode_invalid = kRefuse;
  InvalidNumbers decode_invalid = kAccept;
};

// Why a run ends before its end, apart from errors.
enum class ScriptEnding {
  kNone,
  kNotNow,  // the host cannot answer a command now
  kKilled,  // the host does not want the script to go on
};

// Why a script failed: of the error that nobody in it caught.
struct ScriptFailure {
  bool noted = false;
  std::string message;   // begins with the error's code
  bool located = false;  // source and line are known
  std::string source;    // "@user_script"
  int line = -1;         // -1 in a function that is not of Lua
  bool counted = false;  // the error is the reply of a command
};

// Microseconds of a clock that never goes back.
using SteadyClock = std::function<int64_t()>;
// That of the system.
int64_t SystemSteadyMicros();

// What a run without a host may still take. Runs may share one, one after the other.
struct WorkBudget {
  uint64_t work = UINT64_MAX;  // in units of Interpreter::Spend
  // By the interpreter's clock. Not all work can be counted: comparing strings, or what Lua's
  // compiler does with long chains of conditions.
  int64_t end_us = INT64_MAX;
};

// The one Lua state in which all scripts run, with bounds on its memory and its work.
//
// Lua reports errors by longjmp. So a function that Lua calls owns nothing on its C++ stack while
// it calls a function of Lua that may fail: what needs a destructor is a member here. And
// everything that may fail runs inside a protected call; outside of a run the memory bound does not
// apply, so that only the end of the system's memory can fail there, which ends the process.
class Interpreter {
 public:
  // `memory_max`: bytes that the state may have.
  explicit Interpreter(size_t memory_max, SteadyClock clock = SystemSteadyMicros);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  static Interpreter& Of(lua_State* L) {
    void* self;
    lua_getallocf(L, &self);
    return *static_cast<Interpreter*>(self);
  }
  lua_State* lua() { return lua_; }

  // What is always on the stack between runs, so that a protected call needs no memory to begin.
  enum Slot {
    kErrorHandlerSlot = 1,  // NoteFailure
    kEnterSlot,             // ScriptEngine::Enter
    kCompileSlot,           // CompileUnderLua
    kCollectSlot,
    kSlots = kCollectSlot,
  };
  // Removes all else.
  void ResetStack() { lua_settop(lua_, kSlots); }
  void FillSlots(lua_CFunction error_handler, lua_CFunction enter, lua_CFunction compile);
  // Compiles a text. Returns Lua's status; on the top is the function, or the message.
  int Compile(std::string_view text, const char* name);

  // Bytes that the state has now.
  size_t used() const { return used_; }
  size_t memory_max() const { return memory_max_; }
  void set_memory_max(size_t bytes) { memory_max_ = bytes; }

  // A run: from Begin to End the bounds apply. `host` may be nullptr: then there are no commands.
  // If there is a `budget`, the run takes from it what it does, and is ended when that is spent. It
  // lives until End.
  void Begin(ScriptHost* host, WorkBudget* budget = nullptr);
  void End();
  bool running() const { return running_ != nullptr; }
  ScriptHost* host() { return host_; }
  int64_t now_us() const { return clock_(); }

  // Frees memory that no script can reach, in a piece of about 100 microseconds. Returns true if
  // there may be more. REQUIRES: !running().
  bool CollectSome();
  // Frees all of it at once. REQUIRES: !running().
  void CollectAll();
  // Frees all of it if much has come since the last time, and little is left of the bound. Returns
  // true if it did so and what is reachable takes more than half of the bound. REQUIRES:
  // !running().
  bool CollectIfFull();
  bool more_than_half_full() const { return used_ > memory_max_ / 2; }

  // Counts work that the count of instructions does not see, in units of about an instruction. May
  // end the script: it does not return then.
  void Spend(lua_State* L, size_t units) {
    unseen_work_ += units;
    if (unseen_work_ >= kWorkPerLook) [[unlikely]]
      Look(L);
  }
  // The same for the work of looking at or copying so many bytes.
  void SpendBytes(lua_State* L, size_t bytes) { Spend(L, bytes / kBytesPerUnit); }

  // Ends the run for this reason, whatever the script does to catch errors. Raises.
  int EndRun(lua_State* L, ScriptEnding ending);
  ScriptEnding ending() const { return ending_; }
  // After each place that catches an error for the script: goes on raising if the run ends, and
  // makes room if memory has ended. `status` is Lua's.
  void AfterError(lua_State* L, int status) {
    if (ending_ != ScriptEnding::kNone) [[unlikely]]
      lua_error(L);
    if (status == LUA_ERRMEM) CollectUnderPressure(L);
  }

  // The coroutine that runs. Whoever resumes another one sets it, and sets it back afterwards.
  lua_State* running_state() const { return running_; }
  void set_running_state(lua_State* L) { running_ = L; }

  // While parts of the state are not safe from collection (the compiler's). Not nested.
  void StopCollecting() {
    lua_gc(lua_, LUA_GCSTOP, 0);
    collecting_ = false;
  }
  void GoOnCollecting(size_t allocated);

  // A buffer for results, one at a time. Append fails in Lua's way if the result does not fit what
  // the state may still have.
  std::string& TakeBuffer() {
    buffer_.clear();
    return buffer_;
  }
  void Append(lua_State* L, std::string_view bytes) {
    CheckRoom(L, bytes.size());
    buffer_.append(bytes);
  }
  void Append(lua_State* L, char byte) {
    CheckRoom(L, 1);
    buffer_.push_back(byte);
  }
  // Leaves the buffer's content as a string on Lua's stack.
  void PushBuffer(lua_State* L) {
    lua_pushlstring(L, buffer_.data(), buffer_.size());
    ReleaseBuffer();
  }

  // State of the run.
  Random48 random;
  JsonOptions json;
  int protocol = 2;  // of the replies that the script sees: redis.setresp
  ScriptFailure failure;
  CallBuffers calls;
  FunctionLoad* load = nullptr;  // while a library is loaded
  bool in_function = false;      // the run is a call of a function of a library

 private:
  // How many instructions and units are a piece of work. Fewer instructions when there are large
  // blocks of memory, because one of them may then take long (comparing two strings of 100 MB).
  static constexpr int kMostInstructionsPerLook = 5000;
  static constexpr int kFewestInstructionsPerLook = 50;
  static constexpr size_t kLargeBlock = 64 * 1024;
  static constexpr size_t kWorkPerLook = 20'000;
  static constexpr size_t kBytesPerUnit = 16;
  static constexpr size_t kBytesPerLook = 4 * 1024 * 1024;
  static constexpr size_t kKeptBuffer = 64 * 1024;

  static void* Allocate(void* self, void* block, size_t old_size, size_t size);
  static void OnCount(lua_State* L, lua_Debug* activation);
  // Sets when OnCount is called next. Each coroutine has its own count, which Lua keeps.
  static void CountInstructions(lua_State* L, int instructions) {
    lua_sethook(L, OnCount, LUA_MASKCOUNT, instructions);
  }
  int InstructionsPerLook() const;
  // Between two pieces of work.
  void Look(lua_State* L);
  // Takes from the budget what was done since the last time.
  void Charge();
  // A whole collection, which is work of the run, too.
  void Collect(lua_State* L);
  void CollectUnderPressure(lua_State* L);
  void SetPressureMark();
  // Makes the running code stop at its next instruction.
  void LookSoon();

  void CheckRoom(lua_State* L, size_t bytes) {
    if (buffer_.size() + bytes > buffer_.capacity()) [[unlikely]]
      Grow(L, bytes);
    unseen_work_ += 1 + bytes / kBytesPerUnit;
    if (unseen_work_ >= kWorkPerLook) [[unlikely]]
      Look(L);
  }
  void Grow(lua_State* L, size_t bytes);
  void ReleaseBuffer();

  lua_State* lua_ = nullptr;
  const SteadyClock clock_;
  size_t memory_max_;
  size_t used_ = 0;
  size_t bound_ = SIZE_MAX;  // memory_max_ during a run
  // Above it, memory that cannot be reached is collected at once.
  size_t pressure_mark_ = SIZE_MAX;
  // What was left after the last whole collection between runs, or less if there was less since.
  size_t collected_to_ = 0;
  size_t unseen_bytes_ = 0;   // allocated since the last look
  size_t largest_block_ = 0;  // that was allocated; no more than there was when the run began
  size_t unseen_work_ = 0;
  WorkBudget* budget_ = nullptr;
  lua_State* running_ = nullptr;
  ScriptHost* host_ = nullptr;
  ScriptEnding ending_ = ScriptEnding::kNone;
  bool looking_ = false;
  bool collecting_ = true;
  std::string buffer_;
};

}  // namespace runnel
