#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>

#include "commands/errors.h"
#include "commands/notify.h"
#include "commands/wait.h"
#include "data/encoding_limits.h"
#include "data/keyspace.h"
#include "data/topic/topic.h"
#include "effects/batch.h"
#include "effects/bounds.h"
#include "effects/keyspace_effects.h"
#include "resp/reply_writer.h"

namespace runnel {

class Random;
class TopicGroups;

// Settings for commands on data. Owned by the server's configuration.
struct DataOptions {
  uint32_t stream_node_max_entries = 100;
  uint32_t stream_node_max_bytes = 4096;
  uint32_t stream_idmp_duration_s = 100;
  uint32_t stream_idmp_max_size = 100;
  // Options of a topic that its command does not give.
  TopicOptions topic_defaults;
  uint32_t topic_max_partitions = 10'000;
  // Idempotent producers of topics are forgotten when they were unused for so long; 0: never.
  uint64_t producer_expire_ms = 604'800'000;
  // With how many partitions TADD and TADDM make a topic that is missing; 0: they do not.
  uint32_t auto_create_topics = 0;
  // Which names OBJECT ENCODING reports.
  EncodingLimits encoding_limits{.set_max_listpack_entries = 128};
  uint64_t max_bulk_bytes = 512 * 1024 * 1024;  // proto-max-bulk-len: longest string value
  // In a transaction no command begins to change anything after so many bytes of effects, and a
  // command whose effects may take much more room than its request makes sure, before the first,
  // that they take no more than this (Context::FailIfTooManyChanges). Tests make it small.
  uint64_t most_change_bytes = kMostChangeBytes;
};

// Thrown through a command that runs only to find out what it looks at, in place of its first
// effect (see Executor::LookAhead).
struct WouldChange {
  // The effect gives the value of the command's first key to its last key, which is in this
  // database.
  std::optional<uint32_t> given_to_db = std::nullopt;
  bool copied = false;  // the first key keeps it
};

// Thrown in the place of a command's first effect if the commands before it in the same transaction
// have stated more than DataOptions::most_change_bytes of effects. The command has changed nothing;
// the message is for its error reply.
struct TooManyChanges {
  std::string message;
};

// One run of one command: its arguments, the state that it may look at, and the functions by which
// it acts. A command reads its arguments, looks at const data, and then either writes an error and
// returns, or applies effects and writes a reply. It writes exactly one reply, except where the
// protocol says otherwise, or it blocks.
//
// A command has two phases. It plans first, and its first effect begins the second phase, in which
// it changes. Looking at entries of a stream or elements of a list may throw ColdMiss
// (data/cold.h); the command is then run again from its start, which only a command that still
// plans allows. So a command looks at everything that it needs while it plans. Looking at what is
// not in memory after the first effect is a fault of the command, which test builds find
// (Execution::cold_phase); only inside EXEC, where other commands have changed something already,
// the server waits for the disk instead.
//
// Lives on the stack of the broker's execution; nothing in it outlives the command.
class Context {
 public:
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // args()[0] is the command's name as the client wrote it. The views are valid until the command
  // returns.
  std::span<const std::string_view> args() const { return args_; }
  std::string_view arg(size_t i) const { return args_[i]; }
  size_t argc() const { return args_.size(); }

  ReplyWriter& reply() { return reply_; }

  // The connection's database.
  uint32_t db() const { return db_; }
  // Milliseconds of the Unix clock. Stands still while a command, or a whole transaction, runs.
  int64_t now_ms() const { return now_ms_; }
  // Milliseconds of a clock that only goes forward, for deadlines.
  int64_t steady_ms() const { return steady_ms_; }
  const DataOptions& options() const { return options_; }

  const Keyspace& keyspace() const { return keyspace_; }

  // The key that argument i names.
  KeyRef Key(size_t i) const { return KeyRef(db_, args_[i]); }

