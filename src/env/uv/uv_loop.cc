#include <sys/socket.h>
#include <sys/stat.h>
#include <uv.h>

#include <list>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "env/loop.h"
#include "env/uv/uv_stream.h"
#include "fmt/format.h"

namespace runnel {
namespace {

// A libuv handle in an allocation of its own: its user lets go at any time, and libuv frees it when
// it has closed it.
template <class Handle>
class Owned {
 public:
  Owned() : handle_(new Handle) {}
  ~Owned() {
    uv_close(reinterpret_cast<uv_handle_t*>(handle_),
             [](uv_handle_t* handle) { delete reinterpret_cast<Handle*>(handle); });
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  Handle* get() { return handle_; }

 private:
  Handle* handle_;
};

class UvTimer final : public Timer {
 public:
  UvTimer(uv_loop_t* loop, std::function<void()> callback) : callback_(std::move(callback)) {
    uv_timer_init(loop, timer_.get());
    timer_.get()->data = this;
  }
  void StartAfter(int64_t ms) override {
    uv_timer_start(
        timer_.get(), [](uv_timer_t* timer) { static_cast<UvTimer*>(timer->data)->callback_(); },
        static_cast<uint64_t>(ms < 0 ? 0 : ms), 0);
  }
  void Stop() override { uv_timer_stop(timer_.get()); }

 private:
  std::function<void()> callback_;
  Owned<uv_timer_t> timer_;
};

class UvWakeup final : public Wakeup {
 public:
  UvWakeup(uv_loop_t* loop, std::function<void()> callback) : callback_(std::move(callback)) {
    const int code = uv_async_init(loop, async_.get(), [](uv_async_t* async) {
      static_cast<UvWakeup*>(async->data)->callback_();
    });
    CHECK(code == 0);
    async_.get()->data = this;
  }
  void Signal() override { uv_async_send(async_.get()); }

 private:
  std::function<void()> callback_;
  Owned<uv_async_t> async_;
};

template <class Handle>
class UvListener final : public Listener {
 public:
  UvListener(AcceptFunction accept, int64_t keepalive_s)
      : accept_(std::move(accept)), keepalive_s_(keepalive_s) {}

  Handle* handle() { return handle_.get(); }

  void AcceptNow() override {
    constexpr int kMost = 64;
    uv_os_fd_t listening = -1;
    if (uv_fileno(reinterpret_cast<uv_handle_t*>(handle()), &listening) != 0) return;
    for (int i = 0; i < kMost; i++) {
      // What fails is told when the loop goes on.
      const int fd = accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      auto connection = NewStream();
      const Status adopted = connection->Adopt(fd, keepalive_s_);
      Accepted(std::move(connection), adopted);
    }
  }

  int Listen(int backlog) {
    handle()->data = this;
    return uv_listen(stream(), backlog, [](uv_stream_t* server, int status) {
      static_cast<UvListener*>(server->data)->OnConnection(status);
    });
  }

 private:
  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(handle()); }

  void OnConnection(int status) {
    if (status != 0) {
      LogWarning("Accepting a client connection: {}", uv_strerror(status));
      return;
    }
    auto connection = NewStream();
    const Status accepted = connection->Accept(stream(), keepalive_s_);
    Accepted(std::move(connection), accepted);
  }
  std::unique_ptr<UvStream> NewStream() {
    return std::make_unique<UvStream>(handle()->loop, std::is_same_v<Handle, uv_pipe_t>);
  }
  void Accepted(std::unique_ptr<UvStream> connection, const Status& status) {
    if (!status.ok()) {
      LogWarning("Accepting a client connection: {}", status.message());
      connection.release()->Close();  // frees itself
      return;
    }
    accept_(std::move(connection));
  }

