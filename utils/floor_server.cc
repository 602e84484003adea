// runnel-floor: the least that a server for many connections can do. It counts the bytes that come
// in and answers "+OK" once per kFloorRequestBytes, without looking at them. Its CPU time per
// request is what the kernel takes for the sockets alone: the floor that a real server can come
// near to but not pass. Only for runnel-bench's case `floor`.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/version.h"
#include "fmt/format.h"
#include "utils/bench_fail.h"
#include "utils/bench_floor.h"

namespace runnel::bench {

namespace {

class FloorServer {
 public:
  explicit FloorServer(int port) : listener_(Listen(port)), epoll_(epoll_create1(0)) {
    Watch(listener_);
  }

  [[noreturn]] void Run() {
    constexpr int kBatch = 128;
    while (true) {
      epoll_event events[kBatch];
      const int count = epoll_wait(epoll_, events, kBatch, -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[i].data.fd;
        if (fd == listener_) {
          Accept();
        } else {
          Serve(fd);
        }
      }
    }
  }

 private:
  static constexpr size_t kBufferSize = 64 * 1024;
  static constexpr std::string_view kAnswer = "+OK\r\n";

  static int Listen(int port) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
        listen(fd, 511) != 0) {
      Fail("the floor server cannot listen on port {}", port);
    }
    return fd;
  }

  void Watch(int fd) {
    epoll_event event{EPOLLIN, {.fd = fd}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void Accept() {
    const int fd = accept(listener_, nullptr, nullptr);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    bytes_[fd] = 0;
    Watch(fd);
  }

  void Serve(int fd) {
    const ssize_t got = read(fd, buffer_, sizeof(buffer_));
    if (got <= 0) {
      close(fd);
      return;
    }
    size_t& bytes = bytes_[fd];
    bytes += static_cast<size_t>(got);
    answers_.clear();
    for (; bytes >= kFloorRequestBytes; bytes -= kFloorRequestBytes)
      answers_ += kAnswer;
    // The tool reads what it asked for, so the socket's buffer has room for so few bytes.
    if (send(fd, answers_.data(), answers_.size(), MSG_NOSIGNAL) < 0) close(fd);
  }

  const int listener_;
  const int epoll_;
  std::unordered_map<int, size_t> bytes_;  // by connection: received and not answered yet
  std::string answers_;
  char buffer_[kBufferSize];
};

}  // namespace

}  // namespace runnel::bench

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    fmt::print("runnel-floor {}\n", runnel::kVersion);
    return 0;
  }
  if (argc != 2) runnel::bench::Fail("usage: runnel-floor PORT");
  std::make_unique<runnel::bench::FloorServer>(std::atoi(argv[1]))->Run();
}
