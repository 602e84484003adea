#include "utils/bench_cases.h"

#include <algorithm>
#include <utility>

#include "utils/bench_floor.h"

namespace runnel::bench {

namespace {

constexpr int kFillConnections = 4;
constexpr int kFillPipeline = 256;
constexpr uint64_t kConsumers = 50;
constexpr uint64_t kReadEntries = 100'000;  // length of the stream that reads run over

const Words kAdd{"XADD", kStream, "*", "f"};
// An entry whose ID can be named later: 1-1000000000 and up.
const Words kAddNumbered{"XADD", kStream, "1-##########", "f"};
const std::string kConsumer = "consumer-##########";

Words With(Words words, std::initializer_list<std::string> more) {
  words.insert(words.end(), more);
  return words;
}

// As many consumers as connections usually are, and a batch is one consumer's.
Numbers ConsumerNumbers(int pipeline) {
  return {.repeat = static_cast<uint64_t>(pipeline), .modulo = kConsumers};
}

void FillEntries(const Settings& settings, uint64_t entries) {
  Fill(settings.endpoint, With(kAdd, {MakeValue(settings.value_size)}), {}, entries,
       kFillConnections, kFillPipeline);
}

void FillNumberedEntries(const Settings& settings, uint64_t entries) {
  Fill(settings.endpoint, With(kAddNumbered, {MakeValue(settings.value_size)}), {}, entries, 1,
       kFillPipeline);
}

void CreateGroup(Control* control) {
  control->Run({"XGROUP", "CREATE", kStream, kGroup, "0", "MKSTREAM"});
}

Words ReadGroup(const std::string& count) {
  return {"XREADGROUP", "GROUP", kGroup, kConsumer, "COUNT", count, "STREAMS", kStream, ">"};
}

Workload PreparePing(const Settings&, uint64_t, Control*) {
  return {.requests = {{"PING"}}, .expected = Expected{}};
}

Workload PrepareSet(const Settings& settings, uint64_t, Control*) {
  return {.requests = {{"SET", kKey, MakeValue(settings.value_size)}},
          .numbers = {.modulo = kKeys},
          .expected = Expected{}};
}

Workload PrepareGet(const Settings& settings, uint64_t, Control*) {
  Fill(settings.endpoint, {"SET", kKey, MakeValue(settings.value_size)}, {}, kKeys,
       kFillConnections, kFillPipeline);
  return {.requests = {{"GET", kKey}},
          .numbers = {.modulo = kKeys},
          .expected = Expected{.bulks_per_reply = 1}};
}

Workload PrepareLpush(const Settings& settings, uint64_t, Control*) {
  return {.requests = {{"LPUSH", kList, MakeValue(settings.value_size)}},
          .expected = Expected{.integers_count_up = true}};
}

Workload PrepareRpop(const Settings& settings, uint64_t requests, Control*) {
  Fill(settings.endpoint, {"LPUSH", kList, MakeValue(settings.value_size)}, {}, requests,
       kFillConnections, kFillPipeline);
  return {.requests = {{"RPOP", kList}}, .expected = Expected{.bulks_per_reply = 1}};
}

// What is there already keeps every RPOP from finding nothing, in whatever order requests arrive.
Workload PrepareListMix(const Settings& settings, uint64_t, Control*) {
  const Words push{"LPUSH", kList, MakeValue(settings.value_size)};
  const auto in_flight =
      static_cast<uint64_t>(settings.connections) * static_cast<uint64_t>(settings.pipeline);
  Fill(settings.endpoint, push, {}, in_flight, kFillConnections, kFillPipeline);
  return {.requests = {push, {"RPOP", kList}}};
}

Workload PrepareXadd1(const Settings& settings, uint64_t, Control*) {
  return {.requests = {With(kAdd, {MakeValue(settings.value_size)})},
          .expected = Expected{.bulks_per_reply = 1}};
}

// The value's bytes divided over five fields.
Workload PrepareXadd5(const Settings& settings, uint64_t, Control*) {
  Words request{"XADD", kStream, "*"};
  const std::string value = MakeValue(settings.value_size);
  for (size_t i = 0; i < 5; ++i) {
    const size_t from = value.size() * i / 5;
    request.push_back("field" + std::to_string(i + 1));
    request.push_back(value.substr(from, value.size() * (i + 1) / 5 - from));
  }
  return {.requests = {request}, .expected = Expected{.bulks_per_reply = 1}};
}

// In an even pipeline a connection's batch is pairs of both.
Workload PrepareXaddWait(const Settings& settings, uint64_t, Control*) {
  return {.requests = {With(kAdd, {MakeValue(settings.value_size)}), {"WAIT", "1", "0"}}};
}

Workload PrepareXaddStreams(const Settings& settings, uint64_t, Control*) {
  Workload workload{.requests = {},
                    .numbers = {.modulo = static_cast<uint64_t>(settings.keys)},
                    .expected = Expected{.bulks_per_reply = 1}};
  for (std::string& value : DifferentValues(settings.value_size)) {
    workload.requests.push_back({"XADD", kStreams, "*", "f", std::move(value)});
  }
  return workload;
}

// The streams are there and have more than one block, or node, each.
Workload PrepareXaddRandom(const Settings& settings, uint64_t requests, Control* control) {
  constexpr uint64_t kBefore = 40;
  const auto keys = static_cast<uint64_t>(settings.keys);
  Workload workload = PrepareXaddStreams(settings, requests, control);
  Fill(settings.endpoint, workload.requests[0], {.modulo = keys}, kBefore * keys, kFillConnections,
       kFillPipeline);
  workload.numbers.scattered = true;
  return workload;
}

// The stream has its greatest length from the start, so that every request has to look at it.
Workload PrepareXaddMaxlen(const Settings& settings, uint64_t, Control*) {
  constexpr uint64_t kLength = 10'000;
  FillEntries(settings, kLength);
  return {.requests = {{"XADD", kStream, "MAXLEN", "~", std::to_string(kLength), "*", "f",
                        MakeValue(settings.value_size)}},
          .expected = Expected{.bulks_per_reply = 1}};
}

// The key, then of each entry the ID, the field and the value.
Workload PrepareReadGroup(const Settings& settings, uint64_t requests, Control* control,
                          uint64_t count) {
  FillEntries(settings, requests * count);
  CreateGroup(control);
  return {.requests = {ReadGroup(std::to_string(count))},
          .numbers = ConsumerNumbers(settings.pipeline),
          .expected = Expected{.bulks_per_reply = 1 + 3 * count}};
}

Workload PrepareReadGroup1(const Settings& settings, uint64_t requests, Control* control) {
  return PrepareReadGroup(settings, requests, control, 1);
}

Workload PrepareReadGroup10(const Settings& settings, uint64_t requests, Control* control) {
  return PrepareReadGroup(settings, requests, control, 10);
}

Workload PrepareXack(const Settings& settings, uint64_t requests, Control* control) {
  constexpr uint64_t kCount = 100;
  FillNumberedEntries(settings, requests);
  CreateGroup(control);
  Fill(settings.endpoint, ReadGroup(std::to_string(kCount)), ConsumerNumbers(1),
       requests / kCount + 1, kFillConnections, 16);
  return {.requests = {{"XACK", kStream, kGroup, "1-##########"}},
          .expected = Expected{.integer_per_reply = 1}};
}

// Requests start all over the stream, each far from the one before.
Numbers ScatteredStarts(uint64_t count) {
  return {.stride = 7919, .modulo = kReadEntries - count};
}

Workload PrepareXrange(const Settings& settings, uint64_t count) {
  FillNumberedEntries(settings, kReadEntries);
  return {.requests = {{"XRANGE", kStream, "1-##########", "+", "COUNT", std::to_string(count)}},
          .numbers = ScatteredStarts(count),
          .expected = Expected{.bulks_per_reply = 3 * count}};
}

Workload PrepareXrange10(const Settings& settings, uint64_t, Control*) {
  return PrepareXrange(settings, 10);
}

Workload PrepareXrange500(const Settings& settings, uint64_t, Control*) {
  return PrepareXrange(settings, 500);
}

Workload PrepareXread(const Settings& settings, uint64_t, Control*) {
  constexpr uint64_t kCount = 100;
  FillNumberedEntries(settings, kReadEntries);
  return {
      .requests = {{"XREAD", "COUNT", std::to_string(kCount), "STREAMS", kStream, "1-##########"}},
      .numbers = ScatteredStarts(kCount + 1),
      .expected = Expected{.bulks_per_reply = 1 + 3 * kCount}};
}

Workload PreparePublish(const Settings& settings, int subscribers) {
  const std::string value = MakeValue(settings.value_size);
  // A message has the form of a request; RESP3 changes only its first character.
  return {.requests = {{"PUBLISH", kChannel, value}},
          .expected = Expected{.integer_per_reply = subscribers},
          .subscribers = subscribers,
          .message_bytes = EncodeRequest({"message", kChannel, value}).size()};
}

Workload PreparePublish0(const Settings& settings, uint64_t, Control*) {
  return PreparePublish(settings, 0);
}

Workload PreparePublish1(const Settings& settings, uint64_t, Control*) {
  return PreparePublish(settings, 1);
}

Workload PreparePublish100(const Settings& settings, uint64_t, Control*) {
  return PreparePublish(settings, 100);
}

Workload PreparePublishToSome(const Settings& settings, uint64_t, Control*) {
  return PreparePublish(settings, settings.subscribers);
}

uint64_t Requests(const Settings& settings, uint64_t usual) {
  // Without pipelining a request takes some ten microseconds, whatever it does.
  constexpr uint64_t kMostPerPipelined = 100'000;
  const uint64_t most = kMostPerPipelined * static_cast<uint64_t>(settings.pipeline);
  return settings.Requests(std::min(usual, most));
}

}  // namespace

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases{
      {"ping", "PING", 2'000'000, PreparePing},
      {"set", "SET of 10 thousand keys", 1'000'000, PrepareSet},
      {"get", "GET of 10 thousand keys, all there", 1'500'000, PrepareGet},
      {"lpush", "LPUSH to one list", 1'000'000, PrepareLpush},
      {"rpop", "RPOP from one list, never empty", 1'000'000, PrepareRpop},
      {"list-mix", "LPUSH and RPOP in turn on one list", 1'000'000, PrepareListMix},
      {"xadd1", "XADD * of one field", 700'000, PrepareXadd1},
      {"xadd-streams", "XADD * of one field to --keys streams in turn", 700'000,
       PrepareXaddStreams},
      {"xadd-random", "the same to streams at random, which have 40 entries before", 700'000,
       PrepareXaddRandom},
      {"xadd5", "XADD * of five fields with a fifth of the value each", 500'000, PrepareXadd5},
      {"xadd-maxlen", "XADD MAXLEN ~ 10000 * of one field", 700'000, PrepareXaddMaxlen},
      {"xadd-wait", "XADD * of one field and WAIT 1 0 in turn, only if named: needs a replica",
       700'000, PrepareXaddWait, true},
      {"xreadgroup1", "XREADGROUP > COUNT 1, 50 consumers", 200'000, PrepareReadGroup1},
      {"xreadgroup10", "XREADGROUP > COUNT 10, 50 consumers", 50'000, PrepareReadGroup10},
      {"xack", "XACK of one pending ID", 700'000, PrepareXack},
      {"xrange10", "XRANGE COUNT 10 anywhere in 100 thousand entries", 150'000, PrepareXrange10},
      {"xrange500", "XRANGE COUNT 500 anywhere in 100 thousand entries", 5'000, PrepareXrange500},
      {"xread100", "XREAD COUNT 100 anywhere in 100 thousand entries", 25'000, PrepareXread},
      {"publish0", "PUBLISH that nobody gets", 1'200'000, PreparePublish0},
      {"publish1", "PUBLISH to 1 subscriber", 700'000, PreparePublish1},
      {"publish100", "PUBLISH to 100 subscribers", 25'000, PreparePublish100},
      {"publish", "PUBLISH to --subscribers", 100'000, PreparePublishToSome},
  };
  return cases;
}

LoadResult RunCase(const Case& a_case, const Settings& settings) {
  Control control(settings.endpoint);
  if (!settings.keep) control.DeleteKeys();
  const uint64_t requests = Requests(settings, a_case.usual_requests);
  const Workload workload = a_case.prepare(settings, requests, &control);
  const LoadResult result = RunLoad(settings.Plan(a_case.name, requests), workload);
  if (!settings.keep) control.DeleteKeys();
  return result;
}

LoadResult RunFloor(const Settings& settings) {
  constexpr uint64_t kUsualRequests = 3'000'000;
  Words request{"SET", kKey, std::string(10, ' ')};
  // The value takes what the rest leaves; its length has two digits, like that of the spaces.
  const size_t rest = EncodeRequest(request).size() - request.back().size();
  request.back() = MakeValue(kFloorRequestBytes - rest);
  const Workload workload{.requests = {request}, .expected = Expected{}, .silent = true};
  return RunLoad(settings.Plan("floor", Requests(settings, kUsualRequests)), workload);
}

}  // namespace runnel::bench
