#include "replication/node_id.h"

#include <string_view>

#include "base/random.h"
#include "env/replace_file.h"
#include "fmt/format.h"

namespace runnel::replication {
namespace {

constexpr std::string_view kTitle = "runnel-node 1\n";
constexpr size_t kDigits = 40;

}  // namespace

Result<std::string> MakeNodeId(Disk& disk, const std::string& path) {
  const std::string id = RandomHex(kDigits);
  Status made = ReplaceFile(disk, path, fmt::format("{}{}\n", kTitle, id));
  if (!made.ok()) return made;
  return id;
}

Result<std::string> ReadOrMakeNodeId(Disk& disk, const std::string& path) {
  const auto read = ReadSmallFile(disk, path, kTitle.size() + kDigits + 2);
  if (!read.ok()) return read.status();
  if (!*read) return MakeNodeId(disk, path);
  const std::string& text = **read;
  const bool good = text.size() == kTitle.size() + kDigits + 1 && text.starts_with(kTitle) &&
                    text.find_first_not_of("0123456789abcdef", kTitle.size()) == text.size() - 1;
  if (!good) {
    return Status::Error(path +
                         ": this is no node id. Restore the file from a copy, or remove it: the "
                         "server gets a new id then");
  }
  return text.substr(kTitle.size(), kDigits);
}

}  // namespace runnel::replication
