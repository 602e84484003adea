#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/numbers.h"
#include "broker/broker_host.h"
#include "broker/commands/client_commands.h"
#include "broker/commands/client_list.h"
#include "broker/commands/help.h"
#include "broker/dispatcher.h"
#include "broker/execution.h"
#include "broker/pause.h"
#include "broker/sessions.h"
#include "commands/arguments.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

[[nodiscard]] bool ReadClientType(Context& context, std::string_view text,
                                  std::optional<ClientType>* type) {
  *type = ParseClientType(text);
  if (*type) return true;
  context.reply().Error(fmt::format("ERR Unknown client type '{}'", text));
  return false;
}

// The IDs from arguments[first] on, as the lines of those that are there.
void ListIds(Context& context, size_t first) {
  const Parts& parts = Execution::Of(context).parts();
  const std::vector<ServerLink> links = parts.host.Links();
  std::string lines;
  for (const std::string_view text : context.args().subspan(first)) {
    const std::optional<int64_t> id = ParseInteger(text);
    if (!id) return context.reply().Error("ERR Invalid client ID");
    const Session* session = parts.sessions.Find(static_cast<uint64_t>(*id));
    if (session != nullptr) {
      lines += DescribeSession(*session, parts.settings, context.now_ms());
    }
    for (const ServerLink& link : links) {
      if (link.id == static_cast<uint64_t>(*id)) lines += DescribeLink(link);
    }
  }
  context.reply().Verbatim(lines);
}

// A filter of CLIENT KILL and the word SKIPME, from pairs of name and value.
struct KillOptions {
  ClientFilter filter;
  bool skip_me = true;
};

[[nodiscard]] bool ReadKillOption(Context& context, std::string_view name, std::string_view value,
                                  KillOptions* options) {
  ClientFilter& filter = options->filter;
  if (Is(name, "id")) {
    int64_t id;
    if (!ReadInteger(context, value, &id, "ERR client-id should be greater than 0", 1))
      return false;
    filter.id = static_cast<uint64_t>(id);
  } else if (Is(name, "maxage")) {
    constexpr std::string_view kNotANumber = "ERR maxage is not an integer or out of range";
    if (!ReadInteger(context, value, &filter.min_age_s, kNotANumber)) return false;
    if (filter.min_age_s <= 0) {
      context.reply().Error("ERR maxage should be greater than 0");
      return false;
    }
  } else if (Is(name, "type")) {
    return ReadClientType(context, value, &filter.type);
  } else if (Is(name, "addr")) {
    filter.peer = value;
  } else if (Is(name, "laddr")) {
    filter.local = value;
  } else if (Is(name, "user")) {
    if (value != kDefaultUser) {
      context.reply().Error(fmt::format("ERR No such user '{}'", value));
      return false;
    }
    filter.user = value;
  } else if (Is(name, "skipme") && (Is(value, "yes") || Is(value, "no"))) {
    options->skip_me = Is(value, "yes");
  } else {
    context.reply().Error(kSyntaxError);
    return false;
  }
  return true;
}

// Returns how many sessions were ended.
int64_t Kill(Context& context, const KillOptions& options) {
  Execution& execution = Execution::Of(context);
  int64_t killed = 0;
  for (const auto& [id, session] : execution.parts().sessions.all()) {
    if (session->killed() || !options.filter.Takes(*session, context.now_ms())) continue;
    if (options.skip_me && session.get() == &execution.session()) continue;
    execution.parts().dispatcher.Kill(*session);
    killed++;
  }
  for (const ServerLink& link : execution.parts().host.Links()) {
    if (!options.filter.Takes(link)) continue;
    execution.parts().host.EndLink(link.id);
    killed++;
  }
  return killed;
}

}  // namespace

void ClientList(Context& context) {
  std::optional<ClientType> type;
  if (context.argc() == 4 && Is(context.arg(2), "type")) {
    if (!ReadClientType(context, context.arg(3), &type)) return;
  } else if (context.argc() > 3 && Is(context.arg(2), "id")) {
    return ListIds(context, 3);
  } else if (context.argc() != 2) {
    return context.reply().Error(kSyntaxError);
  }
  const Parts& parts = Execution::Of(context).parts();
  std::vector<std::pair<uint64_t, std::string>> lines;
  for (const auto& [id, session] : parts.sessions.all()) {
    if (session->killed() || (type && *type != TypeOf(*session))) continue;
    lines.emplace_back(id, DescribeSession(*session, parts.settings, context.now_ms()));
  }
  for (const ServerLink& link : parts.host.Links()) {
    if (!type || *type == TypeOf(link)) lines.emplace_back(link.id, DescribeLink(link));
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const auto& [id, line] : lines) {
    text += line;
  }
  context.reply().Verbatim(text);
}

void ClientKill(Context& context) {
  KillOptions options;
  if (context.argc() == 3) {
    // The old form: one address, and one may end oneself.
    options.filter.peer = context.arg(2);
    options.skip_me = false;
    if (Kill(context, options) == 0) return context.reply().Error("ERR No such client");
    return context.reply().Ok();
  }
  if (context.argc() % 2 != 0) return context.reply().Error(kSyntaxError);
  for (size_t i = 2; i < context.argc(); i += 2) {
    if (!ReadKillOption(context, context.arg(i), context.arg(i + 1), &options)) return;
  }
  context.reply().Integer(Kill(context, options));
}

void ClientUnblock(Context& context) {
  if (context.argc() > 4) return ReplyWrongSubcommand(context);
  bool with_error = false;
  if (context.argc() == 4) {
    with_error = Is(context.arg(3), "error");
    if (!with_error && !Is(context.arg(3), "timeout")) {
      return context.reply().Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
  }
  int64_t id;
  if (!ReadInteger(context, context.arg(2), &id)) return;
  Parts& parts = Execution::Of(context).parts();
  Session* session = parts.sessions.Find(static_cast<uint64_t>(id));
  const bool unblocked = session != nullptr && parts.dispatcher.Unblock(*session, with_error);
  context.reply().Integer(unblocked ? 1 : 0);
}

void ClientPause(Context& context) {
  if (context.argc() > 4) return ReplyWrongSubcommand(context);
  PauseKind kind = PauseKind::kAll;
  if (context.argc() == 4) {
    if (Is(context.arg(3), "write")) {
      kind = PauseKind::kWrites;
    } else if (!Is(context.arg(3), "all")) {
      return context.reply().Error("ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
  }
  int64_t until_ms;
  if (!ReadTimeoutMs(context, context.arg(2), &until_ms)) return;
  // A pause of 0 is over at once, where a timeout of 0 would be none.
  if (until_ms != Wait::kForever) Execution::Of(context).parts().pause.Begin(kind, until_ms);
  context.reply().Ok();
}

void ClientUnpause(Context& context) {
  Parts& parts = Execution::Of(context).parts();
  parts.pause.End();
  parts.dispatcher.RetryPutOff();
  context.reply().Ok();
}

}  // namespace runnel::commands
