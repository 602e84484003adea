#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/compat/generator/draw.h"
#include "tests/compat/script.h"
#include "tests/compat/side.h"

namespace runnel::compat {

// Makes random scripts: commands of all families, valid and spoilt, on five connections, with
// transactions, waits and subscriptions. It looks at one side to know which connection is blocked,
// in a transaction or listening, so the same seed and the same replies give the same script.
class Generator {
 public:
  Generator(uint64_t seed, int protocol);

  // The steps with which an episode begins.
  Script Opening();
  // The next pipeline, all on one connection.
  Script Next(const Side& side);

  // The entries of differences.txt that it stays away from. All that are marked "avoid" there.
  static const std::vector<std::string>& Avoided();

 private:
  // A change of the topic, as a pipeline of its own.
  Script ChangeTopic(char connection);
  char ChooseConnection(const Side& side);
  // Frees a waiter when nearly everybody waits.
  Script Release(const Side& side);
  Argv DrawCommand();
  Argv DrawForListener();
  // Appends the command, spoilt now and then, with what it needs before and after it.
  void Append(char connection, Argv command, Script* pipeline);

  // Appends a RESET and what brings the connection back to its protocol.
  void AppendReset(char connection, Script* pipeline);
  // Appends a transaction, or goes on with the one that the connection has begun.
  void AppendTransaction(char connection, bool begun, Script* pipeline);

  const int protocol_;
  Draw draw_;
  // The connection whose pipeline is drawn has subscribed to something.
  bool listens_ = false;
  // All that a transaction does is on one key (order-of-ready-keys); here is which, by connection.
  std::map<char, std::string> transaction_keys_;
};

}  // namespace runnel::compat
