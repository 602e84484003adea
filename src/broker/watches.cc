#include "broker/watches.h"

namespace runnel {

void Watches::Add(Session& session, uint32_t db, std::string_view name, bool exists) {
  auto it = keys_.find(KeyRef(db, name));
  if (it == keys_.end()) {
    auto key = std::make_unique<WatchedKey>();
    key->db = db;
    key->name = name;
    it = keys_.insert(std::move(key)).first;
  }
  WatchedKey& key = **it;
  if (!pairs_.emplace(&key, &session).second) return;
  auto watch = std::make_unique<Watch>();
  watch->key = &key;
  watch->session = &session;
  watch->existed = exists;
  key.watchers.PushBack(*watch);
  session.watched.push_back(std::move(watch));
}

void Watches::Unwatch(Session& session) {
  for (const auto& watch : session.watched) {
    WatchedKey& key = *watch->key;
    pairs_.erase(Pair(&key, &session));
    watch->Unlink();
    if (key.watchers.empty()) keys_.erase(keys_.find(KeyRef(key.db, key.name)));
  }
  session.watched.clear();
  session.watch_broken = false;
}

void Watches::OnKeyChange(uint32_t db, std::string_view name) {
  if (empty()) return;
  const auto it = keys_.find(KeyRef(db, name));
  if (it != keys_.end()) Break(**it);
}

void Watches::OnFlush(uint32_t db, const Keyspace& keyspace) {
  if (keyspace.size(db) == 0) return;
  for (const auto& key : keys_) {
    if (key->db == db && keyspace.Find(KeyRef(db, key->name)) != nullptr) Break(*key);
  }
}

void Watches::OnSwap(uint32_t a, uint32_t b, const Keyspace& keyspace) {
  for (const auto& key : keys_) {
    if (key->db != a && key->db != b) continue;
    const bool exists = keyspace.Find(KeyRef(a, key->name)) != nullptr ||
                        keyspace.Find(KeyRef(b, key->name)) != nullptr;
    if (exists) Break(*key);
  }
}

void Watches::Break(const WatchedKey& key) {
  key.watchers.ForEach([](Watch& watch) { watch.session->watch_broken = true; });
}

}  // namespace runnel