  // The entry of a key that exists now; nullptr otherwise. Removes a key that is past its expiry.
  // Counts as an access to the key. Valid until the next effect on the key.
  const KeyEntry* Find(const KeyRef& key) {
    const KeyEntry* entry = Examine(key);
    if (entry != nullptr && !no_touch_) entry->NoteAccess(static_cast<uint32_t>(now_ms_ / 1000));
    return entry;
  }
  // The same for a command that asks about the key without using its value (TTL, TYPE, EXISTS):
  // counts a hit or a miss, but does not change the time of the key's last use.
  const KeyEntry* Examine(const KeyRef& key) {
    const KeyEntry* entry = Peek(key);
    if (entry == nullptr) Notify(kNotifyKeyMiss, "keymiss", key);
    CountLookup(entry != nullptr);
    return entry;
  }
  void CountLookup(bool hit) { hit ? hits_++ : misses_++; }
  // The same for a command that is about to write the key: not counted as a hit or a miss.
  const KeyEntry* FindForWrite(const KeyRef& key) {
    const KeyEntry* entry = Peek(key);
    if (entry != nullptr && !no_touch_) entry->NoteAccess(static_cast<uint32_t>(now_ms_ / 1000));
    return entry;
  }
  // The same without counting at all.
  const KeyEntry* Peek(const KeyRef& key) {
    const KeyEntry* entry = keyspace_.Find(key);
    if (entry != nullptr && entry->ExpiredAt(now_ms_)) {
      Expire(key);
      return nullptr;
    }
    return entry;
  }

  // Sets *value to the value of a key as a T, or to nullptr if there is no such key. If the key
  // holds another type, writes the WRONGTYPE error and returns false.
  template <class T>
  [[nodiscard]] bool Read(const KeyRef& key, const T** value) {
    return As(Find(key), value);
  }
  template <class T>
  [[nodiscard]] bool ReadForWrite(const KeyRef& key, const T** value) {
    return As(FindForWrite(key), value);
  }

  // Changes the keyspace: see effects/effect.h. The effect's views need to live only until this
  // returns. What the effect looks at is in memory, because the command looked at it while it
  // planned. So applying it cannot fail, and the batch never holds what did not happen. `elements`
  // is how many changes the effect counts as for `save` and rdb_changes_since_last_save (elements
  // pushed or popped, entries removed; 0: none), as in Redis.
  template <class E>
  void Apply(const E& effect, uint64_t elements = 1) {
    if (only_looks_) [[unlikely]] {
      if constexpr (std::same_as<E, KeyRename> || std::same_as<E, KeyCopy>) {
        throw WouldChange{effect.to.db, std::same_as<E, KeyCopy>};
      }
      throw WouldChange();
    }
    if (changes_ == 0 && batch_.size() > options_.most_change_bytes) [[unlikely]] {
      ThrowTooManyChanges();
    }
    changes_++;
    changed_elements_ += elements;
    Commit(effect, batch_, keyspace_);
  }

  // Counts changes that could not be told with the effect, which was then applied with none.
  void CountElements(uint64_t elements) { changed_elements_ += elements; }

  // Writes an error and returns true if effects of `bytes`, which this command is about to apply,
  // are more than one command may.
  [[nodiscard]] bool FailIfTooManyChanges(uint64_t bytes);

  // Writes an error and returns true if the server is above maxmemory. For a command that takes
  // memory with some arguments only; kDenyOom refuses one that always may.
  [[nodiscard]] bool FailIfMemoryIsFull();

  // True if this run only finds out what the command looks at, before a transaction. It ends with
  // its first effect, and nothing may be noted.
  bool only_looks() const { return only_looks_; }
  // In such a run: the last sequence numbers of producers as the commands before this one in the
  // transaction will leave them, by the topic's ID and the name. Otherwise nullptr.
  using Sequences = absl::flat_hash_map<std::string, int64_t>;
  Sequences* planned_sequences() const { return planned_sequences_; }

  // Tells subscribers of keyspace notifications what happened to the key.
  void Notify(NotifyClass event_class, std::string_view event, const KeyRef& key) {
    if (notify_classes_ & event_class) Publish(event_class, event, key);
  }

