#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/block.h"
#include "base/byte_buffer.h"
#include "base/ref.h"
#include "base/status.h"
#include "env/byte_stream.h"
#include "replication/wire.h"
#include "resp/rope.h"

namespace runnel::replication {

// One connection between two servers, at either end: cuts what arrives into messages, and sends
// what its owner gives it. It knows the form of messages, not their meaning.
//
// Lifetime: the owner ends a link with End, which takes it: the stream may need a while to close.
class Link final : public ByteStreamHandler {
 public:
  // All calls come from the loop. The owner outlives the link, or ends it.
  class Owner {
   public:
    virtual ~Owner() = default;
    // A line in the clients' protocol, without its end: before the first message only.
    virtual Status OnLine(std::string_view line) = 0;
    // The body is valid during the call. A failure of either ends the link: OnEnd is called with
    // it.
    virtual Status OnMessage(MessageType type, std::string_view body) = 0;
    // Nothing more comes; the owner ends the link.
    virtual void OnEnd(std::string_view why) = 0;
  };

  // A connection that was made to another server: `stream` is not started.
  static std::unique_ptr<Link> Begin(std::unique_ptr<ByteStream> stream, Owner& owner);
  // A client's connection that becomes a link. `stream` is started, and nothing is being written.
  static std::unique_ptr<Link> Take(std::unique_ptr<ByteStream> stream, Owner& owner);
  ~Link() override;

  // Closes the link at once; the owner is not called any more.
  static void End(std::unique_ptr<Link> link);

  // What is sent leaves with Flush.
  //
  // A command in the clients' protocol.
  void SendCommand(std::span<const std::string> words);
  void Send(MessageType type, std::string_view body);
  // A message whose body is `head` and then bytes of the block, which never change.
  void SendSlice(MessageType type, std::string_view head, const Ref<Block>& block,
                 std::string_view bytes);
  // Whole messages with their headers, which lie in the block and never change.
  void SendEncoded(const Ref<Block>& block, std::string_view messages) {
    output_.AppendSlice(block, messages);
  }

  // Sends what the connection takes. Returns whether it would take more: then so much was sent as
  // may be in one call, and it is to be called again in the next turn.
  bool Flush();
  // How much one call of Flush sends, about. By default there is no bound.
  void set_most_flushed(size_t bytes) { most_flushed_ = bytes; }
  // Between the two nothing is read, and the peer is held back.
  void PauseReading() { stream_->PauseReading(); }
  void ResumeReading() { stream_->ResumeReading(); }

  const std::string& peer() const { return stream_->peer(); }
  const ByteStream& stream() const { return *stream_; }
  // What has arrived and is no whole message yet, and what has not left.
  size_t input_bytes() const { return input_.size(); }
  size_t input_memory() const { return input_.capacity(); }
  const Rope& output() const { return output_; }

  // ByteStreamHandler
  std::span<char> ReadBuffer() override;
  void OnRead(size_t bytes) override;
  void OnEnd(std::string_view error) override;
  void OnWritten(std::string_view error) override;
  void OnClosed() override;

 private:
  Link(std::unique_ptr<ByteStream> stream, Owner& owner, bool lines);

  std::optional<size_t> TakeMessages(std::string_view input);
  // Gives the first line or message of the input to the owner. Returns its size with its frame; 0
  // if it is not whole.
  Result<size_t> Process(std::string_view input);
  void Fail(std::string_view why);

  std::unique_ptr<ByteStream> stream_;
  Owner* owner_;  // nullptr: ended
  bool lines_;    // no message has come yet, so a line may come
  bool failed_ = false;
  ByteBuffer input_;           // the beginning of a message that is not yet whole
  bool reads_shared_ = false;  // the last ReadBuffer was not that of input_
  Rope output_;
  size_t most_flushed_ = SIZE_MAX;
  size_t in_flight_ = 0;  // bytes of it that the stream is sending
};

}  // namespace runnel::replication
