#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "replication/settings.h"
#include "server/config_values.h"

namespace runnel {

// The server's configuration: the values of all directives, where they come from, and the rules by
// which they change. The syntax, the names and the error texts are those of Redis. The tables in
// config_directives.cc and config_kept.cc define the directives.
class Config {
 public:
  // All defaults. Relative paths start in the process's present working directory.
  Config();
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;

  // The references stay valid while the Config lives. Set changes the values in place.
  const Settings& settings() const { return values_.settings; }
  const ServerOptions& options() const { return values_.options; }
  // The file given to LoadArguments, as an absolute path; empty if there was none.
  const std::string& file() const { return file_; }

  // Reads the configuration from the command line, without the program's name:
  //
  //   [file] [-] [--directive value ...]... [-]
  //
  // Later values replace earlier ones. `-` reads standard input, after the file and before the
  // directives. The word directly after a directive's name is a value even if it begins with `--`,
  // except for `save`. Without a journal, `save` has Redis's points unless it was given. On failure
  // the message says where and why ("runnel.conf:12: 'port': ..."), and the values must not be
  // used.
  Status LoadArguments(std::span<const std::string> arguments);
  // Reads lines in the form of a file. `source` is the name of the text in messages.
  Status LoadText(std::string_view text, const std::string& source);

  // CONFIG SET: all pairs of name and value, or none of them. On failure the message is the error
  // reply after "ERR ".
  using Pair = std::pair<std::string_view, std::string_view>;
  Status Set(std::span<const Pair> pairs);
  // CONFIG GET: names and values of all directives that a pattern matches, each once. A pattern
  // that is a name matches it in any case; the result then has the name as the pattern writes it.
  std::vector<std::pair<std::string, std::string>> Get(
      std::span<const std::string_view> patterns) const;
  // REPLICAOF has been told to make this server follow another one, or none (an empty host).
  void NoteLeader(const std::string& host, uint16_t port);
  // CONFIG REWRITE: a function that updates the file, see RewriteConfigFile. It holds a copy of all
  // values and may run on any thread, because it waits for the disk. If such functions run in
  // another order than that of these calls, the file has the newest values in the end. Fails if
  // there is no file.
  Result<std::function<Status()>> Rewrite() const;

  // Set calls `action` after it has changed this directive, to make the new value take effect. An
  // action that fails must have changed nothing: its message is the reason that the client gets,
  // all values of that Set are restored, and the actions called before it are called again. At most
  // one action per directive. REQUIRES: a directive of that name exists.
  using Action = std::function<Status()>;
  void OnChange(std::string_view name, Action action);

  // The directives that were given but have no effect, for a line in the log. The defaults are
  // Redis's.
  struct Ignored {
    std::vector<std::string_view> changed;     // given a value that is not the default
    std::vector<std::string_view> at_default;  // given the default
  };
  Ignored WithoutEffect() const;

 private:
  static void CallAgain(std::span<const Action* const> actions);

  ConfigValues values_;
  std::string file_;
  std::map<std::string_view, Action> actions_;
  struct Rewrites;
  const std::shared_ptr<Rewrites> rewrites_;
};

// What the cold store goes by. Where maxmemory is less than twice stream-memory, the bound is half
// of maxmemory: old entries go to the disk before there is no memory for new ones.
ColdSettings ColdSettingsOf(const Settings& settings);

// What replication goes by. The journal is kept in whole segments, so a smaller backlog than one
// segment is one segment.
replication::ReplicationSettings ReplicationSettingsOf(const ServerOptions& options);
// The directives that this reads, and that may change at any time; without journal-segment-bytes,
// which only bounds another one.
std::span<const char* const> ReplicationDirectives();

// The whole of a file.
Result<std::string> ReadConfigFile(const std::string& path);
// Reads lines of a configuration into `values`; `include` reads other files at its place. `source`
// is the name of the text in messages.
Status LoadConfigText(std::string_view text, const std::string& source, ConfigValues* values);

}  // namespace runnel
