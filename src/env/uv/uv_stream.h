#pragma once

#include <uv.h>

#include <functional>
#include <string>

#include "env/byte_stream.h"

namespace runnel {

// A libuv stream handle, TCP or pipe. libuv's rule decides the lifetime: the memory of a handle may
// go only after its close callback, which is where OnClosed is called.
class UvStream final : public ByteStream {
 public:
  UvStream(uv_loop_t* loop, bool is_unix);
  ~UvStream() override;

  // Takes the connection that waits on `server`. Sets TCP_NODELAY and keepalive.
  Status Accept(uv_stream_t* server, int64_t keepalive_s);

  // Takes a connected socket, which it owns from then on, also if this fails.
  Status Adopt(int fd, int64_t keepalive_s);

  // Begins to connect to this address; calls `done` once, with the result.
  void Connect(const sockaddr* address, std::function<void(const Status&)> done);

  void Start(ByteStreamHandler* handler) override;
  void ChangeHandler(ByteStreamHandler* handler) override { handler_ = handler; }
  void PauseReading() override;
  void ResumeReading() override;
  void ReadNow() override;
  bool PeerEnded() const override;
  ssize_t TryWrite(const iovec* vectors, int count) override;
  void Write(const iovec* vectors, int count) override;
  size_t unwritten() const override;
  void Close() override;
  void WatchPeer() override;
  int fd() const override;
  const std::string& peer() const override { return peer_; }
  const std::string& local() const override { return local_; }
  bool is_unix() const override { return is_unix_; }
  bool is_local() const override { return is_local_; }

 private:
  static void OnAlloc(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer);
  static void OnReadable(uv_stream_t* stream, ssize_t bytes, const uv_buf_t* buffer);

  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&handle_); }
  uv_handle_t* handle() { return reinterpret_cast<uv_handle_t*>(&handle_); }
  void SetOptions(int64_t keepalive_s);
  void ReadAddresses();

  union {
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } handle_;
  uv_write_t write_;
  uv_connect_t connect_;
  std::function<void(const Status&)> connected_;
  ByteStreamHandler* handler_ = nullptr;
  const bool is_unix_;
  bool is_local_ = false;
  bool reading_ = false;
  bool closed_ = false;
  std::string peer_;
  std::string local_;
};

}  // namespace runnel
