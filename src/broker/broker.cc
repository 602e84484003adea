#include "broker/broker.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log.h"
#include "commands/families.h"
#include "fmt/format.h"

namespace runnel {

Broker::Broker(Keyspace& keyspace, const Settings& settings, Clock& clock, BrokerHost& host)
    : keyspace_(keyspace),
      settings_(settings),
      clock_(clock),
      log_(keyspace),
      policy_(log_, pause_),
      outbox_(settings, stats_, clock_, log_.watermarks()),
      pubsub_([this](Session& session, const Ref<Block>& block, std::string_view bytes) {
        outbox_.Deliver(session, block, bytes);
      }),
      notifications_(settings, pubsub_),
      expiry_(keyspace, policy_, log_, notifications_, stats_),
      monitors_(outbox_, clock_),
      tracking_([this](Session& session,
                       std::string_view bytes) { outbox_.Deliver(session, Ref<Block>(), bytes); },
                [this](uint64_t id) { return sessions_.Find(id); }),
      topic_groups_(keyspace),
      sweeper_(keyspace, log_, notifications_),
      scripts_(settings, keyspace.functions(), clock),
      functions_(keyspace, scripts_),
      admission_(settings, host, log_, policy_, pause_, scripts_),
      parts_{keyspace,  settings, host,       clock_,         meter_,    commands_,
             stats_,    slowlog_, latency_,   sessions_,      pause_,    log_,
             policy_,   outbox_,  pubsub_,    notifications_, expiry_,   monitors_,
             tracking_, watches_, waiting_,   topic_groups_,  random_,   parking_,
             sweeper_,  scripts_, functions_, admission_,     executor_, dispatcher_},
      executor_(parts_),
      dispatcher_(parts_),
      turn_(parts_) {
  for (const auto family : {KeyspaceCommands(), StringCommands(), ListCommands(), StreamCommands(),
                            GroupCommands(), TopicCommands(), TopicGroupCommands(), HashCommands(),
                            SetCommands(), SortedSetCommands()}) {
    commands_.Add(family);
  }
  keyspace_.Observe(this);
}

Broker::~Broker() {
  CHECK(sessions_.empty());
  keyspace_.Observe(nullptr);
}

Session& Broker::Connect(Transport* transport) {
  Session& session = sessions_.Add(transport);
  session.info.created_ms = session.info.last_active_ms = clock_.now_ms();
  session.info.authenticated = settings_.requirepass.empty();
  stats_.connections_received++;
  return session;
}

void Broker::Disconnect(Session& session) {
  CHECK(outbox_.writer() != &session);
  dispatcher_.Detach(session);
  topic_groups_.OnClientClosed(session.id, clock_.steady_ms());
  sessions_.Remove(session);
}

void Broker::FailProtocol(Session& session, std::string_view error) {
  LogVerbose("Client {}: protocol error: {}", session.transport->peer(), error);
  session.reply.Error(fmt::format("ERR Protocol error: {}", error));
  stats_.total_error_replies++;
  outbox_.CloseAfterReply(session);
}

void Broker::set_loading(bool loading) {
  policy_.set_loading(loading);
  keyspace_.Observe(loading ? nullptr : this);
  if (loading) return;
  clock_.Update();
  topic_groups_.Begin(clock_.steady_ms());
}

void Broker::SetFreeing(bool freeing) {
  pause_.SetFreeing(freeing);
  dispatcher_.RetryPutOff();
}

void Broker::KeepIn(journal::Journal* journal) {
  log_.KeepIn(journal);
}

void Broker::Unload() {
  CHECK(log_.follows() && log_.journal() == nullptr && !keyspace_.capturing());
  EndWhatALeaderHas();
  // The observer hears of it: clients that keep copies of keys are told.
  keyspace_.Clear();
  set_loading(true);
  dispatcher_.RunParked();
  UseCold(nullptr);
}

void Broker::NoteCut(Position end) {
  for (const auto& [id, session] : sessions_.all()) {
    session->output.last_change = std::min(session->output.last_change, end);
  }
}

void Broker::EndWhatALeaderHas() {
  outbox_.KillHolding();
  dispatcher_.EndWaits(
      "UNBLOCKED force unblock from blocking operation, instance state changed (master -> "
      "replica?)");
  for (const auto& [id, session] : sessions_.all()) {
    session->watch_broken |= !session->watched.empty();
  }
  dispatcher_.RetryPutOff();
}

void Broker::HoldWrites(HoldReason reason, bool hold) {
  pause_.Hold(reason, hold);
  if (!hold) dispatcher_.RetryPutOff();
}

void Broker::Follow() {
  EndWhatALeaderHas();
  log_.Follow(log_.journal()->appended());
}

void Broker::OnApplied(Position applied) {
  log_.NoteApplied(applied);
  dispatcher_.ServeReady();
}

bool Broker::NoteReplicas(const ChangeLog::Replicas& replicas, uint64_t next_question) {
  outbox_.set_next_question(replicas.shared ? next_question : 0);
  if (replicas == log_.replicas()) return false;
  const bool were_enough = log_.replicas().enough();
  log_.NoteReplicas(replicas);
  outbox_.ReleaseHeld();
  if (!were_enough || replicas.enough()) return false;
  dispatcher_.EndWaitsForAll(TooFewReplicas(replicas));
  return true;
}

void Broker::Lead() {
  log_.Lead();
  clock_.Update();
  topic_groups_.Begin(clock_.steady_ms());
}

void Broker::UseCold(ColdStore* cold) {
  if (parking_.cold() != nullptr) parking_.cold()->AskPhase(nullptr);
  if (pause_.SetBackPressure(false)) dispatcher_.RetryPutOff();
  parking_.Use(cold);
  sweeper_.Use(cold);
  if (cold != nullptr) cold->AskPhase([this] { return executor_.phase(); });
}

void Broker::OnKeyChange(uint32_t db, std::string_view name, KeyChange change) {
  if (IsChangeOfValue(change)) {
    watches_.OnKeyChange(db, name);
    // The session whose command finds that a key has expired is not the one that changes it.
    if (!tracking_.idle())
      tracking_.OnKeyChange(name, expiry_.expiring() ? nullptr : outbox_.writer());
  }
  waiting_.OnKeyChange(db, name, change);
  topic_groups_.OnKeyChange(db, name, change);
}

void Broker::OnFlush(uint32_t db) {
  watches_.OnFlush(db, keyspace_);
  tracking_.OnFlush();
  waiting_.OnFlush(db, keyspace_);
}

void Broker::OnTopicsChange(uint32_t db) {
  topic_groups_.OnTopicsChange(db);
}

void Broker::OnSwap(uint32_t a, uint32_t b) {
  watches_.OnSwap(a, b, keyspace_);
  waiting_.OnSwap(a, b);
  topic_groups_.OnSwap();
}

}  // namespace runnel
