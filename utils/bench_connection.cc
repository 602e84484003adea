#include "utils/bench_connection.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "utils/bench_fail.h"
#include "utils/bench_reply.h"

namespace runnel::bench {

namespace {

constexpr int kSilenceLimitMs = 60'000;

int ConnectUnix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) Fail("the socket path {} is too long", path);
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    Fail("cannot connect to {}: {}", path, std::strerror(errno));
  }
  return fd;
}

int ConnectTcp(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) Fail("cannot find {}: {}", host, gai_strerror(error));
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
    Fail("cannot connect to {}:{}: {}", host, port, std::strerror(errno));
  }
  freeaddrinfo(found);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

void WaitFor(int fd, short events) {
  pollfd entry{fd, events, 0};
  if (poll(&entry, 1, kSilenceLimitMs) == 0) Fail("the server did not answer for a minute");
}

}  // namespace

Connection::Connection(const Endpoint& endpoint, bool silent) {
  fd_ = endpoint.unix_path.empty() ? ConnectTcp(endpoint.host, endpoint.port)
                                   : ConnectUnix(endpoint.unix_path);
  fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
  if (!silent) Exchange(endpoint.resp3 ? Words{"HELLO", "3"} : Words{"PING"});
}

Connection::~Connection() {
  close(fd_);
}

size_t Connection::TryWrite(std::string_view bytes) {
  const ssize_t written = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (written >= 0) return static_cast<size_t>(written);
  if (errno != EAGAIN && errno != EINTR) {
    Fail("cannot send to the server: {}", std::strerror(errno));
  }
  return 0;
}

void Connection::Send(std::string_view bytes) {
  if (!unsent_.empty()) {
    unsent_ += bytes;
    return;
  }
  unsent_ = bytes.substr(TryWrite(bytes));
}

void Connection::Flush() {
  unsent_.erase(0, TryWrite(unsent_));
}

size_t Connection::Read(char* buffer, size_t size, int flags) {
  const ssize_t got = recv(fd_, buffer, size, flags);
  if (got > 0) return static_cast<size_t>(got);
  if (got == 0) Fail("the server closed a connection");
  if (errno != EAGAIN && errno != EINTR) {
    Fail("cannot read from the server: {}", std::strerror(errno));
  }
  return 0;
}

size_t Connection::Receive(char* buffer, size_t size) {
  return Read(buffer, size, 0);
}

size_t Connection::Discard(char* buffer, size_t size) {
  return Read(buffer, size, MSG_TRUNC);
}

void Connection::Exchange(const Words& words) {
  Send(EncodeRequest(words));
  while (has_unsent()) {
    WaitFor(fd_, POLLOUT);
    Flush();
  }
  ReplyScanner scanner;
  while (!scanner.whole()) {
    WaitFor(fd_, POLLIN);
    char buffer[4096];
    const size_t got = Receive(buffer, sizeof(buffer));
    if (got > 0) scanner.Scan(buffer, buffer + got);
  }
  if (scanner.counts().errors > 0) Fail("{}: {}", words[0], scanner.first_error());
}

void AllowManyFiles() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Poller::Poller() : fd_(epoll_create1(EPOLL_CLOEXEC)) {
  if (fd_ < 0) Fail("epoll: {}", std::strerror(errno));
  // Waking up for the next request of a fixed rate should not be late by the usual 50 us.
  prctl(PR_SET_TIMERSLACK, 1);
}

Poller::~Poller() {
  close(fd_);
}

void Poller::Add(const Connection& connection, void* tag) {
  epoll_event event{EPOLLIN, {.ptr = tag}};
  if (epoll_ctl(fd_, EPOLL_CTL_ADD, connection.fd(), &event) != 0) {
    Fail("epoll: {}", std::strerror(errno));
  }
}

void Poller::WatchWrite(const Connection& connection, void* tag, bool on) {
  epoll_event event{EPOLLIN, {.ptr = tag}};
  if (on) event.events |= EPOLLOUT;
  if (epoll_ctl(fd_, EPOLL_CTL_MOD, connection.fd(), &event) != 0) {
    Fail("epoll: {}", std::strerror(errno));
  }
}

const std::vector<Poller::Event>& Poller::Wait(uint64_t timeout_ns) {
  constexpr int kBatch = 128;
  constexpr uint64_t kSilenceLimitNs = uint64_t{kSilenceLimitMs} * 1'000'000;
  // Going to sleep and being woken takes longer than so short a wait.
  constexpr uint64_t kTooShortNs = 100'000;
  const uint64_t wait_ns = timeout_ns < kTooShortNs ? 0 : std::min(timeout_ns, kSilenceLimitNs);
  const timespec timeout{static_cast<time_t>(wait_ns / 1'000'000'000),
                         static_cast<long>(wait_ns % 1'000'000'000)};
  epoll_event ready[kBatch];
  const int count = epoll_pwait2(fd_, ready, kBatch, &timeout, nullptr);
  if (count < 0 && errno != EINTR) Fail("epoll: {}", std::strerror(errno));
  if (count == 0 && timeout_ns >= kSilenceLimitNs) Fail("nothing came for a minute");
  events_.clear();
  for (int i = 0; i < count; ++i) {
    const uint32_t what = ready[i].events;
    events_.push_back({ready[i].data.ptr, (what & ~static_cast<uint32_t>(EPOLLOUT)) != 0,
                       (what & EPOLLOUT) != 0});
  }
  return events_;
}

}  // namespace runnel::bench
