#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "server/config_values.h"

namespace runnel {

// The server's configuration: the values of all directives, where they come from, and the rules by
// which they change. The syntax, the names and the error texts are those of Redis; the directives
// are the table in config_directives.cc.
class Config {
 public:
  // All defaults. Relative paths count from the process's present working directory.
  Config();
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;

  // Good for as long as the Config lives; the values in them change by Set.
  const Settings& settings() const { return values_.settings; }
  const ServerOptions& options() const { return values_.options; }
  // The file given to LoadArguments, as an absolute path; empty if there was none.
  const std::string& file() const { return file_; }

  // Reads the configuration from the command line, without the program's name:
  //
  //   [file] [-] [--directive value ...]... [-]
  //
  // Later values replace earlier ones. `-` reads standard input, behind the file and before the
  // directives. What stands directly behind a directive's name is a value even if it begins with
  // `--`, except for `save`. On failure the message says where and why ("runnel.conf:12: 'port':
  // ..."), and the values are of no use.
  Status LoadArguments(std::span<const std::string> arguments);
  // Reads lines as they stand in a file. `source` is what messages call it.
  Status LoadText(std::string_view text, const std::string& source);

  // CONFIG SET: all pairs of name and value, or none of them. On failure the message is the error
  // reply behind "ERR ".
  using Pair = std::pair<std::string_view, std::string_view>;
  Status Set(std::span<const Pair> pairs);
  // CONFIG GET: names and values of all directives that one of the patterns matches, each once.
  // A pattern that is a name stands for it in any case, and is what the name is given as.
  std::vector<std::pair<std::string, std::string>> Get(
      std::span<const std::string_view> patterns) const;
  // CONFIG REWRITE: what brings the file up to date, see RewriteConfigFile. It holds a copy of all
  // values and may run on any thread, because it waits for the disk. Fails if there is no file.
  Result<std::function<Status()>> Rewrite() const;

  // `action` is called by Set when it has changed this directive, to do what the change of the
  // value alone does not. If it fails, it has done nothing; its message is the reason that the
  // client gets, all values of that Set become again what they were, and the actions that were
  // called before it are called again. At most one action for a directive. REQUIRES: there is a
  // directive of that name.
  using Action = std::function<Status()>;
  void OnChange(std::string_view name, Action action);

  // Directives that were given another value than their default but have no effect, for a line in
  // the log.
  std::vector<std::string_view> WithoutEffect() const;

 private:
  static void CallAgain(std::span<const Action* const> actions);

  ConfigValues values_;
  std::string file_;
  std::map<std::string_view, Action> actions_;
};

// The whole of a file.
Result<std::string> ReadConfigFile(const std::string& path);
// Reads lines of a configuration into `values`; `include` reads other files in between. `source` is
// what messages call the text.
Status LoadConfigText(std::string_view text, const std::string& source, ConfigValues* values);

}  // namespace runnel
