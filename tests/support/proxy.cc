#include "tests/support/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

namespace runnel::test {
namespace {

// What a flow holds before it stops reading: so a sender meets a full window, as in a real network.
constexpr size_t kMostHeld = 256 << 10;

sockaddr_in AddressOf(const std::string& address, int port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, address.c_str(), &result.sin_addr) != 1) {
    throw std::runtime_error("no IPv4 address: " + address);
  }
  return result;
}

void SendAtOnce(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

Proxy::Proxy(Options options) : options_(std::move(options)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address = AddressOf(options_.address, 0);
  socklen_t size = sizeof(address);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, SOMAXCONN) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::runtime_error(std::string("the proxy cannot listen: ") + std::strerror(errno));
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

Proxy::~Proxy() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  Wake();
  thread_.join();
  for (const Connection& connection : connections_) {
    Close(connection);
  }
  for (const int fd : {listener_, wake_[0], wake_[1]}) {
    close(fd);
  }
}

void Proxy::Delay(Direction direction, std::chrono::milliseconds delay) {
  const std::lock_guard lock(mutex_);
  harms_[static_cast<size_t>(direction)].delay = delay;
}

void Proxy::Hold(Direction direction) {
  const std::lock_guard lock(mutex_);
  harms_[static_cast<size_t>(direction)].holds = true;
}

void Proxy::Swallow(Direction direction) {
  const std::lock_guard lock(mutex_);
  harms_[static_cast<size_t>(direction)].swallows = true;
}

void Proxy::Cut() {
  const std::lock_guard lock(mutex_);
  cut_ = true;
  BreakAll();
  Wake();
}

void Proxy::CutAfter(Direction direction, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  harms_[static_cast<size_t>(direction)].bytes_left = bytes;
}

void Proxy::Heal() {
  const std::lock_guard lock(mutex_);
  cut_ = false;
  for (Harm& harm : harms_) {
    harm = {};
  }
  for (Connection& connection : connections_) {
    for (Flow& flow : connection.flows) {
      connection.broken |= flow.gap;
    }
  }
  Wake();
}

uint64_t Proxy::passed(Direction direction) const {
  const std::lock_guard lock(mutex_);
  return passed_[static_cast<size_t>(direction)];
}

uint64_t Proxy::accepted() const {
  const std::lock_guard lock(mutex_);
  return accepted_;
}

size_t Proxy::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

uint64_t Proxy::cuts() const {
  const std::lock_guard lock(mutex_);
  return cuts_;
}

void Proxy::Wake() const {
  [[maybe_unused]] const ssize_t written = write(wake_[1], "x", 1);
}

void Proxy::BreakAll() {
  for (Connection& connection : connections_) {
    connection.broken = true;
  }
}

void Proxy::Run() {
  for (std::unique_lock lock(mutex_); !ends_;) {
    Wait(lock);
    for (Connection& connection : connections_) {
      Move(connection, 0);
      Move(connection, 1);
    }
    std::erase_if(connections_, [](const Connection& connection) {
      const Flow* const flows = connection.flows;
      const bool over = flows[0].end_passed_on && flows[1].end_passed_on;
      if (over || connection.broken) Close(connection);
      return over || connection.broken;
    });
    Accept();
  }
}

