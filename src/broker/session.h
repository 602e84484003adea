#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/string_map.h"
#include "broker/owned_args.h"
#include "broker/reply_gate.h"
#include "broker/transport.h"
#include "data/cold.h"
#include "resp/reply_writer.h"

namespace runnel {

struct Command;
class Blocking;
struct Parked;

// A command that MULTI has queued.
struct QueuedCommand {
  const Command* command;
  OwnedArgs args;
  // What it has learned of cold data before EXEC runs it.
  std::unique_ptr<ColdProgress> progress = nullptr;
};

// MULTI ... EXEC, and WATCH before it.
struct Transaction {
  bool open = false;    // MULTI was given
  bool broken = false;  // a command was refused while queueing: EXEC discards
  uint32_t flags = 0;   // CommandFlags of all queued commands
  std::vector<QueuedCommand> queue;
  size_t queue_bytes = 0;
};

// The three kinds of names one can subscribe to.
enum class Subscription : uint8_t { kChannel, kPattern, kShard };
inline constexpr size_t kSubscriptionKinds = 3;

// The state of one client connection, apart from its bytes. Created by Broker::Connect and owned by
// the broker. Fields are plain: the broker's parts read and set them, and each group says which
// part that is.
class Session {
 public:
  Session(uint64_t id, Transport* transport);
  ~Session();

  // Subscriptions of all kinds; above 0, a RESP2 client may do little else.
  size_t subscriptions() const {
    return subscribed[0].size() + subscribed[1].size() + subscribed[2].size();
  }
  // Reply bytes that have not left, wherever they wait.
  size_t unsent_bytes() const { return out.size() + held.bytes() + transport->unsent_bytes(); }
  // The memory that they take.
  size_t unsent_memory() const {
    return out.MemoryBytes() + held.MemoryBytes() + transport->unsent_memory();
  }
  // False while a command of this session waits, or the session ends: the next request must stay
  // where it is.
  bool takes_requests() const { return !blocked && !parked && !postponed && !closing; }
  // True if the reply of the command that runs or waits is not sent.
  bool muted() const { return reply_off || skip_reply; }

  const uint64_t id;
  Transport* const transport;

  // Replies written in this turn; at its end they go through the gate.
  Rope out;
  ReplyWriter reply;
  HeldReplies held;
  bool dirty = false;    // in the broker's list of sessions with something in `out`
  bool holding = false;  // in the broker's list of sessions with something in `held`
  // The session's last change is kept for good when the journal is durable up to here; 0: it has
  // made none.
  Position last_change = 0;

  uint32_t db = 0;
  bool authenticated = false;
  uint32_t wrong_passwords = 0;  // given since the last right one
  std::string name;
  std::string lib_name;
  std::string lib_version;
  int64_t created_ms = 0;      // Unix milliseconds
  int64_t last_active_ms = 0;  // likewise: the last request
  // Steady milliseconds: since when the output is above its soft limit; 0: it is not.
  int64_t soft_limit_since_ms = 0;
  bool closing = false;  // no further request is taken; ends when its replies have left
  bool killed = false;   // ends at the end of the turn, replies or not
  bool monitor = false;
  bool no_evict = false;
  bool no_touch = false;
  const Command* last_command = nullptr;
  uint64_t commands = 0;
  uint64_t bytes_in = 0;

  // CLIENT REPLY.
  bool reply_off = false;
  bool skip_next_reply = false;
  bool skip_reply = false;  // that of the command that runs or waits

  Transaction transaction;
  // Keys under WATCH (see Watches), and whether one has changed.
  std::vector<std::pair<uint32_t, std::string>> watched;
  bool watch_broken = false;

  // For each kind the names subscribed to, with the session's place in the name's list (see
  // PubSub).
  StringMap<size_t> subscribed[kSubscriptionKinds];

  // A command that waits (see Waiters). Kept over re-runs, which set `blocked` again or not.
  bool blocked = false;
  std::unique_ptr<Blocking> blocking;
  // A command that waits for entries on the disk (see Broker::Park).
  std::unique_ptr<Parked> parked;
  // A command that CLIENT PAUSE has put off.
  bool postponed = false;
  OwnedArgs postponed_args;
};

}  // namespace runnel