  AcceptFunction accept_;
  const int64_t keepalive_s_;
  Owned<Handle> handle_;
};

// An attempt to connect: looks the name up, then tries its addresses one after the other.
class UvAttempt final : public Attempt {
 public:
  UvAttempt(uv_loop_t* loop, std::string host, int port, ConnectFunction done)
      : loop_(loop), host_(std::move(host)), port_(port), done_(std::move(done)) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    lookup_ = new Lookup{{}, this};
    lookup_->request.data = lookup_;
    const int code = uv_getaddrinfo(
        loop, &lookup_->request,
        [](uv_getaddrinfo_t* request, int result, addrinfo* found) {
          const std::unique_ptr<Lookup> lookup(static_cast<Lookup*>(request->data));
          if (lookup->attempt != nullptr) {
            lookup->attempt->OnFound(result, found);
          } else {
            uv_freeaddrinfo(found);
          }
        },
        host_.c_str(), std::to_string(port_).c_str(), &hints);
    // As everything that goes wrong, this is told later.
    if (code != 0) {
      delete std::exchange(lookup_, nullptr);
      failed_ = std::make_unique<UvTimer>(loop, [this, code] { Fail(uv_strerror(code)); });
      failed_->StartAfter(0);
    }
  }
  ~UvAttempt() override {
    if (lookup_ != nullptr) lookup_->attempt = nullptr;
    if (stream_ != nullptr) stream_.release()->Close();  // frees itself
    uv_freeaddrinfo(found_);
  }

 private:
  struct Lookup {
    uv_getaddrinfo_t request;
    UvAttempt* attempt;  // nullptr: it was given up
  };

  void OnFound(int code, addrinfo* found) {
    lookup_ = nullptr;
    found_ = next_ = found;
    if (code != 0) return Fail(uv_strerror(code));
    TryNext("no address");
  }
  void TryNext(const std::string& why) {
    if (next_ == nullptr) return Fail(why);
    const addrinfo* const address = std::exchange(next_, next_->ai_next);
    stream_ = std::make_unique<UvStream>(loop_, false);
    stream_->Connect(address->ai_addr, [this](const Status& status) {
      if (!status.ok()) {
        stream_.release()->Close();  // frees itself
        return TryNext(status.message());
      }
      // What is called may destroy the attempt.
      auto stream = std::move(stream_);
      const ConnectFunction done = std::move(done_);
      done(std::unique_ptr<ByteStream>(std::move(stream)));
    });
  }
  void Fail(const std::string& why) {
    const ConnectFunction done = std::move(done_);
    done(Status::Error(fmt::format("cannot connect to {}:{}: {}", host_, port_, why)));
  }

  uv_loop_t* const loop_;
  const std::string host_;
  const int port_;
  ConnectFunction done_;
  Lookup* lookup_ = nullptr;  // while the name is looked up
  addrinfo* found_ = nullptr;
  addrinfo* next_ = nullptr;
  std::unique_ptr<UvStream> stream_;
  std::unique_ptr<UvTimer> failed_;
};

class UvLoop final : public Loop {
 public:
  UvLoop() {
    CHECK(uv_loop_init(&loop_) == 0);
    uv_prepare_init(&loop_, &prepare_);
    prepare_.data = this;
    uv_prepare_start(&prepare_, [](uv_prepare_t* prepare) {
      auto* self = static_cast<UvLoop*>(prepare->data);
      if (self->turn_) self->turn_();
    });
  }

