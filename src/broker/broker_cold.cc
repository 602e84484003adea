// Commands that look at entries on the disk: they are parked, and run again when the entries are in
// memory. The other sessions go on meanwhile; the requests behind a parked one wait, so replies
// keep their order.

#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/numbers.h"
#include "broker/broker.h"
#include "broker/future_names.h"
#include "broker/parked.h"
#include "fmt/format.h"

namespace runnel {

void Broker::UseCold(ColdStore* cold) {
  if (cold_ != nullptr) cold_->AskPhase(nullptr);
  if (std::exchange(held_up_, false)) ContinuePostponed();
  cold_ = cold;
  if (cold_ != nullptr) cold_->AskPhase([this] { return PhaseOfCurrent(); });
}

ColdStore::Phase Broker::PhaseOfCurrent() const {
  if (probing_) return ColdStore::Phase::kLooking;
  if (current_ == nullptr || current_->changes() > 0) return ColdStore::Phase::kChanging;
  return depth_ == 1 ? ColdStore::Phase::kLooking : ColdStore::Phase::kInside;
}

// Keeps the command to be run again. `args` are copied, unless they are those of a command that was
// parked or blocked before.
void Broker::Park(Execution& execution, bool may_block, const ColdMiss& miss) {
  Session& session = execution.session();
  if (unparked_ != nullptr) {
    session.parked = std::move(unparked_);
  } else {
    session.parked = std::make_unique<Parked>();
    if (!resuming_) session.parked->args = OwnedArgs(execution.args());
  }
  Parked& parked = *session.parked;
  parked.command = &execution.command();
  parked.progress = std::move(execution.progress());
  parked.resumed = std::move(resuming_);
  parked.may_block = may_block;
  parked_sessions_++;
  cold_->Load(miss, &parked.pins, [this, &session] { loaded_.push_back(&session); });
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
      Run(session, command, args, resumed, may_block, std::move(unparked_->progress));
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
// thrown away. Values that commands before it rename or copy are looked at under their present
// names. What is not foreseen: where in a value a command looks after others have removed from it
// (the loop waits, for a bounded number of extents: ColdStore::Phase::kInside), and SWAPDB.
void Broker::FetchForTransaction(Session& session) {
  if (cold_ == nullptr || keyspace_.hot_blocks().cold_entries() == 0) return;
  ColdMiss all;
  std::optional<ColdFailure> too_much;
  FutureNames names(keyspace_);
  uint32_t db = session.db;
  probing_ = true;
  for (QueuedCommand& queued : session.transaction.queue) {
    try {
      Probe(session, queued, &names, &db);
    } catch (const ColdMiss& miss) {
      all.missing.insert(all.missing.end(), miss.missing.begin(), miss.missing.end());
      all.passing.insert(all.passing.end(), miss.passing.begin(), miss.passing.end());
    } catch (const ColdFailure& failure) {
      // Of what cannot be read, that command will tell itself.
      if (!failure.too_much) continue;
      too_much = failure;
      break;
    }
  }
  probing_ = false;
  // The transaction itself begins with nothing again.
  cold_->BeginCommand(session.out, false);
  if (too_much) throw *too_much;
  if (!all.missing.empty() || !all.passing.empty()) throw all;
}

// Runs a command of the queue in database *db, which it may change, until it would change anything.
void Broker::Probe(Session& session, QueuedCommand& queued, FutureNames* names, uint32_t* db) {
  const CommandSpec& spec = *queued.command->spec;
  const std::span<const std::string_view> own = queued.args.views();
  if (spec.name == "select") {
    const std::optional<uint64_t> number = ParseDigits(own[1]);
    if (number && *number < keyspace_.databases()) *db = static_cast<uint32_t>(*number);
    return;
  }
  // Others look at no keys, and may do what cannot be taken back.
  if ((spec.flags & (kReadOnly | kWrite)) == 0 || spec.keys.empty()) return;
  uint32_t now_db = *db;
  std::vector<std::string_view> args(own.begin(), own.end());
  if (!names->ToNow(spec, &now_db, &args)) return;
  Rope dropped;
  ReplyWriter reply(&dropped);
  reply.set_protocol(session.reply.protocol());
  Execution probe(*this, session, *queued.command, now_db, args, reply);
  probe.progress() = std::move(queued.progress);
  cold_->BeginCommand(dropped, true);
  const auto keep_progress = [&] { queued.progress = std::move(probe.progress()); };
  try {
    spec.run(probe);
  } catch (const WouldChange& change) {
    if (change.given_to_db) names->Give(spec, *db, own, change);
  } catch (...) {
    keep_progress();
    throw;
  }
  keep_progress();
}

}  // namespace runnel
