#include "broker/commands/script_arguments.h"

#include "broker/monitors.h"

namespace runnel {

std::optional<ScriptArguments> ReadScriptArguments(Context& context,
                                                   std::string_view not_a_number) {
  int64_t count;
  if (!ReadInteger(context, context.arg(2), &count, not_a_number)) return std::nullopt;
  const auto rest = context.args().subspan(3);
  if (count > static_cast<int64_t>(rest.size())) {
    context.reply().Error("ERR Number of keys can't be greater than number of args");
    return std::nullopt;
  }
  if (count < 0) {
    context.reply().Error("ERR Number of keys can't be negative");
    return std::nullopt;
  }
  const auto keys = static_cast<size_t>(count);
  return ScriptArguments{rest.first(keys), rest.subspan(keys)};
}

void TellMonitors(Execution& execution) {
  const bool again = execution.progress() != nullptr;
  Monitors& monitors = execution.parts().monitors;
  if (!monitors.empty() && !again) monitors.Feed(execution.session(), execution.shown_args());
}

}  // namespace runnel
