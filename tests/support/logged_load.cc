#include "tests/support/logged_load.h"

#include <charconv>
#include <utility>

#include "tests/support/eventually.h"

namespace runnel::test {
namespace {

constexpr uint64_t kMostAtOnce = 4;
// A read costs more, the more there is: so there are fewer of them then.
constexpr uint64_t kAppendsBetweenReads = 40;
constexpr uint64_t kAppendsForOneMore = 20;
// So that servers that refuse are not asked without end.
constexpr int kPauseAfterRefusalMs = 2;

History::Value ToValue(const std::string& text) {
  History::Value value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

// What is no number was not appended by these clients: 0 is the value that nobody has.
std::vector<History::Value> ToValues(LoggedKey::Type type, const Reply& reply) {
  std::vector<History::Value> values;
  values.reserve(reply.items.size());
  for (const Reply& item : reply.items) {
    if (type == LoggedKey::Type::kList) {
      values.push_back(ToValue(item.text));
      continue;
    }
    const bool whole = item.items.size() == 2 && item.items[1].items.size() == 2;
    values.push_back(whole ? ToValue(item.items[1].items[1].text) : 0);
  }
  return values;
}

}  // namespace

void LoggedClient::SendAppends(size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; i++) {
    const History::Value value = key_.history.BeginAppend(connection_);
    const std::string text = std::to_string(value);
    bytes += EncodeCommand(key_.type == LoggedKey::Type::kList
                               ? Argv{"RPUSH", key_.name, text}
                               : Argv{"XADD", key_.name, "*", "value", text});
    sent_.push_back({value, 0});
  }
  client_->SendRaw(bytes);
}

void LoggedClient::SendRead() {
  sent_.push_back({{}, key_.history.BeginRead(connection_)});
  const Argv read = key_.type == LoggedKey::Type::kList ? Argv{"LRANGE", key_.name, "0", "-1"}
                                                        : Argv{"XRANGE", key_.name, "-", "+"};
  client_->SendRaw(EncodeCommand({"MULTI"}) + EncodeCommand({"ROLE"}) + EncodeCommand(read) +
                   EncodeCommand({"EXEC"}));
}

size_t LoggedClient::TakeReplies(Clock::duration patience) {
  size_t fulfilled = 0;
  for (const Sent& sent : std::exchange(sent_, {})) {
    Reply reply = client_->Read(patience);
    // The reply to a read is that to EXEC.
    for (int i = 0; i < 3 && !sent.value && !reply.is_note(); i++) {
      reply = client_->Read(patience);
    }
    if (reply.is_note()) {
      error_ = ToText(reply);
      client_.reset();
      return fulfilled;
    }
    fulfilled += Take(sent, reply) ? 1 : 0;
  }
  return fulfilled;
}

bool LoggedClient::Take(const Sent& sent, const Reply& reply) {
  if (reply.is_error()) {
    error_ = reply.text;
    if (sent.value) key_.history.Refuse(*sent.value);
    return false;
  }
  if (!sent.value) {
    if (reply.items.size() != 2 || reply.items[0].items.empty() || reply.items[1].is_error()) {
      error_ = ToText(reply);
      return false;
    }
    const bool leads = reply.items[0].items[0].text == "master";
    key_.history.EndRead(sent.read, ToValues(key_.type, reply.items[1]),
                         leads ? History::Demand::kNewest : History::Demand::kOld);
    return leads;
  }
  if (key_.type == LoggedKey::Type::kList) {
    key_.history.Acknowledge(*sent.value, static_cast<size_t>(reply.integer - 1));
  } else {
    key_.history.Acknowledge(*sent.value);
  }
  return true;
}

LoggedLoad::LoggedLoad(std::vector<LoggedKey*> keys, size_t clients, Connect connect, uint64_t seed)
    : connect_(std::move(connect)) {
  for (LoggedKey* const key : keys) {
    for (size_t i = 0; i < clients; i++) {
      threads_.emplace_back([this, key, own = ++seed] { Run(*key, own); });
    }
  }
}

LoggedLoad::~LoggedLoad() {
  Stop();
}

void LoggedLoad::Stop() {
  stops_ = true;
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

bool LoggedLoad::WaitForMore(uint64_t count) const {
  const uint64_t until = fulfilled_ + count;
  return Eventually([&] { return fulfilled_ >= until; });
}

std::string LoggedLoad::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

void LoggedLoad::Run(LoggedKey& key, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::unique_ptr<LoggedClient> client;
  uint64_t appended = 0;
  uint64_t read_at = random() % kAppendsBetweenReads;
  while (!stops_) {
    if (client == nullptr) {
      auto connection = connect_();
      if (connection == nullptr) {
        poll(nullptr, 0, kPauseAfterRefusalMs);
        continue;
      }
      client = std::make_unique<LoggedClient>(key, std::move(connection));
    }
    if (appended >= read_at) {
      read_at = appended + kAppendsBetweenReads + appended / kAppendsForOneMore;
      client->SendRead();
    } else {
      const size_t count = 1 + random() % kMostAtOnce;
      appended += count;
      client->SendAppends(count);
    }
    const size_t fulfilled = client->TakeReplies();
    fulfilled_ += fulfilled;
    if (fulfilled > 0 && client->open()) continue;
    {
      const std::lock_guard lock(mutex_);
      error_ = client->error();
    }
    // Another server may lead by now.
    client.reset();
    poll(nullptr, 0, kPauseAfterRefusalMs);
  }
}

std::vector<std::string> JudgeAtTheEnd(LoggedKey& key, std::unique_ptr<RespClient> client) {
  if (client == nullptr) return {"nobody can be asked at the end"};
  LoggedClient reader(key, std::move(client));
  reader.SendRead();
  if (reader.TakeReplies() == 0) return {"the read at the end failed: " + reader.error()};
  return key.history.Faults();
}

}  // namespace runnel::test
