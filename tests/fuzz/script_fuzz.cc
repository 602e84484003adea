// Scripts: any text, and any input of the libraries that read bytes, ends within its bounds of
// memory and work, and the next script finds everything as it was.
//
// Input: the first byte chooses what the rest is.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "script/testing.h"

namespace {

using namespace runnel;

constexpr size_t kMemoryMax = 8 << 20;
constexpr int kMostLooks = 30;

// Of scripts that get the rest of the input as ARGV[1]. What can be read can be written, and reads
// the same again.
constexpr std::string_view kReaders[] = {
    "local v = cjson.decode(ARGV[1]) local s = cjson.encode(v) "
    "assert(cjson.encode(cjson.decode(s)) == s)",
    "local t = {cmsgpack.unpack(ARGV[1])} if #t > 0 then "
    "local s = cmsgpack.pack(t[1]) cmsgpack.unpack(s) end",
    "return cmsgpack.unpack_limit(ARGV[1], 3, 1)",
    "local f, d = ARGV[1]:match('^(.-)|(.*)$') struct.size(f) return struct.unpack(f, d)",
    "local f, d = ARGV[1]:match('^(.-)|(.*)$') return struct.unpack(f, d, 2)",
    "local f = ARGV[1] return struct.pack(f, 1, 2.5, 'abc', -7, 'x', 1e300, 3)",
    "local p, s = ARGV[1]:match('^(.-)|(.*)$') string.find(s, p) string.gsub(s, p, '<%0>') "
    "for a in string.gmatch(s, p) do end return string.match(s, p)",
    "local p, s = ARGV[1]:match('^(.-)|(.*)$') return string.gsub('abc def', p, s)",
    "return redis.call('echo', ARGV[1])",
    "redis.setresp(3) return {err = ARGV[1], {ok = ARGV[1]}, {big_number = ARGV[1]}}",
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  ScriptRunner runner(kMemoryMax);
  runner.host.most_looks = kMostLooks;
  runner.protocol = data[0] & 0x80 ? 3 : 2;
  constexpr size_t kReaderCount = sizeof(kReaders) / sizeof(kReaders[0]);
  const size_t what = data[0] & 0x7f;
  if (what < kReaderCount) {
    CHECK(!runner.Run(kReaders[what], {}, {rest}).empty());
  } else if (what == kReaderCount) {
    runner.Load(std::string("#!lua name=l\n").append(rest));
    runner.Load(rest);
    for (const auto& [name, library] : runner.engine.libraries().libraries()) {
      for (const auto& function : library->functions) {
        runner.host.looks = 0;
        CHECK(!runner.Call(function->name, {"k"}, {"v"}).empty());
      }
    }
  } else {
    if (what & 1) runner.host.not_now_at_call = 2;
    const std::string reply = runner.Run(rest, {"key"}, {"value"});
    CHECK(reply.empty() == (runner.result.end == ScriptResult::kNotNow));
  }
  CHECK(runner.engine.lua_bytes() <= kMemoryMax);
  runner.host = TestScriptHost();
  runner.protocol = 2;
  const std::string after = runner.Run(
      "string.rep('x', 2) assert(not pcall(function() x = 1 end)) "
      "return {('x'):rep(2), cjson.encode({1}), type(getmetatable('').__index.x), #KEYS}");
  CHECK(after == "*4\r\n$2\r\nxx\r\n$3\r\n[1]\r\n$3\r\nnil\r\n:0\r\n");
  return 0;
}
