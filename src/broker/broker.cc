#include "broker/broker.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.h"
#include "base/cycle_clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "broker/audit.h"
#include "broker/parked.h"
#include "commands/families.h"
#include "effects/keyspace_effects.h"
#include "fmt/format.h"

namespace runnel {
namespace {

// A frame of the journal holds 4 GiB at most. A transaction is never cut, so what it may queue is
// bounded; other commands are cut into frames when they have gathered so much.
constexpr size_t kMostQueuedBytes = size_t{1} << 30;
constexpr size_t kMostBatchBytes = size_t{64} << 20;

// A web page can make a browser send these words to any port; no Redis client ever does.
bool LooksLikeHttp(std::string_view name) {
  return EqualsIgnoreCase(name, "post") || EqualsIgnoreCase(name, "host:");
}

// The confirmations of (un)subscribing are messages rather than replies: CLIENT REPLY OFF does not
// mute them.
bool ConfirmsSubscription(const CommandSpec& spec) {
  return (spec.flags & kPubSub) != 0 && (spec.flags & kInSubscribe) != 0;
}

void Forget(std::vector<Session*>& list, Session* session) {
  std::replace(list.begin(), list.end(), session, static_cast<Session*>(nullptr));
}

// Whether the command may add to a stream or a list. A transaction may, if it adds anything.
bool AddsEntries(const CommandSpec& spec, uint32_t effective_flags) {
  if ((effective_flags & kDenyOom) == 0) return false;
  return (spec.categories & (kAclList | kAclStream | kAclTransaction)) != 0;
}

}  // namespace

Broker::Broker(Keyspace& keyspace, const Settings& settings, Clock& clock, BrokerHost& host)
    : keyspace_(keyspace),
      settings_(settings),
      clock_(clock),
      host_(host),
      pubsub_([this](Session& session, const Ref<runnel::Block>& block, std::string_view bytes) {
        Deliver(session, block, bytes);
      }),
      waiters_([this](Session& session) { Resume(session); }),
      nanos_per_cycle_(NanosPerCycle()) {
  for (const auto family :
       {KeyspaceCommands(), StringCommands(), ListCommands(), StreamCommands(), GroupCommands()}) {
    commands_.Add(family);
  }
  keyspace_.Observe(this);
  UpdateTime();
}

Broker::~Broker() {
  CHECK(sessions_.empty());
  keyspace_.Observe(nullptr);
}

void Broker::set_loading(bool loading) {
  loading_ = loading;
  keyspace_.Observe(loading ? nullptr : this);
}

// --- Sessions ---

Session& Broker::Connect(Transport* transport) {
  const uint64_t id = ++last_session_id_;
  auto session = std::make_unique<Session>(id, transport);
  session->created_ms = session->last_active_ms = now_ms();
  session->authenticated = settings_.requirepass.empty();
  stats_.connections_received++;
  return *sessions_.emplace(id, std::move(session)).first->second;
}

void Broker::Disconnect(Session& session) {
  Detach(session);
  for (std::vector<Session*>* list :
       {&dirty_, &holding_, &continued_, &killed_, &postponed_, &loaded_}) {
    Forget(*list, &session);
  }
  CHECK(running_ != &session);
  sessions_.erase(session.id);
}

// Takes the session out of everything that could serve it or send to it.
void Broker::Detach(Session& session) {
  if (session.blocked) waiters_.Unblock(session);
  Unpark(session);
  pubsub_.Drop(session);
  watches_.Unwatch(session);
  std::erase(monitors_, &session);
}

Session* Broker::FindSession(uint64_t id) {
  const auto it = sessions_.find(id);
  return it == sessions_.end() || it->second->killed ? nullptr : it->second.get();
}

void Broker::CloseAfterReply(Session& session) {
  session.closing = true;
  NoteOutput(session);
}

void Broker::Kill(Session& session) {
  if (session.killed) return;
  if (&session == running_) return CloseAfterReply(session);
  Detach(session);
  session.closing = true;
  session.killed = true;
  killed_.push_back(&session);
}

void Broker::ResetSession(Session& session) {
  DiscardTransaction(session);
  pubsub_.Drop(session);
  std::erase(monitors_, &session);
  session.monitor = false;
  session.db = 0;
  session.reply.set_protocol(2);
  session.authenticated = settings_.requirepass.empty();
  session.name.clear();
  session.reply_off = false;
  session.skip_next_reply = false;
  session.skip_reply = false;
  session.no_evict = false;
  session.no_touch = false;
}

void Broker::DiscardTransaction(Session& session) {
  session.transaction = Transaction();
  watches_.Unwatch(session);
}

void Broker::StartMonitor(Session& session) {
  if (session.monitor) return;
  session.monitor = true;
  monitors_.push_back(&session);
}

// --- Executing ---

void Broker::UpdateTime() {
  now_us_ = clock_.UnixMicros();
  steady_ms_ = clock_.SteadyMicros() / 1000;
  cycles_ = ReadCycles();
}

void Broker::Execute(Session& session, std::span<const std::string_view> args) {
  ASSERT(session.takes_requests() && depth_ == 0);
  session.commands++;
  session.last_active_ms = now_ms();
  const size_t reply_begin = session.out.size();
  session.skip_reply = std::exchange(session.skip_next_reply, false);
  bool confirms = false;
  running_ = &session;
  if (const Command* command = Resolve(session, args)) {
    session.last_command = command;
    confirms = ConfirmsSubscription(*command->spec);
    switch (Check(session, *command, args)) {
      case Verdict::kRun:
        Run(session, *command, args, false);
        break;
      case Verdict::kQueue:
        Queue(session, *command, args);
        break;
      case Verdict::kPostpone:
        Postpone(session, OwnedArgs(args));
        break;
      case Verdict::kRejected:
        break;
    }
  }
  Finish(session, reply_begin, session.muted() && !confirms);
  if (waiters_.anything_ready()) waiters_.ServeReady(keyspace_);
  if (batch_.bytes().size() > kMostBatchBytes) Seal();
}

// The command is to be executed from the beginning when what puts it off is over.
void Broker::Postpone(Session& session, OwnedArgs args) {
  session.postponed = true;
  session.postponed_args = std::move(args);
  session.skip_next_reply = session.skip_reply;
  postponed_.push_back(&session);
}

// The end of a command of `running_`, whose reply begins at `reply_begin` of the session's output.
void Broker::Finish(Session& session, size_t reply_begin, bool muted) {
  running_ = nullptr;
  if (muted) session.out.Truncate(reply_begin);
  if (!after_reply_.empty()) {
    session.out.Append(after_reply_.ToString());
    after_reply_.Clear();
  }
  if (!session.out.empty()) NoteOutput(session);
}

const Command* Broker::Resolve(Session& session, std::span<const std::string_view> args) {
  if (args[0] != last_name_) {
    last_found_ = commands_.Find(args[0]);
    last_name_ = args[0].substr(0, last_found_ == nullptr ? 0 : args[0].size());
  }
  const Command* command = last_found_;
  if (command == nullptr) {
    if (LooksLikeHttp(args[0])) {
      LogWarning("Possible attack: client {} speaks HTTP (POST or Host:). Connection closed.",
                 session.transport->peer());
      session.closing = true;
      session.killed = true;
      killed_.push_back(&session);
      return nullptr;
    }
    constexpr size_t kShown = 128;
    std::string shown;
    for (size_t i = 1; i < args.size() && shown.size() < kShown; i++) {
      shown += fmt::format("'{}' ", args[i].substr(0, kShown - shown.size()));
    }
    Reject(session, nullptr,
           fmt::format("ERR unknown command '{}', with args beginning with: {}",
                       args[0].substr(0, kShown), shown));
    return nullptr;
  }
  if (!command->subcommands.empty() && args.size() > 1) {
    const Command* subcommand = CommandTable::FindSubcommand(*command, args[1]);
    if (subcommand == nullptr) {
      Reject(session, command,
             fmt::format("ERR unknown subcommand '{}'. Try {} HELP.", args[1].substr(0, 128),
                         UpperCase(command->spec->name)));
      return nullptr;
    }
    command = subcommand;
  }
  const int arity = command->spec->arity;
  const int argc = static_cast<int>(args.size());
  if (arity > 0 ? argc != arity : argc < -arity) {
    Reject(session, command,
           fmt::format("ERR wrong number of arguments for '{}' command", command->full_name));
    return nullptr;
  }
  return command;
}

Broker::Verdict Broker::Check(Session& session, const Command& command,
                              std::span<const std::string_view> args) {
  const auto reject = [&](std::string_view error) {
    Reject(session, &command, error);
    return Verdict::kRejected;
  };
  const uint32_t flags = command.spec->flags;
  const Transaction& transaction = session.transaction;
  const bool queue = transaction.open && (flags & kInMulti) == 0;
  // EXEC does what its queue does.
  const uint32_t effective = transaction.open && !queue ? flags | transaction.flags : flags;

  if (!session.authenticated && (flags & kNoAuth) == 0) {
    return reject("NOAUTH Authentication required.");
  }
  if (transaction.open && (flags & kNoMulti) != 0) {
    return reject("ERR Command not allowed inside a transaction");
  }
  if (settings_.maxmemory > 0 && ((effective & kDenyOom) != 0 || queue) &&
      used_memory() > settings_.maxmemory) {
    if (freeing_) return Verdict::kPostpone;
    return reject("OOM command not allowed when used memory > 'maxmemory'.");
  }
  if (journal_ != nullptr) {
    const bool has_room = (effective & kWrite) == 0 || JournalHasRoom(session, effective, args);
    const bool refuses = !journal_->status().ok();
    // On a full disk what removes goes on as long as there is room for it.
    const bool goes_on = has_room && (effective & (kWrite | kDenyOom)) == kWrite;
    if ((refuses && !goes_on) || !has_room) [[unlikely]] {
      if (const Status why = WhyNoData(effective); !why.ok()) return reject(why.message());
    }
  }
  if (session.reply.protocol() == 2 && session.subscriptions() > 0 && (flags & kInSubscribe) == 0) {
    return reject(
        fmt::format("ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
                    "QUIT / RESET are allowed in this context",
                    command.full_name));
  }
  if (loading_ && (flags & kLoading) == 0) {
    return reject("LOADING Redis is loading the dataset in memory");
  }
  // Redis takes a monitor for a replica here, and tells it so.
  if (session.monitor && (effective & (kWrite | kReadOnly | kMayReplicate)) != 0) {
    return reject("ERR Replica can't interact with the keyspace");
  }
  if (pause_ == Pause::kAll ||
      (pause_ == Pause::kWrites && (effective & (kWrite | kMayReplicate)) != 0)) {
    return Verdict::kPostpone;
  }
  if (queue) return Verdict::kQueue;
  return held_up_ && AddsEntries(*command.spec, effective) ? Verdict::kPostpone : Verdict::kRun;
}

void Broker::CountError(std::string_view error) {
  stats_.total_error_replies++;
  stats_.errors[std::string(error.substr(0, error.find(' ')))]++;
}

// `command` is nullptr if there is none.
void Broker::Reject(Session& session, const Command* command, std::string_view error) {
  if (command != nullptr) command->stats.rejected++;
  CountError(error);
  // Outside a transaction too, as in Redis.
  if (command != nullptr && command->spec->name == "exec") {
    DiscardTransaction(session);
    if (error.starts_with("ERR ")) error.remove_prefix(4);
    return session.reply.Error(
        fmt::format("EXECABORT Transaction discarded because of: {}", error));
  }
  session.transaction.broken |= session.transaction.open;
  session.reply.Error(error);
}

void Broker::Queue(Session& session, const Command& command,
                   std::span<const std::string_view> args) {
  Transaction& transaction = session.transaction;
  if (transaction.queue_bytes > kMostQueuedBytes) {
    return Reject(
        session, &command,
        fmt::format("ERR the transaction has more than {} bytes of arguments", kMostQueuedBytes));
  }
  // What follows a refused command can only be discarded.
  if (!transaction.broken) {
    QueuedCommand& queued =
        transaction.queue.emplace_back(QueuedCommand{&command, OwnedArgs(args)});
    transaction.queue_bytes += queued.args.MemoryBytes() + sizeof(QueuedCommand);
    transaction.flags |= command.spec->flags;
  }
  session.reply.Simple("QUEUED");
}

void Broker::Run(Session& session, const Command& command, std::span<const std::string_view> args,
                 bool resumed, bool may_block, std::unique_ptr<ColdProgress> progress) {
  Execution execution(*this, session, command, args, resumed, may_block);
  execution.progress() = std::move(progress);
  const uint64_t errors = session.reply.errors();
  const uint64_t failed_before = failed_commands_;
  const size_t reply_begin = session.out.size();
  Execution* const outer = std::exchange(current_, &execution);
  if (cold_ != nullptr) cold_->BeginCommand(session.out, depth_ > 0);
  depth_++;
  const uint64_t begin = cycles_;
  bool missed = false;
  try {
    command.spec->run(execution);
  } catch (const ColdMiss& miss) {
    session.out.Truncate(reply_begin);
    Park(execution, may_block, miss);
    missed = true;
  } catch (const ColdFailure& failure) {
    session.out.Truncate(reply_begin);
    session.reply.Error(fmt::format("ERR {}", failure.message));
  }
  cycles_ = ReadCycles();
  const uint64_t cycles = cycles_ - begin;
  depth_--;
  current_ = outer;
  if (cold_ != nullptr && depth_ == 0) cold_->EndCommand();
  // It has only looked; what it took counts when it has run.
  command.stats.cycles += cycles;
  if (missed) return;
  // What it changed will be in a frame that begins where the journal ends now.
  if (execution.changes() > 0) session.last_change = gate_.appended() + 1;
  stats_.keyspace_hits += execution.hits();
  stats_.keyspace_misses += execution.misses();
  // The errors among EXEC's replies are those of the commands that it ran.
  const bool failed = session.reply.errors() - errors > failed_commands_ - failed_before;
  if (failed) {
    failed_commands_++;
    CountError(session.reply.last_error_code());
  }
  // One that waits is counted when it is done.
  if (!session.blocked) Account(session, command, execution.shown_args(), cycles, failed);
}

void Broker::Account(Session& session, const Command& command,
                     std::span<const std::string_view> args, uint64_t cycles, bool failed) {
  const double nanos = static_cast<double>(cycles) * nanos_per_cycle_;
  const uint32_t flags = command.spec->flags;
  stats_.commands_processed++;
  command.stats.calls++;
  command.stats.failed += failed ? 1 : 0;
  command.stats.histogram[static_cast<size_t>(std::bit_width(static_cast<uint64_t>(nanos)))]++;

  // The clock has gone on only where somebody asks whether the command was slow.
  const int64_t micros = static_cast<int64_t>(nanos / 1000);
  if (micros >= settings_.slowlog_log_slower_than_us && settings_.slowlog_log_slower_than_us >= 0 &&
      (flags & kSkipSlowlog) == 0) {
    slowlog_.Add(now_ms() / 1000, micros, args, session.transport->peer(), session.name,
                 settings_.slowlog_max_len);
  }
  if (settings_.latency_monitor_threshold_ms > 0) {
    latency_.Add((flags & kFast) != 0 ? "fast-command" : "command", now_ms() / 1000, micros / 1000,
                 settings_.latency_monitor_threshold_ms);
  }
  if (command.audited && !failed) LogAudited(command.full_name, session.transport->peer());
  if (!monitors_.empty() && (flags & (kAdmin | kSkipMonitor)) == 0) FeedMonitors(session, args);
}

void Broker::FeedMonitors(const Session& session, std::span<const std::string_view> args) {
  const int64_t now = clock_.UnixMicros();
  std::string line = fmt::format("+{}.{:06} [{} {}]", now / 1000000, now % 1000000, session.db,
                                 session.transport->peer());
  for (const std::string_view arg : args) {
    line += ' ';
    line += Quote(arg);
  }
  line += "\r\n";
  for (Session* monitor : monitors_) {
    Deliver(*monitor, Ref<runnel::Block>(), line);
  }
}

void Broker::FailProtocol(Session& session, std::string_view error) {
  LogVerbose("Client {}: protocol error: {}", session.transport->peer(), error);
  session.reply.Error(fmt::format("ERR Protocol error: {}", error));
  stats_.total_error_replies++;
  CloseAfterReply(session);
}

// --- Waiting ---

void Broker::Block(Execution& execution, Wait wait) {
  CHECK(execution.may_block());
  Session& session = execution.session();
  if (execution.resumed()) {
    session.blocking = std::move(resuming_);
  } else {
    session.blocking = std::make_unique<Blocking>();
    Blocking& blocking = *session.blocking;
    blocking.command = &execution.command();
    blocking.args = OwnedArgs(execution.args());
    for (auto& [argument, text] : wait.replaced) {
      blocking.args.Replace(argument, std::move(text));
    }
    blocking.db = session.db;
    blocking.kind = wait.kind;
    blocking.deadline_ms = wait.deadline_ms;
    blocking.timeout_is_array = wait.timeout_is_array;
  }
  session.blocking->retry_at_ms = wait.retry_at_ms;
  session.blocking->durable_at = wait.durable_at;
  waiters_.Block(session, wait);
}

// Runs the command of a session that has just been taken out of its queues again.
void Broker::Resume(Session& session, bool may_block) {
  CHECK(!session.blocked);
  if (session.killed) return;
  // It was let in before the journal failed, and what it would change now would not be kept.
  if (journal_failed_) [[unlikely]] {
    const Status why = WhyNoData(session.blocking->command->spec->flags);
    if (!why.ok()) {
      ReplyOutcome(session, why.message());
      continued_.push_back(&session);
      return;
    }
  }
  resuming_ = std::move(session.blocking);
  // The arguments stay where they are for the whole run, whoever owns them by then.
  const Blocking& waited = *resuming_;
  const size_t reply_begin = session.out.size();
  running_ = &session;
  Run(session, *waited.command, waited.args.views(), true, may_block);
  Finish(session, reply_begin, session.muted());
  if (session.blocked || session.parked) return;
  resuming_.reset();
  continued_.push_back(&session);
}

void Broker::Unblock(Session& session) {
  waiters_.Unblock(session);
  continued_.push_back(&session);
}

void Broker::ReplyTimeout(Session& session) {
  if (session.muted()) return;
  if (session.blocking->timeout_is_array) {
    session.reply.NullArray();
  } else {
    session.reply.Null();
  }
  NoteOutput(session);
}

void Broker::ReplyOutcome(Session& session, std::string_view error) {
  if (!error.empty()) CountError(error);
  if (session.muted()) return;
  error.empty() ? session.reply.Ok() : session.reply.Error(error);
  NoteOutput(session);
}

void Broker::SetPause(Pause pause, int64_t until_steady_ms) {
  pause_ = std::max(pause_, pause);
  pause_until_ms_ = std::max(pause_until_ms_, until_steady_ms);
}

void Broker::EndPause() {
  pause_ = Pause::kNone;
  pause_until_ms_ = 0;
  ContinuePostponed();
}

void Broker::SetFreeing(bool freeing) {
  freeing_ = freeing;
  ContinuePostponed();
}

// They go on when the turn ends, in the order in which they were put off. Who is not to go on after
// all is put off again.
void Broker::ContinuePostponed() {
  continued_.insert(continued_.end(), postponed_.begin(), postponed_.end());
  postponed_.clear();
}

size_t Broker::paused_clients() const {
  return postponed_.size() -
         static_cast<size_t>(std::count(postponed_.begin(), postponed_.end(), nullptr));
}

// --- Messages and changes ---

void Broker::Deliver(Session& session, const Ref<runnel::Block>& block, std::string_view bytes) {
  if (session.killed) return;
  if (&session == running_) {
    after_reply_.Append(bytes);
    return;
  }
  if (block) {
    session.out.AppendSlice(block, bytes);
  } else {
    session.out.Append(bytes);
  }
  NoteOutput(session);
}

void Broker::PublishEvent(NotifyClass event_class, std::string_view event, const KeyRef& key) {
  const uint32_t classes = settings_.notify_classes;
  if ((classes & event_class) == 0) return;
  if ((classes & kNotifyKeyspace) != 0) {
    pubsub_.Publish(Subscription::kChannel, fmt::format("__keyspace@{}__:{}", key.db, key.name),
                    event);
  }
  if ((classes & kNotifyKeyevent) != 0) {
    pubsub_.Publish(Subscription::kChannel, fmt::format("__keyevent@{}__:{}", key.db, event),
                    key.name);
  }
}

void Broker::ExpireKey(const KeyRef& key) {
  const KeyRemove effect{key};
  batch_.Add(effect);
  effect.Apply(keyspace_);
  stats_.expired_keys++;
  PublishEvent(kNotifyExpired, "expired", key);
}

void Broker::OnKeyChange(uint32_t db, std::string_view name, KeyChange change) {
  changes_++;
  if (IsChangeOfValue(change)) watches_.OnKeyChange(db, name);
  waiters_.OnKeyChange(db, name, change);
}

void Broker::OnFlush(uint32_t db) {
  changes_ += keyspace_.size(db);
  watches_.OnFlush(db, keyspace_);
  waiters_.OnFlush(db, keyspace_);
}

void Broker::OnSwap(uint32_t a, uint32_t b) {
  watches_.OnSwap(a, b, keyspace_);
  waiters_.OnSwap(a, b);
}

size_t Broker::used_memory() const {
  return AllocatedBytes();
}

}  // namespace runnel
