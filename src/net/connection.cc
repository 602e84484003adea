#include "net/connection.h"

#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "net/network.h"

namespace runnel {
namespace {

// Reading pauses when a client has this much unread, and goes on when it is down to the lower mark.
constexpr size_t kHoldBackBytes = 1024 * 1024;
constexpr size_t kGoOnBytes = kHoldBackBytes / 2;

// Replies to one read that are more than this go out before all of its requests are executed, while
// they are in the processor's cache.
constexpr size_t kSendEarlyBytes = 32 * 1024;

constexpr int kMaxVectors = 64;

}  // namespace

Connection::Connection(Network& network, Broker& broker, std::unique_ptr<ByteStream> stream)
    : network_(network),
      broker_(broker),
      stream_(std::move(stream)),
      session_(&broker.Connect(this)) {
  stream_->Start(this);
}

Connection::~Connection() {
  CHECK(session_ == nullptr);
}

// --- Input ---

// A connection with nothing pending reads into the buffer that all share: requests mostly arrive
// whole, are executed at once, and leave nothing behind; so it stays in the processor's cache and
// idle connections cost nothing.
std::span<char> Connection::ReadBuffer() {
  reading_shared_ = input_.empty();
  return reading_shared_ ? network_.shared_buffer() : input_.Space(parser_.needed());
}

void Connection::OnRead(size_t bytes) {
  if (session_ == nullptr) return;
  broker_.UpdateTime();
  broker_.stats().bytes_in += bytes;
  session_->bytes_in += bytes;
  if (reading_shared_) {
    const std::string_view arrived(network_.shared_buffer().data(), bytes);
    const size_t done = Process(arrived);
    input_.Append(arrived.substr(done));
  } else {
    input_.Fill(bytes);
    input_.Consume(Process(input_.bytes()));
  }
  if (session_ == nullptr) return;
  if (session_->closing) return stream_->PauseReading();
  const uint64_t limit = broker_.settings().client_query_buffer_limit;
  if (input_.size() > limit) {
    LogWarning(
        "Client {} (id {}) closed: {} bytes of a request without its end, over the limit of {}",
        peer(), session_->id, input_.size(), limit);
    broker_.stats().query_buffer_limit_closes++;
    CloseNow();
  }
}

size_t Connection::Process(std::string_view bytes) {
  size_t done = 0;
  while (session_->takes_requests()) {
    if (TooMuchUnread()) {
      held_back_ = true;
      stream_->PauseReading();
      break;
    }
    const RequestLimits limits{broker_.settings().data.max_bulk_bytes, session_->authenticated};
    const auto outcome = parser_.Parse(bytes.substr(done), limits);
    if (outcome == RequestParser::Outcome::kRequest) {
      broker_.Execute(*session_, parser_.args());
      done += parser_.consumed();
      if (session_->out.size() > kSendEarlyBytes) broker_.ReleaseEarly(*session_);
      if (session_ == nullptr) return bytes.size();
      continue;
    }
    if (outcome == RequestParser::Outcome::kError) {
      broker_.FailProtocol(*session_, parser_.error());
      return bytes.size();
    }
    done += parser_.consumed();
    break;
  }
  return session_->closing ? bytes.size() : done;
}

bool Connection::TooMuchUnread() const {
  return session_->unsent_bytes() > kHoldBackBytes;
}

void Connection::Continue() {
  if (session_ == nullptr) return;
  if (held_back_) {
    held_back_ = false;
    stream_->ResumeReading();
  }
  if (!input_.empty()) input_.Consume(Process(input_.bytes()));
  if (peer_ended_ && session_ != nullptr) OnEnd("");
}

// A peer that has closed its side gets the replies to what it sent, unless it is one that waits:
// what it waits for must not be lost on it.
void Connection::OnEnd(std::string_view error) {
  if (session_ == nullptr) return;
  // A command that waits for the disk is not one that waits for something to happen.
  peer_ended_ = error.empty() && session_->parked != nullptr;
  if (peer_ended_) return stream_->PauseReading();
  if (!error.empty() || !session_->takes_requests() || session_->subscriptions() > 0 ||
      session_->monitor) {
    return CloseNow();
  }
  broker_.CloseAfterReply(*session_);
}

// --- Output ---

void Connection::Send(Rope&& bytes) {
  if (in_flight_ > 0) bytes.Unshare();
  output_.Append(std::move(bytes));
  if (in_flight_ == 0) Flush();
}

void Connection::Flush() {
  while (!output_.empty()) {
    iovec vectors[kMaxVectors];
    const int count = output_.Gather(output_.size(), vectors, kMaxVectors);
    size_t gathered = 0;
    for (int i = 0; i < count; i++) {
      gathered += vectors[i].iov_len;
    }
    const ssize_t sent = stream_->TryWrite(vectors, count);
    if (sent < 0) return CloseNow();
    output_.Consume(static_cast<size_t>(sent));
    if (static_cast<size_t>(sent) < gathered) {
      // The kernel's buffer is full: the stream sends the rest of these vectors as it empties.
      in_flight_ = gathered - static_cast<size_t>(sent);
      output_.Unshare();
      stream_->Write(vectors, output_.Gather(in_flight_, vectors, kMaxVectors));
      return;
    }
  }
  if (close_when_sent_) return CloseNow();
  ResumeInput();
}

void Connection::OnWritten(std::string_view error) {
  output_.Consume(std::exchange(in_flight_, 0));
  if (session_ == nullptr) return;
  if (!error.empty()) return CloseNow();
  Flush();
  if (session_ != nullptr && output_.size() < kGoOnBytes) ResumeInput();
}

void Connection::ResumeInput() {
  if (held_back_) broker_.ContinueLater(*session_);
}

// --- The end ---

void Connection::CloseAfterSending() {
  close_when_sent_ = true;
  stream_->PauseReading();
  if (output_.empty()) CloseNow();
}

void Connection::CloseNow() {
  if (session_ == nullptr) return;
  broker_.Disconnect(*std::exchange(session_, nullptr));
  stream_->Close();
}

void Connection::OnClosed() {
  network_.Remove(this);
}

}  // namespace runnel
