// What a call of a script costs besides its commands.

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "base/assert.h"
#include "script/testing.h"

namespace runnel {
namespace {

// A host whose commands cost nothing.
class IdleHost final : public ScriptHost {
 public:
  Answer Call(std::span<const std::string_view>, ReplyWriter& reply) noexcept override {
    reply.Bulk("a value of some bytes");
    return Answer::kDone;
  }
  bool MayGoOn() noexcept override { return true; }
  void Log(ScriptLogLevel, std::string_view) noexcept override {}
  void CountError(std::string_view) noexcept override {}
  Access CheckAccess(std::span<const std::string_view>) noexcept override {
    return Access::kAllowed;
  }
};

void RunScript(benchmark::State& state, std::string_view text) {
  ScriptEngine engine(256 << 20);
  IdleHost host;
  const Result<const Script*> compiled = engine.Compile(text, ScriptEngine::Keep::kAlways);
  CHECK(compiled.ok());
  const std::string sha = (*compiled)->sha;
  const std::string_view keys[] = {"key:000000000001"};
  const std::string_view args[] = {"{\"id\":17,\"name\":\"job\",\"delay\":1.5}"};
  Rope rope;
  ReplyWriter reply(&rope);
  for (auto _ : state) {
    const ScriptResult result = engine.Run(*engine.Find(sha), keys, args, host, reply);
    CHECK(result.end == ScriptResult::kReplied);
    rope.Truncate(0);
  }
}

void BM_ScriptGet(benchmark::State& state) {
  RunScript(state, "return redis.call('get', KEYS[1])");
}
BENCHMARK(BM_ScriptGet);

void BM_ScriptNothing(benchmark::State& state) {
  RunScript(state, "return 1");
}
BENCHMARK(BM_ScriptNothing);

void BM_ScriptTenCallsAndJson(benchmark::State& state) {
  RunScript(state,
            "local job = cjson.decode(ARGV[1]) job.attempts = (job.attempts or 0) + 1 "
            "for i = 1, 10 do redis.call('hset', KEYS[1], 'field', i) end "
            "return cjson.encode(job)");
}
BENCHMARK(BM_ScriptTenCallsAndJson);

void BM_ScriptLoop(benchmark::State& state) {
  RunScript(state, "local n = 0 for i = 1, 10000 do n = n + i % 7 end return n");
}
BENCHMARK(BM_ScriptLoop);

void BM_ScriptEval(benchmark::State& state) {
  ScriptEngine engine(256 << 20);
  const std::string text = "return redis.call('get', KEYS[1])" + std::string(200, ' ');
  for (auto _ : state) {
    benchmark::DoNotOptimize(engine.Compile(text, ScriptEngine::Keep::kWhileUsed));
  }
}
BENCHMARK(BM_ScriptEval);

}  // namespace
}  // namespace runnel
