#include "server/config_rewrite.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "fmt/format.h"
#include "resp/request_parser.h"
#include "server/config.h"
#include "server/config_directives.h"

namespace runnel {
namespace {

using DirectiveSet = std::set<const Directive*>;

// The line that gives a directive its value.
std::string Line(const Directive& directive, const ConfigValues& values) {
  const std::string text = directive.format(directive, values);
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return c == ' ' ? directive.several : c > ' ' && c <= '~' && c != '"' && c != '\'' && c != '\\';
  });
  return fmt::format("{} {}\n", directive.name, plain ? text : Quote(text));
}

// The directives whose values differ.
DirectiveSet Differences(const ConfigValues& a, const ConfigValues& b) {
  DirectiveSet different;
  for (const Directive& directive : Directives()) {
    if (directive.format(directive, a) != directive.format(directive, b)) {
      different.insert(&directive);
    }
  }
  return different;
}

// Loads `text`, the content of the file at `path`, as a start would. Returns the directives that
// then differ from `values`.
Result<DirectiveSet> FindDifferences(const std::string& text, const std::string& path,
                                     const ConfigValues& values) {
  ConfigValues loaded(values.working_dir);
  const Status status = LoadConfigText(text, path, &loaded);
  if (!status.ok()) return status;
  return Differences(loaded, values);
}

// The text with the first line of each of these directives replaced and the others left out.
std::string ReplaceLines(std::string_view text, const DirectiveSet& directives,
                         const ConfigValues& values) {
  std::string result;
  DirectiveSet written;
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size() - 1) + 1);
    text.remove_prefix(line.size());
    const Directive* directive =
        SplitWords(line, &words) && !words.empty() ? FindDirective(words[0]) : nullptr;
    if (!directives.contains(directive)) {
      result += line;
    } else if (written.insert(directive).second) {
      result += Line(*directive, values);
    }
  }
  return result;
}

std::string AddLines(std::string text, const DirectiveSet& directives, const ConfigValues& values) {
  constexpr std::string_view kHeading = "# Added by CONFIG REWRITE:\n";
  if (!text.empty() && text.back() != '\n') text += '\n';
  if (text.find(kHeading) == std::string::npos) text += fmt::format("\n{}", kHeading);
  // In the order of the table; the set is ordered by address.
  for (const Directive& directive : Directives()) {
    if (!directives.contains(&directive)) continue;
    const std::string line = Line(directive, values);
    const std::string nothing = fmt::format("{} \"\"\n", directive.name);
    if (directive.adds && line != nothing) text += nothing;
    text += line;
  }
  return text;
}

Status Failed(std::string_view what) {
  return Status::SystemError(std::string(what), errno);
}

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

Status ReplaceFile(const std::string& path, std::string_view text) {
  struct stat old;
  if (::stat(path.c_str(), &old) != 0) return Failed(path);
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return Failed(temporary);
  // Only root can set another owner, and only for root the owner can differ.
  const bool kept_owner = ::fchown(fd, old.st_uid, old.st_gid) == 0 || errno == EPERM;
  const bool good = kept_owner && ::fchmod(fd, old.st_mode & 07777) == 0 && WriteAll(fd, text) &&
                    ::fsync(fd) == 0 && ::rename(temporary.c_str(), path.c_str()) == 0;
  Status status;
  if (!good) {
    status = Failed(temporary);
    ::unlink(temporary.c_str());
  }
  ::close(fd);
  if (!good) return status;

  // The rename is durable only after the directory is synced.
  const size_t slash = path.rfind('/');
  const std::string dir = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int dir_fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir_fd < 0) return Failed(dir);
  if (::fsync(dir_fd) != 0) status = Failed(dir);
  ::close(dir_fd);
  return status;
}

}  // namespace

Status RewriteConfigFile(const std::string& path, const ConfigValues& values) {
  const Result<std::string> old = ReadConfigFile(path);
  if (!old.ok()) return old.status();
  Result<DirectiveSet> wrong = FindDifferences(*old, path, values);
  if (!wrong.ok()) return wrong.status();
  std::string text = ReplaceLines(*old, *wrong, values);

  // Directives that have no line in this file, or that an included file sets later.
  wrong = FindDifferences(text, path, values);
  if (!wrong.ok()) return wrong.status();
  if (!wrong->empty()) text = AddLines(std::move(text), *wrong, values);
  if (text == *old) return {};
  return ReplaceFile(path, text);
}

}  // namespace runnel
