// CLIENT TRACKING and its kin: client-side caching.

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "broker/commands/client_commands.h"
#include "broker/execution.h"
#include "broker/sessions.h"
#include "broker/tracking.h"
#include "commands/arguments.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

// What the options of CLIENT TRACKING ask for.
struct Request {
  bool on = false;
  TrackingState state;
  std::vector<std::string> prefixes;  // in the order of the arguments
};

// Reads the arguments. Writes the error otherwise.
[[nodiscard]] bool ReadRequest(Context& context, Request* request) {
  for (size_t i = 3; i < context.argc(); i++) {
    const std::string_view option = context.arg(i);
    const bool more = i + 1 < context.argc();
    if (Is(option, "redirect") && more) {
      if (request->state.redirect != 0) {
        return Fail(context, "ERR A client can only redirect to a single other client");
      }
      int64_t id;
      if (!ReadInteger(context, context.arg(++i), &id)) return false;
      const Session* other =
          id <= 0 ? nullptr
                  : Execution::Of(context).parts().sessions.Find(static_cast<uint64_t>(id));
      if (other == nullptr)
        return Fail(context, "ERR The client ID you want redirect to does not exist");
      request->state.redirect = other->id;
    } else if (Is(option, "bcast")) {
      request->state.broadcast = true;
    } else if (Is(option, "optin")) {
      request->state.opt_in = true;
    } else if (Is(option, "optout")) {
      request->state.opt_out = true;
    } else if (Is(option, "noloop")) {
      request->state.no_loop = true;
    } else if (Is(option, "prefix") && more) {
      request->prefixes.emplace_back(context.arg(++i));
    } else {
      return Fail(context, kSyntaxError);
    }
  }
  const std::string_view mode = context.arg(2);
  request->on = Is(mode, "on");
  return request->on || Is(mode, "off") || Fail(context, kSyntaxError);
}

// Whether one of the two begins with the other.
bool Overlap(std::string_view a, std::string_view b) {
  return a.starts_with(b) || b.starts_with(a);
}

// The first of the wanted prefixes that overlaps with another wanted one or with one that the
// session has; nullptr if none does. In sorted order, what begins with a prefix follows it without
// a gap, so each prefix has to be compared with the last one that is still open only.
const std::string* FirstOverlapping(const absl::btree_set<std::string>& now,
                                    std::span<const std::string> wanted) {
  std::vector<const std::string*> all;
  for (const std::string& prefix : now) {
    all.push_back(&prefix);
  }
  for (const std::string& prefix : wanted) {
    all.push_back(&prefix);
  }
  std::stable_sort(all.begin(), all.end(), [](auto* a, auto* b) { return *a < *b; });
  const std::string* first = nullptr;
  const auto note = [&](const std::string* prefix) {
    const bool is_wanted = std::less_equal<>()(wanted.data(), prefix) &&
                           std::less<>()(prefix, wanted.data() + wanted.size());
    if (is_wanted && (first == nullptr || prefix < first)) first = prefix;
  };
  std::vector<const std::string*> open;
  for (const std::string* prefix : all) {
    while (!open.empty() && !prefix->starts_with(*open.back())) {
      open.pop_back();
    }
    if (!open.empty()) {
      note(prefix);
      note(open.back());
    }
    open.push_back(prefix);
  }
  return first;
}

// Names two prefixes of which one begins with the other, at least one of them wanted: the first
// that Redis finds. Empty if there are none.
std::string WhyOverlap(const TrackingState* state, std::span<const std::string> wanted) {
  const absl::btree_set<std::string> none;
  const absl::btree_set<std::string>& now = state == nullptr ? none : state->prefixes;
  const std::string* const first = FirstOverlapping(now, wanted);
  if (first == nullptr) return "";
  const auto why = [&](std::string_view kind, std::string_view second) {
    return fmt::format(
        "ERR Prefix '{}' overlaps with {} prefix '{}'. Prefixes for a single client must not "
        "overlap.",
        *first, kind, second);
  };
  for (const std::string& prefix : now) {
    if (Overlap(*first, prefix)) return why("an existing", prefix);
  }
  for (const std::string& prefix : wanted) {
    if (&prefix != first && Overlap(*first, prefix)) return why("another provided", prefix);
  }
  return "";
}

