#include "tests/compat/side.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>

namespace runnel::compat {
namespace {

using test::Clock;
using test::Reply;
using Kind = Reply::Kind;

std::string Upper(std::string text) {
  for (char& c : text)
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

bool IsOneOf(const std::string& name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Answered by one confirmation per channel instead of one reply.
bool IsSubscription(const std::string& name) {
  return IsOneOf(name, {"SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE",
                        "SUNSUBSCRIBE"});
}

bool MayBlock(const Argv& command) {
  const std::string name = Upper(command[0]);
  if (IsOneOf(name, {"XREAD", "XREADGROUP", "TREAD"})) {
    return std::any_of(command.begin(), command.end(),
                       [](const std::string& word) { return Upper(word) == "BLOCK"; });
  }
  return IsOneOf(name, {"BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BLMOVEM", "BZPOPMIN",
                        "BZPOPMAX", "BZMPOP"});
}

bool IsFence(const Reply& reply, const std::string& fence) {
  if (reply.is_aggregate() && reply.items.size() == 2) return reply.items[1].text == fence;
  return reply.kind == Kind::kBulk && reply.text == fence;
}

// "id=7 ... flags=b ..." lines into flags by id.
std::map<std::string, std::string> ParseFlags(const std::string& list) {
  std::map<std::string, std::string> flags;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find('\n', at), list.size());
    const std::string line = " " + list.substr(at, end - at);
    const auto field = [&line](const std::string& name) {
      const size_t start = line.find(' ' + name + '=');
      if (start == std::string::npos) return std::string();
      const size_t value = start + name.size() + 2;
      return line.substr(value, line.find(' ', value) - value);
    };
    flags[field("id")] = field("flags");
    at = end + 1;
  }
  return flags;
}

}  // namespace

Side::Side(test::ServerProcess* server, int protocol) : server_(server), protocol_(protocol) {}

bool Side::Reset() {
  connections_.clear();
  saved_.clear();
  if (control_ == nullptr || Control({"PING"}).is_note()) control_ = server_->Connect();
  if (control_ == nullptr) return false;
  // What a script that failed half-way may have left: a password, clients on hold, and settings.
  // AUTH is refused where there is no password.
  for (const Argv& argv : std::vector<Argv>{{"AUTH", "secret"},
                                            {"CLIENT", "UNPAUSE"},
                                            {"CONFIG", "SET", "requirepass", ""},
                                            {"CONFIG", "SET", "notify-keyspace-events", ""},
                                            {"CONFIG", "SET", "maxmemory", "0"},
                                            {"FUNCTION", "FLUSH"},
                                            {"FLUSHALL"}}) {
    if (Control(argv).is_note()) return false;
  }
  const Clock::time_point deadline = Clock::now() + patience_;
  while (FlagsById().size() > 1) {
    if (Clock::now() > deadline) return false;
  }
  return true;
}

Reply Side::Control(const Argv& argv) {
  control_->Send(argv);
  return control_->Read(patience_);
}

bool Side::Blocked(char name) const {
  const auto found = connections_.find(name);
  return found != connections_.end() && found->second.blocked;
}

bool Side::InTransaction(char name) const {
  const auto found = connections_.find(name);
  return found != connections_.end() && found->second.in_transaction;
}

bool Side::Listening(char name) const {
  const auto found = connections_.find(name);
  return found != connections_.end() && found->second.listening();
}

Side::Connection& Side::Open(char name) {
  Connection& connection = connections_[name];
  if (connection.client != nullptr) return connection;
  connection.client = server_->Connect();
  if (connection.client == nullptr) return connection;
  connection.client->Send({"HELLO", std::to_string(protocol_)});
  const Reply hello = connection.client->Read(patience_);
  for (size_t i = 0; i + 1 < hello.items.size(); i += 2) {
    if (hello.items[i].text == "id") connection.id = std::to_string(hello.items[i + 1].integer);
  }
  return connection;
}

std::string Side::Variable(const std::string& name) const {
  const auto saved = saved_.find(name);
  if (saved != saved_.end()) return saved->second;
  if (name == "port") return std::to_string(server_->port());
  if (name.rfind("fill:", 0) == 0) {
    return std::string(static_cast<size_t>(atoi(name.c_str() + 5)), 'x');
  }
  if (name.size() < 3 || name[1] != '.') return '{' + name + '}';
  const auto found = connections_.find(name[0]);
  const bool open = found != connections_.end() && found->second.client != nullptr;
  if (name.substr(2) == "id") return open ? found->second.id : "0";
  if (name.substr(2) == "address") return open ? found->second.client->local_address() : "none";
  return '{' + name + '}';
}

std::string Side::Expand(const std::string& word) const {
  std::string expanded;
  for (size_t at = 0; at < word.size();) {
    const size_t open = std::min(word.find('{', at), word.size());
    const size_t close = word.find('}', open);
    expanded.append(word, at, open - at);
    if (close == std::string::npos) return expanded.append(word, open, std::string::npos);
    expanded += Variable(word.substr(open + 1, close - open - 1));
    at = close + 1;
  }
  return expanded;
}

void Side::AddFence(Connection* connection, size_t step, std::string* bytes) {
  Unit unit;
  unit.step = step;
  unit.fence = fmt::format("fence-{}", ++fences_);
  bytes->append(test::EncodeCommand({"PING", unit.fence}));
  connection->unanswered.push_back(std::move(unit));
}

void Side::Prepare(const Step& step, size_t index, Connection* connection, std::string* bytes) {
  Unit unit;
  unit.step = index;
  if (const Modifier* replies = step.Find("replies"))
    unit.replies = atoi(replies->arguments[0].c_str());
  unit.until_closed = step.Has("close");
  if (step.words.empty()) {
    connection->unanswered.push_back(std::move(unit));
    return;
  }
  for (const std::string& word : step.words)
    unit.command.push_back(Expand(word));
  if (step.Has("raw")) {
    bytes->append(unit.command[0]);
    unit.command.clear();
    connection->unanswered.push_back(std::move(unit));
    return;
  }
  bytes->append(test::EncodeCommand(unit.command));

  const std::string name = Upper(unit.command[0]);
  const bool alone = unit.command.size() == 1;
  const bool deaf = protocol_ == 2 && connection->listening();  // refuses MULTI
  bool fenced = step.Has("fence");
  if (connection->in_transaction) {
    connection->listens_when_executed |= IsSubscription(name);
    if (alone && IsOneOf(name, {"EXEC", "DISCARD", "RESET"})) {
      fenced |= name == "EXEC" && connection->listens_when_executed;
      connection->in_transaction = false;
      connection->listens_when_executed = false;
    }
  } else {
    fenced |= IsSubscription(name);
    unit.may_block = !step.Has("wait") && MayBlock(unit.command);
    connection->in_transaction = name == "MULTI" && alone && !deaf;
    connection->monitoring |= name == "MONITOR" && alone;
  }
  unit.may_block |= step.Has("blocks");
  connection->unanswered.push_back(std::move(unit));
  if (fenced && !connection->in_transaction && !step.Has("replies")) {
    // The command has no count of replies of its own then; the fence ends it.
    connection->unanswered.back().replies = 0;
    const Argv command = connection->unanswered.back().command;
    AddFence(connection, index, bytes);
    connection->unanswered.back().command = command;
  }
}

void Side::Send(const Script& pipeline) {
  pipeline_ = pipeline;
  const Step& last = pipeline.back();
  if (last.disconnect) return;
  Connection& connection = Open(last.connection);
  if (connection.client == nullptr) return;
  std::string bytes;
  bool listens = connection.listening();
  for (size_t i = 0; i < pipeline.size(); ++i) {
    Prepare(pipeline[i], i, &connection, &bytes);
    listens |= !connection.unanswered.back().fence.empty() || connection.monitoring;
  }
  const bool ends = last.Has("close") || last.Has("replies") || last.Has("raw");
  if (listens && !connection.in_transaction && !connection.blocked && !ends) {
    AddFence(&connection, pipeline.size() - 1, &bytes);
  }
  connection.client->SendRaw(bytes);
}

std::vector<Frame> Side::Collect() {
  std::vector<Frame> frames;
  const Step& last = pipeline_.back();
  if (last.disconnect) {
    Disconnect(last.connection);
  } else if (connections_[last.connection].client == nullptr) {
    frames.push_back({last.connection, pipeline_.size() - 1, {}, {}, Reply::Note("refused")});
  } else if (last.Has("until")) {
    RepeatUntil(last, &frames);
  } else if (!connections_[last.connection].blocked) {
    ReadUnits(last.connection, &frames);
  }
  Settle(&frames);
  return frames;
}

void Side::ReadUnits(char name, std::vector<Frame>* frames) {
  Connection& connection = connections_[name];
  connection.blocked = false;
  while (!connection.unanswered.empty()) {
    if (!ReadUnit(name, connection.unanswered.front(), frames)) {
      connection.blocked = true;
      return;
    }
    connection.unanswered.pop_front();
    if (!frames->empty() && frames->back().reply.is_note()) {
      connection.unanswered.clear();  // closed, or so late that nothing can be matched any more
    }
  }
}

bool Side::ReadUnit(char name, const Unit& unit, std::vector<Frame>* frames) {
  Connection& connection = connections_[name];
  int left = unit.replies;
  while (unit.until_closed || !unit.fence.empty() || left > 0) {
    if (unit.may_block && !AnsweredOrBlocked(connection)) {
      Take(name, unit, Reply::Note("blocked"), frames);
      return false;
    }
    Reply reply = connection.client->Read(patience_);
    if (!unit.fence.empty() && IsFence(reply, unit.fence)) return true;
    const bool push = reply.kind == Kind::kPush;
    const bool note = reply.is_note();
    Take(name, unit, std::move(reply), frames);
    if (note) return true;
    if (!push) --left;
  }
  return true;
}

bool Side::AnsweredOrBlocked(const Connection& connection) {
  const Clock::time_point deadline = Clock::now() + patience_;
  while (!connection.client->Ready() && Clock::now() < deadline) {
    const Reply list = Control({"CLIENT", "LIST", "ID", connection.id});
    if (list.is_note()) return true;
    const auto flags = ParseFlags(list.text);
    const auto found = flags.find(connection.id);
    const bool blocked = found != flags.end() && found->second.find('b') != std::string::npos;
    // What came before it blocked, such as a push, was sent before the server could say so.
    if (blocked) return connection.client->Ready();
  }
  return true;
}

void Side::Take(char name, const Unit& unit, Reply reply, std::vector<Frame>* frames) {
  Connection& connection = connections_[name];
  if (tamper_) tamper_(unit.command, &reply);
  Frame frame{name, unit.step, unit.command, {}, std::move(reply)};
  const Reply& got = frame.reply;
  const std::string command = unit.command.empty() ? "" : Upper(unit.command[0]);
  if (got.kind == Kind::kSimple && got.text == "QUEUED") {
    connection.queued.push_back(unit.command);
  } else if (IsOneOf(command, {"EXEC", "DISCARD", "RESET"}) && !got.is_note()) {
    frame.queued.swap(connection.queued);
  } else if (command == "MULTI" && got.is_error() && connection.unanswered.size() == 1 &&
             got.text.find("nested") == std::string::npos) {
    connection.in_transaction = false;  // refused, against what Prepare expected
  }
  // Confirmations may stand alone or, from EXEC, inside an array.
  std::vector<const Reply*> confirmations = {&got};
  for (const Reply& item : got.items)
    confirmations.push_back(&item);
  for (const Reply* item : confirmations) {
    if (item->items.size() != 3 || item->items[2].kind != Kind::kInteger) continue;
    const std::string kind = Upper(item->items[0].text);
    if (!IsSubscription(kind)) continue;
    int64_t& count = kind[0] == 'S' && (kind[1] == 'S' || kind[1] == 'U') && kind != "SUBSCRIBE"
                         ? connection.shard_subscriptions
                         : connection.subscriptions;
    count = item->items[2].integer;
  }
  const bool closed = got == Reply::Closed();
  if (closed || (command == "RESET" && got.kind == Kind::kSimple)) {
    connection.subscriptions = connection.shard_subscriptions = 0;
    connection.monitoring = false;
  }
  if (const Modifier* save = pipeline_[std::min(unit.step, pipeline_.size() - 1)].Find("save")) {
    const Reply& value = got.items.empty() ? got : got.items[0];
    saved_[save->arguments[0]] =
        value.kind == Kind::kInteger ? std::to_string(value.integer) : value.text;
  }
  frames->push_back(std::move(frame));
}

void Side::RepeatUntil(const Step& step, std::vector<Frame>* frames) {
  const Clock::time_point deadline = Clock::now() + patience_;
  while (true) {
    std::vector<Frame> seen;
    ReadUnits(step.connection, &seen);
    const bool done =
        !seen.empty() && (seen.back().reply.is_note() || Clock::now() > deadline ||
                          test::ToText(seen.back().reply) == step.Find("until")->arguments[0]);
    if (done) {
      frames->insert(frames->end(), seen.begin(), seen.end());
      return;
    }
    Send(pipeline_);
  }
}

void Side::Disconnect(char name) {
  const auto found = connections_.find(name);
  if (found == connections_.end()) return;
  const std::string id = found->second.id;
  connections_.erase(found);
  const Clock::time_point deadline = Clock::now() + patience_;
  while (FlagsById().count(id) > 0 && Clock::now() < deadline) {
  }
}

std::map<std::string, std::string> Side::FlagsById() {
  return ParseFlags(Control({"CLIENT", "LIST"}).text);
}

void Side::Settle(std::vector<Frame>* frames) {
  const char active = pipeline_.back().connection;
  const bool waiters = std::any_of(connections_.begin(), connections_.end(),
                                   [](const auto& each) { return each.second.blocked; });
  if (waiters) {
    const std::map<std::string, std::string> flags = FlagsById();
    for (auto& [name, connection] : connections_) {
      if (!connection.blocked) continue;
      const auto found = flags.find(connection.id);
      if (found != flags.end() && found->second.find('b') != std::string::npos) continue;
      for (Unit& unit : connection.unanswered)
        unit.step = pipeline_.size() - 1;
      ReadUnits(name, frames);
    }
  }
  for (auto& [name, connection] : connections_) {
    if (name == active || !connection.listening() || connection.blocked ||
        connection.in_transaction || connection.client == nullptr) {
      continue;
    }
    std::string bytes;
    AddFence(&connection, pipeline_.size() - 1, &bytes);
    connection.client->SendRaw(bytes);
    ReadUnits(name, frames);
  }
}

}  // namespace runnel::compat
