#include "net/network.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"

namespace runnel {
namespace {

constexpr std::string_view kTooManyClients = "-ERR max number of clients reached\r\n";
constexpr std::string_view kProtected =
    "-DENIED Runnel is running in protected mode: no password is set for the default user, so only "
    "connections from this machine are accepted. To serve others, set a password (requirepass) and "
    "connect "
    "with it, or, where the network around the server protects it, set protected-mode to no.\r\n";

// Tells a client why it is not served, and closes. Owns itself until the stream is closed.
class Refusal final : public ByteStreamHandler {
 public:
  // `closing` counts those that are not closed yet.
  static void Send(std::unique_ptr<ByteStream> stream, std::string_view reason,
                   std::shared_ptr<size_t> closing) {
    auto* refusal = new Refusal(std::move(stream), std::move(closing));
    refusal->stream_->Start(refusal);
    const iovec vector{const_cast<char*>(reason.data()), reason.size()};
    refusal->stream_->TryWrite(&vector, 1);
    refusal->stream_->Close();
  }

 private:
  Refusal(std::unique_ptr<ByteStream> stream, std::shared_ptr<size_t> closing)
      : stream_(std::move(stream)), closing_(std::move(closing)) {
    ++*closing_;
  }
  ~Refusal() override { --*closing_; }

  std::span<char> ReadBuffer() override { return unread_; }
  void OnRead(size_t) override {}
  void OnEnd(std::string_view) override {}
  void OnWritten(std::string_view) override {}
  void OnClosed() override { delete this; }

  std::unique_ptr<ByteStream> stream_;
  const std::shared_ptr<size_t> closing_;
  char unread_[64];
};

}  // namespace

Network::Network(Loop& loop, Front& broker, const Settings& settings)
    : loop_(loop),
      broker_(broker),
      settings_(settings),
      shared_buffer_(std::make_unique<char[]>(kSharedBytes)) {}

Network::~Network() {
  CHECK(empty());
}

Status Network::ListenTcp(const std::string& address, int port, int backlog) {
  TcpOptions options{backlog, settings_.tcp_keepalive_s};
  auto listener =
      loop_.ListenTcp(address, port, options,
                      [this](std::unique_ptr<ByteStream> stream) { Accept(std::move(stream)); });
  if (!listener.ok()) return listener.status();
  listeners_.push_back(std::move(*listener));
  return Status();
}

Status Network::ListenUnix(const std::string& path, int backlog, unsigned mode) {
  auto listener = loop_.ListenUnix(path, backlog, mode, [this](std::unique_ptr<ByteStream> stream) {
    Accept(std::move(stream));
  });
  if (!listener.ok()) return listener.status();
  listeners_.push_back(std::move(*listener));
  return Status();
}

void Network::Accept(std::unique_ptr<ByteStream> stream) {
  if (connections_.size() - closing_connections_ >= settings_.maxclients) {
    broker_.stats().connections_rejected++;
    LogVerbose("Connection from {} refused: maxclients ({}) reached", stream->peer(),
               settings_.maxclients);
    return Refusal::Send(std::move(stream), kTooManyClients, closing_);
  }
  if (settings_.protected_mode && settings_.requirepass.empty() && !stream->is_local()) {
    broker_.stats().connections_rejected++;
    LogVerbose("Connection from {} refused: protected mode", stream->peer());
    return Refusal::Send(std::move(stream), kProtected, closing_);
  }
  broker_.UpdateTime();
  connections_.insert(new Connection(*this, broker_, std::move(stream)));
}

bool Network::NextTurn() {
  turn_++;
  if (!watched_.empty()) ReconsiderWatched();
  if (unfinished_.empty()) return false;
  // What they leave for the turn after this one is called then, not now.
  const size_t count = unfinished_.size();
  for (size_t i = 0; i < count; i++) {
    if (unfinished_[i] != nullptr) unfinished_[i]->NextTurn();
  }
  unfinished_.erase(unfinished_.begin(), unfinished_.begin() + static_cast<ptrdiff_t>(count));
  return true;
}

void Network::ServeOthers(const Session& running) {
  // The command that runs may have its arguments in the shared buffer.
  if (inner_buffer_ == nullptr) inner_buffer_ = std::make_unique<char[]>(kSharedBytes);
  std::swap(shared_buffer_, inner_buffer_);
  turn_++;
  // The loop, which closes streams, stands still.
  constexpr size_t kMostClosing = 1000;
  for (const auto& listener : listeners_) {
    if (*closing_ < kMostClosing) listener->AcceptNow();
  }
  // New ones may come, but none goes: streams are closed by the loop.
  const std::vector<Connection*> connections(connections_.begin(), connections_.end());
  for (Connection* connection : connections) {
    connection->ServeInside(running);
  }
  std::swap(shared_buffer_, inner_buffer_);
}

void Network::ReconsiderWatched() {
  constexpr int64_t kEveryMs = 100;
  const int64_t now_ms = broker_.steady_ms();
  if (now_ms - reconsidered_ms_ < kEveryMs) return;
  reconsidered_ms_ = now_ms;
  const std::vector<Connection*> watched(watched_.begin(), watched_.end());
  for (Connection* connection : watched) {
    connection->Reconsider(now_ms);
  }
}

size_t Network::MostOutput() const {
  // Nor may clients that do not read make the writes of others fail for want of memory.
  constexpr uint64_t kPartOfMaxmemory = 4;
  const uint64_t most = settings_.client_output_memory;
  if (settings_.maxmemory == 0) return most;
  return std::min(most, settings_.maxmemory / kPartOfMaxmemory);
}

void Network::Remove(Connection* connection) {
  connections_.erase(connection);
  watched_.erase(connection);
  std::replace(unfinished_.begin(), unfinished_.end(), connection,
               static_cast<Connection*>(nullptr));
  delete connection;
}

void Network::Close() {
  listeners_.clear();
  // Closing only begins here; each connection removes itself when the loop has closed its stream.
  for (Connection* connection : connections_) {
    connection->CloseNow();
  }
}

}  // namespace runnel
