#include "broker/slowlog.h"

#include <algorithm>

#include "fmt/format.h"

namespace runnel {
namespace {

constexpr size_t kMaxArguments = 32;
constexpr size_t kMaxArgumentBytes = 128;

}  // namespace

void SlowLog::Add(int64_t time_s, int64_t duration_us, std::span<const std::string_view> args,
                  std::string_view peer, std::string_view client_name, size_t max_entries) {
  Entry entry{next_id_++,
              time_s,
              duration_us,
              {},
              args.size(),
              std::string(peer),
              std::string(client_name)};
  const bool too_many = args.size() > kMaxArguments;
  const size_t kept = too_many ? kMaxArguments - 1 : args.size();
  for (const std::string_view arg : args.first(kept)) {
    if (arg.size() > kMaxArgumentBytes) {
      entry.args.push_back(fmt::format("{}... ({} more bytes)", arg.substr(0, kMaxArgumentBytes),
                                       arg.size() - kMaxArgumentBytes));
    } else {
      entry.args.emplace_back(arg);
    }
  }
  if (too_many) entry.args.push_back(fmt::format("... ({} more arguments)", args.size() - kept));
  entries_.push_front(std::move(entry));
  Shrink(max_entries);
}

void SlowLog::Shrink(size_t max_entries) {
  while (entries_.size() > max_entries) {
    entries_.pop_back();
  }
}

}  // namespace runnel
