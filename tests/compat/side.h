#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/compat/script.h"
#include "tests/support/resp_client.h"
#include "tests/support/server_process.h"

namespace runnel::compat {

// A reply that arrived while a pipeline ran, with what is needed to judge it.
struct Frame {
  char connection = 'a';
  size_t step = 0;  // index in the pipeline of the step that it belongs to
  Argv command;     // that it answers; empty if that is not known
  // Of an EXEC: the commands that were queued, so that each can be judged by its own rules.
  std::vector<Argv> queued;
  test::Reply reply;
};

// One of the two servers, and the connections that a script has to it. It runs one pipeline at a
// time and gathers everything that any connection receives because of it, so that two sides can
// be compared after each.
//
// When it waits, it waits for a condition: a blocking command is either answered or listed with the
// flag b by CLIENT LIST; a subscriber has all its messages when a PING after them is answered.
// Those questions go over a connection of its own, the control connection.
class Side {
 public:
  // The server must outlive the side. `protocol` is 2 or 3.
  Side(test::ServerProcess* server, int protocol);

  // Ends all connections of the last script and empties the server. False if it is gone.
  bool Reset();

  // Sends the commands of a pipeline, all on one connection, in one write. The connection is opened
  // if it is not. Collect must follow.
  void Send(const Script& pipeline);

  // Gathers what all connections receive because of the pipeline.
  std::vector<Frame> Collect();

  // Sends a command on the control connection.
  test::Reply Control(const Argv& argv);

  // What {name} in the words of later commands stands for.
  void Save(const std::string& name, const std::string& value) { saved_[name] = value; }

  // What a generator must know about a connection to choose its next command.
  bool Blocked(char name) const;
  bool InTransaction(char name) const;
  // Channels and patterns, or MONITOR.
  bool Listening(char name) const;

  // Changes replies as they arrive; only for the test that proves that this is noticed.
  void set_tamper(std::function<void(const Argv&, test::Reply*)> tamper) { tamper_ = tamper; }
  // How long to wait for what must come. Shorter when a failure is replayed again and again.
  void set_patience(test::Clock::duration patience) { patience_ = patience; }

 private:
  // A command that was sent, and how many replies end it.
  struct Unit {
    size_t step = 0;
    Argv command;
    int replies = 1;    // not counting pushes
    std::string fence;  // not empty: the replies end before the answer to PING <fence>
    bool may_block = false;
    bool until_closed = false;
  };

  struct Connection {
    std::unique_ptr<test::RespClient> client;
    std::string id;
    std::deque<Unit> unanswered;
    bool blocked = false;
    bool in_transaction = false;
    bool listens_when_executed = false;  // a subscription is queued in the transaction
    bool monitoring = false;
    int64_t subscriptions = 0;
    int64_t shard_subscriptions = 0;
    std::vector<Argv> queued;

    bool listening() const { return monitoring || subscriptions > 0 || shard_subscriptions > 0; }
  };

  Connection& Open(char name);
  // Appends the step's bytes, and notes what must be waited for.
  void Prepare(const Step& step, size_t index, Connection* connection, std::string* bytes);
  void AddFence(Connection* connection, size_t step, std::string* bytes);
  std::string Expand(const std::string& word) const;
  std::string Variable(const std::string& name) const;

  void ReadUnits(char name, std::vector<Frame>* frames);
  // Reads what answers the unit. False if the connection is blocked before.
  bool ReadUnit(char name, const Unit& unit, std::vector<Frame>* frames);
  // Waits until a reply is there (true) or the server says that the connection is blocked (false).
  bool AnsweredOrBlocked(const Connection& connection);
  void Take(char name, const Unit& unit, test::Reply reply, std::vector<Frame>* frames);
  void RepeatUntil(const Step& step, std::vector<Frame>* frames);
  void Disconnect(char name);
  // Gathers what other connections received: released waiters, and messages.
  void Settle(std::vector<Frame>* frames);
  std::map<std::string, std::string> FlagsById();

  test::ServerProcess* const server_;
  const int protocol_;
  test::Clock::duration patience_ = test::kPatience;
  std::unique_ptr<test::RespClient> control_;
  std::map<char, Connection> connections_;
  std::map<std::string, std::string> saved_;
  Script pipeline_;
  int fences_ = 0;
  std::function<void(const Argv&, test::Reply*)> tamper_;
};

}  // namespace runnel::compat
