#include "server/supervisor.h"

#include <signal.h>

#include <cstdlib>
#include <cstring>

#include "base/datagram.h"
#include "base/log.h"

namespace runnel {
namespace {

std::string FromEnvironment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

Supervisor::Supervisor(Supervised wanted) {
  const bool any = wanted == Supervised::kAuto;
  if (any || wanted == Supervised::kSystemd) {
    socket_ = FromEnvironment("NOTIFY_SOCKET");
    if (socket_.empty() && !any) {
      LogWarning("supervised is systemd, but NOTIFY_SOCKET is not set: nobody is notified");
    }
  }
  if (socket_.empty() && (any || wanted == Supervised::kUpstart)) {
    upstart_ = !FromEnvironment("UPSTART_JOB").empty();
    if (!upstart_ && !any) {
      LogWarning("supervised is upstart, but UPSTART_JOB is not set: nobody is notified");
    }
  }
}

void Supervisor::NotifyReady() const {
  Send("READY=1\nSTATUS=Ready to accept connections\n");
  if (upstart_) raise(SIGSTOP);
}

void Supervisor::NotifyStopping() const {
  Send("STOPPING=1\nSTATUS=Shutting down\n");
}

void Supervisor::Send(std::string_view state) const {
  if (socket_.empty()) return;
  const int error = SendDatagram(socket_, state);
  if (error != 0) {
    LogWarning("systemd cannot be notified at {}: {}", socket_, std::strerror(error));
  }
}

}  // namespace runnel