// Why the session may not track like this; empty if it may.
std::string WhyNot(const Session& session, const Request& request) {
  const TrackingState& wanted = request.state;
  const TrackingState* now = session.tracking.get();
  if (!wanted.broadcast && !request.prefixes.empty()) {
    return "ERR PREFIX option requires BCAST mode to be enabled";
  }
  if (now != nullptr && now->broadcast != wanted.broadcast) {
    return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and "
           "then re-enabling it with a different mode.";
  }
  if (wanted.broadcast && (wanted.opt_in || wanted.opt_out)) {
    return "ERR OPTIN and OPTOUT are not compatible with BCAST";
  }
  if (wanted.opt_in && wanted.opt_out) {
    return "ERR You can't specify both OPTIN mode and OPTOUT mode";
  }
  if (now != nullptr && ((wanted.opt_in && now->opt_out) || (wanted.opt_out && now->opt_in))) {
    return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and "
           "then re-enabling it with a different mode.";
  }
  return WhyOverlap(now, request.prefixes);
}

}  // namespace

void ClientTracking(Context& context) {
  Request request;
  if (!ReadRequest(context, &request)) return;
  Tracking& tracking = Execution::Of(context).parts().tracking;
  Session& session = Execution::Of(context).session();
  if (!request.on) {
    tracking.Disable(session);
    return context.reply().Ok();
  }
  if (const std::string why = WhyNot(session, request); !why.empty()) {
    return context.reply().Error(why);
  }
  for (std::string& prefix : request.prefixes) {
    request.state.prefixes.insert(std::move(prefix));
  }
  tracking.Enable(session, std::move(request.state));
  context.reply().Ok();
}

void ClientTrackingInfo(Context& context) {
  const TrackingState* state = Execution::Of(context).session().tracking.get();
  ReplyWriter& reply = context.reply();
  std::vector<std::string_view> flags = {state != nullptr ? "on" : "off"};
  if (state != nullptr) {
    if (state->broadcast) flags.push_back("bcast");
    if (state->opt_in) flags.push_back("optin");
    if (state->opt_in && state->caching) flags.push_back("caching-yes");
    if (state->opt_out) flags.push_back("optout");
    if (state->opt_out && state->caching) flags.push_back("caching-no");
    if (state->no_loop) flags.push_back("noloop");
    if (state->redirect_broken) flags.push_back("broken_redirect");
  }
  reply.Map(3);
  reply.Bulk("flags");
  reply.Set(flags.size());
  for (const std::string_view flag : flags) {
    reply.Bulk(flag);
  }
  reply.Bulk("redirect");
  reply.Integer(RedirectOf(state));
  reply.Bulk("prefixes");
  reply.Array(state == nullptr ? 0 : state->prefixes.size());
  if (state == nullptr) return;
  for (const std::string& prefix : state->prefixes) {
    reply.Bulk(prefix);
  }
}

void ClientCaching(Context& context) {
  TrackingState* state = Execution::Of(context).session().tracking.get();
  if (state == nullptr) {
    return context.reply().Error(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
        "OPTOUT mode enabled");
  }
  if (Is(context.arg(2), "yes")) {
    if (!state->opt_in) {
      return context.reply().Error(
          "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
    }
  } else if (Is(context.arg(2), "no")) {
    if (!state->opt_out) {
      return context.reply().Error(
          "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
    }
  } else {
    return context.reply().Error(kSyntaxError);
  }
  state->caching = true;
  context.reply().Ok();
}

void ClientGetRedir(Context& context) {
  const TrackingState* state = Execution::Of(context).session().tracking.get();
  context.reply().Integer(RedirectOf(state));
}

}  // namespace runnel::commands
