#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/random.h"
#include "broker/admission.h"
#include "broker/broker_host.h"
#include "broker/change_log.h"
#include "broker/change_policy.h"
#include "broker/command_table.h"
#include "broker/dispatcher.h"
#include "broker/executor.h"
#include "broker/expiry.h"
#include "broker/front.h"
#include "broker/functions.h"
#include "broker/latency.h"
#include "broker/monitors.h"
#include "broker/notifications.h"
#include "broker/outbox.h"
#include "broker/parking.h"
#include "broker/parts.h"
#include "broker/pause.h"
#include "broker/pubsub.h"
#include "broker/scripts.h"
#include "broker/sessions.h"
#include "broker/settings.h"
#include "broker/slowlog.h"
#include "broker/stats.h"
#include "broker/sweeper.h"
#include "broker/tracking.h"
#include "broker/turn.h"
#include "broker/turn_clock.h"
#include "broker/turn_meter.h"
#include "broker/waiting.h"
#include "broker/watches.h"
#include "commands/topic_group/engine.h"
#include "data/keyspace.h"
#include "env/clock.h"

namespace runnel {

// The single-threaded core: it owns the sessions, executes their requests, keeps sessions that must
// wait, and decides when replies are sent. It has no sockets, no threads and no timers of its own:
// the network calls the functions of Front, and the event loop calls EndTurn once per round,
// RunTimers when NextTimerMs says so, RunCron kCronHz times a second, and MeasureTurn before it
// waits.
//
// This class only owns the parts, which do the work, and gives access to them: it has one member
// and one getter for each part. README.md describes the parts.
class Broker final : public Front, private KeyspaceObserver {
 public:
  // Everything is borrowed and outlives the broker.
  Broker(Keyspace& keyspace, const Settings& settings, Clock& clock, BrokerHost& host);
  ~Broker() override;
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // --- For the network: see Front ---

  Session& Connect(Transport* transport) override;
  void Disconnect(Session& session) override;
  void UpdateTime() override { clock_.Update(); }
  void Execute(Session& session, std::span<const std::string_view> args) override {
    dispatcher_.Execute(session, args);
  }
  void FailProtocol(Session& session, std::string_view error) override;
  void ReleaseEarly(Session& session) override {
    const RunningScript* const script = scripts_.running();
    outbox_.ReleaseEarly(session, script != nullptr ? script->began_sealed : log_.sealed());
  }
  bool MayAnswerInside(const Session& session) override {
    return session.output.pending.empty() && session.output.held.empty() &&
           session.end != SessionEnd::kGiven;
  }
  void ReleaseInside(Session& session) override { outbox_.ReleaseInside(session); }
  void CloseAfterReply(Session& session) override { outbox_.CloseAfterReply(session); }
  int64_t steady_ms() const override { return clock_.steady_ms(); }
  Stats& stats() override { return stats_; }
  const Settings& settings() const override { return settings_; }

  // --- For the event loop: see Turn ---

  void EndTurn() { turn_.End(); }
  int64_t NextTimerMs() const { return turn_.NextTimerMs(); }
  void RunTimers() { turn_.RunTimers(); }
  void RunCron() { turn_.RunCron(); }
  void MeasureTurn() { turn_.Measure(); }

  // --- For the server ---

