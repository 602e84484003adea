#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace runnel {

class Context;

// Flags of a command, by the names that COMMAND INFO gives them.
enum CommandFlag : uint32_t {
  kWrite = 1u << 0,     // may change durable state
  kReadOnly = 1u << 1,  // reads keys and changes nothing
  kDenyOom = 1u << 2,   // may take memory: refused above maxmemory
  kAdmin = 1u << 3,     // administration; not shown by MONITOR
  kPubSub = 1u << 4,
  kNoScript = 1u << 5,
  kBlocking = 1u << 6,  // may wait
  kLoading = 1u << 7,   // allowed while the server loads its data
  kStale = 1u << 8,     // allowed on a follower that has lost its leader
  kSkipMonitor = 1u << 9,
  kSkipSlowlog = 1u << 10,
  kFast = 1u << 11,     // constant or logarithmic time
  kNoAuth = 1u << 12,   // allowed before authentication
  kNoMulti = 1u << 13,  // refused inside MULTI
  kMovableKeys = 1u << 14,
  kAllowBusy = 1u << 15,
  kMayReplicate = 1u << 16,
  kNoAsyncLoading = 1u << 17,
  kNoMandatoryKeys = 1u << 18,
  kInMulti = 1u << 19,  // runs at once inside MULTI instead of being queued (EXEC, DISCARD, ...)
  kInSubscribe = 1u << 20,  // allowed to a RESP2 client that has subscriptions
  // Those below say what a command means to the broker; COMMAND INFO does not show them.
  kEndsMulti = 1u << 21,     // ends a transaction, also when it is refused (EXEC)
  kSelectsDb = 1u << 22,     // the commands after it use the database that its argument names
  kCommits = 1u << 24,       // a transaction with it runs only if all its commands would succeed
  kRunsLua = 1u << 25,       // it does what a script says, which its own flags do not tell
  kShowsState = 1u << 26,    // shows durable state that is no key: as safe as what a read shows
  kKeepsCaching = 1u << 23,  // CLIENT CACHING before one of its subcommands is for what follows it
};

// ACL categories beyond those that follow from the flags (@write, @read, @admin, @dangerous,
// @pubsub, @fast, @slow, @blocking).
enum CommandCategory : uint32_t {
  kAclKeyspace = 1u << 0,
  kAclString = 1u << 1,
  kAclList = 1u << 2,
  kAclStream = 1u << 3,
  kAclConnection = 1u << 4,
  kAclTransaction = 1u << 5,
  kAclDangerous = 1u << 6,
  kAclAdmin = 1u << 7,
  kAclHash = 1u << 8,
  kAclSet = 1u << 9,
  kAclSortedSet = 1u << 10,
  kAclScripting = 1u << 11,
  kAclBitmap = 1u << 12,
};

// Which arguments of a command are keys, and what the command does to them: the part of Redis's key
// specifications that the commands here need.
struct KeySpec {
  enum Find : uint8_t {
    kRange,     // arguments first, first + step, ... up to `last` (counted from `first`; negative
                // counts from the end)
    kKeyNum,    // argument `first` is the number of keys, which follow it
    kKeyword,   // keys follow a word (`keyword`); they are the first half of what is left
    kAllAfter,  // keys follow a word; they are all that is left
    // Clients are told of these two only that they are unknown.
    kUnknown,     // keys that follow from the value of another key (BY and GET of SORT): none
    kSortTarget,  // the argument that follows the last STORE among the options of SORT, which are
                  // the arguments from `first` on; none if there is no STORE
  };
  enum Access : uint8_t {
    kRO,  // reads the value
    kRW,  // reads and changes it
    kOW,  // overwrites it whatever it was
    kRM,  // removes it
  };
  enum Use : uint8_t {
    kUseAccess = 1,  // the value, or something about it, goes to the client or into another key
    kUseUpdate = 2,
    kUseInsert = 4,
    kUseDelete = 8,
  };
  Find find = kRange;
  Access access = kRO;
  uint8_t use = 0;
  int first = 1;
  int last = 0;
  int step = 1;
  bool variable_flags = false;  // which access it is depends on other arguments
  // With variable flags: what holds instead if the word GET is not among the arguments behind the
  // key and the value (SET).
  const KeySpec* without_get = nullptr;
  std::string_view keyword = "STREAMS";  // of kKeyword and kAllAfter
  bool not_key = false;  // the arguments are no keys but go where keys would: shard channels
};

// Everything that the server knows about a command. The table of these is used for dispatch, arity
// and other checks, COMMAND and COMMAND DOCS, ACL categories, and the rules of MULTI and of
// subscribed connections. All views are literals.
struct CommandSpec {
  std::string_view name = {};               // lower case; of a subcommand only its own word
  void (*run)(Context& context) = nullptr;  // null only if a subcommand is required
  int arity = 0;                            // counts the name(s); negative: at least that many
  uint32_t flags = 0;
  uint32_t categories = 0;
  std::span<const KeySpec> keys = {};
  std::string_view group = {};
  std::string_view since = {};
  std::string_view complexity = {};
  std::string_view summary = {};
  // The arguments for COMMAND DOCS: lower-case words are arguments, upper-case words and
  // punctuation such as = ~ * are tokens, [x] is optional, <a|b> a choice, "..." after a thing says
  // that it repeats, (a b) groups. An argument's type follows from its name, or is written after a
  // colon: threshold:integer.
  std::string_view syntax = {};
  std::span<const CommandSpec> subcommands = {};
};

}  // namespace runnel
