#pragma once

#include <span>
#include <string_view>

#include "resp/reply_writer.h"

namespace runnel {

// Levels of redis.log, by its numbers.
enum class ScriptLogLevel { kDebug = 0, kVerbose = 1, kNotice = 2, kWarning = 3 };

// What a running script needs from the server. One object serves one run, on its stack. No function
// may throw: its caller is a C function under Lua. None may use the engine that runs the script.
class ScriptHost {
 public:
  enum class Answer {
    kDone,    // the reply was written
    kNotNow,  // nothing was written: the script ends and is to be run again from its start
  };
  // Runs the command of redis.call or redis.pcall: args[0] is its name, and there is at least one.
  // Writes exactly one reply, in the protocol of `reply` (2, or 3 after redis.setresp(3)). What is
  // not allowed in a script is an error reply like every other error. The views are valid until the
  // call returns.
  virtual Answer Call(std::span<const std::string_view> args, ReplyWriter& reply) noexcept = 0;

  // Called after each piece of work of about 10 to 100 microseconds, also of library functions.
  // False ends the script; nothing in it can prevent that.
  virtual bool MayGoOn() noexcept = 0;

  virtual void Log(ScriptLogLevel level, std::string_view text) noexcept = 0;

  // An error is a part of the script's reply, or all of it, but not one that Call has written.
  // `code`: see ReplyWriter::CodeOf.
  virtual void CountError(std::string_view code) noexcept = 0;

  enum class Access { kAllowed, kDenied, kNoSuchCommand };
  // May the script's user run this command (redis.acl_check_cmd)?
  virtual Access CheckAccess(std::span<const std::string_view> args) noexcept = 0;

 protected:
  ~ScriptHost() = default;
};

}  // namespace runnel
