#include <utility>

#include "commands/arguments.h"
#include "fmt/format.h"
#include "server/saver.h"
#include "server/server_commands.h"
#include "server/server_host.h"

namespace runnel::commands {
namespace {

using Kind = Saver::Kind;

// If no snapshot can be taken, replies with the reason and returns false.
bool MayBegin(Context& context, const Saver& saver) {
  const Status refusal = saver.Refusal();
  if (refusal.ok()) return true;
  context.reply().Error(fmt::format("ERR {}", refusal.message()));
  return false;
}

}  // namespace

void LastSave(Context& context) {
  context.reply().Integer(ServerHost::Of(context).saver().last_save_s());
}

void BgSave(Context& context) {
  const bool schedule = context.argc() > 1;
  if (schedule && (context.argc() > 2 || !Is(context.arg(1), "schedule"))) {
    return context.reply().Error(kSyntaxError);
  }
  Saver& saver = ServerHost::Of(context).saver();
  if (saver.InProgress(Kind::kSave)) {
    return context.reply().Error("ERR Background save already in progress");
  }
  if (!MayBegin(context, saver)) return;
  if (!saver.busy() && context.may_block()) {
    saver.Begin(Kind::kSave);
    return context.reply().Simple("Background saving started");
  }
  // Inside a transaction, a snapshot begins only after its end.
  if (schedule || !context.may_block()) {
    saver.Schedule(Kind::kSave);
    return context.reply().Simple("Background saving scheduled");
  }
  context.reply().Error(
      "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in "
      "order to schedule a BGSAVE whenever possible.");
}

void BgRewriteAof(Context& context) {
  Saver& saver = ServerHost::Of(context).saver();
  if (saver.InProgress(Kind::kRewrite)) {
    return context.reply().Error("ERR Background append only file rewriting already in progress");
  }
  if (!MayBegin(context, saver)) return;
  if (saver.busy() || !context.may_block()) {
    saver.Schedule(Kind::kRewrite);
    return context.reply().Simple("Background append only file rewriting scheduled");
  }
  saver.Begin(Kind::kRewrite);
  context.reply().Simple("Background append only file rewriting started");
}

// Redis serves no other client meanwhile. Here only this client waits.
void Save(Context& context) {
  Saver& saver = ServerHost::Of(context).saver();
  const bool in_progress = saver.InProgress(Kind::kSave);
  if (context.resumed() && !in_progress) {
    const Status& status = saver.last(Kind::kSave).status;
    if (status.ok()) return context.reply().Ok();
    return context.reply().Error(fmt::format("ERR {}", status.message()));
  }
  if (!context.resumed()) {
    if (in_progress) return context.reply().Error("ERR Background save already in progress");
    if (!MayBegin(context, saver)) return;
    saver.Schedule(Kind::kSave);
  }
  Wait wait;
  wait.kind = WaitKind::kEvent;
  context.Block(std::move(wait));
}

}  // namespace runnel::commands
