#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "broker/commands/broker_families.h"
#include "broker/testing.h"
#include "net/network.h"

namespace runnel::testing {

class FakeStream;

// The other side of a connection, and the kernel's buffers between. Outlives the stream.
struct Peer {
  // For the peer: writes, then ends its side, or breaks the connection.
  void Write(std::string_view bytes) { inbox += bytes; }
  void End() { ended = true; }
  void Break() { broken = true; }

  std::string inbox;     // written by the peer and not read by the server
  std::string received;  // what the server has sent
  // How many more bytes the kernel takes from the server: the peer reads so much.
  size_t room = SIZE_MAX;
  bool ended = false;
  bool broken = false;
  bool closed = false;  // by the server
  FakeStream* stream = nullptr;
};

// A stream whose peer is played by the test.
class FakeStream final : public ByteStream {
 public:
  explicit FakeStream(std::shared_ptr<Peer> peer) : peer_(std::move(peer)) { peer_->stream = this; }
  ~FakeStream() override { peer_->stream = nullptr; }

  void Start(ByteStreamHandler* handler) override {
    handler_ = handler;
    reading_ = true;
  }
  void ChangeHandler(ByteStreamHandler* handler) override { handler_ = handler; }
  void PauseReading() override { reading_ = false; }
  void ResumeReading() override { reading_ = true; }
  bool PeerEnded() const override { return peer_->ended || peer_->broken; }
  bool reading() const { return reading_; }

  ssize_t TryWrite(const iovec* vectors, int count) override {
    CHECK(unwritten_.empty());
    if (peer_->broken) return -1;
    size_t sent = 0;
    for (int i = 0; i < count; i++) {
      sent += Take({static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len});
    }
    return static_cast<ssize_t>(sent);
  }
  void Write(const iovec* vectors, int count) override {
    CHECK(unwritten_.empty());
    for (int i = 0; i < count; i++) {
      unwritten_.emplace_back(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
    }
  }
  size_t unwritten() const override {
    size_t bytes = 0;
    for (const std::string_view part : unwritten_) {
      bytes += part.size();
    }
    return bytes;
  }
  void Close() override { closing_ = true; }
  int fd() const override { return -1; }
  const std::string& peer() const override { return peer_name_; }
  const std::string& local() const override { return local_name_; }
  bool is_unix() const override { return false; }
  bool is_local() const override { return true; }

  // One round of the loop, as libuv does it: several reads while they fill the buffer, then writes.
  // The stream may be gone after this.
  void Poll() {
    constexpr int kReads = 32;
    for (int i = 0; i < kReads && reading_ && !closing_ && !peer_->inbox.empty(); i++) {
      const std::span<char> space = handler_->ReadBuffer();
      CHECK(!space.empty());
      const size_t bytes = std::min(space.size(), peer_->inbox.size() - taken_);
      std::memcpy(space.data(), peer_->inbox.data() + taken_, bytes);
      taken_ += bytes;
      // Not at each read: that would cost the square of what was written.
      if (taken_ == peer_->inbox.size()) Forget();
      handler_->OnRead(bytes);
      if (bytes < space.size()) break;
    }
    Forget();
    if (reading_ && !closing_ && peer_->inbox.empty() && (peer_->ended || peer_->broken)) {
      reading_ = false;
      handler_->OnEnd(peer_->broken ? "connection reset by peer" : "");
    }
    if (!closing_ && !unwritten_.empty()) PollWrites();
    if (closing_) {
      if (!unwritten_.empty()) EndWrite("cancelled");
      peer_->closed = true;
      handler_->OnClosed();
    }
  }

 private:
  size_t Take(std::string_view bytes) {
    const size_t taken = std::min(bytes.size(), peer_->room);
    peer_->received += bytes.substr(0, taken);
    peer_->room -= taken;
    return taken;
  }
  void PollWrites() {
    if (peer_->broken) return EndWrite("broken pipe");
    while (!unwritten_.empty()) {
      const size_t taken = Take(unwritten_.front());
      unwritten_.front().remove_prefix(taken);
      if (!unwritten_.front().empty()) return;
      unwritten_.erase(unwritten_.begin());
    }
    EndWrite("");
  }
  void EndWrite(std::string_view error) {
    unwritten_.clear();
    handler_->OnWritten(error);
  }
  void Forget() { peer_->inbox.erase(0, std::exchange(taken_, 0)); }

  std::shared_ptr<Peer> peer_;
  ByteStreamHandler* handler_ = nullptr;
  bool reading_ = false;
  bool closing_ = false;
  size_t taken_ = 0;
  std::vector<std::string_view> unwritten_;
  std::string peer_name_ = "127.0.0.1:1";
  std::string local_name_ = "127.0.0.1:6379";
};

// A loop that does nothing but hand over the streams that a test makes.
class FakeLoop final : public Loop {
 public:
  void Run() override { CHECK(false); }
  void Stop() override { CHECK(false); }
  void OnTurn(std::function<void()>) override { CHECK(false); }
  Result<std::unique_ptr<Listener>> ListenTcp(const std::string&, int, const TcpOptions&,
                                              AcceptFunction function) override {
    accept = std::move(function);
    return std::make_unique<Listener>();
  }
  Result<std::unique_ptr<Listener>> ListenUnix(const std::string&, int, unsigned,
                                               AcceptFunction) override {
    return Status::Error("not here");
  }
  std::unique_ptr<Attempt> ConnectTcp(const std::string&, int, ConnectFunction) override {
    return nullptr;
  }
  std::unique_ptr<Timer> NewTimer(std::function<void()>) override { return nullptr; }
  std::unique_ptr<Wakeup> NewWakeup(std::function<void()>) override { return nullptr; }
  void OnSignal(int, std::function<void()>) override { CHECK(false); }
  void Submit(std::function<void()>, std::function<void()>) override { CHECK(false); }

