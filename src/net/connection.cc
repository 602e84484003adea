#include "net/connection.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "net/network.h"

namespace runnel {
namespace {

// A connection that is held back goes on when its unread output is down to this.
constexpr size_t kGoOnBytes = kUnreadMayHold / 2;

// Input of a session that takes no requests: reading stops here.
constexpr size_t kMostWaitingInput = 1024 * 1024;

// Replies to one read that are more than this go out before all of its requests are executed, while
// they are in the processor's cache.
constexpr size_t kSendEarlyBytes = 32 * 1024;

// What one connection does in one turn. A request counts its own bytes, a constant for what any
// request costs, and a part of its reply's bytes, which are only copied: so the budget is about a
// millisecond of small requests. Half of it is left to requests that were read in one piece.
constexpr size_t kTurnEffort = 256 * 1024;
constexpr size_t kRequestEffort = 64;
constexpr size_t kReplyBytesPerEffort = 16;
// Bytes of long arguments are only read, not executed: more of them fit a turn.
constexpr size_t kTurnRead = 256 * 1024;
constexpr size_t kTurnSent = 256 * 1024;

constexpr int kMaxVectors = 64;

}  // namespace

Connection::Connection(Network& network, Front& broker, std::unique_ptr<ByteStream> stream)
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
// whole, are executed at once, and leave nothing; so it stays in the processor's cache and idle
// connections cost nothing.
std::span<char> Connection::ReadBuffer() {
  reading_shared_ = input_.empty() || session_ == nullptr;
  if (reading_shared_) return network_.shared_buffer();
  const std::span<char> space = input_.Space(parser_.needed());
  // One byte over the limit shows that it is passed; more would pass with it.
  const uint64_t limit = broker_.settings().client_query_buffer_limit;
  uint64_t most = limit >= input_.size() ? limit - input_.size() + 1 : 1;
  if (!session_->takes_requests() && input_.size() < kMostWaitingInput) {
    most = std::min<uint64_t>(most, kMostWaitingInput - input_.size());
  }
  return space.first(std::min<uint64_t>({space.size(), most, kTurnRead}));
}

void Connection::OnRead(size_t bytes) {
  if (session_ == nullptr) return;
  broker_.UpdateTime();
  broker_.stats().bytes_in += bytes;
  session_->info.bytes_in += bytes;
  BeginTurn();
  turn_read_ += bytes;
  if (reading_shared_) {
    const std::string_view arrived(network_.shared_buffer().data(), bytes);
    processing_ = bytes;
    const size_t done = Process(arrived);
    processing_ = 0;
    if (session_ == nullptr) return;
    input_.Append(arrived.substr(done));
  } else {
    input_.Fill(bytes);
    const uint64_t limit = broker_.settings().client_query_buffer_limit;
    if (input_.size() > limit) {
      LogWarning(
          "Client {} (id {}) closed: {} bytes of a request without its end, over the limit of {}",
          peer(), session_->id, input_.size(), limit);
      broker_.stats().query_buffer_limit_closes++;
      return CloseNow();
    }
    input_.Consume(Process(input_.bytes()));
    if (session_ == nullptr) return;
  }
  if (input_.empty()) parser_.ReleaseSpare();
  if (turn_effort_ >= kTurnEffort / 2 || turn_read_ >= kTurnRead) ExecuteLater();
  UpdateReading();
}

size_t Connection::Process(std::string_view bytes) {
  size_t done = 0;
  while (session_->takes_requests() && MayExecute()) {
    const RequestLimits limits{broker_.settings().data.max_bulk_bytes,
                               session_->info.authenticated};
    const auto outcome = parser_.Parse(bytes.substr(done), limits);
    if (outcome == RequestParser::Outcome::kRequest) {
      const size_t output = session_->output.pending.size();
      broker_.Execute(*session_, parser_.args());
      if (session_ == nullptr) return bytes.size();
      done += parser_.consumed();
      turn_effort_ += parser_.consumed() + kRequestEffort;
      const size_t replied = session_->output.pending.size();
      if (replied > output) turn_effort_ += (replied - output) / kReplyBytesPerEffort;
      if (replied > kSendEarlyBytes) broker_.ReleaseEarly(*session_);
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
  return session_->ends() ? bytes.size() : done;
}

bool Connection::MayExecute() {
  if (turn_effort_ >= kTurnEffort) [[unlikely]] {
    ExecuteLater();
    return false;
  }
  if (unread() <= kUnreadMayHold || !OutputIsTooMuch()) [[likely]]
    return true;
  held_back_ = true;
  progress_ms_ = broker_.steady_ms();
  network_.Watch(this);
  return false;
}

size_t Connection::unread() const {
  return session_->output.pending.size() + session_->output.held.bytes() + output_.size();
}

bool Connection::OutputIsTooMuch() const {
  // The client has not read what the kernel took; it may be one that writes all its requests before
  // it reads any reply.
  if (in_flight_ > 0) return network_.HoldsBack(output_.MemoryBytes());
  // It leaves without the client's doing.
  return unread() > kGoOnBytes;
}

void Connection::GoOnIfOutputAllows() {
  if (!held_back_ || session_ == nullptr) return;
  if (unread() > kGoOnBytes && OutputIsTooMuch()) return;
  held_back_ = false;
  ExecuteLater();
}

void Connection::ExecuteLater() {
  execute_later_ = true;
  if (!std::exchange(next_turn_, true)) network_.CallNextTurn(this);
}

void Connection::NextTurn() {
  next_turn_ = false;
  if (session_ == nullptr) return;
  BeginTurn();
  if (in_flight_ == 0 && !output_.empty()) Flush();
  if (session_ == nullptr) return;
  if (std::exchange(execute_later_, false)) {
    broker_.UpdateTime();
    Continue();
  }
}

void Connection::ServeInside(const Session& running) {
  if (session_ == nullptr || session_ == &running) return;
  // Replies of this turn would wait until the command has ended, which may be never.
  if (!broker_.MayAnswerInside(*session_)) broker_.ReleaseEarly(*session_);
  if (session_ == nullptr || !broker_.MayAnswerInside(*session_)) return;
  if (std::exchange(execute_later_, false)) {
    broker_.UpdateTime();
    Continue();
  } else {
    stream_->ReadNow();
  }
  if (session_ != nullptr) broker_.ReleaseInside(*session_);
}

void Connection::BeginTurn() {
  if (turn_ == network_.turn()) return;
  turn_ = network_.turn();
  turn_effort_ = turn_read_ = turn_sent_ = 0;
}

void Connection::Continue() {
  // What is to be executed in the next turn, or when the client has read, is so.
  if (session_ == nullptr || execute_later_ || held_back_) return;
  BeginTurn();
  if (!input_.empty()) input_.Consume(Process(input_.bytes()));
  if (session_ == nullptr) return;
  if (input_.empty()) parser_.ReleaseSpare();
  if (peer_ended_ && !execute_later_ && !held_back_) return OnEnd("");
  UpdateReading();
}

void Connection::UpdateReading() {
  if (session_ == nullptr) return;
  const bool reads = !held_back_ && !execute_later_ && !peer_ended_ && !session_->ends() &&
                     (session_->takes_requests() || input_.size() < kMostWaitingInput);
  if (reads == reading_) return;
  reading_ = reads;
  reads ? stream_->ResumeReading() : stream_->PauseReading();
  // Nobody tells any more when the peer goes.
  if (!reads && !session_->takes_requests()) network_.Watch(this);
}

// A peer that has closed its side gets the replies to what it sent, unless it is one that waits:
// what it waits for must not be lost on it.
void Connection::OnEnd(std::string_view error) {
  if (session_ == nullptr) return;
  broker_.UpdateTime();
  if (!error.empty()) return CloseNow();
  // It ends by itself when its replies have left.
  if (session_->ends()) return;
  // A command that waits for the disk, or is put off, does not wait for something to happen: it and
  // what follows it are executed first.
  peer_ended_ = session_->parked() || session_->put_off() || execute_later_ || held_back_;
  if (peer_ended_) return UpdateReading();
  if (!session_->takes_requests() || session_->subscriptions() > 0 || session_->info.monitor) {
    return CloseNow();
  }
  broker_.CloseAfterReply(*session_);
}

// --- Output ---

void Connection::Send(Rope&& bytes) {
  if (!output_.empty()) bytes.Unshare();
  output_.Append(std::move(bytes));
  if (in_flight_ > 0) return NoteOutput();
  BeginTurn();
  Flush();
}

void Connection::Flush() {
  while (!output_.empty() && turn_sent_ < kTurnSent) {
    iovec vectors[kMaxVectors];
    const int count = output_.Gather(kTurnSent - turn_sent_, vectors, kMaxVectors);
    size_t gathered = 0;
    for (int i = 0; i < count; i++) {
      gathered += vectors[i].iov_len;
    }
    const ssize_t result = stream_->TryWrite(vectors, count);
    if (result < 0) return CloseNow();
    const auto sent = static_cast<size_t>(result);
    output_.Consume(sent);
    taken_bytes_ += sent;
    turn_sent_ += sent;
    if (sent < gathered) {
      WriteNext();
      break;
    }
  }
  NoteOutput();
  if (output_.empty() && close_when_sent_) return CloseNow();
  if (!output_.empty()) {
    output_.Unshare();
    if (in_flight_ == 0 && !std::exchange(next_turn_, true)) network_.CallNextTurn(this);
  }
  GoOnIfOutputAllows();
}

// The kernel's buffer is full: the stream sends what comes next as it empties.
void Connection::WriteNext() {
  output_.Unshare();
  iovec vectors[kMaxVectors];
  const int count = output_.Gather(kTurnSent, vectors, kMaxVectors);
  for (int i = 0; i < count; i++) {
    in_flight_ += vectors[i].iov_len;
  }
  stream_->Write(vectors, count);
}

void Connection::OnWritten(std::string_view error) {
  taken_bytes_ += in_flight_;
  output_.Consume(std::exchange(in_flight_, 0));
  if (session_ == nullptr) return;
  broker_.UpdateTime();
  if (!error.empty()) return CloseNow();
  BeginTurn();
  Flush();
}

void Connection::NoteOutput() {
  const size_t memory = output_.MemoryBytes();
  network_.NoteOutput(noted_output_, memory);
  noted_output_ = memory;
}

void Connection::Reconsider(int64_t steady_ms) {
  if (session_ == nullptr) return;
  const bool waits_unread = !reading_ && session_->blocked();
  if (waits_unread && stream_->PeerEnded()) return OnEnd("");
  GoOnIfOutputAllows();
  if (!held_back_ && !close_when_sent_) {
    if (!waits_unread) network_.Unwatch(this);
    return;
  }
  const uint64_t taken = taken_bytes_ + in_flight_ - stream_->unwritten();
  // Output that waits for the journal is not the client's to take.
  if (in_flight_ == 0 || taken != progress_bytes_) {
    progress_bytes_ = taken;
    progress_ms_ = steady_ms;
    return;
  }
  if (steady_ms - progress_ms_ < kStuckMs) return;
  LogWarning(
      "Client {} (id {}) closed: {} bytes of replies are unread, and it has read none of them for "
      "{} seconds",
      peer(), session_->id, output_.size(), kStuckMs / 1000);
  broker_.stats().output_buffer_limit_closes++;
  CloseNow();
}

// --- The end ---

void Connection::CloseAfterSending() {
  close_when_sent_ = true;
  UpdateReading();
  if (output_.empty()) return CloseNow();
  progress_ms_ = broker_.steady_ms();
  network_.Watch(this);
}

void Connection::CloseNow() {
  if (session_ == nullptr) return;
  broker_.Disconnect(*std::exchange(session_, nullptr));
  network_.NoteOutput(std::exchange(noted_output_, 0), 0);
  network_.NoteClosing();
  stream_->Close();
}

std::unique_ptr<ByteStream> Connection::GiveAway() {
  CHECK(session_ != nullptr);
  if (in_flight_ > 0 || !output_.empty()) {
    CloseNow();
    return nullptr;
  }
  stream_->PauseReading();
  std::unique_ptr<ByteStream> stream = std::move(stream_);
  broker_.Disconnect(*std::exchange(session_, nullptr));
  network_.NoteOutput(std::exchange(noted_output_, 0), 0);
  network_.Remove(this);
  return stream;
}

void Connection::OnClosed() {
  network_.NoteClosed();
  network_.Remove(this);
}

}  // namespace runnel
