#include "tests/support/resp_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "tests/support/quote.h"

namespace runnel::test {
namespace {

// A socket address of any family.
struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;  // 0: none

  static Address Tcp(const std::string& text, int port) {
    Address address;
    auto* const v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
      v4->sin_family = AF_INET;
      v4->sin_port = htons(static_cast<uint16_t>(port));
      address.size = sizeof(*v4);
    } else if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons(static_cast<uint16_t>(port));
      address.size = sizeof(*v6);
    }
    return address;
  }

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// A connected, non-blocking socket, or -1. `from` may be no address.
int ConnectTo(const Address& to, const Address& from) {
  if (to.size == 0) return -1;
  const int fd = socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const bool bound = from.size == 0 || bind(fd, from.get(), from.size) == 0;
  if (!bound || connect(fd, to.get(), to.size) != 0) {
    close(fd);
    return -1;
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

int MillisecondsUntil(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 1000 * 1000));
}

}  // namespace

std::string EncodeCommand(const Argv& argv) {
  std::string bytes = fmt::format("*{}\r\n", argv.size());
  for (const std::string& arg : argv) {
    fmt::format_to(std::back_inserter(bytes), "${}\r\n{}\r\n", arg.size(), arg);
  }
  return bytes;
}

std::unique_ptr<RespClient> RespClient::Connect(const std::string& address, int port,
                                                const std::string& from) {
  const int fd = ConnectTo(Address::Tcp(address, port), Address::Tcp(from, 0));
  if (fd < 0) return nullptr;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return std::unique_ptr<RespClient>(new RespClient(fd));
}

std::unique_ptr<RespClient> RespClient::ConnectUnix(const std::string& path) {
  Address address;
  auto* const unix_address = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (path.size() >= sizeof(unix_address->sun_path)) return nullptr;
  unix_address->sun_family = AF_UNIX;
  memcpy(unix_address->sun_path, path.data(), path.size());
  address.size = sizeof(*unix_address);
  const int fd = ConnectTo(address, Address());
  return fd < 0 ? nullptr : std::unique_ptr<RespClient>(new RespClient(fd));
}

RespClient::~RespClient() {
  close(fd_);
}

void RespClient::SendRaw(std::string_view bytes) {
  const Clock::time_point deadline = Clock::now() + kPatience;
  while (!bytes.empty() && !closed_) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) return;
    pollfd waiting{fd_, POLLIN | POLLOUT, 0};
    if (poll(&waiting, 1, MillisecondsUntil(deadline)) == 0) return;
    if ((waiting.revents & POLLIN) != 0) Receive(Clock::now());
  }
}

void RespClient::CloseWriting() {
  shutdown(fd_, SHUT_WR);
}

bool RespClient::Receive(Clock::time_point deadline) {
  if (closed_) return false;
  buffer_.erase(0, taken_);
  taken_ = 0;
  while (true) {
    char block[64 * 1024];
    const ssize_t size = recv(fd_, block, sizeof(block), 0);
    if (size > 0) {
      buffer_.append(block, static_cast<size_t>(size));
      return true;
    }
    if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
      closed_ = true;
      return true;
    }
    pollfd waiting{fd_, POLLIN, 0};
    const int patience = MillisecondsUntil(deadline);
    if (patience == 0 || poll(&waiting, 1, patience) == 0) return false;
  }
}

ParseResult RespClient::ParseNext() {
  size_t used = 0;
  const std::string_view bytes = std::string_view(buffer_).substr(taken_);
  const ParseResult result = ParseReply(bytes, &next_, &used);
  if (result == ParseResult::kDone) {
    taken_ += used;
    has_next_ = true;
  } else if (result == ParseResult::kInvalid) {
    next_ = Reply::Note("not RESP: " + Quote(bytes.substr(0, 80)));
    has_next_ = true;
  }
  return result;
}

Reply RespClient::Read(Clock::duration patience) {
  const Clock::time_point deadline = Clock::now() + patience;
  while (!has_next_ && ParseNext() == ParseResult::kMore) {
    if (closed_) return Reply::Closed();
    if (!Receive(deadline)) return Reply::TimedOut();
  }
  has_next_ = false;
  return std::move(next_);
}

bool RespClient::Ready() {
  while (!has_next_ && ParseNext() == ParseResult::kMore) {
    if (closed_) return true;
    if (!Receive(Clock::now())) return false;
  }
  return true;
}

std::vector<Reply> RespClient::ReadUntilClosed(Clock::duration patience) {
  const Clock::time_point deadline = Clock::now() + patience;
  std::vector<Reply> replies;
  do {
    replies.push_back(Read(std::max(Clock::duration::zero(), deadline - Clock::now())));
  } while (!replies.back().is_note());
  return replies;
}

std::string RespClient::local_address() const {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "";
  if (address.sin_family != AF_INET) return "";
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text));
  return fmt::format("{}:{}", text, ntohs(address.sin_port));
}

}  // namespace runnel::test
