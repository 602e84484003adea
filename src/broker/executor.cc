#include "broker/executor.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/cycle_clock.h"
#include "base/numbers.h"
#include "broker/audit.h"
#include "broker/change_log.h"
#include "broker/future_names.h"
#include "broker/latency.h"
#include "broker/monitors.h"
#include "broker/parking.h"
#include "broker/settings.h"
#include "broker/slowlog.h"
#include "broker/stats.h"
#include "broker/tracking.h"
#include "broker/turn_clock.h"
#include "broker/turn_meter.h"
#include "commands/command.h"
#include "fmt/format.h"

namespace runnel {
Executor::Executor(Parts& parts) : parts_(parts), nanos_per_cycle_(NanosPerCycle()) {}

void Executor::Calibrate() {
  nanos_per_cycle_ = NanosPerCycle();
}

// EXEC's commands take the same path: there is only one way to run a command, and it is the hot
// one.
void Executor::RunPart(Execution& outer, QueuedCommand& queued) {
  Run(outer.session(), *queued.command, queued.args.views(), RunMode{.may_block = false},
      std::move(queued.progress));
}

Outcome Executor::Run(Session& session, const Command& command,
                      std::span<const std::string_view> args, const RunMode& mode,
                      std::unique_ptr<ColdProgress> progress) {
  Execution* const outer = current_;
  // Until here the time is that of the whole.
  if (outer != nullptr) outer->own_cycles += parts_.clock.TakeCycles();
  Execution execution(parts_, session, command, args, mode, outer);
  execution.progress() = std::move(progress);
  ReplyWriter& reply = execution.reply();
  Rope& rope = reply.rope();
  const uint64_t errors = reply.errors();
  const size_t reply_begin = rope.size();
  current_ = &execution;
  ColdStore* const cold = inside_ ? nullptr : parts_.parking.cold();
  if (cold != nullptr) cold->BeginCommand(rope, outer != nullptr);
  Outcome outcome;
  try {
    command.spec->run(execution);
    if (execution.waits()) [[unlikely]] {
      outcome = std::make_unique<Unfinished>();
      outcome->wait = execution.TakeWait();
    } else {
      // Without a reply the client would wait for ever. SHUTDOWN and CLIENT REPLY give none.
      ASSERT(rope.size() > reply_begin || session.killed() || (command.spec->flags & kAdmin) != 0 ||
             command.full_name == "client|reply");
    }
  } catch (ColdMiss& miss) {
    rope.Truncate(reply_begin);
    outcome = std::make_unique<Unfinished>();
    outcome->miss = std::make_unique<ColdMiss>(std::move(miss));
    outcome->progress = std::move(execution.progress());
  } catch (const ColdFailure& failure) {
    rope.Truncate(reply_begin);
    reply.Error(fmt::format("ERR {}", failure.message));
  } catch (const TooManyChanges& refused) {
    rope.Truncate(reply_begin);
    reply.Error(refused.message);
  }
  current_ = outer;
  if (cold != nullptr && outer == nullptr) cold->EndCommand();
  const uint64_t own_cycles = execution.own_cycles + parts_.clock.TakeCycles();
  parts_.meter.Did(TurnMeter::Part::kCommands, command.full_name, own_cycles);
  // A command takes the time of its parts, too.
  const uint64_t cycles = own_cycles + execution.part_cycles;
  command.stats.cycles += cycles;
  if (outer != nullptr) outer->part_cycles += cycles;
  // It has only looked; it counts when it has run.
  if (outcome != nullptr && outcome->miss != nullptr) [[unlikely]]
    return outcome;

  if (mode.found != nullptr) *mode.found = std::move(execution.progress());
  if (outer != nullptr) {
    const bool tells_others = (command.spec->flags & kMayReplicate) != 0;
    outer->script_acted |= tells_others || execution.acted() || execution.script_acted;
  }
  if (outcome == nullptr && (command.spec->flags & (kWrite | kReadOnly | kShowsState)) != 0) {
    session.ShowData(parts_.settings.acks);
  }
  if (execution.changes() > 0) parts_.log.CountChanges(execution.changed_elements());
  // WAIT in a transaction asks about what was before that, as in Redis: what the transaction
  // changes is in no frame yet.
  if (execution.changes() > 0 || execution.part_changed) {
    if (outer != nullptr) {
      outer->part_changed = true;
    } else {
      session.output.last_change = parts_.log.next_change();
    }
  }
  if (session.tracking != nullptr && (command.spec->flags & kReadOnly) != 0) [[unlikely]] {
    parts_.tracking.Remember(session, *command.spec, args, parts_.settings.tracking_table_max_keys);
  }
  if (mode.counted) [[unlikely]]
    return outcome;
  parts_.stats.keyspace_hits += execution.hits();
  parts_.stats.keyspace_misses += execution.misses();
  // The errors among EXEC's replies are those of the commands that it ran.
  const uint64_t written = reply.errors() - errors;
  if (outer != nullptr && !outer->runs_script) outer->failed_parts += written;
  if (written > execution.failed_parts) [[unlikely]] {
    command.stats.failed++;
    CountErrorCode(reply.last_error_code());
  } else if (command.audited) [[unlikely]] {
    LogAudited(command.full_name, session.transport->peer());
  }
  const double nanos = static_cast<double>(cycles) * nanos_per_cycle_;
  // A command that blocks is one call, however often it runs.
  if (!mode.resumed) [[likely]]
    CountCall(execution, nanos);
  CountTime(execution, nanos);
  // Whether its client has sent it now or it has waited: many may run in one turn.
  if (outer == nullptr && !inside_) parts_.log.SealIfLarge();
  return outcome;
}

inline void Executor::CountCall(Execution& execution, double nanos) {
  const Command& command = execution.command();
  parts_.stats.commands_processed++;
  command.stats.calls++;
  if (parts_.settings.latency_tracking)
    command.stats.histogram[CommandStats::HistogramIndex(nanos)]++;
  if (!parts_.monitors.empty() && (command.spec->flags & (kAdmin | kSkipMonitor)) == 0) {
    if (execution.in_script()) {
      parts_.monitors.FeedFromScript(execution.session(), execution.shown_args());
    } else {
      parts_.monitors.Feed(execution.session(), execution.shown_args());
    }
  }
}

inline void Executor::CountTime(Execution& execution, double nanos) {
  const Settings& settings = parts_.settings;
  const int64_t micros = nanos < 0x1p62 ? static_cast<int64_t>(nanos / 1000) : 0;
  const bool slow =
      micros >= settings.slowlog_log_slower_than_us && settings.slowlog_log_slower_than_us >= 0;
  if (slow || settings.latency_monitor_threshold_ms > 0) [[unlikely]]
    RecordSlow(execution, slow, micros);
}

void Executor::RecordSlow(Execution& execution, bool slow, int64_t micros) {
  const Settings& settings = parts_.settings;
  const uint32_t flags = execution.command().spec->flags;
  const int64_t now_s = parts_.clock.now_ms() / 1000;
  if (slow && (flags & kSkipSlowlog) == 0) {
    const Session& session = execution.session();
    // Redis has a client without a connection for what scripts call.
    const bool in_script = execution.in_script();
    parts_.slowlog.Add(now_s, micros, execution.shown_args(),
                       in_script ? "?:0" : std::string_view(session.transport->peer()),
                       in_script ? "" : std::string_view(session.info.name),
                       settings.slowlog_max_len);
  }
  if (settings.latency_monitor_threshold_ms > 0) {
    parts_.latency.Add((flags & kFast) != 0 ? "fast-command" : "command", now_s, micros / 1000,
                       settings.latency_monitor_threshold_ms);
  }
}

void Executor::CountError(std::string_view error) {
  CountErrorCode(ReplyWriter::CodeOf(error));
}

void Executor::CountErrorCode(std::string_view code) {
  parts_.stats.CountError(code);
}

// Once the first command of the queue has changed something, there is no way back, and the loop
// would have to wait for the disk.
//
// Each command is run against the present state until it would change it, and what it answers is
// thrown away. Values that commands before it rename or copy are looked at under their present
// names. What is not foreseen: where in a value a command looks after others have removed from it
// (the loop waits, for a bounded number of extents: ColdStore::Phase::kInside), and SWAPDB.
std::optional<std::string> Executor::LookAhead(Execution& outer) {
  ColdStore* const cold = parts_.parking.cold();
  const Transaction& transaction = outer.session().transaction;
  const bool all_must_succeed = (transaction.flags & kCommits) != 0;
  const bool may_miss = cold != nullptr && parts_.keyspace.hot_blocks().cold_entries() > 0;
  if (!may_miss && !all_must_succeed) return std::nullopt;
  if (all_must_succeed && (transaction.flags & kRunsLua) != 0) {
    return "a transaction with TCOMMIT or TACK cannot run scripts: whether they will succeed is "
           "not "
           "known before";
  }
  ColdMiss all;
  std::optional<std::string> refused;
  FutureNames names(parts_.keyspace);
  Context::Sequences sequences;
  uint32_t db = outer.session().db;
  for (QueuedCommand& queued : outer.session().transaction.queue) {
    try {
      std::string error = Probe(outer, queued, &names, &db, &sequences);
      if (!all_must_succeed || error.empty()) continue;
      refused = std::move(error);
      break;
    } catch (const ColdMiss& miss) {
      all.missing.insert(all.missing.end(), miss.missing.begin(), miss.missing.end());
      all.passing.insert(all.passing.end(), miss.passing.begin(), miss.passing.end());
    } catch (const ColdFailure& failure) {
      // Of what cannot be read, that command will tell itself.
      if (!failure.too_much && !all_must_succeed) continue;
      refused = failure.message;
      break;
    }
  }
  // The transaction itself begins with nothing again.
  if (cold != nullptr) cold->BeginCommand(outer.session().output.pending, false);
  if (!refused && (!all.missing.empty() || !all.passing.empty())) throw all;
  return refused;
}

// Runs a command of the queue in database *db, which it may change, until it would change anything.
// Returns the error that it gave before that, without "ERR", or an empty text.
std::string Executor::Probe(Execution& outer, QueuedCommand& queued, FutureNames* names,
                            uint32_t* db, Context::Sequences* sequences) {
  const CommandSpec& spec = *queued.command->spec;
  const std::span<const std::string_view> own = queued.args.views();
  if ((spec.flags & kSelectsDb) != 0) {
    const std::optional<uint64_t> number = ParseDigits(own[1]);
    if (number && *number < parts_.keyspace.databases()) *db = static_cast<uint32_t>(*number);
    return {};
  }
  // Others look at no keys, and may do what cannot be taken back.
  if ((spec.flags & (kReadOnly | kWrite)) == 0 || spec.keys.empty()) return {};
  uint32_t now_db = *db;
  std::vector<std::string_view> args(own.begin(), own.end());
  if (!names->ToNow(spec, &now_db, &args)) return {};
  Session& session = outer.session();
  Rope dropped;
  ReplyWriter reply(&dropped);
  reply.set_protocol(session.reply.protocol());
  Execution probe(parts_, session, *queued.command, now_db, args, reply, &outer, sequences);
  probe.progress() = std::move(queued.progress);
  if (ColdStore* const cold = parts_.parking.cold()) cold->BeginCommand(dropped, true);
  current_ = &probe;
  const auto end = [&] {
    current_ = &outer;
    queued.progress = std::move(probe.progress());
  };
  try {
    spec.run(probe);
  } catch (const WouldChange& change) {
    if (change.given_to_db) names->Give(spec, *db, own, change);
  } catch (...) {
    end();
    throw;
  }
  end();
  if (reply.errors() == 0) return {};
  std::string error = dropped.ToString();
  error = error.substr(1, error.find('\r') - 1);
  if (error.starts_with("ERR ")) error.erase(0, 4);
  return error;
}

}  // namespace runnel
