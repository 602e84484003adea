#include "broker/monitors.h"

#include <string>

#include "base/text.h"
#include "fmt/format.h"

namespace runnel {

void Monitors::FeedAs(std::string_view who, const Session& session,
                      std::span<const std::string_view> args) {
  const int64_t now = clock_.clock().UnixMicros();
  std::string line =
      fmt::format("+{}.{:06} [{} {}]", now / 1000000, now % 1000000, session.db, who);
  for (const std::string_view arg : args) {
    line += ' ';
    line += Quote(arg);
  }
  line += "\r\n";
  sessions_.ForEach([&](Session& monitor) { outbox_.Deliver(monitor, Ref<Block>(), line); });
}

}  // namespace runnel
