#include "broker/sessions.h"

namespace runnel {

Session& Sessions::Add(Transport* transport) {
  const uint64_t id = ++last_id_;
  return *all_.emplace(id, std::make_unique<Session>(id, transport)).first->second;
}

void Sessions::Remove(Session& session) {
  all_.erase(session.id);
}

Session* Sessions::Find(uint64_t id) const {
  const auto it = all_.find(id);
  return it == all_.end() || it->second->killed() ? nullptr : it->second.get();
}

}  // namespace runnel
