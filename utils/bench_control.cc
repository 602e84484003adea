#include "utils/bench_control.h"

#include <unistd.h>

#include <vector>

#include "utils/bench_fail.h"

namespace runnel::bench {

namespace {

// How often and at what distance the server is asked for something that has to become true.
constexpr int kTries = 500;
constexpr int kTryUs = 10'000;

std::string Numbered(const std::string& name, uint64_t index) {
  return name.substr(0, name.find('#')) + std::to_string(Numbers{}.At(index));
}

}  // namespace

std::string StreamName(uint64_t index) {
  return Numbered(kStreams, index);
}

Control::Control(const Endpoint& endpoint) {
  context_.reset(endpoint.unix_path.empty() ? redisConnect(endpoint.host.c_str(), endpoint.port)
                                            : redisConnectUnix(endpoint.unix_path.c_str()));
  if (context_ == nullptr || context_->err != 0) {
    Fail("cannot connect to the server: {}", context_ ? context_->errstr : "no memory");
  }
  redisSetTimeout(context_.get(), timeval{60, 0});
}

Control::Reply Control::Ask(const Words& words) {
  std::vector<const char*> data;
  std::vector<size_t> sizes;
  for (const std::string& word : words) {
    data.push_back(word.data());
    sizes.push_back(word.size());
  }
  Reply reply(static_cast<redisReply*>(
      redisCommandArgv(context_.get(), static_cast<int>(words.size()), data.data(), sizes.data())));
  if (reply == nullptr) Fail("{}: {}", words[0], context_->errstr);
  if (reply->type == REDIS_REPLY_ERROR) Fail("{}: {}", words[0], reply->str);
  return reply;
}

void Control::Run(const Words& words) {
  Ask(words);
}

int64_t Control::Integer(const Words& words) {
  const Reply reply = Ask(words);
  if (reply->type != REDIS_REPLY_INTEGER) Fail("{} did not answer with an integer", words[0]);
  return reply->integer;
}

std::string Control::Text(const Words& words) {
  const Reply reply = Ask(words);
  if (reply->type != REDIS_REPLY_STRING) Fail("{} did not answer with a string", words[0]);
  return {reply->str, static_cast<size_t>(reply->len)};
}

int64_t Control::Info(const std::string& section, const std::string& field, int64_t missing) {
  const std::string text = Text({"INFO", section});
  const size_t at = text.find("\n" + field + ":");
  return at == std::string::npos ? missing : std::atoll(text.c_str() + at + field.size() + 2);
}

int64_t Control::Pending(const std::string& stream, const std::string& group) {
  const Reply reply = Ask({"XPENDING", stream, group});
  if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
      reply->element[0]->type != REDIS_REPLY_INTEGER) {
    Fail("XPENDING did not answer with a summary");
  }
  return reply->element[0]->integer;
}

void Control::MakeTopic(int partitions, const Words& options) {
  DeleteTopic();
  NeedTopic(partitions, options);
}

bool Control::NeedTopic(int partitions, const Words& options) {
  Words request{"TOPIC", "CREATE", kTopic, "NX", "PARTITIONS", std::to_string(partitions)};
  request.insert(request.end(), options.begin(), options.end());
  const Reply reply = Ask(request);
  return reply->type == REDIS_REPLY_STATUS;
}

void Control::DeleteTopic() {
  Run({"DEL", kTopic});
  DeleteTopicGroups();
}

void Control::DeleteTopicGroups() {
  const Reply groups = Ask({"TGROUP", "LIST", kGroup + "*"});
  for (size_t i = 0; i < groups->elements; ++i) {
    Run({"TGROUP", "DELETE", groups->element[i]->str, "FORCE"});
  }
}

int64_t Control::OpenProducer(const std::string& name) {
  const Reply reply = Ask({"TPRODUCER", "OPEN", kTopic, name});
  if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) Fail("TPRODUCER gave no epoch");
  return reply->element[0]->integer;
}

// The reply is a list of names and values.
int64_t Control::Lag(const std::string& group) {
  const Reply reply = Ask({"TGROUP", "LAG", group});
  for (size_t i = 0; i + 1 < reply->elements; i += 2) {
    if (std::string_view(reply->element[i]->str) == "lag") return reply->element[i + 1]->integer;
  }
  Fail("TGROUP LAG gave no lag");
}

void Control::WaitUntilStable(const std::string& group) {
  constexpr size_t kState = 3;
  for (int tries = 0; tries < kTries; ++tries) {
    const Reply reply = Ask({"TGROUP", "DESCRIBE", group});
    if (reply->elements > kState && std::string_view(reply->element[kState]->str) == "stable") {
      return;
    }
    usleep(kTryUs);
  }
  Fail("the partitions of group '{}' go on moving", group);
}

void Control::DeleteKeys() {
  Words words{"DEL", kStream, kList, kTopic, kValues, kOtherValues, kValuesResult};
  for (uint64_t i = 0; i < kKeys; ++i) {
    words.push_back(Numbered(kKey, i));
    words.push_back(StreamName(i));
  }
  Run(words);
}

void Control::WaitUntilAlone() {
  for (int tries = 0; tries < kTries && Info("clients", "connected_clients", 1) > 1; ++tries) {
    usleep(kTryUs);
  }
}

void Control::WaitUntilBlocked(int clients) {
  for (int tries = 0; tries < kTries; ++tries) {
    if (Info("clients", "blocked_clients", clients) >= clients) return;
    usleep(kTryUs);
  }
  Fail("the server did not block {} clients", clients);
}

}  // namespace runnel::bench
