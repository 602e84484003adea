#include <string>

#include "commands/arguments.h"
#include "fmt/format.h"
#include "server/info.h"
#include "server/server_commands.h"
#include "server/server_host.h"

namespace runnel::commands {

void Info(Context& context) {
  context.reply().Verbatim(FormatInfo(ServerHost::Of(context), context.args().subspan(1)));
}

// As Redis answers when nothing was saved since its start.
void LastSave(Context& context) {
  context.reply().Integer(ServerHost::Of(context).identity().start_us / 1'000'000);
}

void RefuseSnapshot(Context& context) {
  context.reply().Error("ERR snapshots are not available in this version");
}

void RefuseAof(Context& context) {
  context.reply().Error("ERR an append only file is not available in this version");
}

void Shutdown(Context& context) {
  bool save = false;
  bool nosave = false;
  bool abort = false;
  for (const std::string_view word : context.args().subspan(1)) {
    save = save || Is(word, "save");
    nosave = nosave || Is(word, "nosave");
    abort = abort || Is(word, "abort");
    // There is nobody to wait for, so there is nothing to hurry or to force.
    const bool known = Is(word, "save") || Is(word, "nosave") || Is(word, "abort") ||
                       Is(word, "now") || Is(word, "force");
    if (!known) return context.reply().Error(kSyntaxError);
  }
  if ((save && nosave) || (abort && context.argc() > 2)) {
    return context.reply().Error(kSyntaxError);
  }
  // It is over as soon as it was asked for.
  if (abort) return context.reply().Error("ERR No shutdown in progress.");
  if (save) return RefuseSnapshot(context);
  Execution& execution = Execution::Of(context);
  ServerHost::Of(context).RequestShutdown(
      fmt::format("SHUTDOWN from client {}", execution.session().transport->peer()));
  execution.broker().CloseAfterReply(execution.session());
}

}  // namespace runnel::commands
