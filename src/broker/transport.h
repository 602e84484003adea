#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "resp/rope.h"

namespace runnel {

// What a session asks of the connection that carries it. Implemented by the network; outlives the
// session, which is disconnected (Front::Disconnect) before its transport goes.
class Transport {
 public:
  virtual ~Transport() = default;

  // Sends the bytes, now as far as the peer takes them and the rest as it does.
  virtual void Send(Rope&& bytes) = 0;
  // Closes the connection when all that was given to Send has left. Nothing more is read.
  virtual void CloseAfterSending() = 0;
  // Closes it now; what has not left is lost. The session is disconnected before this returns.
  virtual void CloseNow() = 0;
  // The session takes requests again: those that have arrived meanwhile are executed.
  virtual void Continue() = 0;

  // Bytes given to Send that have not left, and the memory that they take.
  virtual size_t unsent_bytes() const = 0;
  virtual size_t unsent_memory() const = 0;
  // Bytes that have arrived and not been executed, and the memory set aside for them.
  virtual size_t input_bytes() const = 0;
  virtual size_t input_memory() const = 0;
  // Memory set aside for the table of a request's arguments.
  virtual size_t request_memory() const { return 0; }

  virtual int fd() const = 0;
  virtual const std::string& peer() const = 0;
  virtual const std::string& local() const = 0;
  virtual bool is_unix() const = 0;
};

}  // namespace runnel