  ~UvLoop() override {
    signals_.clear();
    uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop_) == 0);
  }

  void Run() override { uv_run(&loop_, UV_RUN_DEFAULT); }
  void Stop() override { uv_stop(&loop_); }
  void OnTurn(std::function<void()> turn) override { turn_ = std::move(turn); }

  Result<std::unique_ptr<Listener>> ListenTcp(const std::string& address, int port,
                                              const TcpOptions& options,
                                              AcceptFunction accept) override {
    const auto failure = [&](int code) {
      return Status::Error(
          fmt::format("cannot listen on {}:{}: {}", address, port, uv_strerror(code)));
    };
    sockaddr_storage storage{};
    int code = uv_ip4_addr(address.c_str(), port, reinterpret_cast<sockaddr_in*>(&storage));
    const bool is_v6 = code != 0;
    if (is_v6) code = uv_ip6_addr(address.c_str(), port, reinterpret_cast<sockaddr_in6*>(&storage));
    if (code != 0) return failure(code);

    auto listener = std::make_unique<UvListener<uv_tcp_t>>(std::move(accept), options.keepalive_s);
    uv_tcp_init(&loop_, listener->handle());
    // An IPv6 listener serves IPv6 only: its IPv4 twin is asked for by its own address.
    code = uv_tcp_bind(listener->handle(), reinterpret_cast<const sockaddr*>(&storage),
                       is_v6 ? UV_TCP_IPV6ONLY : 0);
    if (code == 0) code = listener->Listen(options.backlog);
    if (code != 0) return failure(code);
    return std::unique_ptr<Listener>(std::move(listener));
  }

  Result<std::unique_ptr<Listener>> ListenUnix(const std::string& path, int backlog, unsigned mode,
                                               AcceptFunction accept) override {
    auto listener = std::make_unique<UvListener<uv_pipe_t>>(std::move(accept), 0);
    uv_pipe_init(&loop_, listener->handle(), 0);
    uv_fs_t request;
    uv_fs_unlink(nullptr, &request, path.c_str(), nullptr);
    uv_fs_req_cleanup(&request);
    int code = uv_pipe_bind(listener->handle(), path.c_str());
    if (code == 0) code = listener->Listen(backlog);
    if (code == 0 && mode != 0 && chmod(path.c_str(), mode) != 0)
      code = uv_translate_sys_error(errno);
    if (code != 0) {
      return Status::Error(fmt::format("cannot listen on {}: {}", path, uv_strerror(code)));
    }
    return std::unique_ptr<Listener>(std::move(listener));
  }

  std::unique_ptr<Attempt> ConnectTcp(const std::string& host, int port,
                                      ConnectFunction done) override {
    return std::make_unique<UvAttempt>(&loop_, host, port, std::move(done));
  }

  std::unique_ptr<Timer> NewTimer(std::function<void()> callback) override {
    return std::make_unique<UvTimer>(&loop_, std::move(callback));
  }

  std::unique_ptr<Wakeup> NewWakeup(std::function<void()> callback) override {
    return std::make_unique<UvWakeup>(&loop_, std::move(callback));
  }

  void OnSignal(int signal, std::function<void()> callback) override {
    SignalHandler& handler = signals_.emplace_back();
    handler.callback = std::move(callback);
    uv_signal_init(&loop_, handler.handle.get());
    handler.handle.get()->data = &handler;
    uv_signal_start(
        handler.handle.get(),
        [](uv_signal_t* handle, int) { static_cast<SignalHandler*>(handle->data)->callback(); },
        signal);
  }

  void Submit(std::function<void()> work, std::function<void()> done) override {
    auto* job = new Job{{}, std::move(work), std::move(done)};
    job->request.data = job;
    const int code = uv_queue_work(
        &loop_, &job->request,
        [](uv_work_t* request) {
          CountThisThread();
          static_cast<Job*>(request->data)->work();
        },
        [](uv_work_t* request, int) {
          std::unique_ptr<Job> finished(static_cast<Job*>(request->data));
          if (finished->done) finished->done();
        });
    CHECK(code == 0);
  }

 private:
  struct SignalHandler {
    std::function<void()> callback;
    Owned<uv_signal_t> handle;
  };
  struct Job {
    uv_work_t request;
    std::function<void()> work;
    std::function<void()> done;
  };

  uv_loop_t loop_;
  uv_prepare_t prepare_;
  std::function<void()> turn_;
  std::list<SignalHandler> signals_;
};

}  // namespace

std::unique_ptr<Loop> NewUvLoop() {
  return std::make_unique<UvLoop>();
}

}  // namespace runnel
