#include "utils/bench_values.h"

#include <algorithm>
#include <string>

namespace runnel::bench {

namespace {

constexpr int kConnections = 4;
constexpr int kPipeline = 256;
constexpr uint64_t kMany = 1'000'000;     // members of a large value
constexpr uint64_t kSmallHashes = 1'000;  // of kFields fields each
constexpr int kFields = 10;
constexpr uint64_t kSome = 10'000;     // members of each input of SINTER and ZUNIONSTORE
constexpr uint64_t kStride = 700'001;  // has no divisor in common with kMany

const std::string kNumber = "##########";
const std::string kField = "field:##########";
const std::string kMember = "member:---##########";  // 20 bytes

// Each number below kMany once, each far from the one before.
constexpr Numbers kEachOnce{.stride = kStride, .modulo = kMany};
// Any of them.
constexpr Numbers kAny{.modulo = kMany, .scattered = true};

void FillValue(const Settings& settings, const Words& request, uint64_t members,
               uint64_t first = 0) {
  Fill(settings.endpoint, request, {.first = Numbers::kFirst + first}, members, kConnections,
       kPipeline);
}

// --- Hashes ---

// A request for each of the fields; see SmallNumbers.
std::vector<Words> ForEachField(const std::string& command, const Words& rest) {
  std::vector<Words> requests;
  for (int i = 0; i < kFields; i++) {
    Words& request = requests.emplace_back(Words{command, kKey, "field" + std::to_string(i)});
    request.insert(request.end(), rest.begin(), rest.end());
  }
  return requests;
}

constexpr Numbers kSmallNumbers{.repeat = kFields, .modulo = kSmallHashes};

void FillSmallHashes(const Settings& settings, const std::string& value) {
  for (const Words& request : ForEachField("HSET", {value})) {
    Fill(settings.endpoint, request, {.modulo = kSmallHashes}, kSmallHashes, kConnections,
         kPipeline);
  }
}

Workload OnSmallHashes(const Settings& settings, const std::string& filling,
                       const std::string& command, const Words& rest, uint64_t bulks) {
  FillSmallHashes(settings, filling);
  return {.requests = ForEachField(command, rest),
          .numbers = kSmallNumbers,
          .expected = bulks > 0 ? std::optional(Expected{.bulks_per_reply = bulks}) : std::nullopt};
}

Workload PrepareHsetSmall(const Settings& settings, uint64_t, Control*) {
  const std::string value = MakeValue(settings.value_size);
  return OnSmallHashes(settings, value, "HSET", {value}, 0);
}

Workload PrepareHgetSmall(const Settings& settings, uint64_t, Control*) {
  return OnSmallHashes(settings, MakeValue(settings.value_size), "HGET", {}, 1);
}

Workload PrepareHincrbySmall(const Settings& settings, uint64_t, Control*) {
  return OnSmallHashes(settings, "1", "HINCRBY", {"1"}, 0);
}

Workload PrepareHgetall(const Settings& settings, uint64_t, Control*) {
  FillSmallHashes(settings, MakeValue(settings.value_size));
  return {.requests = {{"HGETALL", kKey}},
          .numbers = {.modulo = kSmallHashes},
          .expected = Expected{.bulks_per_reply = 2 * kFields}};
}

Workload PrepareHsetLarge(const Settings& settings, uint64_t, Control*) {
  const Words request{"HSET", kValues, kField, MakeValue(settings.value_size)};
  FillValue(settings, request, kMany);
  return {.requests = {request}, .numbers = kAny, .expected = Expected{}};
}

Workload PrepareHgetLarge(const Settings& settings, uint64_t, Control*) {
  FillValue(settings, {"HSET", kValues, kField, MakeValue(settings.value_size)}, kMany);
  return {.requests = {{"HGET", kValues, kField}},
          .numbers = kAny,
          .expected = Expected{.bulks_per_reply = 1}};
}

Workload PrepareHincrbyLarge(const Settings& settings, uint64_t, Control*) {
  FillValue(settings, {"HSET", kValues, kField, "1"}, kMany);
  return {.requests = {{"HINCRBY", kValues, kField, "1"}}, .numbers = kAny};
}

// --- Sets ---

// At most as many requests as there are numbers change something.
Workload PrepareSadd(const std::string& member) {
  return {.requests = {{"SADD", kValues, member}}, .numbers = kEachOnce};
}

Workload PrepareSrem(const Settings& settings, const std::string& member) {
  FillValue(settings, {"SADD", kValues, member}, kMany);
  return {.requests = {{"SREM", kValues, member}}, .numbers = kEachOnce};
}

Workload PrepareSismember(const Settings& settings, const std::string& member) {
  FillValue(settings, {"SADD", kValues, member}, kMany);
  return {.requests = {{"SISMEMBER", kValues, member}},
          .numbers = kAny,
          .expected = Expected{.integer_per_reply = 1}};
}

Workload PrepareSpop(const Settings& settings, uint64_t requests, const std::string& member) {
  FillValue(settings, {"SADD", kValues, member}, std::max(requests, kMany));
  return {.requests = {{"SPOP", kValues}}, .expected = Expected{.bulks_per_reply = 1}};
}

Workload PrepareSinter(const Settings& settings, uint64_t, Control*) {
  FillValue(settings, {"SADD", kValues, kMember}, kSome);
  FillValue(settings, {"SADD", kOtherValues, kMember}, kSome, kSome / 2);
  return {.requests = {{"SINTER", kValues, kOtherValues}},
          .expected = Expected{.bulks_per_reply = kSome / 2}};
}

// --- Sorted sets ---

const Words kZadd{"ZADD", kValues, kNumber, kMember};

Workload OnSortedSet(const Settings& settings, const Words& request, const Numbers& numbers,
                     uint64_t bulks) {
  FillValue(settings, kZadd, kMany);
  return {.requests = {request},
          .numbers = numbers,
          .expected = bulks > 0 ? std::optional(Expected{.bulks_per_reply = bulks}) : std::nullopt};
}

Workload PrepareZadd(const Settings&, uint64_t, Control*) {
  return {.requests = {kZadd}, .numbers = kEachOnce};
}

Workload PrepareZscore(const Settings& settings, uint64_t, Control*) {
  return OnSortedSet(settings, {"ZSCORE", kValues, kMember}, kAny, 1);
}

Workload PrepareZrank(const Settings& settings, uint64_t, Control*) {
  return OnSortedSet(settings, {"ZRANK", kValues, kMember}, kAny, 0);
}

Workload PrepareZpopmin(const Settings& settings, uint64_t requests, Control*) {
  FillValue(settings, kZadd, std::max(requests, kMany));
  return {.requests = {{"ZPOPMIN", kValues}}, .expected = Expected{.bulks_per_reply = 2}};
}

Workload PrepareZrangebyscore(const Settings& settings, uint64_t, Control*) {
  constexpr uint64_t kCount = 10;
  return OnSortedSet(
      settings, {"ZRANGEBYSCORE", kValues, kNumber, "+inf", "LIMIT", "0", std::to_string(kCount)},
      {.modulo = kMany - kCount, .scattered = true}, kCount);
}

Workload PrepareZunionstore(const Settings& settings, uint64_t, Control*) {
  FillValue(settings, kZadd, kSome);
  FillValue(settings, {"ZADD", kOtherValues, kNumber, kMember}, kSome, kSome / 2);
  return {.requests = {{"ZUNIONSTORE", kValuesResult, "2", kValues, kOtherValues}},
          .expected = Expected{.integer_per_reply = kSome + kSome / 2}};
}

// --- Scripts ---

Workload PrepareEvalGet(const Settings& settings, uint64_t, Control* control) {
  Fill(settings.endpoint, {"SET", kKey, MakeValue(settings.value_size)}, {}, kKeys, kConnections,
       kPipeline);
  const std::string sha = control->Text({"SCRIPT", "LOAD", "return redis.call('get', KEYS[1])"});
  return {.requests = {{"EVALSHA", sha, "1", kKey}},
          .numbers = {.modulo = kKeys},
          .expected = Expected{.bulks_per_reply = 1}};
}

// A job is added, taken and finished, as by a framework: ten calls, and its data is decoded and
// encoded.
constexpr const char* kJobScript = R"(
local id = redis.call('incr', KEYS[1])
local job = cjson.decode(ARGV[1])
job.attempts = job.attempts + 1
job.id = id
local key = KEYS[2]
local data = cjson.encode(job)
redis.call('hset', key, id, data)
redis.call('zadd', KEYS[3], id, id)
redis.call('lpush', KEYS[4], id)
local taken = redis.call('rpop', KEYS[4])
local found = redis.call('hget', key, taken)
redis.call('zrem', KEYS[3], taken)
redis.call('llen', KEYS[4])
redis.call('hlen', key)
redis.call('hdel', key, taken)
return found
)";

Workload PrepareEvalJob(const Settings&, uint64_t, Control* control) {
  const std::string sha = control->Text({"SCRIPT", "LOAD", kJobScript});
  const std::string counter = kKey.substr(0, kKey.find('#')) + std::to_string(Numbers::kFirst);
  return {.requests = {{"EVALSHA", sha, "4", counter, kValues, kOtherValues, kList,
                        R"({"name":"mail","attempts":0,"to":["a@b.c","d@e.f"],"n":12.5})"}},
          .expected = Expected{.bulks_per_reply = 1}};
}

// --- Memory ---

const std::string kSmallValue = "v#########" + MakeValue(10);
constexpr uint64_t kSmallItems = kKeys * kFields;

// All items of one key in one request: `command`, the key, and for each item these words, in which
// the first '*' is the number of the item.
void AddSmallValues(const Settings& settings, const std::string& command, const Words& item) {
  Words request{command, kKey};
  for (int i = 0; i < kFields; i++) {
    for (const std::string& word : item) {
      std::string text = word;
      if (const size_t at = text.find('*'); at != std::string::npos) {
        text.replace(at, 1, std::to_string(i + 1));
      }
      request.push_back(std::move(text));
    }
  }
  Fill(settings.endpoint, request, {}, kKeys, kConnections, kPipeline);
}

void AddHash10(const Settings& settings, uint64_t) {
  AddSmallValues(settings, "HSET", {"field-*", kSmallValue});
}
void AddSet10(const Settings& settings, uint64_t) {
  AddSmallValues(settings, "SADD", {"member:*--##########"});
}
void AddIntegers10(const Settings& settings, uint64_t) {
  AddSmallValues(settings, "SADD", {"*##########"});
}
void AddSortedSet10(const Settings& settings, uint64_t) {
  AddSmallValues(settings, "ZADD", {kNumber, "member:*--##########"});
}
void AddHash(const Settings& settings, uint64_t items) {
  FillValue(settings, {"HSET", kValues, kField, kSmallValue}, items);
}
void AddSet(const Settings& settings, uint64_t items) {
  FillValue(settings, {"SADD", kValues, kMember}, items);
}
void AddIntegers(const Settings& settings, uint64_t items) {
  FillValue(settings, {"SADD", kValues, kNumber}, items);
}
void AddSortedSet(const Settings& settings, uint64_t items) {
  FillValue(settings, kZadd, items);
}

// --- Curves ---

// A hash, a set and a sorted set that grow; the operations look all over them.
void RunMembers(const Settings& settings, const std::function<void(const CurvePoint&)>& take) {
  constexpr uint64_t kUsualOperations = 100'000;
  const uint64_t operations = settings.Requests(kUsualOperations);
  Control control(settings.endpoint);
  control.DeleteKeys();
  const auto measure = [&](const char* operation, uint64_t size, const Words& request) {
    LoadPlan plan = settings.Plan(operation, operations);
    plan.seconds = 0;
    plan.rate = 0;
    const LoadResult result =
        RunLoad(plan, {.requests = {request}, .numbers = {.modulo = size, .scattered = true}});
    take({operation, size, result.requests, result.seconds, result.server_cpu_ns});
  };
  const Words hset{"HSET", kValues, kField, MakeValue(20)};
  const Words sadd{"SADD", kOtherValues, kMember};
  const Words zadd{"ZADD", kValuesResult, kNumber, kMember};
  uint64_t members = 0;
  for (uint64_t size = 1'000; size <= settings.most_entries; size *= 10) {
    for (const Words& request : {hset, sadd, zadd}) {
      FillValue(settings, request, size - members, members);
    }
    members = size;
    measure("HSET", size, hset);
    measure("HGET", size, {"HGET", kValues, kField});
    measure("SISMEMBER", size, {"SISMEMBER", kOtherValues, kMember});
    measure("SRANDMEMBER", size, {"SRANDMEMBER", kOtherValues});
    measure("ZINCRBY", size, {"ZINCRBY", kValuesResult, "1", kMember});
    measure("ZRANK", size, {"ZRANK", kValuesResult, kMember});
    measure("ZRANGEBYSCORE LIMIT 10", size,
            {"ZRANGEBYSCORE", kValuesResult, kNumber, "+inf", "LIMIT", "0", "10"});
  }
  control.DeleteKeys();
}

}  // namespace

