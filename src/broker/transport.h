#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "env/byte_stream.h"
#include "resp/rope.h"

namespace runnel {

// What a session needs from its connection. Implemented by the network. It outlives the session:
// Front::Disconnect is called before the transport is destroyed.
class Transport {
 public:
  virtual ~Transport() = default;

  // Sends the bytes: as many as the peer takes now, and the rest as it takes them.
  virtual void Send(Rope&& bytes) = 0;
  // Closes the connection when all bytes given to Send are sent. Nothing more is read.
  virtual void CloseAfterSending() = 0;
  // Closes the connection now; bytes that are not sent are lost. The session is disconnected before
  // this returns.
  virtual void CloseNow() = 0;
  // Gives the stream away, which nobody reads from then on: its new owner changes its handler. The
  // session is disconnected, and the transport is gone, when this returns. Null if bytes wait to be
  // sent: then the connection is closed. REQUIRES: the call does not come from the transport.
  virtual std::unique_ptr<ByteStream> GiveAway() {
    CloseNow();
    return nullptr;
  }
  // The session takes requests again: requests that arrived meanwhile are executed.
  virtual void Continue() = 0;

  // Bytes given to Send that are not sent yet, and the memory that they take.
  virtual size_t unsent_bytes() const = 0;
  virtual size_t unsent_memory() const = 0;
  // Bytes that have arrived and are not executed yet, and the memory reserved for them.
  virtual size_t input_bytes() const = 0;
  virtual size_t input_memory() const = 0;
  // Memory reserved for the table of a request's arguments.
  virtual size_t request_memory() const { return 0; }

  // A peer that vanishes without a word shall be noticed soon from now on (ByteStream::WatchPeer).
  virtual void WatchPeer() {}

  virtual int fd() const = 0;
  virtual const std::string& peer() const = 0;
  virtual const std::string& local() const = 0;
  virtual bool is_unix() const = 0;
};

}  // namespace runnel
