#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "env/byte_stream.h"

namespace runnel::sim {

class ModelStream;

// Connections between servers of one test. Bytes are on their way until Step moves some of them;
// how many is chance, from the seed. A connection can break at any time: what is on its way is lost
// then, at both ends.
class ModelNetwork {
 public:
  explicit ModelNetwork(uint64_t seed) : random_(seed) {}
  // All streams are closed before.
  ~ModelNetwork();

  // Both ends of a new connection; not started.
  struct Pair {
    std::unique_ptr<ByteStream> near;
    std::unique_ptr<ByteStream> far;
  };
  Pair Connect();
  // Moves bytes, and tells the ends what has happened.
  void Step();
  // Breaks a connection by chance, if there is one.
  void BreakOne();
  void BreakAll();
  // Steps until nothing moves any more.
  void Settle();

 private:
  friend class ModelStream;

  Random random_;
  std::vector<ModelStream*> streams_;
  bool moved_ = false;
};

class ModelStream final : public ByteStream {
 public:
  explicit ModelStream(ModelNetwork& network) : network_(network) {}
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

  // The connection is gone, at both ends.
  void Part();
  void Step();
  void Deliver();
  void FinishWrite();

  ModelNetwork& network_;
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