const std::vector<Case>& ValueCases() {
  static const std::vector<Case> cases{
      {"hset-small", "HSET of a field of 1000 hashes of 10 fields", 1'000'000, PrepareHsetSmall},
      {"hget-small", "HGET of the same", 1'500'000, PrepareHgetSmall},
      {"hincrby-small", "HINCRBY of the same", 1'000'000, PrepareHincrbySmall},
      {"hset-large", "HSET of a field of one hash of a million", 1'000'000, PrepareHsetLarge},
      {"hget-large", "HGET of the same", 1'000'000, PrepareHgetLarge},
      {"hincrby-large", "HINCRBY of the same", 1'000'000, PrepareHincrbyLarge},
      {"hgetall10", "HGETALL of 10 fields", 300'000, PrepareHgetall},
      {"sadd-int", "SADD of numbers, up to a million", 1'000'000,
       [](const Settings&, uint64_t, Control*) { return PrepareSadd(kNumber); }},
      {"srem-int", "SREM of the same", 1'000'000,
       [](const Settings& settings, uint64_t, Control*) { return PrepareSrem(settings, kNumber); }},
      {"sismember-int", "SISMEMBER of the same", 1'000'000,
       [](const Settings& settings, uint64_t, Control*) {
         return PrepareSismember(settings, kNumber);
       }},
      {"spop-int", "SPOP of the same", 1'000'000,
       [](const Settings& settings, uint64_t requests, Control*) {
         return PrepareSpop(settings, requests, kNumber);
       }},
      {"sadd-20", "SADD of members of 20 bytes, up to a million", 1'000'000,
       [](const Settings&, uint64_t, Control*) { return PrepareSadd(kMember); }},
      {"srem-20", "SREM of the same", 1'000'000,
       [](const Settings& settings, uint64_t, Control*) { return PrepareSrem(settings, kMember); }},
      {"sismember-20", "SISMEMBER of the same", 1'000'000,
       [](const Settings& settings, uint64_t, Control*) {
         return PrepareSismember(settings, kMember);
       }},
      {"spop-20", "SPOP of the same", 1'000'000,
       [](const Settings& settings, uint64_t requests, Control*) {
         return PrepareSpop(settings, requests, kMember);
       }},
      {"zadd", "ZADD of members of 20 bytes, up to a million", 1'000'000, PrepareZadd},
      {"zscore", "ZSCORE in a million", 1'000'000, PrepareZscore},
      {"zrank", "ZRANK in a million", 700'000, PrepareZrank},
      {"zpopmin", "ZPOPMIN from a million", 700'000, PrepareZpopmin},
      {"zrangebyscore10", "ZRANGEBYSCORE LIMIT 0 10 in a million", 300'000, PrepareZrangebyscore},
      {"sinter", "SINTER of two sets of 10 thousand, half in common", 500, PrepareSinter},
      {"zunionstore", "ZUNIONSTORE of two sorted sets of 10 thousand, half in common", 200,
       PrepareZunionstore},
      {"eval-get", "EVALSHA of a script with one GET", 500'000, PrepareEvalGet},
      {"eval-job", "EVALSHA of a script with ten calls and cjson", 50'000, PrepareEvalJob},
  };
  return cases;
}

const std::vector<MemoryCase>& ValueMemoryCases() {
  static const std::vector<MemoryCase> cases{
      {"memory-hash10", "a field of hashes of 10, value of 20 bytes", nullptr, AddHash10,
       kSmallItems},
      {"memory-hash1m", "a field of one hash, value of 20 bytes", nullptr, AddHash},
      {"memory-set10", "a member of sets of 10, of 20 bytes", nullptr, AddSet10, kSmallItems},
      {"memory-set1m", "a member of one set, of 20 bytes", nullptr, AddSet},
      {"memory-int10", "a member of sets of 10 numbers", nullptr, AddIntegers10, kSmallItems},
      {"memory-int1m", "a member of one set of numbers", nullptr, AddIntegers},
      {"memory-zset10", "a member of sorted sets of 10, of 20 bytes", nullptr, AddSortedSet10,
       kSmallItems},
      {"memory-zset1m", "a member of one sorted set, of 20 bytes", nullptr, AddSortedSet},
  };
  return cases;
}

const std::vector<Curve>& ValueCurves() {
  static const std::vector<Curve> curves{
      {"curve-members", "operations on a hash, a set and a sorted set of 1 thousand to 10 million",
       "members", RunMembers},
  };
  return curves;
}

}  // namespace runnel::bench
