#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/container/node_hash_map.h"
#include "base/random.h"
#include "base/string_map.h"
#include "broker/session.h"
#include "broker/tracking_state.h"
#include "commands/command.h"

namespace runnel {

// Client-side caching: remembers which sessions have read which keys, and tells them when the keys
// change. What a session is told, and when, is Redis's, so client libraries with a cache work
// unchanged. As there, keys of all databases count as one name space: a session may be told of a
// change that does not concern it, never the other way round.
//
// The table forgets keys above a bound (tracking-table-max-keys), and tells those who have read
// them as if they had changed. A session that ends stays in the table until its keys change or the
// list of the key's readers has doubled since the dead were last taken out of it.
class Tracking {
 public:
  // Delivers bytes to a session: after the reply of its running command, if it has one.
  using Deliver = std::function<void(Session&, std::string_view bytes)>;
  // The open session with this ID; nullptr if there is none.
  using Find = std::function<Session*(uint64_t id)>;

  Tracking(Deliver deliver, Find find);

  // True if no session tracks anything: then nothing else here need be called.
  bool idle() const { return sessions_.empty(); }

  // Turns tracking on, or changes how it is done. `wanted.prefixes` are added to those that the
  // session has. REQUIRES: it does not turn `broadcast` on or off while tracking is on.
  void Enable(Session& session, TrackingState wanted);
  // Turns tracking off; does nothing if it is off. Called before a session ends.
  void Disable(Session& session);

  // The session has run this command, which only reads: it is told when a key that the command
  // names changes. At most `max_keys` keys are remembered; 0: as many as there are.
  // REQUIRES: session.tracking.
  void Remember(Session& session, const CommandSpec& spec, std::span<const std::string_view> args,
                uint64_t max_keys);
  // The value of a key of this name has changed; `by` is the session that did it, nullptr if none
  // did.
  void OnKeyChange(std::string_view name, const Session* by);
  // A database has lost all its keys.
  void OnFlush() { flushed_ = true; }

  // Tells those who broadcast of what this turn has changed, and all of a flush.
  void EndTurn();

  // Figures for INFO.
  size_t sessions() const { return sessions_.size(); }
  size_t keys() const { return table_.size(); }
  size_t items() const { return items_; }
  size_t prefixes() const { return prefixes_.size(); }

 private:
  // Sessions that have read a key, by ID, in order.
  struct Readers {
    absl::InlinedVector<uint64_t, 1> ids;
    size_t purge_at = 16;  // the dead are taken out when there are so many
    size_t slot = 0;       // of this key in slots_
  };
  using Table = absl::node_hash_map<std::string, Readers, StringHash, StringEqual>;

  // Who broadcasts a prefix, and the keys with it that this turn has changed, each with the ID of
  // the session that changed it last (0: none did).
  struct Prefix {
    absl::btree_set<uint64_t> sessions;
    absl::btree_map<std::string, uint64_t> changed;
  };

  void Add(std::string_view name, uint64_t id);
  void Purge(Readers& readers);
  void Invalidate(Table::iterator entry, const Session* by);
  void ForgetAll();
  void NoteBroadcast(std::string_view name, const Session* by);
  void Broadcast(Prefix& prefix);
  void Tell(Session& session, std::string_view payload);

  const Deliver deliver_;
  const Find find_;
  Random random_;
  absl::btree_map<uint64_t, Session*> sessions_;  // that track, by ID
  Table table_;
  std::vector<Table::value_type*> slots_;  // all of table_, in no order: to draw one by chance
  size_t items_ = 0;                       // IDs in the table
  absl::btree_map<std::string, Prefix, std::less<>> prefixes_;
  std::map<size_t, size_t> prefix_lengths_;  // how many prefixes have this length
  std::vector<std::string> touched_;         // prefixes with changed keys
  bool flushed_ = false;
};

}  // namespace runnel
