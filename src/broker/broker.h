#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "broker/command_table.h"
#include "broker/execution.h"
#include "broker/latency.h"
#include "broker/pubsub.h"
#include "broker/reply_gate.h"
#include "broker/session.h"
#include "broker/settings.h"
#include "broker/slowlog.h"
#include "broker/stats.h"
#include "broker/waiters.h"
#include "broker/watches.h"
#include "cold/cold_store.h"
#include "data/keyspace.h"
#include "effects/batch.h"
#include "env/clock.h"
#include "journal/journal.h"

namespace runnel {

// What the broker's surroundings do for it. Command families of higher layers cast this to the
// class they know.
class BrokerHost {
 public:
  virtual ~BrokerHost() = default;
};

class FutureNames;

// How often RunCron is called, per second.
inline constexpr int64_t kCronHz = 10;

// A pause of command execution (CLIENT PAUSE).
enum class Pause : uint8_t { kNone, kWrites, kAll };

// The single-threaded core. It owns the sessions, executes their requests, keeps those that must
// wait, and decides when replies leave. It has no sockets, no threads and no timers of its own: the
// network calls Connect, Execute and Disconnect, and the event loop calls EndTurn once per round
// and RunTimers when NextTimerMs says so.
class Broker final : private KeyspaceObserver {
 public:
  // Everything is borrowed and outlives the broker.
  Broker(Keyspace& keyspace, const Settings& settings, Clock& clock, BrokerHost& host);
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // While others fill the keyspace with what was kept: commands that are not marked with kLoading
  // are refused, nothing expires, and nobody hears of the keys that come.
  void set_loading(bool loading);
  // Whether values that no key holds any more are being freed. While they are, a command that needs
  // memory is put off rather than refused. To be called anew whenever some of them are free.
  void SetFreeing(bool freeing);
  // From now on every change goes into the journal, and replies wait until it is as safe as the
  // journal's policy demands. Called once, when the keyspace is what the journal made it and before
  // it is changed otherwise; without it nothing is kept. The journal outlives the broker, or is
  // taken away with nullptr when nothing is executed any more.
  void KeepIn(journal::Journal* journal);
  // nullptr if nothing is kept.
  journal::Journal* journal() { return journal_; }
  const journal::Journal* journal() const { return journal_; }

  // Commands that look at entries which `cold` has on the disk wait for them beside the others. It
  // outlives the broker.
  void UseCold(ColdStore* cold);
  // nullptr if all entries are in memory.
  ColdStore* cold() { return cold_; }

  // --- For the network ---

  Session& Connect(Transport* transport);
  // The session is gone after this: its waits, watches, subscriptions and queued commands with it.
  void Disconnect(Session& session);
  // Reads the clocks; called before the requests of one read are executed.
  void UpdateTime();
  // Executes one request. The views are not kept. REQUIRES: session.takes_requests().
  void Execute(Session& session, std::span<const std::string_view> args);
  // At the end of the turn, or soon after, Transport::Continue is called: the network can take on
  // requests again.
  void ContinueLater(Session& session) { continued_.push_back(&session); }
  // The bytes were no request: the reply is this error ("ERR Protocol error: ..."), and the session
  // ends.
  void FailProtocol(Session& session, std::string_view error);

  // --- For the event loop ---

  // The end of a round: what was done in it is sealed, and its replies leave as far as the gate
  // lets them.
  void EndTurn();
  // Sends the session's replies before the turn ends, if nothing in this turn or before it has to
  // be safe first. The session may have ended after this.
  void ReleaseEarly(Session& session);
  // Milliseconds until RunTimers has something to do; -1 if nothing waits.
  int64_t NextTimerMs();
  // Times out waits, ends pauses.
  void RunTimers();
  // kCronHz times a second: expiry of keys that nobody asks for, idle clients, output limits,
  // rates.
  void RunCron();

  // --- For commands ---

