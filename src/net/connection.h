#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "broker/front.h"
#include "broker/transport.h"
#include "env/byte_stream.h"
#include "net/input_buffer.h"
#include "resp/request_parser.h"

namespace runnel {

class Network;

// One client connection: turns what its stream reads into requests for the broker, and sends what
// the broker gives back.
//
// What one connection may do is bounded:
// - In one turn of the loop it executes requests and sends replies up to a budget; the rest follows
//   in the next turns, so that others have their share of each.
// - While its session takes no requests, it reads on until 1 MiB of input waits.
// - While it has much unread output, it executes and reads nothing more: if the output waits for
//   the server (the journal, or this turn's budget), above 1 MiB; if it waits for the client, when
//   the unread output of all clients is too much (OutputPool).
//
// Lifetime: made by the network, which destroys it when the stream has said that it is closed. The
// session ends before that, when the closing begins.
class Connection final : public ByteStreamHandler, public Transport {
 public:
  // `network` and `broker` outlive the connection.
  Connection(Network& network, Front& broker, std::unique_ptr<ByteStream> stream);
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
  size_t input_bytes() const override { return input_.empty() ? processing_ : input_.size(); }
  size_t input_memory() const override { return input_.capacity(); }
  size_t request_memory() const override { return parser_.MemoryBytes(); }
  int fd() const override { return stream_->fd(); }
  const std::string& peer() const override { return stream_->peer(); }
  const std::string& local() const override { return stream_->local(); }
  bool is_unix() const override { return stream_->is_unix(); }

  // --- For the network ---

  // The next turn: does what the budget of the last one left undone.
  void NextTurn();
  // Looks, now and then, whether a connection that is held back or closing goes on: the other
  // clients may have read what they left unread. Closes one whose peer has taken nothing for
  // kStuckMs. `steady_ms` is the steady clock.
  void Reconsider(int64_t steady_ms);

  static constexpr int64_t kStuckMs = 60'000;

 private:
  // Executes the requests at the beginning of `bytes`; returns how many bytes are done with.
  size_t Process(std::string_view bytes);
  // False if nothing more is executed now. Then what makes it go on is arranged for.
  bool MayExecute();
  // True if the client, or the server, has to do something with the output first.
  bool OutputIsTooMuch() const;
  // Reply bytes that have not left, wherever they wait.
  size_t unread() const;
  // Goes on with the input if the output is no longer too much.
  void GoOnIfOutputAllows();
  void ExecuteLater();
  // Reads, or does not, as the state of the connection demands.
  void UpdateReading();
  void BeginTurn();

  // Sends as much as the kernel and the turn's budget take.
  void Flush();
  void WriteNext();
  // Tells the pool of a change of output_.
  void NoteOutput();

  Network& network_;
  Front& broker_;
  std::unique_ptr<ByteStream> stream_;
  Session* session_;  // nullptr once the closing has begun
  RequestParser parser_;
  InputBuffer input_;      // what arrived and could not be executed yet
  size_t processing_ = 0;  // bytes of the shared buffer that Process looks at now
  Rope output_;
  size_t in_flight_ = 0;      // bytes at the head of output_ that the stream is sending
  size_t noted_output_ = 0;   // memory of output_ that the pool knows of
  uint64_t taken_bytes_ = 0;  // bytes that the kernel has taken

  bool reading_ = true;          // the stream reads
  bool reading_shared_ = false;  // the last ReadBuffer was the network's
  bool peer_ended_ = false;      // with requests that have not been executed yet
  bool held_back_ = false;       // nothing is executed until there is less output
  bool execute_later_ = false;   // the budget is used up: input_ goes on in the next turn
  bool next_turn_ = false;       // the network will call NextTurn
  bool close_when_sent_ = false;

  // What was done in this turn (of the number `turn_`).
  uint64_t turn_ = 0;
  size_t turn_effort_ = 0;  // see kTurnEffort
  size_t turn_read_ = 0;    // bytes
  size_t turn_sent_ = 0;    // bytes

  // For Reconsider: what the peer had taken when it was seen to take something last, and when.
  uint64_t progress_bytes_ = 0;
  int64_t progress_ms_ = 0;
};

}  // namespace runnel
