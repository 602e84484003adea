#pragma once

#include <string>
#include <string_view>

#include "server/config_values.h"

namespace runnel {

// The program that has started this server, if it wants to be notified: systemd, through the
// datagram socket that NOTIFY_SOCKET names, or upstart, through SIGSTOP.
class Supervisor {
 public:
  // Finds the supervisor in the environment. One that is asked for and is not there is logged.
  explicit Supervisor(Supervised wanted);

  // Whether there is one. Then the server stays in the foreground.
  bool notified() const { return !socket_.empty() || upstart_; }
  // The server serves its clients.
  void NotifyReady() const;
  // The server has begun to end.
  void NotifyStopping() const;

 private:
  void Send(std::string_view state) const;

  std::string socket_;  // of systemd; empty: none
  bool upstart_ = false;
};

}  // namespace runnel
