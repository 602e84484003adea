#include "broker/future_names.h"

#include <optional>

#include "commands/key_positions.h"

namespace runnel {

FutureNames::FutureNames(const Keyspace& keyspace) : nobody_("nobody") {
  for (uint32_t db = 0; db < keyspace.databases();) {
    if (keyspace.Find(KeyRef(db, nobody_)) == nullptr) {
      db++;
    } else {
      nobody_ += '.';
      db = 0;
    }
  }
}

FutureNames::Name FutureNames::Find(uint32_t db, std::string_view name) const {
  Name key(db, name);
  const auto found = names_.find(key);
  return found == names_.end() ? key : found->second;
}

bool FutureNames::ToNow(const CommandSpec& spec, uint32_t* db,
                        std::vector<std::string_view>* args) const {
  if (names_.empty()) return true;
  const auto keys = FindKeys(spec, *args);
  if (!keys) return true;
  std::optional<uint32_t> now;
  for (const KeyPosition& key : *keys) {
    if (key.spec->not_key) continue;
    const auto found = names_.find(Name(*db, (*args)[key.index]));
    const bool nobody = found != names_.end() && found->second.second == nobody_;
    if (!nobody) {
      const uint32_t its = found == names_.end() ? *db : found->second.first;
      if (now && *now != its) return false;
      now = its;
    }
    if (found != names_.end()) (*args)[key.index] = found->second.second;
  }
  if (now) *db = *now;
  return true;
}

void FutureNames::Give(const CommandSpec& spec, uint32_t db, std::span<const std::string_view> args,
                       const WouldChange& change) {
  const auto keys = FindKeys(spec, args);
  if (!keys || keys->empty()) return;
  const std::string_view from = args[keys->front().index];
  const std::string_view to = args[keys->back().index];
  Name value = Find(db, from);
  if (!change.copied) names_[Name(db, from)] = Name(db, nobody_);
  names_[Name(*change.given_to_db, to)] = std::move(value);
}

}  // namespace runnel
