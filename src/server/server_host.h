#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "broker/broker.h"
#include "server/config.h"
#include "server/loading.h"
#include "server/saver.h"

namespace runnel {

class Roles;

// What does not change while the process runs.
struct ServerIdentity {
  std::string run_id;         // 40 hexadecimal digits, others at each start
  int64_t start_us = 0;       // Unix clock
  size_t startup_memory = 0;  // bytes allocated before the first client came
};

// The broker's host as commands about the server see it.
class ServerHost : public BrokerHost {
 public:
  // The server that a command runs in. REQUIRES: it is one of ServerCommands().
  static ServerHost& Of(Context& context) {
    return static_cast<ServerHost&>(Execution::Of(context).parts().host);
  }

  virtual Config& config() = 0;
  virtual Broker& broker() = 0;
  virtual const ServerIdentity& identity() const = 0;

  virtual Saver& saver() = 0;
  virtual Roles& roles() = 0;
  // nullptr when what was kept is loaded. Until then nothing may be saved.
  virtual const Loading* loading() const = 0;

  // What is to be saved before the server ends.
  enum class EndSave {
    kNothing,
    kIfPossible,  // a snapshot; a failure is logged
    kSnapshot,    // a snapshot; if it fails, the server goes on
  };
  // Ends the server soon, but not before the running command has returned. `reason` is for the log.
  // Followers that lack changes get them first, for shutdown-timeout at most; if `now`, that is
  // left out, also for an end that was asked for before. Returns whether they are waited for: then
  // the end may still be given up.
  virtual bool RequestShutdown(std::string_view reason, EndSave save, bool now) = 0;
  // Gives up an end that waits for followers. Returns whether there is one.
  virtual bool AbortShutdown() = 0;
  // Ends the process now, inside of a command that takes long and may have changed a part of what
  // it changes. Nothing of this turn is kept; what was answered before is as safe as its replies
  // said.
  virtual void EndAtOnce(std::string_view reason) = 0;
  // Whether that was asked for, and has not failed.
  virtual bool stopping() const = 0;

  // The number of values that no key holds any more and that a helper thread has yet to free.
  virtual uint64_t disposing_objects() const = 0;

  // Runs `work` on a helper thread, then `done` on the loop's.
  virtual void Submit(std::function<void()> work, std::function<void()> done) = 0;
};

}  // namespace runnel
