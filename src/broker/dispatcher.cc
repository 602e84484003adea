#include "broker/dispatcher.h"

#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/broker_host.h"
#include "broker/monitors.h"
#include "broker/outbox.h"
#include "broker/parking.h"
#include "broker/pause.h"
#include "broker/pubsub.h"
#include "broker/sessions.h"
#include "broker/settings.h"
#include "broker/tracking.h"
#include "broker/turn_clock.h"
#include "broker/waiting.h"
#include "broker/watches.h"
#include "commands/command.h"
#include "commands/topic_group/engine.h"
#include "effects/bounds.h"
#include "fmt/format.h"

namespace runnel {
namespace {

// A web page can make a browser send these words to any port; no Redis client ever does.
bool LooksLikeHttp(std::string_view name) {
  return EqualsIgnoreCase(name, "post") || EqualsIgnoreCase(name, "host:");
}

// The confirmations of (un)subscribing are messages rather than replies: CLIENT REPLY OFF does not
// mute them.
bool ConfirmsSubscription(const CommandSpec& spec) {
  return (spec.flags & kPubSub) != 0 && (spec.flags & kInSubscribe) != 0;
}

std::unique_ptr<Suspended> CopyOf(const Command& command, std::span<const std::string_view> args) {
  auto suspended = std::make_unique<Suspended>();
  suspended->command = &command;
  suspended->args = OwnedArgs(args);
  return suspended;
}

}  // namespace

// --- Requests ---

void Dispatcher::Execute(Session& session, std::span<const std::string_view> args) {
  Output& output = session.output;
  session.info.last_active_ms = parts_.clock.now_ms();
  output.skip = std::exchange(output.skip_next, false);
  parts_.outbox.BeginReply(session);
  bool confirms = false;
  if (const Command* command = Resolve(session, args)) {
    session.info.last_command = command;
    confirms = ConfirmsSubscription(*command->spec);
    if (parts_.admission.NothingAgainst(session, *command, args)) [[likely]] {
      Run(session, *command, args);
    } else {
      Admit(session, *command, args);
    }
  }
  if (session.tracking != nullptr && session.waits == Waits::kNothing) [[unlikely]]
    EndCaching(session);
  parts_.outbox.EndReply(output.muted() && !confirms);
  if (parts_.waiting.anything_ready()) [[unlikely]]
    ServeReady();
}

inline void Dispatcher::Run(Session& session, const Command& command,
                            std::span<const std::string_view> args) {
  const RunMode mode;
  Outcome outcome = parts_.executor.Run(session, command, args, mode);
  if (outcome != nullptr) [[unlikely]]
    Suspend(session, command, args, nullptr, mode, std::move(outcome));
}

void Dispatcher::Admit(Session& session, const Command& command,
                       std::span<const std::string_view> args) {
  const Admission::Answer answer = parts_.admission.Check(session, command, args);
  switch (answer.verdict) {
    case Admission::Verdict::kRun:
      return Run(session, command, args);
    case Admission::Verdict::kQueue:
      return Queue(session, command, args);
    case Admission::Verdict::kPutOff:
      return parts_.pause.PutOff(session, CopyOf(command, args));
    case Admission::Verdict::kRejected:
      return Reject(session, &command, answer.error);
  }
}

// CLIENT CACHING is for the next command that is not CLIENT, or for all of a transaction.
void Dispatcher::EndCaching(Session& session) {
  const Command* last = session.info.last_command;
  const bool keeps = last != nullptr && last->parent != nullptr &&
                     (last->parent->spec->flags & kKeepsCaching) != 0;
  if (!session.transaction.open && !keeps) session.tracking->caching = false;
}

const Command* Dispatcher::Resolve(Session& session, std::span<const std::string_view> args) {
  if (args[0] != last_name_) {
    last_found_ = parts_.commands.Find(args[0]);
    last_name_ = args[0].substr(0, last_found_ == nullptr ? 0 : args[0].size());
  }
  const Command* command = last_found_;
  if (command == nullptr) {
    if (LooksLikeHttp(args[0])) {
      LogWarning("Possible attack: client {} speaks HTTP (POST or Host:). Connection closed.",
                 session.transport->peer());
      parts_.outbox.Kill(session);
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

// `command` is nullptr if there is none.
void Dispatcher::Reject(Session& session, const Command* command, std::string_view error) {
  if (command != nullptr) command->stats.rejected++;
  parts_.executor.CountError(error);
  // EXEC ends the transaction also when it is refused. Outside a transaction too, as in Redis.
  if (command != nullptr && (command->spec->flags & kEndsMulti) != 0) {
    DiscardTransaction(session);
    if (error.starts_with("ERR ")) error.remove_prefix(4);
    return session.reply.Error(
        fmt::format("EXECABORT Transaction discarded because of: {}", error));
  }
  session.transaction.broken |= session.transaction.open;
  session.reply.Error(error);
}

void Dispatcher::Queue(Session& session, const Command& command,
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
    transaction.common_flags &= command.spec->flags;
  }
  session.reply.Simple("QUEUED");
}

// --- What comes of a run ---

// The session waits for what the outcome names. `suspended` is the copy of the command that was
// run; nullptr if the command was run from the request itself.
void Dispatcher::Suspend(Session& session, const Command& command,
                         std::span<const std::string_view> args,
                         std::unique_ptr<Suspended> suspended, const RunMode& mode,
                         Outcome outcome) {
  if (suspended == nullptr) suspended = CopyOf(command, args);
  if (outcome->miss != nullptr) {
    suspended->may_block = mode.may_block;
    suspended->progress = std::move(outcome->progress);
    return parts_.parking.Park(session, std::move(suspended), *outcome->miss);
  }
  Wait& wait = *outcome->wait;
  // The names of keys and the group are views into the arguments of this run, which `suspended` may
  // not share; Block copies what it needs.
  if (!suspended->resumed) {
    suspended->resumed = true;
    for (auto& [argument, text] : wait.replaced) {
      suspended->args.Replace(argument, std::move(text));
    }
    suspended->db = session.db;
    suspended->kind = wait.kind;
    suspended->deadline_ms = wait.deadline_ms;
    suspended->timeout_is_array = wait.timeout_is_array;
  }
  suspended->retry_at_ms = wait.retry_at_ms;
  suspended->durable_at = wait.durable_at;
  suspended->followers = wait.followers;
  suspended->event = wait.event;
  session.suspended = std::move(suspended);
  parts_.waiting.Block(session, wait);
}

// Runs the command of a session again that has just stopped waiting for something.
void Dispatcher::Resume(Session& session, bool may_block) {
  CHECK(session.waits == Waits::kNothing && session.suspended != nullptr);
  if (session.killed()) return;
  // It was let in before the journal failed, and what it would change now would not be kept.
  if (parts_.log.failed()) [[unlikely]] {
    const Status why = parts_.log.WhyNot(session.suspended->command->spec->flags);
    if (!why.ok()) {
      parts_.executor.CountError(why.message());
      return Answer(session, why.message());
    }
  }
  // A command that was waiting, for example for entries that become free with time. It begins anew
  // when writes are let in again.
  if (parts_.pause.held() && parts_.pause.Holds(session.suspended->command->spec->flags)) {
    return parts_.pause.PutOff(session, std::move(session.suspended));
  }
  std::unique_ptr<Suspended> suspended = std::move(session.suspended);
  const Command& command = *suspended->command;
  // Its arguments stay where they are for the whole run.
  const auto args = suspended->args.views();
  const RunMode mode{.resumed = true, .may_block = may_block};
  parts_.outbox.BeginReply(session);
  Outcome outcome = parts_.executor.Run(session, command, args, mode);
  if (outcome != nullptr) {
    Suspend(session, command, args, std::move(suspended), mode, std::move(outcome));
  }
  parts_.outbox.EndReply(session.output.muted());
  if (session.waits != Waits::kNothing) return;
  GoOnAfterWait(session);
}

// Runs the command of a session again that was parked.
void Dispatcher::RunAgain(Session& session) {
  if (session.killed()) return;
  std::unique_ptr<Suspended> suspended = std::move(session.suspended);
  const Command& command = *suspended->command;
  const auto args = suspended->args.views();
  const RunMode mode{
      .resumed = suspended->resumed, .may_block = suspended->may_block, .again = true};
  parts_.outbox.BeginReply(session);
  // Much may have changed meanwhile: a pause, the memory, the journal. A pause of clients does not
  // hold sessions that were waiting when it began.
  Admission::Answer answer = parts_.admission.Check(session, command, args);
  const bool put_off = answer.verdict == Admission::Verdict::kPutOff;
  if (mode.resumed && put_off && !parts_.pause.held()) answer = {};
  switch (answer.verdict) {
    case Admission::Verdict::kRun: {
      Outcome outcome =
          parts_.executor.Run(session, command, args, mode, std::move(suspended->progress));
      // What is pinned stays so until the command has run.
      if (outcome != nullptr) {
        Suspend(session, command, args, std::move(suspended), mode, std::move(outcome));
      }
      break;
    }
    case Admission::Verdict::kPutOff:
      suspended->pins = {};
      parts_.pause.PutOff(session, std::move(suspended));
      break;
    case Admission::Verdict::kQueue:  // it was not queued when it came
      break;
    case Admission::Verdict::kRejected:
      Reject(session, &command, answer.error);
      break;
  }
  parts_.outbox.EndReply(session.output.muted());
  if (session.waits != Waits::kNothing) return;
  GoOnAfterWait(session);
}

// The command of a session is done that has waited. The session was not idle since its request.
void Dispatcher::GoOnAfterWait(Session& session) {
  session.info.last_active_ms = parts_.clock.now_ms();
  if (session.tracking != nullptr) EndCaching(session);
  ContinueLater(session);
}

// The session's command is answered without another run.
void Dispatcher::EndWait(Session& session) {
  if (session.suspended->kind == WaitKind::kMember) {
    parts_.topic_groups.OnWaitOver(session.id, parts_.clock.steady_ms(), parts_.clock.now_ms());
  }
  session.suspended.reset();
}

// Ends a wait with an error, as a failure of the command that waits.
void Dispatcher::FailWait(Session& session, std::string_view error) {
  parts_.waiting.Unblock(session);
  session.suspended->command->stats.failed++;
  parts_.executor.CountError(error);
  Answer(session, error);
}

// Answers a session whose wait something else has ended: with this error, or OK if it is empty.
void Dispatcher::Answer(Session& session, std::string_view error) {
  EndWait(session);
  GoOnAfterWait(session);
  if (session.output.muted()) return;
  error.empty() ? session.reply.Ok() : session.reply.Error(error);
  parts_.outbox.Note(session);
}

// The same for a wait that is over without result.
void Dispatcher::AnswerTimeout(Session& session) {
  const bool is_array = session.suspended->timeout_is_array;
  EndWait(session);
  GoOnAfterWait(session);
  // That nothing came is a fact about data, too.
  session.ShowData(parts_.settings.acks);
  if (session.output.muted()) return;
  is_array ? session.reply.NullArray() : session.reply.Null();
  parts_.outbox.Note(session);
}

// Ends a wait without result. The session is not blocked any more.
void Dispatcher::TimeOut(Session& session) {
  // A command that waits for the journal answers how far it has come.
  if (session.suspended->kind == WaitKind::kDurable) return Resume(session, false);
  AnswerTimeout(session);
}

void Dispatcher::ServeOthers(const Session& running) {
  CHECK(!inside_);
  inside_ = true;
  parts_.outbox.SetAside();
  Execution* const execution = parts_.executor.SetAside();
  parts_.host.ServeOthers(running);
  parts_.executor.GoOn(execution);
  parts_.outbox.GoOn();
  inside_ = false;
}

// --- Ends of waits ---

void Dispatcher::ServeReady() {
  if (!parts_.waiting.anything_ready()) [[likely]]
    return;
  // What waits must not see a part of what a command changes.
  if (inside_) return;
  while (Session* session = parts_.waiting.TakeReady(parts_.keyspace)) {
    Resume(*session, true);
  }
}

void Dispatcher::ServeTopicGroups() {
  TopicGroups& groups = parts_.topic_groups;
  while (groups.anything_noted() || groups.anything_to_wake()) {
    groups.Settle(parts_.clock.steady_ms());
    while (groups.anything_to_wake()) {
      const TopicGroups::Wake wake = groups.TakeWake();
      parts_.waiting.Mark(KeyRef(wake.db, wake.group_key), WaitKind::kMember, wake.member);
    }
    ServeReady();
  }
}

void Dispatcher::RunLoaded() {
  if (!parts_.parking.anything_loaded()) return;
  parts_.clock.Update();
  while (Session* session = parts_.parking.TakeLoaded()) {
    RunAgain(*session);
    ServeReady();
  }
}

void Dispatcher::ServeDurable(Position durable) {
  while (Session* session = parts_.waiting.DueAt(durable)) {
    parts_.waiting.Unblock(*session);
    Resume(*session, true);
  }
}

void Dispatcher::ServeFollowers() {
  if (parts_.waiting.AnyForFollowers() == nullptr) return;
  const std::vector<Position> written = parts_.host.FollowerPositions(false);
  const std::vector<Position> synced = parts_.host.FollowerPositions(true);
  while (Session* session = parts_.waiting.DueByFollowers(written, synced)) {
    parts_.waiting.Unblock(*session);
    Resume(*session, true);
  }
}

void Dispatcher::EndFollowerWaits() {
  while (Session* session = parts_.waiting.AnyForFollowers()) {
    parts_.waiting.Unblock(*session);
    Resume(*session, false);
  }
}

void Dispatcher::ServeEvent(uint64_t event) {
  for (Session* session : parts_.waiting.ForEvent(event)) {
    parts_.waiting.Unblock(*session);
    Resume(*session, true);
  }
}

void Dispatcher::EndEvent(uint64_t event, std::string_view error) {
  for (Session* session : parts_.waiting.ForEvent(event)) {
    if (!error.empty()) {
      FailWait(*session, error);
      continue;
    }
    parts_.waiting.Unblock(*session);
    Answer(*session, error);
  }
}

void Dispatcher::ServeTimers() {
  while (Session* session = parts_.waiting.TimedOut(parts_.clock.steady_ms())) {
    parts_.waiting.Unblock(*session);
    TimeOut(*session);
  }
  while (Session* session = parts_.waiting.DueForRetry(parts_.clock.now_ms())) {
    parts_.waiting.Unblock(*session);
    Resume(*session, true);
  }
}

bool Dispatcher::Unblock(Session& session, bool with_error) {
  // What waits for an event is no wait that a client has asked for.
  if (!session.blocked() || session.suspended->kind == WaitKind::kEvent) return false;
  // Redis counts both ways as failures.
  if (with_error) {
    FailWait(session, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    return true;
  }
  Suspended& suspended = *session.suspended;
  const int64_t now_ms = parts_.clock.steady_ms();
  const bool runs_again = suspended.kind == WaitKind::kDurable;
  if (runs_again && suspended.deadline_ms <= now_ms) return false;  // it is about to end
  suspended.command->stats.failed++;
  parts_.waiting.Unblock(session);
  if (runs_again) {
    // Not in the midst of this command: its time is over.
    suspended.deadline_ms = now_ms;
    parts_.waiting.Block(session, Wait());
  } else {
    AnswerTimeout(session);
  }
  return true;
}

void Dispatcher::EndWaits(std::string_view error) {
  for (const auto& [id, session] : parts_.sessions.all()) {
    if (!session->blocked() || session->suspended->kind == WaitKind::kEvent) continue;
    FailWait(*session, error);
    parts_.outbox.CloseAfterReply(*session);
  }
}

void Dispatcher::EndWaitsForAll(std::string_view error) {
  for (const auto& [id, session] : parts_.sessions.all()) {
    if (!session->blocked() || session->suspended->kind == WaitKind::kEvent) continue;
    if (session->effective_acks(parts_.settings.acks) == Acks::kAll) FailWait(*session, error);
  }
}

void Dispatcher::RunParked() {
  parts_.clock.Update();
  // Sessions may come and go while one of the commands runs.
  std::vector<uint64_t> parked;
  for (const auto& [id, session] : parts_.sessions.all()) {
    if (session->parked()) parked.push_back(id);
  }
  for (const uint64_t id : parked) {
    Session* const session = parts_.sessions.Find(id);
    if (session == nullptr || !session->parked()) continue;
    parts_.parking.TakeBack(*session);
    RunAgain(*session);
  }
}

void Dispatcher::RetryPutOff() {
  parts_.pause.put_off().ForEach([&](Session& session) { ContinueLater(session); });
}

void Dispatcher::ContinueSessions() {
  if (continued_.empty()) return;
  parts_.clock.Update();
  // A session that is put off again meanwhile goes on the next time.
  while (Session* session = continued_.PopFront()) {
    if (session->ends() || session->blocked() || session->parked()) continue;
    if (session->put_off()) {
      const std::unique_ptr<Suspended> suspended = parts_.pause.TakeBack(*session);
      Execute(*session, suspended->args.views());
    }
    if (session->takes_requests()) session->transport->Continue();
  }
}

// --- Ends of sessions ---

void Dispatcher::Detach(Session& session) {
  switch (session.waits) {
    case Waits::kNothing:
      break;
    case Waits::kBlocked:
      parts_.waiting.Unblock(session);
      break;
    case Waits::kParked:
      parts_.parking.Cancel(session);
      break;
    case Waits::kPutOff:
      parts_.pause.TakeBack(session);
      break;
  }
  session.suspended.reset();
  parts_.pubsub.Drop(session);
  parts_.watches.Unwatch(session);
  parts_.tracking.Disable(session);
  static_cast<ListNode<InMonitors>&>(session).Unlink();
}

void Dispatcher::Kill(Session& session) {
  if (session.killed()) return;
  if (&session == parts_.outbox.writer()) return parts_.outbox.CloseAfterReply(session);
  Detach(session);
  parts_.outbox.Kill(session);
}

void Dispatcher::Reset(Session& session) {
  DiscardTransaction(session);
  parts_.tracking.Disable(session);
  parts_.pubsub.Drop(session);
  parts_.monitors.Stop(session);
  session.db = 0;
  session.ChangeAcks(std::nullopt, parts_.settings.acks);
  session.reply.set_protocol(2);
  session.output.off = session.output.skip_next = session.output.skip = false;
  session.info.authenticated = parts_.settings.requirepass.empty();
  session.info.name.clear();
  session.info.no_evict = session.info.no_touch = false;
}

void Dispatcher::DiscardTransaction(Session& session) {
  session.transaction = Transaction();
  parts_.watches.Unwatch(session);
}

}  // namespace runnel
