#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/status.h"
#include "broker/waiting.h"
#include "commands/arguments.h"
#include "fmt/format.h"
#include "server/server_commands.h"
#include "server/server_host.h"

namespace runnel::commands {

void ConfigGet(Context& context) {
  const auto values = ServerHost::Of(context).config().Get(context.args().subspan(2));
  context.reply().Map(values.size());
  for (const auto& [name, value] : values) {
    context.reply().Bulk(name);
    context.reply().Bulk(value);
  }
}

void ConfigSet(Context& context) {
  if (context.argc() % 2 != 0) return context.reply().Error(kSyntaxError);
  std::vector<Config::Pair> pairs;
  for (size_t i = 2; i < context.argc(); i += 2) {
    if (Is(context.arg(i), "requirepass")) Execution::Of(context).Redact(i + 1);
    pairs.emplace_back(context.arg(i), context.arg(i + 1));
  }
  const Status status = ServerHost::Of(context).config().Set(pairs);
  if (!status.ok()) return context.reply().Error("ERR " + status.message());
  std::vector<std::string_view> names;
  names.reserve(pairs.size());
  for (const auto& [name, value] : pairs) {
    names.push_back(name);  // the value may be a secret
  }
  LogNotice("CONFIG SET of {} by client {}", fmt::join(names, ", "),
            Execution::Of(context).session().transport->peer());
  context.reply().Ok();
}

// Resets all counters. The peak of the memory is no counter, so it stays.
void ConfigResetStat(Context& context) {
  Parts& parts = Execution::Of(context).parts();
  const size_t peak_memory = parts.stats.peak_memory;
  parts.stats = Stats();
  parts.stats.peak_memory = peak_memory;
  parts.commands.ResetStats();
  parts.meter.Reset();
  context.reply().Ok();
}

// A helper thread writes the file, because writing waits for the disk. A transaction cannot wait
// for that: it is told that the file will be written.
void ConfigRewrite(Context& context) {
  ServerHost& host = ServerHost::Of(context);
  const Result<std::function<Status()>> rewrite = host.config().Rewrite();
  if (!rewrite.ok()) return context.reply().Error("ERR " + rewrite.message());
  const uint64_t event = host.broker().waiting().NewEvent();
  if (context.may_block()) {
    Wait wait;
    wait.kind = WaitKind::kEvent;
    wait.event = event;
    context.Block(std::move(wait));
  } else {
    context.reply().Ok();
  }
  const auto status = std::make_shared<Status>();
  host.Submit([rewrite = *rewrite, status] { *status = rewrite(); },
              [&host, event, status] {
                if (status->ok()) {
                  LogNotice("CONFIG REWRITE has written {}", host.config().file());
                } else {
                  LogWarning("CONFIG REWRITE failed: {}", status->message());
                }
                host.broker().EndEvent(
                    event, status->ok() ? "" : "ERR Rewriting config file: " + status->message());
              });
}

}  // namespace runnel::commands
