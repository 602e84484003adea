#include <string>
#include <utility>

#include "commands/arguments.h"
#include "fmt/format.h"
#include "server/info.h"
#include "server/server_commands.h"
#include "server/server_host.h"

namespace runnel::commands {

void Info(Context& context) {
  context.reply().Verbatim(FormatInfo(ServerHost::Of(context), context.args().subspan(1)));
}

void Shutdown(Context& context) {
  ServerHost& host = ServerHost::Of(context);
  Wait for_snapshot;
  for_snapshot.kind = WaitKind::kEvent;
  if (context.resumed()) {
    // Only an end that is not to be leaves somebody to be told.
    if (host.stopping()) return context.Block(std::move(for_snapshot));
    return context.reply().Error("ERR Errors trying to SHUTDOWN. Check logs.");
  }
  bool save = false;
  bool nosave = false;
  bool abort = false;
  bool force = false;
  bool now = false;
  for (const std::string_view word : context.args().subspan(1)) {
    save = save || Is(word, "save");
    nosave = nosave || Is(word, "nosave");
    abort = abort || Is(word, "abort");
    force = force || Is(word, "force");
    now = now || Is(word, "now");
    const bool known = Is(word, "save") || Is(word, "nosave") || Is(word, "abort") ||
                       Is(word, "now") || Is(word, "force");
    if (!known) return context.reply().Error(kSyntaxError);
  }
  if ((save && nosave) || (abort && context.argc() > 2)) {
    return context.reply().Error(kSyntaxError);
  }
  // Without followers to wait for it is over in the turn in which it was asked for.
  if (abort) {
    if (host.AbortShutdown()) return context.reply().Ok();
    return context.reply().Error("ERR No shutdown in progress.");
  }
  const Scripts& scripts = Execution::Of(context).parts().scripts;
  if (scripts.running() != nullptr) {
    if (!nosave) return context.reply().Error(scripts.BusyError());
    return host.EndAtOnce(fmt::format("SHUTDOWN NOSAVE while {} runs", scripts.running()->name));
  }
  // A journal has everything, so a snapshot that nobody asks for by name may fail.
  if (!save && !nosave && host.saver().SavesAtEnd()) {
    save = true;
    force = force || host.broker().log().journal() != nullptr;
  }
  using EndSave = ServerHost::EndSave;
  const EndSave end_save = !save   ? EndSave::kNothing
                           : force ? EndSave::kIfPossible
                                   : EndSave::kSnapshot;
  Execution& execution = Execution::Of(context);
  const bool waits = host.RequestShutdown(
      fmt::format("SHUTDOWN from client {}", execution.session().transport->peer()), end_save, now);
  if (waits || end_save == EndSave::kSnapshot) return context.Block(std::move(for_snapshot));
  execution.parts().outbox.CloseAfterReply(execution.session());
}

}  // namespace runnel::commands