  Keyspace& keyspace() { return keyspace_; }
  const Settings& settings() const { return settings_; }
  BrokerHost& host() { return host_; }
  CommandTable& commands() { return commands_; }
  PubSub& pubsub() { return pubsub_; }
  Watches& watches() { return watches_; }
  Waiters& waiters() { return waiters_; }
  SlowLog& slowlog() { return slowlog_; }
  LatencyMonitor& latency() { return latency_; }
  ReplyGate& gate() { return gate_; }
  Stats& stats() { return stats_; }
  const Rate& command_rate() const { return command_rate_; }
  const Rate& input_rate() const { return input_rate_; }
  const Rate& output_rate() const { return output_rate_; }

  // By ID, which is the order of arrival.
  const absl::btree_map<uint64_t, std::unique_ptr<Session>>& sessions() const { return sessions_; }
  Session* FindSession(uint64_t id);
  uint64_t last_session_id() const { return last_session_id_; }

  // The times of this turn: Unix and steady milliseconds, Unix microseconds.
  int64_t now_ms() const { return now_us_ / 1000; }
  int64_t now_us() const { return now_us_; }
  int64_t steady_ms() const { return steady_ms_; }

  // Runs a command that is allowed now, as part of the current execution or (resumed) after a wait:
  // EXEC's way to its queue. What may not block answers at once, as if its time were over.
  // `progress` is what an earlier run of the command has left, if any.
  void Run(Session& session, const Command& command, std::span<const std::string_view> args,
           bool resumed, bool may_block = true, std::unique_ptr<ColdProgress> progress = nullptr);
  // EXEC, before it changes anything: throws ColdMiss if its queue will look at entries that are
  // not in memory.
  void FetchForTransaction(Session& session);
  // The session's command waits.
  void Block(Execution& execution, Wait wait);
  // Ends the wait of a blocked session; its reply is written by the caller through session.reply.
  void Unblock(Session& session);
  // The reply of a wait that is over without result.
  void ReplyTimeout(Session& session);
  // The reply of a wait that something else has ended: this error, or OK if it is empty.
  void ReplyOutcome(Session& session, std::string_view error);

  // Delivers the message to a subscriber or monitor, as it stands; see PubSub::Deliver. One that
  // the running command itself causes to its own session comes behind the command's reply.
  void Deliver(Session& session, const Ref<runnel::Block>& block, std::string_view bytes);
  void PublishEvent(NotifyClass event_class, std::string_view event, const KeyRef& key);
  // Removes a key whose time is over, as an effect of its own.
  void ExpireKey(const KeyRef& key);

  void StartMonitor(Session& session);
  // Ends the session once its replies have left. Nothing more is executed for it.
  void CloseAfterReply(Session& session);
  // Ends the session now; if it is the one whose command runs, after the command's reply.
  void Kill(Session& session);
  // Back to the state of a new connection (RESET).
  void ResetSession(Session& session);
  void DiscardTransaction(Session& session);

  void SetPause(Pause pause, int64_t until_steady_ms);
  void EndPause();
  Pause pause() const { return pause_; }
  // Clients whose command was put off: by a pause, or until the cold store has caught up.
  size_t paused_clients() const;
  // Clients whose command waits for entries on the disk.
  size_t parked_clients() const { return parked_sessions_; }

  // How many times a key has changed since the start.
  uint64_t changes() const { return changes_; }
  // A snapshot is durable that was begun when changes() was this.
  void NoteSaved(uint64_t changes_before) { changes_ -= changes_before; }
  // The snapshot has ended: whoever waits for that is told. From the loop, outside of commands.
  void ServeSnapshotWaiters();
  // The keyspace is what the journal holds, as far as that was appended: so it is at the end of a
  // turn.
  bool sealed() const { return batch_.empty(); }
  // Bytes that count against maxmemory.
  size_t used_memory() const;

 private:
  friend class Execution;

  enum class Verdict { kRun, kQueue, kPostpone, kRejected };

  void OnKeyChange(uint32_t db, std::string_view name, KeyChange change) override;
  void OnFlush(uint32_t db) override;
  void OnSwap(uint32_t a, uint32_t b) override;

