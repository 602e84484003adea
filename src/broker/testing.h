#pragma once

#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/memory.h"
#include "broker/broker.h"

namespace runnel::testing {

// A clock that stands until it is moved.
class ManualClock final : public Clock {
 public:
  int64_t UnixMicros() const override { return unix_us; }
  int64_t SteadyMicros() const override {
    if (asked) asked();
    return steady_us;
  }
  void Advance(int64_t ms) {
    unix_us += ms * 1000;
    steady_us += ms * 1000;
  }
  int64_t unix_us = 1'700'000'000'000'000;
  int64_t steady_us = 1'000'000'000;
  std::function<void()> asked;  // when it is read
};

// A broker without network, and clients that talk to it in whole requests.
class BrokerHarness final : private BrokerHost {
 public:
  class Client final : public Transport {
   public:
    explicit Client(BrokerHarness& harness)
        : harness_(harness), session_(&harness.broker.Connect(this)) {}
    ~Client() override { CloseNow(); }

    Session& session() { return *session_; }
    bool open() const { return session_ != nullptr; }

    // Sends a request; those that come while the session waits are executed when it goes on.
    void Request(std::vector<std::string> args) {
      pending_.push_back(std::move(args));
      Continue();
    }
    // Ends the turn and takes all that has been sent to the client.
    std::string Received() {
      harness_.broker.EndTurn();
      std::string bytes = received_.ToString();
      received_.Clear();
      return bytes;
    }
    std::string Ask(std::vector<std::string> args) {
      Request(std::move(args));
      return Received();
    }
    // The arguments in one line, separated by single blanks; what comes back has a blank in the
    // place of each end of line but the last.
    std::string Run(const std::string& line) {
      std::vector<std::string> args;
      std::istringstream words(line);
      for (std::string word; std::getline(words, word, ' ');) {
        args.push_back(std::move(word));
      }
      Request(std::move(args));
      return Lines();
    }
    // What has been sent to the client, in the same form.
    std::string Lines() {
      harness_.broker.EndTurn();
      return TakeLines();
    }
    // The same without the end of a turn.
    std::string TakeLines() {
      std::string received = received_.ToString();
      received_.Clear();
      if (received.ends_with("\r\n")) received.resize(received.size() - 2);
      for (size_t end; (end = received.find("\r\n")) != std::string::npos;) {
        received.replace(end, 2, " ");
      }
      return received;
    }

    // Transport
    void Send(Rope&& bytes) override { received_.Append(std::move(bytes)); }
    void CloseAfterSending() override { CloseNow(); }
    void CloseNow() override {
      if (session_ == nullptr) return;
      Session& session = *session_;
      session_ = nullptr;
      harness_.broker.Disconnect(session);
    }
    void Continue() override {
      while (session_ != nullptr && session_->takes_requests() && !pending_.empty()) {
        const std::vector<std::string> args = std::move(pending_.front());
        pending_.erase(pending_.begin());
        const std::vector<std::string_view> views(args.begin(), args.end());
        harness_.broker.Execute(*session_, views);
      }
    }
    size_t unsent_bytes() const override { return stuck ? received_.size() : 0; }
    size_t unsent_memory() const override { return stuck ? received_.MemoryBytes() : 0; }
    size_t input_bytes() const override { return 0; }
    size_t input_memory() const override { return 0; }
    int fd() const override { return -1; }
    const std::string& peer() const override { return peer_; }
    const std::string& local() const override { return local_; }
    bool is_unix() const override { return false; }

    // True: what is sent counts as not yet read by the peer.
    bool stuck = false;

   private:
    BrokerHarness& harness_;
    Session* session_;
    std::vector<std::vector<std::string>> pending_;
    Rope received_;
    std::string peer_ = "127.0.0.1:" + std::to_string(session_->id);
    std::string local_ = "127.0.0.1:6379";
  };

  BrokerHarness() : BrokerHarness(settings, *this) {}
  // With settings and a host of the caller's, which outlive the harness.
  BrokerHarness(const Settings& other_settings, BrokerHost& host)
      : broker(keyspace, other_settings, clock, host) {
    CountThisThread();
  }

  std::unique_ptr<Client> Connect() { return std::make_unique<Client>(*this); }
  // Lets time pass, as far as the broker's timers and its cron see it.
  void Advance(int64_t ms) {
    clock.Advance(ms);
    broker.RunTimers();
    broker.RunCron();
    broker.EndTurn();
  }

  Settings settings;
  ManualClock clock;
  Keyspace keyspace{16};
  Broker broker;
};

}  // namespace runnel::testing
