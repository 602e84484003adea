#include "broker/tracking.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "commands/key_positions.h"
#include "resp/reply_writer.h"

namespace runnel {
namespace {

constexpr std::string_view kChannel = "__redis__:invalidate";

// A reply in the session's protocol, from what `write` writes.
template <class Write>
std::string Compose(int protocol, Write write) {
  Rope rope;
  ReplyWriter writer(&rope);
  writer.set_protocol(protocol);
  write(writer);
  return rope.ToString();
}

// The names as an array. It is the same in both protocols.
template <class Names>
std::string ArrayOf(const Names& names) {
  return Compose(2, [&](ReplyWriter& reply) {
    reply.Array(names.size());
    for (const std::string_view name : names) {
      reply.Bulk(name);
    }
  });
}

}  // namespace

Tracking::Tracking(Deliver deliver, Find find)
    : deliver_(std::move(deliver)), find_(std::move(find)), random_(RandomSeed()) {}

void Tracking::Enable(Session& session, TrackingState wanted) {
  if (session.tracking == nullptr) {
    session.tracking = std::make_unique<TrackingState>();
    sessions_.emplace(session.id, &session);
  } else {
    ASSERT(session.tracking->broadcast == wanted.broadcast);
  }
  if (wanted.broadcast && wanted.prefixes.empty()) wanted.prefixes.emplace();
  for (const std::string& prefix : wanted.prefixes) {
    const auto [it, is_new] = prefixes_.try_emplace(prefix);
    it->second.sessions.insert(session.id);
    if (is_new) prefix_lengths_[prefix.size()]++;
  }
  wanted.prefixes.merge(session.tracking->prefixes);
  wanted.caching = session.tracking->caching;
  *session.tracking = std::move(wanted);
}

void Tracking::Disable(Session& session) {
  if (session.tracking == nullptr) return;
  for (const std::string& name : session.tracking->prefixes) {
    const auto it = prefixes_.find(name);
    it->second.sessions.erase(session.id);
    if (!it->second.sessions.empty()) continue;
    const auto length = prefix_lengths_.find(name.size());
    if (--length->second == 0) prefix_lengths_.erase(length);
    prefixes_.erase(it);
  }
  session.tracking.reset();
  sessions_.erase(session.id);
  if (idle()) ForgetAll();
}

void Tracking::Remember(Session& session, const CommandSpec& spec,
                        std::span<const std::string_view> args, uint64_t max_keys) {
  const TrackingState& state = *session.tracking;
  if (state.broadcast) return;
  if (state.opt_in && !state.caching) return;
  if (state.opt_out && state.caching) return;
  const auto keys = FindKeys(spec, args);
  if (!keys) return;
  for (const KeyPosition& key : *keys) {
    if (!key.spec->not_key) Add(args[key.index], session.id);
  }
  if (max_keys == 0) return;
  while (table_.size() > max_keys) {
    Invalidate(table_.find(slots_[random_.Below(slots_.size())]->first), nullptr);
  }
}

void Tracking::Add(std::string_view name, uint64_t id) {
  auto it = table_.find(name);
  if (it == table_.end()) {
    it = table_.try_emplace(std::string(name)).first;
    it->second.slot = slots_.size();
    slots_.push_back(&*it);
  }
  Readers& readers = it->second;
  const auto place = std::lower_bound(readers.ids.begin(), readers.ids.end(), id);
  if (place != readers.ids.end() && *place == id) return;
  readers.ids.insert(place, id);
  items_++;
  if (readers.ids.size() >= readers.purge_at) Purge(readers);
}

void Tracking::Purge(Readers& readers) {
  const size_t before = readers.ids.size();
  const auto gone = [this](uint64_t id) { return !sessions_.contains(id); };
  readers.ids.erase(std::remove_if(readers.ids.begin(), readers.ids.end(), gone),
                    readers.ids.end());
  items_ -= before - readers.ids.size();
  readers.purge_at = std::max<size_t>(16, 2 * readers.ids.size());
}

// Takes the key out of the table and tells those who have read it.
void Tracking::Invalidate(Table::iterator entry, const Session* by) {
  const std::string payload = ArrayOf(std::initializer_list<std::string_view>{entry->first});
  const auto ids = std::move(entry->second.ids);
  items_ -= ids.size();
  const size_t slot = entry->second.slot;
  slots_[slot] = slots_.back();
  slots_[slot]->second.slot = slot;
  slots_.pop_back();
  table_.erase(entry);
  for (const uint64_t id : ids) {
    const auto reader = sessions_.find(id);
    if (reader == sessions_.end()) continue;
    Session& session = *reader->second;
    // It may have begun to broadcast since.
    if (session.tracking->broadcast) continue;
    if (session.tracking->no_loop && &session == by) continue;
    Tell(session, payload);
  }
}

void Tracking::ForgetAll() {
  table_.clear();
  slots_.clear();
  items_ = 0;
}

void Tracking::OnKeyChange(std::string_view name, const Session* by) {
  if (!prefixes_.empty()) NoteBroadcast(name, by);
  const auto entry = table_.find(name);
  if (entry != table_.end()) Invalidate(entry, by);
}

// A prefix is looked up once for each length that any prefix has.
void Tracking::NoteBroadcast(std::string_view name, const Session* by) {
  for (const auto& [length, count] : prefix_lengths_) {
    if (length > name.size()) return;
    const auto it = prefixes_.find(name.substr(0, length));
    if (it == prefixes_.end()) continue;
    if (it->second.changed.empty()) touched_.push_back(it->first);
    it->second.changed.insert_or_assign(std::string(name), by == nullptr ? 0 : by->id);
  }
}

void Tracking::EndTurn() {
  if (std::exchange(flushed_, false)) {
    ForgetAll();
    for (const auto& [id, session] : sessions_) {
      Tell(*session, session->reply.protocol() == 3 ? "_\r\n" : "$-1\r\n");
    }
  }
  if (touched_.empty()) return;
  std::vector<std::string> touched = std::exchange(touched_, {});
  std::sort(touched.begin(), touched.end());
  for (const std::string& name : touched) {
    // Those who broadcast it may have ended since.
    if (const auto it = prefixes_.find(name); it != prefixes_.end()) Broadcast(it->second);
  }
}

void Tracking::Broadcast(Prefix& prefix) {
  const auto changed = std::exchange(prefix.changed, {});
  std::vector<std::string_view> names;
  for (const auto& [name, by] : changed) {
    names.push_back(name);
  }
  const std::string all = ArrayOf(names);
  for (const uint64_t id : prefix.sessions) {
    Session& session = *sessions_.find(id)->second;
    if (!session.tracking->no_loop) {
      Tell(session, all);
      continue;
    }
    names.clear();
    for (const auto& [name, by] : changed) {
      if (by != id) names.push_back(name);
    }
    if (!names.empty()) Tell(session, ArrayOf(names));
  }
}

// Sends an invalidation: a push in RESP3, a message of the channel to a RESP2 session that others
// are redirected to. A RESP2 session without redirection cannot be told.
void Tracking::Tell(Session& session, std::string_view payload) {
  TrackingState& state = *session.tracking;
  Session* to = &session;
  if (state.redirect != 0) {
    to = find_(state.redirect);
    if (to == nullptr) {
      state.redirect_broken = true;
      if (session.reply.protocol() == 3) {
        deliver_(session, Compose(3, [&](ReplyWriter& reply) {
                   reply.Push(2);
                   reply.Bulk("tracking-redir-broken");
                   reply.Integer(static_cast<int64_t>(state.redirect));
                 }));
      }
      return;
    }
  }
  if (to->reply.protocol() == 3) {
    deliver_(*to, Compose(3, [&](ReplyWriter& reply) {
      reply.Push(2);
      reply.Bulk("invalidate");
      reply.Raw(payload);
    }));
  } else if (state.redirect != 0 && to->subscriptions() > 0) {
    deliver_(*to, Compose(2, [&](ReplyWriter& reply) {
      reply.Push(3);
      reply.Bulk("message");
      reply.Bulk(kChannel);
      reply.Raw(payload);
    }));
  }
}

}  // namespace runnel
