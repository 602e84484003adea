#include <cstdint>
#include <optional>
#include <string_view>

#include "base/version.h"
#include "broker/admission.h"
#include "broker/commands/broker_families.h"
#include "broker/commands/client_list.h"
#include "broker/dispatcher.h"
#include "broker/execution.h"
#include "broker/outbox.h"
#include "broker/settings.h"
#include "broker/stats.h"
#include "broker/turn_clock.h"
#include "commands/arguments.h"
#include "fmt/format.h"

namespace runnel {
namespace {

constexpr std::string_view kWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";

// Takes equally long wherever the first difference is, so that the time of a refusal tells nothing
// of the password.
bool IsSameSecret(std::string_view secret, std::string_view guess) {
  if (secret.size() != guess.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < secret.size(); i++) {
    difference |= static_cast<unsigned char>(secret[i] ^ guess[i]);
  }
  return difference == 0;
}

// There is one user; without a password it takes any.
bool MayEnter(const Settings& settings, std::string_view user, std::string_view password) {
  return user == kDefaultUser &&
         (settings.requirepass.empty() || IsSameSecret(settings.requirepass, password));
}

void Enter(Session& session) {
  session.info.authenticated = true;
  session.info.wrong_passwords = 0;
}

// A client that guesses passwords needs a new connection for every few guesses.
void RefuseEntry(Execution& execution) {
  Session& session = execution.session();
  Parts& parts = execution.parts();
  parts.stats.wrong_passwords.Note(session.transport->peer(), parts.clock.steady_ms());
  execution.reply().Error(kWrongPassword);
  session.info.wrong_passwords++;
  if (session.info.wrong_passwords >= WrongPasswords::kMostOnAConnection) {
    parts.outbox.CloseAfterReply(session);
  }
}

void Ping(Context& context) {
  if (context.argc() > 2) {
    return context.reply().Error("ERR wrong number of arguments for 'ping' command");
  }
  ReplyWriter& reply = context.reply();
  // A RESP2 subscriber reads messages and replies from one stream, so this reply looks like a
  // message.
  Execution& execution = Execution::Of(context);
  if (reply.protocol() == 2 && !execution.in_script() && execution.session().subscriptions() > 0) {
    reply.Array(2);
    reply.Bulk("pong");
    return reply.Bulk(context.argc() == 2 ? context.arg(1) : "");
  }
  if (context.argc() == 2) return reply.Bulk(context.arg(1));
  reply.Simple("PONG");
}

void Echo(Context& context) {
  context.reply().Bulk(context.arg(1));
}

void Select(Context& context) {
  if (!ReadDb(context, context.arg(1), &Execution::Of(context).session().db)) return;
  context.reply().Ok();
}

void Auth(Context& context) {
  Execution& execution = Execution::Of(context);
  for (size_t i = 1; i < context.argc(); i++) {
    execution.Redact(i);
  }
  if (context.argc() > 3) return context.reply().Error(kSyntaxError);
  const Settings& settings = execution.parts().settings;
  if (context.argc() == 2 && settings.requirepass.empty()) {
    return context.reply().Error(
        "ERR AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
  }
  const std::string_view user = context.argc() == 3 ? context.arg(1) : kDefaultUser;
  if (!MayEnter(settings, user, context.args().back())) return RefuseEntry(execution);
  Enter(execution.session());
  context.reply().Ok();
}

// What HELLO was given; a field that was not is empty.
struct HelloOptions {
  std::optional<int> protocol;
  std::optional<std::string_view> user;
  std::string_view password;
  std::optional<std::string_view> name;
};

[[nodiscard]] bool ReadHello(Context& context, HelloOptions* options) {
  if (context.argc() == 1) return true;
  int64_t protocol;
  if (!ReadInteger(context, context.arg(1), &protocol,
                   "ERR Protocol version is not an integer or out of range")) {
    return false;
  }
  if (protocol != 2 && protocol != 3) {
    context.reply().Error("NOPROTO unsupported protocol version");
    return false;
  }
  options->protocol = static_cast<int>(protocol);
  for (size_t i = 2; i < context.argc(); i++) {
    const size_t left = context.argc() - i - 1;
    if (Is(context.arg(i), "auth") && left >= 2) {
      Execution::Of(context).Redact(i + 1);
      Execution::Of(context).Redact(i + 2);
      options->user = context.arg(i + 1);
      options->password = context.arg(i + 2);
      i += 2;
    } else if (Is(context.arg(i), "setname") && left >= 1) {
      options->name = context.arg(++i);
      if (!CheckName(context, "client name", *options->name)) return false;
      if (!IsClientWord(*options->name)) {
        context.reply().Error(kBadClientName);
        return false;
      }
    } else {
      context.reply().Error(fmt::format("ERR Syntax error in HELLO option '{}'", context.arg(i)));
      return false;
    }
  }
  return true;
}

void Hello(Context& context) {
  HelloOptions options;
  if (!ReadHello(context, &options)) return;
  Execution& execution = Execution::Of(context);
  Session& session = execution.session();
  ReplyWriter& reply = context.reply();
  if (options.user) {
    if (!MayEnter(execution.parts().settings, *options.user, options.password)) {
      return RefuseEntry(execution);
    }
    Enter(session);
  }
  if (MustAuthenticate(session, execution.parts().settings)) {
    return reply.Error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
        "RESP protocol version at the same time");
  }
  if (options.name) session.info.name = *options.name;
  if (options.protocol) reply.set_protocol(*options.protocol);
  reply.Map(7);
  reply.Bulk("server");
  reply.Bulk("redis");  // clients look whether it is
  reply.Bulk("version");
  reply.Bulk(kRedisVersion);
  reply.Bulk("proto");
  reply.Integer(reply.protocol());
  reply.Bulk("id");
  reply.Integer(static_cast<int64_t>(session.id));
  reply.Bulk("mode");
  reply.Bulk("standalone");
  reply.Bulk("role");
  reply.Bulk(Execution::Of(context).parts().log.follows() ? "replica" : "master");
  reply.Bulk("modules");
  reply.Array(0);
}

void Quit(Context& context) {
  context.reply().Ok();
  Execution::Of(context).parts().outbox.CloseAfterReply(Execution::Of(context).session());
}

void Reset(Context& context) {
  Execution::Of(context).parts().dispatcher.Reset(Execution::Of(context).session());
  context.reply().Simple("RESET");
}

constexpr uint32_t kHandshake = kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy;

constexpr CommandSpec kConnectionCommands[] = {
    {.name = "ping",
     .run = Ping,
     .arity = -1,
     .flags = kFast | kInSubscribe,
     .categories = kAclConnection,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers, which shows that the connection works",
     .syntax = "[message]"},
    {.name = "echo",
     .run = Echo,
     .arity = 2,
     .flags = kLoading | kStale | kFast,
     .categories = kAclConnection,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers with what it was given",
     .syntax = "message"},
    {.name = "select",
     .run = Select,
     .arity = 2,
     .flags = kLoading | kStale | kFast | kSelectsDb,
     .categories = kAclConnection,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Chooses the database that the connection works on",
     .syntax = "index:integer"},
    {.name = "hello",
     .run = Hello,
     .arity = -1,
     .flags = kHandshake,
     .categories = kAclConnection,
     .group = "connection",
     .since = "6.0.0",
     .complexity = "O(1)",
     .summary = "Chooses the protocol, and tells who the server is",
     .syntax = "[protover:integer [AUTH username password] [SETNAME clientname]]"},
    {.name = "auth",
     .run = Auth,
     .arity = -2,
     .flags = kHandshake,
     .categories = kAclConnection,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Gives the password",
     .syntax = "[username] password"},
    {.name = "quit",
     .run = Quit,
     .arity = -1,
     .flags = kHandshake | kInMulti | kInSubscribe,
     .categories = kAclConnection,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Ends the connection when its replies have left",
     .syntax = ""},
    {.name = "reset",
     .run = Reset,
     .arity = 1,
     .flags = kHandshake | kInMulti | kInSubscribe,
     .categories = kAclConnection,
     .group = "connection",
     .since = "6.2.0",
     .complexity = "O(N) for N subscriptions and watched keys",
     .summary = "Makes the connection what it was when it was new",
     .syntax = ""},
};

}  // namespace

std::span<const CommandSpec> ConnectionCommands() {
  return kConnectionCommands;
}

}  // namespace runnel
