// What stream commands cost without sockets and parsing: entries of one field with 100 bytes, as
// tests/bench sends them.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "commands/group/commands.h"
#include "commands/stream/commands.h"

namespace runnel {
namespace {

constexpr int64_t kNow = 1'700'000'000'000;
constexpr size_t kCommandsPerTurn = 64;

class BenchContext final : public Context {
 public:
  BenchContext(std::span<const std::string_view> args, ReplyWriter& reply, Keyspace& keyspace,
               Batch& batch, const DataOptions& options, int64_t now_ms)
      : Context(args, reply, keyspace, batch, options) {
    now_ms_ = now_ms;
  }
  void Block(Wait) override {}

 protected:
  void Publish(NotifyClass, std::string_view, const KeyRef&) override {}
  void Expire(const KeyRef&) override {}
};

// A keyspace with one stream, and what a command needs to run on it.
class Bench {
 public:
  Bench() { batch_.set_on(true); }

  void Run(void (*command)(Context&), std::span<const std::string_view> args) {
    BenchContext context(args, reply_, keyspace_, batch_, options_, now_ms_);
    command(context);
  }
  void Run(void (*command)(Context&), const std::vector<std::string_view>& args) {
    Run(command, std::span(args));
  }
  // A command has run: as many as a pipeline brings make a turn of the loop, which sends and
  // forgets what they wrote.
  void EndCommand() {
    if (++commands_ % kCommandsPerTurn == 0) EndTurn();
  }
  void EndTurn() {
    rope_.Clear();
    batch_.Clear();
    now_ms_++;
  }
  void Fill(size_t entries) {
    const std::string value(100, 'x');
    for (size_t i = 0; i < entries; i++) {
      Run(commands::XAdd, {"XADD", "stream", "*", "field", value});
      EndCommand();
    }
  }

  std::string reply() const { return rope_.ToString(); }

 private:
  Keyspace keyspace_{1};
  Batch batch_;
  Rope rope_;
  ReplyWriter reply_{&rope_};
  DataOptions options_;
  size_t commands_ = 0;
  int64_t now_ms_ = kNow;
};

void Add(benchmark::State& state) {
  Bench bench;
  const std::string value(100, 'x');
  const std::vector<std::string_view> args = {"XADD", "stream", "*", "field", value};
  for (auto _ : state) {
    bench.Run(commands::XAdd, args);
    bench.EndCommand();
  }
}
BENCHMARK(Add);

void AddWithMaxLen(benchmark::State& state) {
  Bench bench;
  const std::string value(100, 'x');
  const std::vector<std::string_view> args = {"XADD",  "stream", "MAXLEN", "~",
                                              "10000", "*",      "field",  value};
  for (auto _ : state) {
    bench.Run(commands::XAdd, args);
    bench.EndCommand();
  }
}
BENCHMARK(AddWithMaxLen);

void Range(benchmark::State& state) {
  Bench bench;
  bench.Fill(100'000);
  const std::string count = std::to_string(state.range(0));
  const std::vector<std::string_view> args = {"XRANGE", "stream", "-", "+", "COUNT", count};
  for (auto _ : state) {
    bench.Run(commands::XRange, args);
    bench.EndCommand();
  }
}
BENCHMARK(Range)->Arg(10)->Arg(100);

void Read(benchmark::State& state) {
  Bench bench;
  bench.Fill(100'000);
  const std::string count = std::to_string(state.range(0));
  const std::vector<std::string_view> args = {"XREAD", "COUNT", count, "STREAMS", "stream", "0"};
  for (auto _ : state) {
    bench.Run(commands::XRead, args);
    bench.EndCommand();
  }
}
BENCHMARK(Read)->Arg(1)->Arg(100);

// Reads a stream of new entries through; the acknowledgement of what was read before is apart.
void ReadGroup(benchmark::State& state) {
  Bench bench;
  constexpr size_t kEntries = 200'000;
  bench.Fill(kEntries);
  bench.Run(commands::XGroupCreate, {"XGROUP", "CREATE", "stream", "group", "0"});
  const std::string count = std::to_string(state.range(0));
  const std::vector<std::string_view> args = {
      "XREADGROUP", "GROUP", "group", "consumer", "COUNT", count, "STREAMS", "stream", ">"};
  size_t left = 0;
  for (auto _ : state) {
    if (left < static_cast<size_t>(state.range(0))) {
      state.PauseTiming();
      bench.EndTurn();
      bench.Run(commands::XGroupDestroy, {"XGROUP", "DESTROY", "stream", "group"});
      bench.Run(commands::XGroupCreate, {"XGROUP", "CREATE", "stream", "group", "0"});
      left = kEntries;
      state.ResumeTiming();
    }
    left -= static_cast<size_t>(state.range(0));
    bench.Run(commands::XReadGroup, args);
    bench.EndCommand();
  }
}
BENCHMARK(ReadGroup)->Arg(1)->Arg(10)->Arg(100);

// Entries with known IDs are delivered, and acknowledged one by one, oldest first.
void Ack(benchmark::State& state) {
  Bench bench;
  constexpr size_t kEntries = 100'000;
  std::vector<std::string> ids;
  for (size_t i = 1; i <= kEntries; i++) {
    ids.push_back(std::to_string(kNow + static_cast<int64_t>(i)) + "-0");
    bench.Run(commands::XAdd, {"XADD", "stream", ids.back(), "field", "value"});
    bench.EndTurn();
  }
  bench.Run(commands::XGroupCreate, {"XGROUP", "CREATE", "stream", "group", "0"});
  size_t i = kEntries;
  for (auto _ : state) {
    if (i == kEntries) {
      state.PauseTiming();
      bench.Run(commands::XGroupSetId, {"XGROUP", "SETID", "stream", "group", "0"});
      bench.Run(commands::XReadGroup,
                {"XREADGROUP", "GROUP", "group", "consumer", "STREAMS", "stream", ">"});
      bench.EndTurn();
      i = 0;
      state.ResumeTiming();
    }
    const std::string_view args[] = {"XACK", "stream", "group", ids[i++]};
    bench.Run(commands::XAck, args);
    bench.EndCommand();
  }
}
BENCHMARK(Ack);

}  // namespace
}  // namespace runnel
