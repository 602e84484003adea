#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "env/byte_stream.h"
#include "env/loop.h"

namespace runnel::sim {

class ModelStream;

// A connection that is being made, for as long as this exists.
class ModelAttempt final : public Attempt {
 public:
  explicit ModelAttempt(std::shared_ptr<bool> alive) : alive_(std::move(alive)) {}

 private:
  const std::shared_ptr<bool> alive_;
};

// Connections between servers of one test, which have numbers. Bytes are on their way until Step
// moves some of them; how many is chance, from the seed. A connection can break at any time: what
// is on its way is lost then, at both ends. When one end is closed, what it has sent arrives or is
// lost, by chance.
class ModelNetwork {
 public:
  explicit ModelNetwork(uint64_t seed) : random_(seed) {}
  // All streams are closed before.
  ~ModelNetwork();

  // Both ends of a new connection, from the server `near` to the server `far`; not started.
  struct Pair {
    std::unique_ptr<ByteStream> near;
    std::unique_ptr<ByteStream> far;
  };
  Pair Connect(size_t near = 0, size_t far = 0);

  // In a step, what one server has sent to another one arrives with this chance, in percent. 0:
  // nothing does until that changes, not even the end of a connection, and the sender does not see
  // that the other end is gone. 100 where nothing was said.
  void SetChance(size_t from, size_t to, uint64_t percent) { chances_[{from, to}] = percent; }
  uint64_t ChanceOf(size_t from, size_t to) const {
    const auto found = chances_.find({from, to});
    return found == chances_.end() ? 100 : found->second;
  }
  // While it stands still, a server neither reads nor hears of anything.
  void StandStill(std::optional<size_t> server) { still_ = server; }

  // Moves bytes, and tells the ends what has happened.
  void Step();
  // Breaks a connection by chance, if there is one.
  void BreakOne();
  void BreakAll();
  // Steps until nothing moves any more.
  void Settle();

 private:
  friend class ModelStream;

  bool Arrives(size_t from, size_t to);

  Random random_;
  std::vector<ModelStream*> streams_;
  std::map<std::pair<size_t, size_t>, uint64_t> chances_;
  std::optional<size_t> still_;
  bool moved_ = false;
};

class ModelStream final : public ByteStream {
 public:
  // This end is at one server, the other one at the `other`.
  ModelStream(ModelNetwork& network, size_t own, size_t other)
      : network_(network), own_(own), other_(other) {}
  ~ModelStream() override;

  void Start(ByteStreamHandler* handler) override {
    handler_ = handler;
    reading_ = true;
  }
  void ChangeHandler(ByteStreamHandler* handler) override { handler_ = handler; }
  void PauseReading() override { reading_ = false; }
  void ResumeReading() override { reading_ = true; }
  bool PeerEnded() const override { return peer_ == nullptr; }
  ssize_t TryWrite(const iovec* vectors, int count) override;
  void Write(const iovec* vectors, int count) override;
  size_t unwritten() const override { return writing_.size(); }
  void Close() override { closing_ = true; }
  int fd() const override { return -1; }
  const std::string& peer() const override { return name_; }
  const std::string& local() const override { return name_; }
  bool is_unix() const override { return false; }
  bool is_local() const override { return true; }

 private:
  friend class ModelNetwork;

  // The connection is gone, at both ends. If it `loses`, so is what was sent to the other one.
  void Part(bool loses);
  // What is sent from here gets nowhere, and no answer comes that would say so.
  bool Vanishes() const;
  void Step();
  void Deliver();
  void FinishWrite();

  ModelNetwork& network_;
  const size_t own_;
  const size_t other_;
  ModelStream* peer_ = nullptr;
  ByteStreamHandler* handler_ = nullptr;
  bool reading_ = false;
  bool closing_ = false;
  bool closed_ = false;  // OnClosed was called
  std::string inbox_;    // sent by the peer and not read
  std::string writing_;  // of a Write under way
  bool write_ = false;
  std::string name_ = "127.0.0.1:1";
};

}  // namespace runnel::sim
