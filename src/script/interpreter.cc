#include "script/interpreter.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "base/assert.h"
#include "script/libraries.h"

namespace runnel {
namespace {

int OnLuaPanic(lua_State* L) {
  // An error outside of a protected call: the memory of the system has ended.
  (void)L;
  CHECK(!"error of Lua outside of a protected call");
  return 0;
}

int CollectStep(lua_State* L) {
  constexpr int kKilobytes = 100;
  lua_pushboolean(L, lua_gc(L, LUA_GCSTEP, kKilobytes) == 0);
  return 1;
}

}  // namespace

int64_t SystemSteadyMicros() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

Interpreter::Interpreter(size_t memory_max, SteadyClock clock)
    : clock_(std::move(clock)), memory_max_(memory_max) {
  lua_ = lua_newstate(Allocate, this);
  CHECK(lua_ != nullptr);
  lua_atpanic(lua_, OnLuaPanic);
}

Interpreter::~Interpreter() {
  ASSERT(!running());
  // A script may have left the collector in the middle of a cycle. Nothing is freed by the end of
  // the state that a whole cycle has not looked at.
  lua_gc(lua_, LUA_GCCOLLECT, 0);
  lua_close(lua_);
  ASSERT(used_ == 0);
}

void* Interpreter::Allocate(void* self, void* block, size_t old_size, size_t size) {
  auto& interpreter = *static_cast<Interpreter*>(self);
  if (size == 0) {
    std::free(block);
    interpreter.used_ -= old_size;
    return nullptr;
  }
  if (size > old_size) {
    const size_t more = size - old_size;
    if (more > interpreter.bound_ || interpreter.used_ > interpreter.bound_ - more) return nullptr;
    interpreter.unseen_bytes_ += size;
    interpreter.largest_block_ = std::max(interpreter.largest_block_, size);
    if (interpreter.used_ + more > interpreter.pressure_mark_ ||
        interpreter.unseen_bytes_ > kBytesPerLook) [[unlikely]] {
      interpreter.LookSoon();
    }
  }
  void* moved = block == nullptr ? std::malloc(size) : std::realloc(block, size);
  // Lua relies on it that a block can be made smaller.
  if (moved == nullptr) return size <= old_size ? block : nullptr;
  interpreter.used_ += size - old_size;
  return moved;
}

void Interpreter::Begin(ScriptHost* host, WorkBudget* budget) {
  CHECK(!running());
  host_ = host;
  running_ = lua_;
  ending_ = ScriptEnding::kNone;
  looking_ = false;
  unseen_work_ = 0;
  unseen_bytes_ = 0;
  budget_ = budget;
  protocol = 2;
  json = JsonOptions();
  failure.noted = false;
  failure.located = false;
  failure.counted = false;
  // What is left from earlier runs is not held against this one.
  CollectIfFull();
  bound_ = memory_max_;
  SetPressureMark();
  // What libraries keep, and the constants of scripts, may be large as well.
  largest_block_ = std::min(largest_block_, used_);
  CountInstructions(lua_, InstructionsPerLook());
}

void Interpreter::End() {
  lua_sethook(lua_, nullptr, 0, 0);
  Charge();
  budget_ = nullptr;
  running_ = nullptr;
  host_ = nullptr;
  bound_ = SIZE_MAX;
  pressure_mark_ = SIZE_MAX;
  ReleaseBuffer();
  calls.Release();
}

bool Interpreter::CollectSome() {
  CHECK(!running());
  lua_pushvalue(lua_, kCollectSlot);
  CHECK(lua_pcall(lua_, 0, 1, 0) == 0);
  const bool more = lua_toboolean(lua_, -1) != 0;
  ResetStack();
  return more;
}

void Interpreter::CollectAll() {
  CHECK(running_ == nullptr);
  lua_gc(lua_, LUA_GCCOLLECT, 0);
  collected_to_ = used_;
}

bool Interpreter::CollectIfFull() {
  collected_to_ = std::min(collected_to_, used_);
  if (!more_than_half_full() || used_ - collected_to_ <= memory_max_ / 8) return false;
  Collect(lua_);
  collected_to_ = used_;
  return more_than_half_full();
}

void Interpreter::FillSlots(lua_CFunction error_handler, lua_CFunction enter,
                            lua_CFunction compile) {
  lua_settop(lua_, 0);
  lua_pushcfunction(lua_, error_handler);
  lua_pushcfunction(lua_, enter);
  lua_pushcfunction(lua_, compile);
  lua_pushcfunction(lua_, CollectStep);
}

int Interpreter::Compile(std::string_view text, const char* name) {
  const Chunk chunk{text.data(), text.size(), name};
  lua_pushvalue(lua_, kCompileSlot);
  lua_pushlightuserdata(lua_, const_cast<Chunk*>(&chunk));
  return lua_pcall(lua_, 1, 1, 0);
}

void Interpreter::GoOnCollecting(size_t allocated) {
  collecting_ = true;
  lua_gc(lua_, LUA_GCRESTART, 0);
  // The collector has not seen these allocations: it does its share of work for them now.
  constexpr size_t kKilobyte = 1024;
  if (allocated >= kKilobyte) {
    lua_gc(lua_, LUA_GCSTEP, static_cast<int>(std::min<size_t>(allocated / kKilobyte, 1 << 20)));
  }
}

void Interpreter::OnCount(lua_State* L, lua_Debug*) {
  Interpreter& interpreter = Of(L);
  interpreter.unseen_work_ += static_cast<size_t>(lua_gethookcount(L));
  interpreter.Look(L);
  CountInstructions(L, interpreter.InstructionsPerLook());
}

int Interpreter::InstructionsPerLook() const {
  if (largest_block_ <= kLargeBlock) return kMostInstructionsPerLook;
  const auto fewer = static_cast<int>(kMostInstructionsPerLook * kLargeBlock / largest_block_);
  return std::max(fewer, kFewestInstructionsPerLook);
}

void Interpreter::Look(lua_State* L) {
  const bool can_end = running() && !looking_ && ending_ == ScriptEnding::kNone;
  if (can_end && used_ > pressure_mark_ && collecting_) CollectUnderPressure(L);
  Charge();
  // A run that ends already is not asked about again.
  if (!can_end) return;
  bool go_on = budget_ == nullptr || (budget_->work > 0 && now_us() < budget_->end_us);
  if (go_on && host_ != nullptr) {
    looking_ = true;
    go_on = host_->MayGoOn();
    looking_ = false;
  }
  if (!go_on) EndRun(L, ScriptEnding::kKilled);
}

void Interpreter::Charge() {
  // Instructions count the same whatever they allocate, and those of Lua (joining strings, making
  // tables larger) report nothing.
  const uint64_t work = unseen_work_ + unseen_bytes_ / kBytesPerUnit;
  unseen_work_ = 0;
  unseen_bytes_ = 0;
  if (budget_ != nullptr) budget_->work -= std::min(work, budget_->work);
}

void Interpreter::LookSoon() {
  if (running_ == nullptr) return;
  const int asked = lua_gethookcount(running_);
  if (asked == 1) return;
  // Lua does not tell how many of them have run, and forgets it now.
  unseen_work_ += static_cast<size_t>(asked);
  CountInstructions(running_, 1);
}

void Interpreter::Collect(lua_State* L) {
  unseen_work_ += used_ / kBytesPerUnit;
  lua_gc(L, LUA_GCCOLLECT, 0);
}

void Interpreter::CollectUnderPressure(lua_State* L) {
  Collect(L);
  SetPressureMark();
}

void Interpreter::SetPressureMark() {
  // Half of what is left: then the time that collecting takes stays in proportion to what the
  // script allocates. With less than an eighth, there is no use in it.
  const size_t left = bound_ - std::min(bound_, used_);
  pressure_mark_ = left < bound_ / 8 ? SIZE_MAX : used_ + left / 2;
}

int Interpreter::EndRun(lua_State* L, ScriptEnding ending) {
  ending_ = ending;
  lua_pushnil(L);
  return lua_error(L);
}

void Interpreter::Grow(lua_State* L, size_t bytes) {
  const size_t needed = buffer_.size() + bytes;
  const size_t room = memory_max_ - std::min(memory_max_, used_);
  // The result will be there twice for a moment.
  if (needed > room / 2) {
    ReleaseBuffer();
    luaL_error(L, "not enough memory");
  }
  buffer_.reserve(std::max(needed, 2 * buffer_.capacity()));
}

void Interpreter::ReleaseBuffer() {
  buffer_.clear();
  if (buffer_.capacity() > kKeptBuffer) buffer_.shrink_to_fit();
}

}  // namespace runnel
