#include <string>

#include "broker/commands/client_commands.h"
#include "broker/commands/client_list.h"
#include "broker/execution.h"
#include "commands/arguments.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

Session& Self(Context& context) {
  return Execution::Of(context).session();
}

// ON or OFF; writes the error otherwise.
[[nodiscard]] bool ReadSwitch(Context& context, std::string_view text, bool* on) {
  *on = Is(text, "on");
  if (*on || Is(text, "off")) return true;
  context.reply().Error(kSyntaxError);
  return false;
}

void SetSwitch(Context& context, bool ClientInfo::*field) {
  bool on;
  if (!ReadSwitch(context, context.arg(2), &on)) return;
  Self(context).info.*field = on;
  context.reply().Ok();
}

}  // namespace

void ClientId(Context& context) {
  context.reply().Integer(static_cast<int64_t>(Self(context).id));
}

void ClientGetName(Context& context) {
  const std::string& name = Self(context).info.name;
  name.empty() ? context.reply().Null() : context.reply().Bulk(name);
}

void ClientSetName(Context& context) {
  if (!CheckName(context, "client name", context.arg(2))) return;
  if (!IsClientWord(context.arg(2))) return context.reply().Error(kBadClientName);
  Self(context).info.name = context.arg(2);
  context.reply().Ok();
}

void ClientSetInfo(Context& context) {
  const std::string_view attribute = context.arg(2);
  Session& session = Self(context);
  std::string* field = Is(attribute, "lib-name")  ? &session.info.lib_name
                       : Is(attribute, "lib-ver") ? &session.info.lib_version
                                                  : nullptr;
  if (field == nullptr) {
    return context.reply().Error(fmt::format("ERR Unrecognized option '{}'", attribute));
  }
  if (!CheckName(context, attribute, context.arg(3))) return;
  if (!IsClientWord(context.arg(3))) {
    return context.reply().Error(
        fmt::format("ERR {} cannot contain spaces, newlines or special characters.", attribute));
  }
  *field = context.arg(3);
  context.reply().Ok();
}

void ClientShowInfo(Context& context) {
  context.reply().Verbatim(
      DescribeSession(Self(context), Execution::Of(context).parts().settings, context.now_ms()));
}

void ClientAcks(Context& context) {
  constexpr Acks kLevels[] = {Acks::kNone, Acks::kLeader, Acks::kAll};
  for (const Acks level : kLevels) {
    if (!Is(context.arg(2), NameOf(level))) continue;
    Self(context).ChangeAcks(level, Execution::Of(context).parts().settings.acks);
    return context.reply().Ok();
  }
  context.reply().Error(fmt::format("ERR CLIENT ACKS takes 0, 1 or ALL, not '{}'", context.arg(2)));
}

// The broker mutes what is written while replies are off, so OFF itself needs no care, and ON is
// heard.
void ClientReply(Context& context) {
  Session& session = Self(context);
  const std::string_view mode = context.arg(2);
  if (Is(mode, "on")) {
    session.output.off = false;
    session.output.skip = false;
    context.reply().Ok();
  } else if (Is(mode, "off")) {
    session.output.off = true;
  } else if (!Is(mode, "skip")) {
    context.reply().Error(kSyntaxError);
  } else if (!context.may_block()) {
    // Without a reply here, EXEC's array would be short of an element and the client lost.
    context.reply().Error("ERR CLIENT REPLY SKIP isn't allowed inside a transaction");
  } else if (!session.output.off) {
    session.output.skip_next = true;
  }
}

void ClientNoEvict(Context& context) {
  SetSwitch(context, &ClientInfo::no_evict);
}

void ClientNoTouch(Context& context) {
  SetSwitch(context, &ClientInfo::no_touch);
}

}  // namespace runnel::commands