  const Command* Resolve(Session& session, std::span<const std::string_view> args);
  Verdict Check(Session& session, const Command& command, std::span<const std::string_view> args);
  void CountError(std::string_view error);
  void Reject(Session& session, const Command* command, std::string_view error);
  void Queue(Session& session, const Command& command, std::span<const std::string_view> args);
  void Account(Session& session, const Command& command, std::span<const std::string_view> args,
               uint64_t cycles, bool failed);
  void FeedMonitors(const Session& session, std::span<const std::string_view> args);
  void Resume(Session& session, bool may_block = true);
  void Postpone(Session& session, OwnedArgs args);
  void ContinuePostponed();
  ColdStore::Phase PhaseOfCurrent() const;
  void Park(Execution& execution, bool may_block, const ColdMiss& miss);
  void Unpark(Session& session);
  void Probe(Session& session, QueuedCommand& queued, FutureNames* names, uint32_t* db);
  void RunLoaded();
  void RunParked(Session& session);
  void Finish(Session& session, size_t reply_begin, bool muted);
  void Detach(Session& session);
  void DetachKilled();
  void NoteOutput(Session& session);
  bool OverOutputLimit(Session& session);
  void ReleaseReplies(Session& session);
  void SendReleased(Session& session);
  void Seal();
  void FlushJournal();
  void ReleaseHeld();
  void ServeDurable(Position durable);
  void OnJournalFailed();
  Status WhyNoData(uint32_t flags) const;
  bool JournalHasRoom(const Session& session, uint32_t flags,
                      std::span<const std::string_view> args);
  void ContinueSessions();
  void CloseKilled();
  void ExpireKeys();
  void KeepRetention();
  void CheckSessions();

  Keyspace& keyspace_;
  const Settings& settings_;
  Clock& clock_;
  BrokerHost& host_;

  CommandTable commands_;
  PubSub pubsub_;
  Watches watches_;
  Waiters waiters_;
  SlowLog slowlog_;
  LatencyMonitor latency_;
  bool loading_ = false;
  bool freeing_ = false;  // memory is about to become free
  bool held_up_ = false;  // producers wait until the cold store has caught up
  journal::Journal* journal_ = nullptr;
  bool journal_failed_ = false;  // and what follows from it is done
  bool unkept_ = false;          // memory holds changes that the failed journal did not keep
  Batch batch_{journal::kFrameHeaderBytes};
  ReplyGate gate_;
  Stats stats_;
  Rate command_rate_;
  Rate input_rate_;
  Rate output_rate_;

  absl::btree_map<uint64_t, std::unique_ptr<Session>> sessions_;
  uint64_t last_session_id_ = 0;
  std::vector<Session*> dirty_;      // have written replies in this turn
  std::vector<Session*> holding_;    // have replies that wait for the journal
  std::vector<Session*> continued_;  // take requests again
  std::vector<Session*> killed_;     // end at the end of the turn
  std::vector<Session*> loaded_;     // parked ones that can be run again
  std::vector<Session*> monitors_;
  std::vector<Session*> postponed_;

  int64_t now_us_ = 0;
  int64_t steady_ms_ = 0;
  Session* running_ = nullptr;  // whose command runs
  Rope after_reply_;            // messages to `running_` that come behind its reply
  std::unique_ptr<Blocking>
      resuming_;                  // how `running_` waited until now, while its command is run again
  int depth_ = 0;                 // commands inside commands: EXEC's queue, reruns
  Execution* current_ = nullptr;  // the innermost of them
  ColdStore* cold_ = nullptr;
  size_t parked_sessions_ = 0;
  std::unique_ptr<Parked> unparked_;  // how `running_` was parked, while its command is run again
  bool running_again_ = false;        // that is so
  bool probing_ = false;              // commands only look: FetchForTransaction
  uint64_t failed_commands_ = 0;
  // When the last command ended, or the time of the turn was read: the next command begins there.
  uint64_t cycles_ = 0;
  double nanos_per_cycle_;
  // The name that was looked up last, as it was written, and the command. Clients repeat
  // themselves.
  std::string last_name_;
  const Command* last_found_ = nullptr;
  uint64_t changes_ = 0;

  Pause pause_ = Pause::kNone;
  int64_t pause_until_ms_ = 0;  // steady clock

  uint32_t expire_db_ = 0;  // where the next cycle of ExpireKeys begins
  // And that of KeepRetention: behind this key, which may be gone, of this database.
  uint32_t upkeep_db_ = 0;
  const KeyEntry* upkeep_after_ = nullptr;
};

}  // namespace runnel
