#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "tests/compat/script.h"

namespace runnel::compat {

// The dice and the words of the generator: few keys, so that commands meet. The same seed draws the
// same. What depends on the moment (a transaction, somebody waiting) is set by the Generator before
// each command; the families look at it to stay away from what differences.txt says to avoid.
class Draw {
 public:
  explicit Draw(uint64_t seed);

  // A number from 0 to n - 1.
  uint64_t Below(uint64_t n);
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  std::string Pick(std::initializer_list<const char*> words);

  // A key, nearly always one that usually has that type: a list may be at a stream's key, but not
  // so often that most commands only meet WRONGTYPE. In a transaction always the one key that it
  // may use.
  std::string ListKey();
  std::string StreamKey();
  std::string StringKey();
  std::string HashKey();
  std::string SetKey();
  std::string SortedSetKey();
  std::string AnyKey();
  // A key of a sorted set whose scores are all 0. No other function draws it.
  static constexpr const char* kEqualScores = "y1";
  // A key of the same usual type as the other.
  std::string KeyLike(const std::string& other);

  std::string Element();  // of a list, or a value
  std::string Index();    // near zero from both sides, seldom huge
  std::string Count();    // small, seldom no count
  std::string Side();     // LEFT, RIGHT, seldom neither
  std::string Group();
  std::string Consumer();
  std::string Channel();
  std::string Pattern();

  // An id above all that were drawn before.
  std::string FreshId();
  // An id as XADD wants it, mostly above all before: 7-0, 7, 7-*.
  std::string NewId();
  // An id that an entry may have.
  std::string OldId();

  // Seconds or milliseconds so far ahead that no run reaches them, or already past.
  std::string FarSeconds();
  std::string FarMilliseconds();
  // A timeout that ends no wait during a run, or none at all.
  std::string Timeout();

  // Anything, for a place where something else is expected.
  std::string Garbage();

  bool in_transaction() const { return !only_key_.empty(); }
  bool only_stream() const {
    return in_transaction() && (only_key_[0] == 's' || IsPartition(only_key_));
  }
  bool only_key_is(char type) const { return in_transaction() && only_key_[0] == type; }
  void set_only_key(const std::string& key) { only_key_ = key; }

  bool somebody_waits = false;
  bool may_block = false;
  // An episode has either waits for several lists or blocking moves between lists: with both, the
  // order in which keys become ready would show.
  bool waits_for_several = false;
  // Stream keys are partitions of topic t, too. What their entries are called is kept as {i0}, ...
  bool with_topic = false;
  uint64_t records = 0;  // how many of them are kept so far

  // The name under which the ID of an older record is kept. REQUIRES: records > 0.
  std::string KeptRecord();
  static bool IsPartition(const std::string& key) { return key.rfind("t/", 0) == 0; }

 private:
  std::string OldStreamId();
  std::string KeyOf(char type);

  uint64_t state_;
  uint64_t last_id_ = 0;
  std::string only_key_;
};

// The families. Each draws one command, mostly valid.
Argv DrawListCommand(Draw* draw);
Argv DrawListWait(Draw* draw);
Argv DrawStreamCommand(Draw* draw);
Argv DrawGroupCommand(Draw* draw);
Argv DrawStreamWait(Draw* draw);
Argv DrawStringCommand(Draw* draw);
Argv DrawHashCommand(Draw* draw);
Argv DrawSetCommand(Draw* draw);
Argv DrawSortedSetCommand(Draw* draw);
Argv DrawSortedSetWait(Draw* draw);
Argv DrawSortCommand(Draw* draw);
Argv DrawFunctionCommand(Draw* draw);
Argv DrawKeyCommand(Draw* draw);
Argv DrawPubSubCommand(Draw* draw);
Argv DrawSubscription(Draw* draw);
Argv DrawConnectionCommand(Draw* draw);

// Spoils a command: drops, doubles, replaces or swaps arguments.
Argv Spoil(const Argv& command, Draw* draw);

}  // namespace runnel::compat
