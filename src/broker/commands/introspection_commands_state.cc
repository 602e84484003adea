#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/random.h"
#include "base/version.h"
#include "broker/broker_host.h"
#include "broker/change_log.h"
#include "broker/commands/client_list.h"
#include "broker/commands/introspection_commands.h"
#include "broker/execution.h"
#include "broker/turn_clock.h"
#include "commands/arguments.h"
#include "fmt/format.h"

namespace runnel::commands {

void Time(Context& context) {
  const int64_t now_us = Execution::Of(context).parts().clock.now_us();
  context.reply().Array(2);
  context.reply().BulkInteger(now_us / 1'000'000);
  context.reply().BulkInteger(now_us % 1'000'000);
}

namespace {

// How many connected followers have the session's last change, in their journals or on their disks.
size_t FollowersThatHave(Execution& execution, bool synced) {
  const Position last_change = execution.session().output.last_change;
  const auto positions = execution.parts().host.FollowerPositions(synced);
  return static_cast<size_t>(
      std::count_if(positions.begin(), positions.end(),
                    [&](Position position) { return position >= last_change; }));
}

// Whether the command must answer with what there is: nothing more comes.
bool IsInVain(const Context& context, const journal::Journal* journal) {
  return !context.may_block() || (journal != nullptr && journal->failed());
}

void WaitForFollowers(Context& context, size_t count, bool synced, int64_t deadline_ms) {
  Wait wait;
  wait.kind = WaitKind::kDurable;
  wait.deadline_ms = deadline_ms;
  wait.followers = {synced, count, Execution::Of(context).session().output.last_change};
  context.Block(std::move(wait));
}

}  // namespace

void WaitReplicas(Context& context) {
  Execution& execution = Execution::Of(context);
  const ChangeLog& log = execution.parts().log;
  int64_t replicas;
  int64_t deadline_ms;
  if (log.follows()) {
    return context.reply().Error(
        "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if "
        "a replica is configured to be writable (which is not the default) writes to replicas are "
        "just local and are not propagated.");
  }
  if (!ReadInteger(context, context.arg(1), &replicas)) return;
  if (!ReadTimeoutMs(context, context.arg(2), &deadline_ms)) return;
  const size_t have = FollowersThatHave(execution, false);
  if (replicas <= static_cast<int64_t>(have) || IsInVain(context, log.journal())) {
    return context.reply().Integer(static_cast<int64_t>(have));
  }
  WaitForFollowers(context, static_cast<size_t>(replicas), false, deadline_ms);
}

// The journal is what Redis calls its append-only file.
void WaitAof(Context& context) {
  int64_t local;
  int64_t replicas;
  int64_t deadline_ms;
  if (!ReadInteger(context, context.arg(1), &local)) return;
  if (local < 0 || local > 1) {
    return context.reply().Error("ERR value is out of range, value must between 0 and 1");
  }
  if (!ReadInteger(context, context.arg(2), &replicas, kNotPositive, 0)) return;
  if (!ReadTimeoutMs(context, context.arg(3), &deadline_ms)) return;
  Execution& execution = Execution::Of(context);
  const ChangeLog& log = execution.parts().log;
  if (log.follows()) {
    return context.reply().Error(
        "ERR WAITAOF cannot be used with replica instances. Please also note that writes to "
        "replicas are just local and are not propagated.");
  }
  journal::Journal* const journal = log.journal();
  if (journal == nullptr && local > 0) {
    return context.reply().Error(
        "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
  }
  const Position last_change = execution.session().output.last_change;
  const bool kept = journal != nullptr && journal->durable() >= last_change;
  const size_t have = FollowersThatHave(execution, true);
  const bool enough = static_cast<int64_t>(have) >= replicas;
  if ((enough && (kept || local == 0)) || IsInVain(context, journal)) {
    context.reply().Array(2);
    context.reply().Integer(kept ? 1 : 0);
    return context.reply().Integer(static_cast<int64_t>(have));
  }
  // What is kept here stays so: the followers may be waited for after that.
  if (kept || local == 0) {
    return WaitForFollowers(context, static_cast<size_t>(replicas), true, deadline_ms);
  }
  // The client that asks need not wait until the next sync is due.
  journal->RequestSync();
  Wait wait;
  wait.kind = WaitKind::kDurable;
  wait.deadline_ms = deadline_ms;
  wait.durable_at = last_change;
  context.Block(std::move(wait));
}

void AclWhoAmI(Context& context) {
  context.reply().Bulk(kDefaultUser);
}

void ModuleList(Context& context) {
  context.reply().Array(0);
}

void RefuseCluster(Context& context) {
  context.reply().Error("ERR This instance has cluster support disabled");
}

// A runnel that winds through grass, another one each time.
void LolWut(Context& context) {
  int64_t version;
  if (context.argc() > 2 && Is(context.arg(1), "version") &&
      !ReadInteger(context, context.arg(2), &version)) {
    return;
  }
  constexpr int kRows = 12;
  constexpr uint64_t kColumns = 48;
  constexpr std::string_view kStream = "~~~~~";
  Random random(static_cast<uint64_t>(Execution::Of(context).parts().clock.now_us()));
  uint64_t bank = 8 + random.Below(kColumns / 2);
  std::string text;
  for (int row = 0; row < kRows; row++) {
    for (uint64_t column = 0; column < bank; column++) {
      text += random.Below(9) == 0 ? '"' : ' ';
    }
    text += kStream;
    for (uint64_t column = bank + kStream.size(); column < kColumns; column++) {
      text += random.Below(9) == 0 ? '"' : ' ';
    }
    text += '\n';
    const uint64_t next = bank + random.Below(5) - 2;
    if (next > 0 && next < kColumns - kStream.size()) bank = next;
  }
  text += fmt::format("\nRunnel ver. {} (Redis ver. {})\n", kVersion, kRedisVersion);
  context.reply().Verbatim(text);
}

}  // namespace runnel::commands
