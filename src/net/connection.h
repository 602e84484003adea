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

// One client connection: makes requests for the broker from what its stream reads, and sends the
// broker's replies.
//
// What one connection may do is bounded:
// - In one turn of the loop it executes requests and sends replies up to a budget; the rest follows
//   in the next turns, so that every connection has its share of a turn.
// - While its session takes no requests, it reads ahead up to 1 MiB of input.
// - While it has too much unread output, it executes and reads nothing. For output that waits for
//   the server (the journal, or this turn's budget), too much is 1 MiB; for output that the client
//   has not read, OutputPool decides.
//
// Lifetime: the network makes it, and destroys it when the stream has reported that it is closed.
// The session ends before that, when the closing begins.
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
  std::unique_ptr<ByteStream> GiveAway() override;
  void Continue() override;
  size_t unsent_bytes() const override { return output_.size(); }
  size_t unsent_memory() const override { return output_.MemoryBytes(); }
  size_t input_bytes() const override { return input_.empty() ? processing_ : input_.size(); }
  size_t input_memory() const override { return input_.capacity(); }
  size_t request_memory() const override { return parser_.MemoryBytes(); }
  void WatchPeer() override { stream_->WatchPeer(); }
  int fd() const override { return stream_->fd(); }
  const std::string& peer() const override { return stream_->peer(); }
  const std::string& local() const override { return stream_->local(); }
  bool is_unix() const override { return stream_->is_unix(); }

  // --- For the network ---

  // The next turn: continues what the budget of the last turn has stopped.
  void NextTurn();
  // See Network::ServeOthers.
  void ServeInside(const Session& running);
  // Called from time to time while the connection is held back, closing, or not read from while its
  // session waits: checks whether it can go on, because other clients may have read their output
  // meanwhile. Closes the connection if its peer has taken nothing for kStuckMs, or has gone while
  // the session waits. `steady_ms` is the steady clock.
  void Reconsider(int64_t steady_ms);

  static constexpr int64_t kStuckMs = 60'000;

 private:
  // Executes the requests at the beginning of `bytes`; returns how many bytes they took.
  size_t Process(std::string_view bytes);
  // False if nothing more may be executed now; the connection will then go on later by itself.
  bool MayExecute();
  // True if the client or the server must take some of the output first.
  bool OutputIsTooMuch() const;
  // Reply bytes that are not sent yet, wherever they wait.
  size_t unread() const;
  // Goes on with the input if the output is no longer too much.
  void GoOnIfOutputAllows();
  void ExecuteLater();
  // Begins or stops reading, as the state of the connection demands.
  void UpdateReading();
  void BeginTurn();

  // Sends as much as the kernel takes and the turn's budget allows.
  void Flush();
  void WriteNext();
  // Reports a change of output_ to the pool.
  void NoteOutput();

  Network& network_;
  Front& broker_;
  std::unique_ptr<ByteStream> stream_;
  Session* session_;  // nullptr once the closing has begun
  RequestParser parser_;
  InputBuffer input_;      // bytes that have arrived and could not be executed yet
  size_t processing_ = 0;  // bytes of the shared buffer in Process now
  Rope output_;
  size_t in_flight_ = 0;      // bytes at the head of output_ that the stream is sending
  size_t noted_output_ = 0;   // memory of output_ that was reported to the pool
  uint64_t taken_bytes_ = 0;  // bytes that the kernel has taken

  bool reading_ = true;          // the stream reads
  bool reading_shared_ = false;  // the last ReadBuffer was the network's
  bool peer_ended_ = false;      // it has closed its side, with requests that are not executed yet
  bool held_back_ = false;       // nothing is executed until there is less output
  bool execute_later_ = false;   // the budget is used up: input_ goes on in the next turn
  bool next_turn_ = false;       // the network will call NextTurn
  bool close_when_sent_ = false;

  // What was done in turn number `turn_`.
  uint64_t turn_ = 0;
  size_t turn_effort_ = 0;  // see kTurnEffort
  size_t turn_read_ = 0;    // bytes
  size_t turn_sent_ = 0;    // bytes

  // For Reconsider: how many bytes the peer had taken when it last took some, and when that was.
  uint64_t progress_bytes_ = 0;
  int64_t progress_ms_ = 0;
};

}  // namespace runnel
