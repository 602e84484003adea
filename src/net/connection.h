#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "broker/broker.h"
#include "broker/transport.h"
#include "env/byte_stream.h"
#include "net/input_buffer.h"
#include "resp/request_parser.h"

namespace runnel {

class Network;

// One client connection: turns what its stream reads into requests for the broker, and sends what
// the broker gives back.
//
// It reads no further while the client leaves too many replies unread, so a client that does not
// read cannot make the server remember ever more for it.
//
// Lifetime: made by the network, which destroys it when the stream has said that it is closed. The
// session ends before that, when the closing begins.
class Connection final : public ByteStreamHandler, public Transport {
 public:
  // `network` and `broker` outlive the connection.
  Connection(Network& network, Broker& broker, std::unique_ptr<ByteStream> stream);
  ~Connection() override;

  // ByteStreamHandler
  std::span<char> ReadBuffer() override;
  void OnRead(size_t bytes) override;
  void OnEnd(std::string_view error) override;
  void OnWritten(std::string_view error) override;
  void OnClosed() override;

  // Transport
  void Send(Rope&& bytes) override;
  void CloseAfterSending() override;
  void CloseNow() override;
  void Continue() override;
  size_t unsent_bytes() const override { return output_.size(); }
  size_t unsent_memory() const override { return output_.MemoryBytes(); }
  size_t input_bytes() const override { return input_.size(); }
  size_t input_memory() const override { return input_.capacity(); }
  int fd() const override { return stream_->fd(); }
  const std::string& peer() const override { return stream_->peer(); }
  const std::string& local() const override { return stream_->local(); }
  bool is_unix() const override { return stream_->is_unix(); }

 private:
  // Executes the requests at the beginning of `bytes`; returns how many bytes are done with.
  size_t Process(std::string_view bytes);
  // True if the client should read before it asks for more.
  bool TooMuchUnread() const;
  void Flush();
  void ResumeInput();

  Network& network_;
  Broker& broker_;
  std::unique_ptr<ByteStream> stream_;
  Session* session_;  // nullptr once the closing has begun
  RequestParser parser_;
  InputBuffer input_;  // what arrived and could not be executed yet
  Rope output_;
  size_t in_flight_ = 0;         // bytes at the head of output_ that the stream is sending
  bool reading_shared_ = false;  // the last ReadBuffer was the network's
  bool peer_ended_ = false;      // with requests that have not been executed yet
  bool held_back_ = false;       // reading is paused until the client has read
  bool close_when_sent_ = false;
};

}  // namespace runnel
