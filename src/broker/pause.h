#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "broker/session.h"
#include "broker/suspended.h"
#include "commands/command.h"
#include "commands/wait.h"

namespace runnel {

// Which commands CLIENT PAUSE holds.
enum class PauseKind : uint8_t { kNone, kWrites, kAll };

// Why the server itself holds writes. Clients cannot end that.
enum class HoldReason : uint8_t {
  kHandOver = 1,  // another server is about to lead
  kShutdown = 2,  // followers get what they lack before the process ends
};

// Reasons to put a command off before it begins, and the sessions whose command was put off:
//   - CLIENT PAUSE, which holds some commands or all commands until a given time;
//   - the server itself, which holds writes while nothing may change any more (HoldReason);
//   - back-pressure, which holds commands that add entries until the cold store has caught up;
//   - memory that is about to be freed: above maxmemory, commands that need memory wait for it.
// A session that was put off is not idle. Its command is checked again when it goes on, and may be
// put off again.
class Pause {
 public:
  // CLIENT PAUSE. It can make a pause that is under way only longer and stricter.
  void Begin(PauseKind kind, int64_t until_steady_ms) {
    kind_ = std::max(kind_, kind);
    until_ms_ = std::max(until_ms_, until_steady_ms);
  }
  void End() {
    kind_ = PauseKind::kNone;
    until_ms_ = 0;
  }
  // What clients and the server hold together.
  PauseKind kind() const { return held() ? std::max(kind_, PauseKind::kWrites) : kind_; }
  // When CLIENT PAUSE ends by itself, on the steady clock; Wait::kForever without a pause.
  int64_t until_ms() const { return kind_ == PauseKind::kNone ? Wait::kForever : until_ms_; }

  // The server holds writes for this reason, or not any more. Unlike a pause of clients this also
  // holds commands that were waiting when it began.
  void Hold(HoldReason reason, bool on) {
    const auto bit = static_cast<uint8_t>(reason);
    holds_ = static_cast<uint8_t>(on ? holds_ | bit : holds_ & ~bit);
  }
  bool held() const { return holds_ != 0; }

  // Values that no key holds any more are being freed: commands that need memory wait for that.
  void SetFreeing(bool freeing) { freeing_ = freeing; }
  bool freeing() const { return freeing_; }

  // Back-pressure. Returns whether it has just ended.
  bool SetBackPressure(bool on) { return std::exchange(back_pressure_, on) && !on; }

  // True during CLIENT PAUSE or back-pressure, or while the server holds writes.
  bool active() const { return kind() != PauseKind::kNone || back_pressure_; }
  // Whether the pause holds a command with these flags (CommandFlag).
  bool Holds(uint32_t flags) const {
    return kind() == PauseKind::kAll ||
           (kind() == PauseKind::kWrites && (flags & (kWrite | kMayReplicate)) != 0);
  }
  // Whether back-pressure holds a command with these flags and categories: one that may add to a
  // stream or a list. A transaction that adds anything counts, and so does a script that may write
  // at all, also in a transaction.
  bool HoldsBack(uint32_t flags, uint32_t categories) const {
    if (!back_pressure_) return false;
    if ((flags & kRunsLua) != 0 && (flags & (kWrite | kMayReplicate)) != 0) return true;
    return (flags & kDenyOom) != 0 && (categories & (kAclList | kAclStream | kAclTransaction)) != 0;
  }

  // The session's command runs from its beginning when the reasons are over. REQUIRES:
  // session.waits is kNothing.
  void PutOff(Session& session, std::unique_ptr<Suspended> command) {
    session.suspended = std::move(command);
    session.waits = Waits::kPutOff;
    session.output.skip_next = session.output.skip;
    put_off_.PushBack(session);
    count_++;
  }
  // Takes back the command of a session, which is no longer put off. REQUIRES: session.put_off().
  std::unique_ptr<Suspended> TakeBack(Session& session) {
    static_cast<ListNode<InPutOff>&>(session).Unlink();
    session.waits = Waits::kNothing;
    count_--;
    return std::move(session.suspended);
  }
  // Sessions that are put off, oldest first.
  const IntrusiveList<Session, InPutOff>& put_off() const { return put_off_; }
  size_t count() const { return count_; }

 private:
  PauseKind kind_ = PauseKind::kNone;
  uint8_t holds_ = 0;  // bits: HoldReason
  int64_t until_ms_ = 0;
  bool back_pressure_ = false;
  bool freeing_ = false;
  IntrusiveList<Session, InPutOff> put_off_;
  size_t count_ = 0;
};

}  // namespace runnel