  // True while the keyspace is filled from the disk: commands without the flag kLoading are
  // refused, nothing expires, and no session is told of changed keys.
  void set_loading(bool loading);
  // Whether values that no key holds any more are being freed. While they are, a command that needs
  // memory is put off instead of refused. Call it again whenever some of them have been freed.
  void SetFreeing(bool freeing);
  // From now on every change goes into the journal, and replies wait until it is as safe as the
  // journal's policy demands. Called after the keyspace has been filled from the journal, and
  // before it is changed otherwise. Without this call changes are not durable. The journal outlives
  // the broker, or is removed with nullptr; no command may run then before there is another one.
  void KeepIn(journal::Journal* journal);
  // The keyspace is emptied, to be loaded again: set_loading(true) and UseCold(nullptr) are part of
  // this, and what Follow ends ends here, too. Costs the same for any number of keys if there is a
  // Disposer. REQUIRES: it follows; KeepIn(nullptr) was called; no snapshot is being taken; between
  // two turns.
  void Unload();
  // The journal was cut at `end`: what sessions have changed after it is not waited for any more.
  void NoteCut(Position end);
  // Writes wait, and nothing else changes the data, from now on or not any more: see Pause::Hold.
  void HoldWrites(HoldReason reason, bool hold);
  // Another server makes the changes from now on: see ChangeLog::Follow. What only a leader has
  // ends: connections that wait for something or have replies which are not safe yet, and the
  // watches of transactions. REQUIRES: there is a journal, whose frames are all applied; between
  // two turns.
  void Follow();
  // The leader's changes up to here were applied to the keyspace. Between two turns.
  void OnApplied(Position applied);
  // How far the in-sync replicas are. `next_question` is the number of the next question that the
  // leader asks them: see Demand. Replies that waited for this leave; if too few replicas are left,
  // commands of clients that ask for more end with an error. Between two turns. Returns whether the
  // next turn should come at once.
  bool NoteReplicas(const ChangeLog::Replicas& replicas, uint64_t next_question);
  // Changes are made here again. REQUIRES: all frames of the journal are applied.
  void Lead();
  // Commands that look at entries which `cold` has on the disk wait for them, while other sessions
  // go on. `cold` outlives the broker, or is removed with nullptr.
  void UseCold(ColdStore* cold);
  // A snapshot has ended, with or without success: sessions that wait for this are served. Called
  // by the loop, outside of commands.
  void ServeSnapshotWaiters() { dispatcher_.ServeEvent(Wait::kSnapshotEnd); }
  // The event (Wait::event) has happened. The session that waits for it, if there still is one, is
  // answered with this error, or with OK if the error is empty. Called by the loop, outside of
  // commands.
  void EndEvent(uint64_t event, std::string_view error) { dispatcher_.EndEvent(event, error); }

  // --- The parts ---

  Parts& parts() { return parts_; }
  Keyspace& keyspace() { return keyspace_; }
  CommandTable& commands() { return commands_; }
  SlowLog& slowlog() { return slowlog_; }
  const TurnClock& clock() const { return clock_; }
  const TurnMeter& meter() const { return meter_; }
  const Sessions& sessions() const { return sessions_; }
  const Pause& pause() const { return pause_; }
  // Its journal is nullptr if the server has none.
  ChangeLog& log() { return log_; }
  Outbox& outbox() { return outbox_; }
  const ChangeLog& log() const { return log_; }
  const PubSub& pubsub() const { return pubsub_; }
  const Tracking& tracking() const { return tracking_; }
  const Watches& watches() const { return watches_; }
  Waiting& waiting() { return waiting_; }
  const TopicGroups& topic_groups() const { return topic_groups_; }
  const Parking& parking() const { return parking_; }
  Scripts& scripts() { return scripts_; }
  const Turn& turn() const { return turn_; }

 private:
  void EndWhatALeaderHas();
  void OnKeyChange(uint32_t db, std::string_view name, KeyChange change) override;
  void OnFlush(uint32_t db) override;
  void OnTopicsChange(uint32_t db) override;
  void OnSwap(uint32_t a, uint32_t b) override;

  Keyspace& keyspace_;
  const Settings& settings_;
  TurnClock clock_;
  TurnMeter meter_;
  CommandTable commands_;
  Stats stats_;
  SlowLog slowlog_;
  LatencyMonitor latency_;
  Sessions sessions_;
  Pause pause_;
  ChangeLog log_;
  ChangePolicy policy_;
  Outbox outbox_;
  PubSub pubsub_;
  Notifications notifications_;
  Expiry expiry_;
  Monitors monitors_;
  Tracking tracking_;
  Watches watches_;
  Waiting waiting_;
  TopicGroups topic_groups_;
  Random random_{RandomSeed()};
  Parking parking_;
  Sweeper sweeper_;
  Scripts scripts_;
  Functions functions_;
  Admission admission_;
  Parts parts_;
  Executor executor_;
  Dispatcher dispatcher_;
  Turn turn_;
};

}  // namespace runnel
