#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "cold/settings.h"
#include "data/cold.h"
#include "resp/rope.h"

namespace runnel::cold {

// How far the running command has come.
enum class Phase : uint8_t {
  kChanged,   // it has changed something, and is not in a transaction: that it asks is a fault
  kChanging,  // it has changed something: it must get the data that it asks for
  kInside,    // it has changed nothing yet, but others in its transaction may have
  kInScript,  // the same, and it is a script that calls it: nobody could know before what it needs
  kLooking,   // nothing has been changed: it can run again from its start
};

// What the running command, or its transaction, has needed of cold data so far, and whether it may
// have more. For the loop's thread.
class RunningCommand {
 public:
  // `settings` is borrowed, outlives this, and may change at any time.
  explicit RunningCommand(const ColdSettings& settings) : settings_(settings) {}

  // `phase` returns the phase of the running command. Without one it is kChanging.
  void AskPhase(std::function<Phase()> phase) { ask_phase_ = std::move(phase); }
  // While this is set, the phase is kLooking, whatever AskPhase was given.
  void set_looking(bool looking) { looking_ = looking; }
  Phase phase() const {
    if (looking_) return Phase::kLooking;
    return ask_phase_ ? ask_phase_() : Phase::kChanging;
  }

  // A command begins, or a command inside the running transaction (`nested`). It writes its reply
  // to the end of `reply`, which lives until the next command begins or End is called.
  void Begin(const Rope& reply, bool nested) {
    if (!nested) {
      command_ = ++last_command_;
      needed_ = replied_ = blocking_ = 0;
    } else if (reply_begin_) {
      replied_ += reply_end_ - *reply_begin_;
    }
    reply_ = &reply;
    reply_begin_.reset();
  }
  // No command runs: nothing is counted, nothing is refused.
  void End() { command_ = 0; }

  // Counts the bytes of the extent's blocks, if the command has not needed the extent before.
  void Count(const ColdExtent& extent) {
    if (command_ != 0 && extent.CountIn(command_)) needed_ += extent.raw_bytes();
  }
  // Whether the command that runs, or the one that has run last, has needed the extent.
  bool WasCounted(const ColdExtent& extent) const { return extent.counted_in(last_command_); }
  // Throws ColdFailure if the command, with its transaction, has needed more than cold-read-limit;
  // never while it is changing something, because then it has looked at the same before.
  void Check() const;
  // Counts and checks: blocks of an extent in memory are used, with the reply so far...
  void NoteUse(const ColdExtent& extent);
  // ...or this many bytes of what was found are kept.
  void NoteKept(uint64_t bytes);
  // The loop is about to wait for an extent. Throws ColdFailure if the transaction has made it wait
  // too often.
  void CountBlockingRead();

  // How often CountBlockingRead has not thrown, for all commands.
  uint64_t blocking_reads() const { return blocking_reads_; }

 private:
  const ColdSettings& settings_;
  std::function<Phase()> ask_phase_;
  bool looking_ = false;
  uint64_t command_ = 0;  // the number of the command; 0: none runs
  uint64_t last_command_ = 0;
  uint64_t needed_ = 0;    // bytes of blocks
  uint64_t replied_ = 0;   // reply bytes of earlier commands of its transaction
  uint64_t blocking_ = 0;  // extents for which the loop has waited
  const Rope* reply_ = nullptr;
  std::optional<size_t> reply_begin_;  // its size when the command first looked at cold data
  size_t reply_end_ = 0;               // and when it last did so
  uint64_t blocking_reads_ = 0;
};

}  // namespace runnel::cold
