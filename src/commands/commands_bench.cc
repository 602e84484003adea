// CPU per command without parser, broker and network: what a command costs by itself, with the
// journal's record.

#include <benchmark/benchmark.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "commands/context.h"
#include "commands/families.h"

namespace runnel {
namespace {

class BenchContext final : public Context {
 public:
  BenchContext(std::span<const std::string_view> args, ReplyWriter& reply, Keyspace& keyspace,
               Batch& batch, const DataOptions& options)
      : Context(args, reply, keyspace, batch, options) {
    now_ms_ = 1'700'000'000'000;
  }
  void Block(Wait) override { CHECK(!"a benchmark does not block"); }

 protected:
  void Publish(NotifyClass, std::string_view, const KeyRef&) override {}
  void Expire(const KeyRef&) override {}
};

// A hundred commands make a turn: then replies are sent and the batch is written.
class Bench {
 public:
  Bench() { batch_.set_on(true); }

  static const CommandSpec& Find(std::string_view name) {
    for (const auto& family : {ListCommands(), StringCommands(), KeyspaceCommands()}) {
      for (const CommandSpec& spec : family) {
        if (spec.name == name) return spec;
      }
    }
    CHECK(!"a command of these families");
    __builtin_unreachable();
  }

  void Run(const CommandSpec& spec, std::span<const std::string_view> args) {
    BenchContext context(args, reply_, keyspace_, batch_, options_);
    spec.run(context);
    if (++commands_ % 100 == 0) {
      rope_.Clear();
      batch_.Clear();
    }
  }
  void Run(std::initializer_list<std::string_view> args) {
    Run(Find(*args.begin()), {args.begin(), args.size()});
  }

 private:
  Keyspace keyspace_{16};
  Batch batch_;
  Rope rope_;
  ReplyWriter reply_{&rope_};
  DataOptions options_;
  uint64_t commands_ = 0;
};

const std::string kValue(64, 'v');

void BM_Set(benchmark::State& state) {
  Bench bench;
  const CommandSpec& set = Bench::Find("set");
  const std::string_view args[] = {"set", "key:1234", kValue};
  for (auto _ : state)
    bench.Run(set, args);
}
BENCHMARK(BM_Set);

void BM_Get(benchmark::State& state) {
  Bench bench;
  bench.Run({"set", "key:1234", kValue});
  const CommandSpec& get = Bench::Find("get");
  const std::string_view args[] = {"get", "key:1234"};
  for (auto _ : state)
    bench.Run(get, args);
}
BENCHMARK(BM_Get);

void BM_Incr(benchmark::State& state) {
  Bench bench;
  const CommandSpec& incr = Bench::Find("incr");
  const std::string_view args[] = {"incr", "key:1234"};
  for (auto _ : state)
    bench.Run(incr, args);
}
BENCHMARK(BM_Incr);

// A backlog that stays at about a thousand elements: each iteration is one push and one pop.
void BM_PushPop(benchmark::State& state) {
  Bench bench;
  for (int i = 0; i < 1000; i++)
    bench.Run({"lpush", "queue", kValue});
  const CommandSpec& lpush = Bench::Find("lpush");
  const CommandSpec& rpop = Bench::Find("rpop");
  const std::string_view push[] = {"lpush", "queue", kValue};
  const std::string_view pop[] = {"rpop", "queue"};
  for (auto _ : state) {
    bench.Run(lpush, push);
    bench.Run(rpop, pop);
  }
}
BENCHMARK(BM_PushPop);

// A queue that is empty after each pop, so that the key comes and goes.
void BM_PushPopEmpty(benchmark::State& state) {
  Bench bench;
  const CommandSpec& lpush = Bench::Find("lpush");
  const CommandSpec& rpop = Bench::Find("rpop");
  const std::string_view push[] = {"lpush", "queue", kValue};
  const std::string_view pop[] = {"rpop", "queue"};
  for (auto _ : state) {
    bench.Run(lpush, push);
    bench.Run(rpop, pop);
  }
}
BENCHMARK(BM_PushPopEmpty);

void BM_Move(benchmark::State& state) {
  Bench bench;
  for (int i = 0; i < 1000; i++)
    bench.Run({"lpush", "queue", kValue});
  const CommandSpec& lmove = Bench::Find("lmove");
  const std::string_view there[] = {"lmove", "queue", "other", "LEFT", "RIGHT"};
  const std::string_view back[] = {"lmove", "other", "queue", "LEFT", "RIGHT"};
  for (auto _ : state) {
    bench.Run(lmove, there);
    bench.Run(lmove, back);
  }
}
BENCHMARK(BM_Move);

void BM_Range100(benchmark::State& state) {
  Bench bench;
  for (int i = 0; i < 1000; i++)
    bench.Run({"lpush", "queue", kValue});
  const CommandSpec& lrange = Bench::Find("lrange");
  const std::string_view args[] = {"lrange", "queue", "0", "99"};
  for (auto _ : state)
    bench.Run(lrange, args);
}
BENCHMARK(BM_Range100);

}  // namespace
}  // namespace runnel
