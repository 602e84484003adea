#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/intrusive_list.h"
#include "base/string_map.h"
#include "broker/acks.h"
#include "broker/held_replies.h"
#include "broker/owned_args.h"
#include "broker/transport.h"
#include "data/cold.h"
#include "resp/reply_writer.h"

namespace runnel {

struct Command;
struct Suspended;
struct TrackingState;
struct Watch;

// What the server knows about a client, for CLIENT LIST and for the checks before a command.
struct ClientInfo {
  bool authenticated = false;
  uint32_t wrong_passwords = 0;  // since the last right one
  bool monitor = false;
  bool no_evict = false;
  bool no_touch = false;
  std::string name;
  std::string lib_name;
  std::string lib_version;
  int64_t created_ms = 0;      // Unix milliseconds
  int64_t last_active_ms = 0;  // likewise: the last request
  const Command* last_command = nullptr;
  uint64_t bytes_in = 0;
};

// A command that MULTI has queued.
struct QueuedCommand {
  const Command* command;
  OwnedArgs args;
  // What it has found in cold data before EXEC runs it.
  std::unique_ptr<ColdProgress> progress = nullptr;
};

// MULTI ... EXEC, and WATCH before it.
struct Transaction {
  bool open = false;                     // MULTI was given
  bool broken = false;                   // a command was refused while queueing: EXEC discards
  uint32_t flags = 0;                    // CommandFlags that one of the queued commands has
  uint32_t common_flags = ~uint32_t{0};  // those that all of them have
  std::vector<QueuedCommand> queue;
  size_t queue_bytes = 0;
};

// The replies of a session until its transport gets them.
struct Output {
  // Written in this turn; at its end they are sent or held.
  Rope pending;
  HeldReplies held;
  // The session's last change is durable when the journal is durable up to here; 0: it has made
  // none.
  Position last_change = 0;
  // What the replies of this turn wait for at least. Commands on data of a session with Acks::kAll
  // set it; other replies of such a session, and errors, wait for the leader only.
  Acks least = Acks::kNone;
  // With Acks::kAll: the most servers that a command of this turn asks to have its change.
  uint32_t members = 0;
  // Since when the output is above its soft limit, in steady milliseconds; 0: it is not.
  int64_t soft_limit_since_ms = 0;

  // The most bytes that a turn has left here of late, up to kBufferBytes; see client_list.cc.
  static constexpr size_t kBufferBytes = 16 * 1024;
  size_t peak_bytes = 0;
  int64_t peak_since_ms = 0;  // steady milliseconds

  // CLIENT REPLY.
  bool off = false;
  bool skip_next = false;
  bool skip = false;  // the reply of the command that runs or waits

  // True if the reply of the command that runs or waits is not sent.
  bool muted() const { return off || skip; }
};

// Why a session takes no request now. It has one state at a time; README.md has a table of the
// states.
enum class Waits : uint8_t {
  kNothing,  // it takes requests
  kBlocked,  // its command waits for a key, the journal or something outside: see Waiting
  kParked,   // its command waits for entries on the disk: see Parking
  kPutOff,   // its command has not begun: it was put off, see Pause
};

// How far a session is from its end.
enum class SessionEnd : uint8_t {
  kOpen,
  kClosing,  // no further request is taken; it ends when its replies are sent
  kKilled,   // it ends at the end of the turn, whether its replies are sent or not
  kGiven,  // its connection is given to somebody else at the end of the turn (Transport::GiveAway)
};

// The three kinds of names that a client can subscribe to.
enum class Subscription : uint8_t { kChannel, kPattern, kShard };
inline constexpr size_t kSubscriptionKinds = 3;

// Lists that a session may be in, each owned by one part of the broker.
struct InDirty;      // Outbox: has pending output
struct InHolding;    // Outbox: has held output
struct InKilled;     // Outbox: ends at the end of the turn
struct InContinued;  // Dispatcher: takes requests again
struct InLoaded;     // Parking: the entries it waited for are in memory
struct InPutOff;     // Pause
struct InMonitors;   // Monitors

// The state of one client connection, without its unread bytes. Created by Sessions::Add and owned
// by Sessions. Fields are plain: the parts of the broker read them, and each part sets those that
// belong to it.
class Session : public ListNode<InDirty>,
                public ListNode<InHolding>,
                public ListNode<InKilled>,
                public ListNode<InContinued>,
                public ListNode<InLoaded>,
                public ListNode<InPutOff>,
                public ListNode<InMonitors> {
 public:
  // `transport` is borrowed and outlives the session.
  Session(uint64_t id, Transport* transport);
  ~Session();

  // False while a command of this session waits, or the session ends: then its next request must
  // not be executed.
  bool takes_requests() const { return waits == Waits::kNothing && end == SessionEnd::kOpen; }
  bool blocked() const { return waits == Waits::kBlocked; }
  bool parked() const { return waits == Waits::kParked; }
  bool put_off() const { return waits == Waits::kPutOff; }
  // It takes no further requests.
  bool ends() const { return end != SessionEnd::kOpen; }
  bool killed() const { return end == SessionEnd::kKilled; }

  // Subscriptions of all kinds; above 0, a RESP2 client may do little else.
  size_t subscriptions() const {
    return subscribed[0].size() + subscribed[1].size() + subscribed[2].size();
  }
  // What replies to commands on data wait for, with this default for sessions that have not said.
  Acks effective_acks(Acks by_default) const { return acks.value_or(by_default); }
  // The replies of this turn show data.
  void ShowData(Acks by_default) {
    output.least = std::max(output.least, effective_acks(by_default));
  }
  // What the replies of this turn wait for.
  Acks turn_acks(Acks by_default) const {
    return std::max(output.least, std::min(effective_acks(by_default), Acks::kLeader));
  }
  // From now on replies wait for this; nothing: for the default.
  void ChangeAcks(std::optional<Acks> next, Acks by_default) {
    output.least = turn_acks(by_default);
    acks = next;
  }
  // The client receives messages that are not replies to its requests.
  bool listens() const { return subscriptions() > 0 || info.monitor; }
  // Reply bytes that are not sent yet, wherever they wait.
  size_t unsent_bytes() const {
    return output.pending.size() + output.held.bytes() + transport->unsent_bytes();
  }
  // The memory that they take.
  size_t unsent_memory() const {
    return output.pending.MemoryBytes() + output.held.MemoryBytes() + transport->unsent_memory();
  }

  const uint64_t id;
  Transport* const transport;

  uint32_t db = 0;
  Waits waits = Waits::kNothing;
  SessionEnd end = SessionEnd::kOpen;
  std::optional<Acks> acks;  // CLIENT ACKS
  Output output;
  ReplyWriter reply;  // writes to output.pending
  // The command that waits; nullptr while `waits` is kNothing.
  std::unique_ptr<Suspended> suspended;

  ClientInfo info;
  Transaction transaction;
  // Keys under WATCH (see Watches), and whether one has changed.
  std::vector<std::unique_ptr<Watch>> watched;
  bool watch_broken = false;
  // For each kind, the names that the session is subscribed to, with its place in the list of the
  // name (see PubSub).
  StringMap<size_t> subscribed[kSubscriptionKinds];
  // Client-side caching (see Tracking); nullptr while the session does not track.
  std::unique_ptr<TrackingState> tracking;
};

}  // namespace runnel
