#include "env/uv/uv_stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "fmt/format.h"

namespace runnel {
namespace {

Status UvError(std::string_view what, int code) {
  return Status::Error(fmt::format("{}: {}", what, uv_strerror(code)));
}

std::string AddressText(const sockaddr_storage& address, bool* loopback) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    uv_ip6_name(&v6, text, sizeof(text));
    *loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ||
                (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && v6.sin6_addr.s6_addr[12] == 127);
    return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  uv_ip4_name(&v4, text, sizeof(text));
  *loopback = (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
  return fmt::format("{}:{}", text, ntohs(v4.sin_port));
}

}  // namespace

UvStream::UvStream(uv_loop_t* loop, bool is_unix) : is_unix_(is_unix) {
  if (is_unix_) {
    uv_pipe_init(loop, &handle_.pipe, 0);
  } else {
    uv_tcp_init(loop, &handle_.tcp);
  }
  handle()->data = this;
}

UvStream::~UvStream() {
  CHECK(closed_);
}

Status UvStream::Accept(uv_stream_t* server, int64_t keepalive_s) {
  if (const int code = uv_accept(server, stream()); code != 0) return UvError("accept", code);
  SetOptions(keepalive_s);
  return Status();
}

Status UvStream::Adopt(int fd, int64_t keepalive_s) {
  const int code = is_unix_ ? uv_pipe_open(&handle_.pipe, fd) : uv_tcp_open(&handle_.tcp, fd);
  if (code != 0) {
    close(fd);
    return UvError("accept", code);
  }
  SetOptions(keepalive_s);
  return Status();
}

void UvStream::SetOptions(int64_t keepalive_s) {
  if (!is_unix_) {
    uv_tcp_nodelay(&handle_.tcp, 1);
    if (keepalive_s > 0) uv_tcp_keepalive(&handle_.tcp, 1, static_cast<unsigned>(keepalive_s));
  }
  ReadAddresses();
}

void UvStream::Connect(const sockaddr* address, std::function<void(const Status&)> done) {
  connected_ = std::move(done);
  connect_.data = this;
  const auto on_connected = [](uv_connect_t* request, int code) {
    auto* self = static_cast<UvStream*>(request->data);
    // A stream that was closed meanwhile belongs to nobody.
    if (code == UV_ECANCELED) return;
    if (code == 0) {
      uv_tcp_nodelay(&self->handle_.tcp, 1);
      self->ReadAddresses();
    }
    const auto connected = std::move(self->connected_);
    connected(code == 0 ? Status() : Status::Error(uv_strerror(code)));
  };
  const int code = uv_tcp_connect(&connect_, &handle_.tcp, address, on_connected);
  if (code != 0) std::exchange(connected_, nullptr)(Status::Error(uv_strerror(code)));
}

void UvStream::ReadAddresses() {
  if (is_unix_) {
    char path[256];
    size_t size = sizeof(path);
    if (uv_pipe_getsockname(&handle_.pipe, path, &size) != 0) size = 0;
    local_ = peer_ = std::string(path, size) + ":0";
    is_local_ = true;
    return;
  }
  sockaddr_storage address{};
  int size = sizeof(address);
  bool unused;
  if (uv_tcp_getpeername(&handle_.tcp, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    peer_ = AddressText(address, &is_local_);
  }
  size = sizeof(address);
  if (uv_tcp_getsockname(&handle_.tcp, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    local_ = AddressText(address, &unused);
  }
}

void UvStream::Start(ByteStreamHandler* handler) {
  handler_ = handler;
  ResumeReading();
}

void UvStream::PauseReading() {
  if (!reading_ || closed_) return;
  uv_read_stop(stream());
  reading_ = false;
}

void UvStream::ResumeReading() {
  if (reading_ || uv_is_closing(handle())) return;
  reading_ = uv_read_start(stream(), OnAlloc, OnReadable) == 0;
}

// libuv does not mind: where it expects bytes and finds none, it goes on waiting.
void UvStream::ReadNow() {
  if (!reading_ || uv_is_closing(handle())) return;
  const std::span<char> space = handler_->ReadBuffer();
  const ssize_t bytes = recv(fd(), space.data(), space.size(), MSG_DONTWAIT);
  if (bytes > 0) return handler_->OnRead(static_cast<size_t>(bytes));
  const int error = bytes == 0 ? 0 : errno;
  if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR) return;
  PauseReading();
  handler_->OnEnd(error == 0 ? "" : std::strerror(error));
}

bool UvStream::PeerEnded() const {
  pollfd polled{fd(), POLLRDHUP, 0};
  return poll(&polled, 1, 0) > 0;
}

void UvStream::OnAlloc(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
  const std::span<char> space = static_cast<UvStream*>(handle->data)->handler_->ReadBuffer();
  *buffer = uv_buf_init(space.data(), static_cast<unsigned>(space.size()));
}

void UvStream::OnReadable(uv_stream_t* stream, ssize_t bytes, const uv_buf_t*) {
  auto* self = static_cast<UvStream*>(stream->data);
  if (bytes > 0) return self->handler_->OnRead(static_cast<size_t>(bytes));
  if (bytes == 0) return;  // nothing to read after all
  self->PauseReading();
  self->handler_->OnEnd(bytes == UV_EOF ? "" : uv_strerror(static_cast<int>(bytes)));
}

ssize_t UvStream::TryWrite(const iovec* vectors, int count) {
  // uv_buf_t and iovec have the same layout on Unix; libuv documents it.
  const ssize_t sent = uv_try_write(stream(), reinterpret_cast<const uv_buf_t*>(vectors),
                                    static_cast<unsigned>(count));
  if (sent >= 0) return sent;
  return sent == UV_EAGAIN ? 0 : -1;
}

void UvStream::Write(const iovec* vectors, int count) {
  write_.data = this;
  const int code = uv_write(&write_, stream(), reinterpret_cast<const uv_buf_t*>(vectors),
                            static_cast<unsigned>(count), [](uv_write_t* request, int status) {
                              auto* self = static_cast<UvStream*>(request->data);
                              self->handler_->OnWritten(status == 0 ? "" : uv_strerror(status));
                            });
  CHECK(code == 0);
}

size_t UvStream::unwritten() const {
  return uv_stream_get_write_queue_size(reinterpret_cast<const uv_stream_t*>(&handle_));
}

void UvStream::Close() {
  if (uv_is_closing(handle())) return;
  reading_ = false;
  uv_close(handle(), [](uv_handle_t* handle) {
    auto* self = static_cast<UvStream*>(handle->data);
    self->closed_ = true;
    if (self->handler_ != nullptr) {
      self->handler_->OnClosed();
    } else {
      delete self;  // never handed to an owner: see UvListener
    }
  });
}

// Probes find an idle peer that is gone; where bytes are not acknowledged the kernel sends none,
// and gives up after its own time. A system that does not know an option does without it.
void UvStream::WatchPeer() {
  if (is_unix_) return;
  constexpr int kIdleSeconds = 10;
  constexpr int kProbeSeconds = 5;
  constexpr int kProbes = 3;
  constexpr int kUnacknowledgedMs = 1000 * (kIdleSeconds + kProbeSeconds * kProbes);
  const auto set = [this](int level, int option, int value) {
    setsockopt(fd(), level, option, &value, sizeof(value));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kIdleSeconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kProbeSeconds);
  set(IPPROTO_TCP, TCP_KEEPCNT, kProbes);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kUnacknowledgedMs);
}

int UvStream::fd() const {
  uv_os_fd_t fd = -1;
  uv_fileno(reinterpret_cast<const uv_handle_t*>(&handle_), &fd);
  return fd;
}

}  // namespace runnel
