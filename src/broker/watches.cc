#include "broker/watches.h"

#include <algorithm>

namespace runnel {

void Watches::Watch(Session& session, uint32_t db, std::string_view name) {
  Key key(db, name);
  if (std::find(session.watched.begin(), session.watched.end(), key) != session.watched.end())
    return;
  watchers_[key].push_back(&session);
  session.watched.push_back(std::move(key));
}

void Watches::Unwatch(Session& session) {
  for (const Key& key : session.watched) {
    const auto it = watchers_.find(key);
    std::erase(it->second, &session);
    if (it->second.empty()) watchers_.erase(it);
  }
  session.watched.clear();
  session.watch_broken = false;
}

void Watches::OnKeyChange(uint32_t db, std::string_view name) {
  if (empty()) return;
  const auto it = watchers_.find(Key(db, name));
  if (it != watchers_.end()) Break(it->second);
}

void Watches::OnFlush(uint32_t db, const Keyspace& keyspace) {
  if (keyspace.size(db) == 0) return;
  for (const auto& [key, sessions] : watchers_) {
    if (key.first == db && keyspace.Find(KeyRef(db, key.second)) != nullptr) Break(sessions);
  }
}

void Watches::OnSwap(uint32_t a, uint32_t b, const Keyspace& keyspace) {
  for (const auto& [key, sessions] : watchers_) {
    if (key.first != a && key.first != b) continue;
    const bool exists = keyspace.Find(KeyRef(a, key.second)) != nullptr ||
                        keyspace.Find(KeyRef(b, key.second)) != nullptr;
    if (exists) Break(sessions);
  }
}

void Watches::Break(const std::vector<Session*>& sessions) {
  for (Session* session : sessions) {
    session->watch_broken = true;
  }
}

}  // namespace runnel