void Proxy::Wait(std::unique_lock<std::mutex>& lock) {
  std::vector<pollfd> fds = {{listener_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
  const Clock::time_point now = Clock::now();
  std::optional<Clock::time_point> due;
  for (const Connection& connection : connections_) {
    pollfd sides[2] = {{connection.fds[0], 0, 0}, {connection.fds[1], 0, 0}};
    for (size_t i = 0; i < 2; i++) {
      const Flow& flow = connection.flows[i];
      if (!flow.ended && flow.held < kMostHeld) sides[i].events |= POLLIN;
      if (MayWrite(flow, harms_[i], now)) {
        sides[1 - i].events |= POLLOUT;
      } else if (!flow.pieces.empty() && flow.pieces.front().due > now) {
        due = std::min(due.value_or(flow.pieces.front().due), flow.pieces.front().due);
      }
    }
    // The end of a side is reported though nothing is wanted of it: again and again.
    for (const pollfd& side : sides) {
      if (side.events != 0) fds.push_back(side);
    }
  }
  int wait_ms = -1;
  if (due) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due - now);
    wait_ms = static_cast<int>(left.count());
  }
  lock.unlock();
  poll(fds.data(), fds.size(), wait_ms);
  char ignored[64];
  while (read(wake_[0], ignored, sizeof(ignored)) > 0) {
  }
  lock.lock();
}

void Proxy::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client < 0) return;
  accepted_++;
  if (cut_) {
    close(client);
    return;
  }
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const sockaddr_in address = AddressOf(options_.server, options_.server_port);
  const bool fails =
      connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
      errno != EINPROGRESS;
  SendAtOnce(client);
  SendAtOnce(server);
  Connection& connection = connections_.emplace_back();
  connection.fds[0] = client;
  connection.fds[1] = server;
  connection.broken = fails;
}

void Proxy::Move(Connection& connection, size_t direction) {
  if (!connection.broken) Read(connection, direction);
  if (!connection.broken) Write(connection, direction);
}

void Proxy::Read(Connection& connection, size_t direction) {
  Flow& flow = connection.flows[direction];
  const Harm& harm = harms_[direction];
  char buffer[65536];
  while (!flow.ended && flow.held < kMostHeld) {
    const ssize_t bytes = recv(connection.fds[direction], buffer, sizeof(buffer), 0);
    if (bytes < 0 && errno == EAGAIN) return;
    if (bytes <= 0) {
      flow.ended = true;
      // A reset does not pass a network that is gone.
      if (bytes < 0 && !harm.holds && !harm.swallows) connection.broken = true;
      return;
    }
    flow.gap |= harm.swallows;
    if (flow.gap) continue;
    flow.pieces.push_back({Clock::now() + harm.delay, {buffer, static_cast<size_t>(bytes)}});
    flow.held += static_cast<size_t>(bytes);
  }
}

bool Proxy::MayWrite(const Flow& flow, const Harm& harm, Clock::time_point now) {
  if (harm.holds || flow.gap) return false;
  if (!flow.pieces.empty()) return flow.pieces.front().due <= now;
  return flow.ended && !flow.end_passed_on;
}

void Proxy::Write(Connection& connection, size_t direction) {
  Flow& flow = connection.flows[direction];
  Harm& harm = harms_[direction];
  const int to = connection.fds[1 - direction];
  while (MayWrite(flow, harm, Clock::now())) {
    if (flow.pieces.empty()) {
      shutdown(to, SHUT_WR);
      flow.end_passed_on = true;
      return;
    }
    std::string& bytes = flow.pieces.front().bytes;
    const size_t most =
        harm.bytes_left ? std::min<uint64_t>(bytes.size(), *harm.bytes_left) : bytes.size();
    const ssize_t sent = most == 0 ? 0 : send(to, bytes.data(), most, MSG_NOSIGNAL);
    if (sent < 0) {
      connection.broken = errno != EAGAIN;
      return;
    }
    flow.held -= static_cast<size_t>(sent);
    passed_[direction] += static_cast<uint64_t>(sent);
    bytes.erase(0, static_cast<size_t>(sent));
    if (bytes.empty()) flow.pieces.pop_front();
    if (!harm.bytes_left) continue;
    *harm.bytes_left -= static_cast<uint64_t>(sent);
    if (*harm.bytes_left > 0) continue;
    harm.bytes_left.reset();
    cuts_++;
    return BreakAll();
  }
}

void Proxy::Close(const Connection& connection) {
  for (const int fd : connection.fds) {
    close(fd);
  }
}

}  // namespace runnel::test