  // The connection that asks: a number that no other one had or will have, and what is told about
  // it.
  uint64_t client_id() const { return client_id_; }
  virtual std::string_view client_address() const { return {}; }
  virtual std::string_view client_name() const { return {}; }
  // Something hangs on this connection: if its client vanishes without a word, that shall be
  // noticed soon.
  virtual void WatchClient() {}
  // A script calls the command.
  virtual bool in_script() const { return false; }
  // False if the client does not get the reply (CLIENT REPLY).
  bool reply_is_sent() const { return reply_is_sent_; }

  // What is known of the members of topic groups: see commands/topic_group/engine.h.
  TopicGroups& topic_groups() const { return *topic_groups_; }

  // What commands draw that choose by chance. A command that runs again from its start inside of a
  // script draws the same.
  Random& random() const { return *random_; }

  // The command has done something that is no effect and must not be done twice, or undone: from
  // now on nothing that it is a part of is run again from its start.
  void NoteActed() { acted_ = true; }
  bool acted() const { return acted_; }

  // False inside a transaction: then a command that finds nothing answers as after a timeout.
  bool may_block() const { return may_block_; }
  // The command has not answered and waits. It runs again when a key of `wait` may satisfy it. Then
  // `resumed` is true, and the deadline of the first run counts, whatever the command computes.
  // REQUIRES: may_block(). It is the last call of a command.
  virtual void Block(Wait wait) = 0;
  // The command is about to make a change for which so many in-sync replicas are asked, this server
  // included, if its client asks for all of them. Returns how many there are if that is too few:
  // then the command fails. Else the reply waits until there are so many that have the change.
  virtual std::optional<uint32_t> TooFewReplicas(uint32_t) { return std::nullopt; }
  bool resumed() const { return resumed_; }

  // Effects applied by this command so far.
  uint64_t changes() const { return changes_; }
  // The elements that they changed.
  uint64_t changed_elements() const { return changed_elements_; }

  // What the command keeps for its next run if it misses cold data. Null in the first run; later,
  // what an earlier run of the same command has left here.
  std::unique_ptr<ColdProgress>& progress() { return progress_; }

  enum class Phase {
    kPlanning,  // nothing has changed: the command may look at everything, and be run again
    kChanging,  // from the first effect on
  };
  Phase phase() const { return changes_ == 0 ? Phase::kPlanning : Phase::kChanging; }

 protected:
  Context(std::span<const std::string_view> args, ReplyWriter& reply, Keyspace& keyspace,
          Batch& batch, const DataOptions& options)
      : args_(args), reply_(reply), keyspace_(keyspace), batch_(batch), options_(options) {}
  ~Context() = default;

  // Whether the server is above maxmemory.
  virtual bool memory_is_full() const { return false; }
  virtual void Publish(NotifyClass event_class, std::string_view event, const KeyRef& key) = 0;
  // Removes a key that is past its expiry.
  virtual void Expire(const KeyRef& key) = 0;

  std::span<const std::string_view> args_;
  ReplyWriter& reply_;
  Keyspace& keyspace_;
  Batch& batch_;
  const DataOptions& options_;
  uint32_t db_ = 0;
  uint32_t notify_classes_ = 0;
  int64_t now_ms_ = 0;
  int64_t steady_ms_ = 0;
  bool may_block_ = true;
  bool resumed_ = false;
  bool no_touch_ = false;
  bool only_looks_ = false;
  bool reply_is_sent_ = true;
  Sequences* planned_sequences_ = nullptr;
  uint64_t client_id_ = 0;
  TopicGroups* topic_groups_ = nullptr;
  Random* random_ = nullptr;
  bool acted_ = false;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
  uint64_t changes_ = 0;
  uint64_t changed_elements_ = 0;
  std::unique_ptr<ColdProgress> progress_;

 private:
  [[noreturn]] void ThrowTooManyChanges() const;

  template <class T>
  bool As(const KeyEntry* entry, const T** value) {
    *value = nullptr;
    if (entry == nullptr) return true;
    *value = entry->As<T>();
    if (*value != nullptr) return true;
    reply_.Error(kWrongType);
    return false;
  }
};

}  // namespace runnel