  AcceptFunction accept;
};

// A network on a real broker, without sockets.
class NetworkHarness {
 public:
  NetworkHarness() : network(loop, core.broker, core.settings) {
    for (const auto family : {ConnectionCommands(), ClientCommands(), PubSubCommands(),
                              TransactionCommands(), IntrospectionCommands()}) {
      core.broker.commands().Add(family);
    }
    CHECK(network.ListenTcp("127.0.0.1", 1, 1).ok());
  }
  ~NetworkHarness() {
    network.Close();
    for (const auto& peer : peers) {
      if (peer->stream != nullptr) peer->stream->Poll();
    }
  }

  std::shared_ptr<Peer> Connect() {
    peers.push_back(std::make_shared<Peer>());
    loop.accept(std::make_unique<FakeStream>(peers.back()));
    return peers.back();
  }
  // One round of the loop. Returns true if the next would not wait for events.
  bool Round() {
    for (const auto& peer : std::vector(peers)) {
      if (peer->stream != nullptr) peer->stream->Poll();
    }
    core.broker.RunTimers();
    core.broker.EndTurn();
    return network.NextTurn();
  }
  // Rounds until nothing happens any more; what is still held back stays so.
  void Settle() {
    constexpr int kMost = 1'000'000;
    for (int i = 0, quiet = 0; quiet < 3; i++) {
      CHECK(i < kMost);
      const uint64_t before = Bytes();
      quiet = Round() || Bytes() != before ? 0 : quiet + 1;
    }
  }
  // Lets time pass, with a round for each tenth of a second.
  void Advance(int64_t ms) {
    for (int64_t passed = 0; passed < ms; passed += 100) {
      core.clock.Advance(100);
      core.broker.RunCron();
      Round();
    }
  }
  // What the client gets for this request. Its earlier replies are forgotten.
  std::string Ask(Peer& peer, std::string_view request) {
    Settle();
    peer.received.clear();
    peer.Write(request);
    Settle();
    return peer.received;
  }
  Session& session(uint64_t id) { return *core.broker.sessions().all().at(id); }
  uint64_t commands() { return core.broker.stats().commands_processed; }

  BrokerHarness core;
  FakeLoop loop;
  Network network;
  std::vector<std::shared_ptr<Peer>> peers;

 private:
  // Bytes that have been moved in either direction.
  uint64_t Bytes() const {
    uint64_t bytes = 0;
    for (const auto& peer : peers) {
      bytes += peer->received.size() - peer->inbox.size();
    }
    return bytes;
  }
};

}  // namespace runnel::testing
