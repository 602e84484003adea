#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"

namespace runnel {

// The events of a connected byte stream, for its owner. All calls come from the loop, never from
// inside a call to the stream.
class ByteStreamHandler {
 public:
  virtual ~ByteStreamHandler() = default;
  // The buffer for the next bytes, at least one byte long; called directly before each read.
  virtual std::span<char> ReadBuffer() = 0;
  // That many bytes were put at the beginning of the last ReadBuffer().
  virtual void OnRead(size_t bytes) = 0;
  // Nothing more comes from the peer: it has closed its side (`error` is empty) or the connection
  // broke.
  virtual void OnEnd(std::string_view error) = 0;
  // The last Write() has ended: all of its bytes are sent, or (with an error) no more of them will
  // be.
  virtual void OnWritten(std::string_view error) = 0;
  // The stream is gone; the last call. The owner destroys the stream now or later.
  virtual void OnClosed() = 0;
};

// A connected byte stream: TCP or Unix socket. Used only on the loop's thread.
//
// Lifetime: the owner keeps the stream until OnClosed() has been called after Close().
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // Begins to read for `handler`, which outlives the stream's OnClosed. Called once, before
  // anything else.
  virtual void Start(ByteStreamHandler* handler) = 0;
  // From now on `handler` gets the events, instead of the one before. REQUIRES: Start was called,
  // no Write() is under way, and Close() was not called.
  virtual void ChangeHandler(ByteStreamHandler* handler) = 0;
  // Between these two calls nothing is read, and the kernel holds the peer back.
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;
  // Reads once, if it is not paused, and tells the handler what came, as the loop would. For
  // whoever cannot wait until the loop goes on. REQUIRES: the call does not come from the handler.
  virtual void ReadNow() {}
  // Whether the peer has closed its side, or the connection broke. Asks the kernel; for whoever
  // does not read, and so is not told (OnEnd).
  virtual bool PeerEnded() const = 0;

  // Sends what the kernel takes at once; returns how many bytes it took, or -1 if the connection is
  // broken. REQUIRES: no Write() is under way.
  virtual ssize_t TryWrite(const iovec* vectors, int count) = 0;
  // Sends all of it as the kernel takes it. The bytes stay valid until OnWritten, the vectors only
  // during the call. REQUIRES: no Write() is under way.
  virtual void Write(const iovec* vectors, int count) = 0;

  // Bytes of the Write() under way that the kernel has not taken yet; 0 if none is.
  virtual size_t unwritten() const = 0;

  // Closes it at once; what is not sent is lost. OnClosed comes later in the loop. May be called
  // twice.
  virtual void Close() = 0;

  // From now on a peer that has vanished without a word is noticed within about 30 seconds, whether
  // bytes are on their way to it or not: the stream then ends with an error.
  virtual void WatchPeer() {}

  virtual int fd() const = 0;
  // "127.0.0.1:40000", "[::1]:40000", or the path with ":0" for a Unix socket.
  virtual const std::string& peer() const = 0;
  virtual const std::string& local() const = 0;
  virtual bool is_unix() const = 0;
  // True if the peer is this machine (loopback address or Unix socket).
  virtual bool is_local() const = 0;
};

// A socket that accepts connections for as long as it lives.
class Listener {
 public:
  virtual ~Listener() = default;
  // Accepts connections that wait, as the loop would; a bounded number of them.
  virtual void AcceptNow() {}
};

using AcceptFunction = std::function<void(std::unique_ptr<ByteStream>)>;

}  // namespace runnel
