#include "tests/sim/model_network.h"

#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace runnel::sim {
namespace {

// What the system's buffers take before the peer reads.
constexpr size_t kBufferBytes = 4096;

}  // namespace

ModelNetwork::~ModelNetwork() {
  chances_.clear();
  still_.reset();
  Settle();
  CHECK(streams_.empty());
}

ModelNetwork::Pair ModelNetwork::Connect(size_t near_server, size_t far_server) {
  auto near = std::make_unique<ModelStream>(*this, near_server, far_server);
  auto far = std::make_unique<ModelStream>(*this, far_server, near_server);
  near->peer_ = far.get();
  far->peer_ = near.get();
  streams_.push_back(near.get());
  streams_.push_back(far.get());
  return {std::move(near), std::move(far)};
}

bool ModelNetwork::Arrives(size_t from, size_t to) {
  if (chances_.empty()) return true;
  const uint64_t percent = ChanceOf(from, to);
  return percent == 100 || random_.Below(100) < percent;
}

void ModelNetwork::Step() {
  // Streams come and go meanwhile.
  const std::vector<ModelStream*> streams = streams_;
  for (ModelStream* const stream : streams) {
    if (std::find(streams_.begin(), streams_.end(), stream) != streams_.end()) stream->Step();
  }
}

void ModelNetwork::Settle() {
  do {
    moved_ = false;
    Step();
  } while (moved_);
}

void ModelNetwork::BreakOne() {
  if (!streams_.empty()) streams_[random_.Below(streams_.size())]->Part(true);
}

void ModelNetwork::BreakAll() {
  for (ModelStream* const stream : streams_) {
    stream->Part(true);
  }
}

ModelStream::~ModelStream() {
  Part(true);
  std::erase(network_.streams_, this);
}

void ModelStream::Part(bool loses) {
  if (peer_ == nullptr) return;
  inbox_.clear();
  if (loses) peer_->inbox_.clear();
  peer_->peer_ = nullptr;
  peer_ = nullptr;
}

bool ModelStream::Vanishes() const {
  return peer_ == nullptr &&
         (network_.ChanceOf(own_, other_) == 0 || network_.ChanceOf(other_, own_) == 0);
}

ssize_t ModelStream::TryWrite(const iovec* vectors, int count) {
  CHECK(!write_);
  ssize_t sent = 0;
  if (Vanishes()) {
    for (int i = 0; i < count; i++) {
      sent += static_cast<ssize_t>(vectors[i].iov_len);
    }
    return sent;
  }
  if (peer_ == nullptr) return -1;
  for (int i = 0; i < count; i++) {
    const size_t room = kBufferBytes - std::min(kBufferBytes, peer_->inbox_.size());
    const size_t bytes = std::min(room, vectors[i].iov_len);
    peer_->inbox_.append(static_cast<const char*>(vectors[i].iov_base), bytes);
    sent += static_cast<ssize_t>(bytes);
    if (bytes < vectors[i].iov_len) break;
  }
  return sent;
}

void ModelStream::Write(const iovec* vectors, int count) {
  CHECK(!write_);
  write_ = true;
  for (int i = 0; i < count; i++) {
    writing_.append(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
  }
}

void ModelStream::Step() {
  if (closing_) {
    if (std::exchange(closed_, true)) return;
    network_.moved_ = true;
    Part(network_.random_.Below(3) == 0);
    if (std::exchange(write_, false)) handler_->OnWritten("closed");
    // It may free this.
    if (handler_ != nullptr) handler_->OnClosed();
    return;
  }
  if (network_.still_ == own_) return;
  if (write_) FinishWrite();
  if (handler_ == nullptr || !reading_ || closing_) return;
  const bool something = !inbox_.empty() || peer_ == nullptr;
  if (something && network_.Arrives(other_, own_)) Deliver();
}

void ModelStream::FinishWrite() {
  if (Vanishes()) {
    write_ = false;
    writing_.clear();
    network_.moved_ = true;
    return handler_->OnWritten("");
  }
  if (peer_ == nullptr) {
    write_ = false;
    writing_.clear();
    network_.moved_ = true;
    return handler_->OnWritten("broken pipe");
  }
  const size_t room = kBufferBytes - std::min(kBufferBytes, peer_->inbox_.size());
  const size_t bytes = std::min(room, writing_.size());
  network_.moved_ |= bytes > 0;
  peer_->inbox_.append(writing_, 0, bytes);
  writing_.erase(0, bytes);
  if (!writing_.empty()) return;
  write_ = false;
  network_.moved_ = true;
  handler_->OnWritten("");
}

void ModelStream::Deliver() {
  if (!inbox_.empty()) {
    const std::span<char> space = handler_->ReadBuffer();
    const size_t most = std::min(space.size(), inbox_.size());
    const size_t bytes = 1 + network_.random_.Below(most);
    std::memcpy(space.data(), inbox_.data(), bytes);
    inbox_.erase(0, bytes);
    network_.moved_ = true;
    handler_->OnRead(bytes);
    return;
  }
  if (peer_ != nullptr) return;
  // Whoever reads on is told again.
  network_.moved_ = true;
  reading_ = false;
  handler_->OnEnd("");
}

}  // namespace runnel::sim
