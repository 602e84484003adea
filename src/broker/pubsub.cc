#include "broker/pubsub.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "absl/container/inlined_vector.h"
#include "base/assert.h"
#include "base/glob.h"

namespace runnel {
namespace {

// From this many receivers on, bytes that all of them refer to are cheaper than a copy for each.
constexpr size_t kShareFrom = 4;
constexpr size_t kSharedBlock = 32 * 1024;

}  // namespace

// A message as it goes out, made at most once per protocol however many receive it.
class PubSub::Frame {
 public:
  // The views outlive the frame.
  Frame(std::initializer_list<std::string_view> items) : items_(items) {}

  std::string_view For(int protocol) {
    std::string& bytes = bytes_[protocol == 3 ? 1 : 0];
    if (bytes.empty()) {
      Rope rope;
      ReplyWriter writer(&rope);
      writer.set_protocol(protocol);
      writer.Push(items_.size());
      for (const std::string_view item : items_) {
        writer.Bulk(item);
      }
      bytes = rope.ToString();
    }
    return bytes;
  }

 private:
  const absl::InlinedVector<std::string_view, 4> items_;
  std::string bytes_[2];
};

PubSub::Shared PubSub::SharedBytes::Add(std::string_view bytes) {
  // A large message has a block of its own, which goes with its last receiver.
  const bool alone = bytes.size() > kSharedBlock;
  // Nobody refers to what was there: it is written over, and stays in the processor's cache.
  if (block && block->unique()) used = 0;
  if (!alone && (!block || block->capacity() - used < bytes.size())) {
    block = Block::Create(kSharedBlock);
    used = 0;
  }
  Shared shared;
  shared.block = alone ? Block::Create(bytes.size()) : block;
  char* const at = shared.block->data() + (alone ? 0 : used);
  std::memcpy(at, bytes.data(), bytes.size());
  if (!alone) used += bytes.size();
  shared.bytes = {at, bytes.size()};
  return shared;
}

void PubSub::DeliverTo(const Sessions& sessions, Frame& frame) {
  if (sessions.size() < kShareFrom) {
    for (Session* session : sessions) {
      deliver_(*session, Ref<Block>(), frame.For(session->reply.protocol()));
    }
    return;
  }
  Shared shared[2];
  for (Session* session : sessions) {
    const int protocol = session->reply.protocol();
    const size_t form = protocol == 3 ? 1 : 0;
    if (!shared[form].block) shared[form] = shared_[form].Add(frame.For(protocol));
    deliver_(*session, shared[form].block, shared[form].bytes);
  }
}

bool PubSub::Subscribe(Session& session, Subscription kind, std::string_view name) {
  auto& subscribed = session.subscribed[static_cast<size_t>(kind)];
  if (subscribed.contains(name)) return false;
  Sessions& sessions = Names(kind)[name];
  subscribed.emplace(name, sessions.size());
  sessions.push_back(&session);
  return true;
}

bool PubSub::Unsubscribe(Session& session, Subscription kind, std::string_view name) {
  auto& subscribed = session.subscribed[static_cast<size_t>(kind)];
  const auto it = subscribed.find(name);
  if (it == subscribed.end()) return false;
  Remove(kind, name, it->second);
  subscribed.erase(it);
  return true;
}

void PubSub::Drop(Session& session) {
  for (size_t kind = 0; kind < kSubscriptionKinds; kind++) {
    for (const auto& [name, place] : session.subscribed[kind]) {
      Remove(static_cast<Subscription>(kind), name, place);
    }
    session.subscribed[kind].clear();
  }
}

// Fills the gap with the last of the list, so that a channel with very many subscribers is left as
// quickly as one with few.
void PubSub::Remove(Subscription kind, std::string_view name, size_t place) {
  NameMap& names = Names(kind);
  const auto it = names.find(name);
  CHECK(it != names.end());
  Sessions& sessions = it->second;
  if (place + 1 != sessions.size()) {
    sessions[place] = sessions.back();
    sessions[place]->subscribed[static_cast<size_t>(kind)].find(name)->second = place;
  }
  sessions.pop_back();
  if (sessions.empty()) names.erase(it);
}

size_t PubSub::Publish(Subscription kind, std::string_view channel, std::string_view message) {
  if (tap_) [[unlikely]]
    tap_(kind, channel, message);
  size_t receivers = 0;
  const NameMap& names = Names(kind);
  if (const auto it = names.find(channel); it != names.end()) {
    Frame frame{kind == Subscription::kShard ? "smessage" : "message", channel, message};
    DeliverTo(it->second, frame);
    receivers += it->second.size();
  }
  if (kind == Subscription::kShard) return receivers;
  for (const auto& [pattern, sessions] : Names(Subscription::kPattern)) {
    if (!GlobMatch(pattern, channel)) continue;
    Frame frame{"pmessage", pattern, channel, message};
    DeliverTo(sessions, frame);
    receivers += sessions.size();
  }
  return receivers;
}

size_t PubSub::subscribers(Subscription kind, std::string_view name) const {
  const auto it = Names(kind).find(name);
  return it == Names(kind).end() ? 0 : it->second.size();
}

size_t PubSub::SpareBytes() const {
  size_t bytes = 0;
  for (const SharedBytes& shared : shared_) {
    if (shared.block) bytes += shared.block->MemoryBytes();
  }
  return bytes;
}

}  // namespace runnel
