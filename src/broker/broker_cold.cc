// Commands that look at entries on the disk: they are parked, and run again when the entries are in
// memory. The other sessions go on meanwhile; the requests behind a parked one wait, so replies
// keep their order.

#include <utility>

#include "broker/broker.h"
#include "broker/parked.h"
#include "fmt/format.h"

namespace runnel {

void Broker::UseCold(ColdStore* cold) {
  if (cold_ != nullptr) cold_->MissIf(nullptr);
  if (std::exchange(held_up_, false)) ContinuePostponed();
  cold_ = cold;
  if (cold_ != nullptr) cold_->MissIf([this] { return MayRunAgain(); });
}

// True while the command that runs has changed nothing. One inside EXEC has others before it, which
// may have.
bool Broker::MayRunAgain() const {
  return probing_ || (depth_ == 1 && current_->changes() == 0);
}

// Keeps the command to be run again. `args` are copied, unless they are those of a command that was
// parked or blocked before.
void Broker::Park(Session& session, const Command& command, std::span<const std::string_view> args,
                  bool may_block, const ColdMiss& miss) {
  if (unparked_ != nullptr) {
    session.parked = std::move(unparked_);
  } else {
    session.parked = std::make_unique<Parked>();
    if (!resuming_) session.parked->args = OwnedArgs(args);
  }
  Parked& parked = *session.parked;
  parked.command = &command;
  parked.resumed = std::move(resuming_);
  parked.may_block = may_block;
  parked_sessions_++;
  cold_->Load(miss.missing, &parked.pins, [this, &session] { loaded_.push_back(&session); });
}

void Broker::Unpark(Session& session) {
  if (session.parked == nullptr) return;
  cold_->Cancel(&session.parked->pins);
  session.parked.reset();
  parked_sessions_--;
}

// Runs what has been loaded for.
void Broker::RunLoaded() {
  if (loaded_.empty()) return;
  UpdateTime();
  for (size_t i = 0; i < loaded_.size(); i++) {
    Session* session = std::exchange(loaded_[i], nullptr);
    if (session == nullptr || session->parked == nullptr) continue;
    RunParked(*session);
    if (waiters_.anything_ready()) waiters_.ServeReady(keyspace_);
  }
  loaded_.clear();
}

void Broker::RunParked(Session& session) {
  // What is pinned stays so until the command has run.
  unparked_ = std::move(session.parked);
  parked_sessions_--;
  const Command& command = *unparked_->command;
  const bool may_block = unparked_->may_block;
  const size_t reply_begin = session.out.size();
  running_ = &session;
  resuming_ = std::move(unparked_->resumed);
  const bool resumed = resuming_ != nullptr;
  const auto args = resumed ? resuming_->args.views() : unparked_->args.views();
  // Much may have changed meanwhile: a pause, the memory, the journal. A pause does not hold those
  // who were waiting when it began.
  Verdict verdict = Check(session, command, args);
  if (resumed && verdict == Verdict::kPostpone) verdict = Verdict::kRun;
  switch (verdict) {
    case Verdict::kRun:
      running_again_ = true;
      Run(session, command, args, resumed, may_block);
      running_again_ = false;
      break;
    case Verdict::kPostpone:
      Postpone(session, std::move(unparked_->args));
      break;
    case Verdict::kQueue:
    case Verdict::kRejected:
      break;
  }
  Finish(session, reply_begin, session.muted());
  unparked_.reset();
  if (!session.blocked && !session.parked && !session.postponed) continued_.push_back(&session);
  if (!session.blocked) resuming_.reset();
}

// Looks at all that the queue of a transaction is going to look at, as far as that can be told
// before it runs, and misses what is not in memory: once the first command has changed something,
// there is no way back, and the loop would have to wait for the disk.
//
// Each command is run against the present state until it would change it, and what it answers is
// thrown away.
void Broker::FetchForTransaction(Session& session) {
  if (cold_ == nullptr || keyspace_.hot_blocks().cold_entries() == 0) return;
  ColdMiss all;
  probing_ = true;
  for (const QueuedCommand& queued : session.transaction.queue) {
    const CommandSpec& spec = *queued.command->spec;
    // Others look at no keys, and may do what cannot be taken back.
    if ((spec.flags & (kReadOnly | kWrite)) == 0 || spec.keys.empty()) continue;
    Rope dropped;
    ReplyWriter reply(&dropped);
    reply.set_protocol(session.reply.protocol());
    Execution probe(*this, session, *queued.command, queued.args.views(), reply);
    try {
      spec.run(probe);
    } catch (const WouldChange&) {
    } catch (const ColdMiss& miss) {
      all.missing.insert(all.missing.end(), miss.missing.begin(), miss.missing.end());
    } catch (const ColdFailure&) {
      // That command will say so itself.
    }
  }
  probing_ = false;
  if (!all.missing.empty()) throw all;
}

}  // namespace runnel
