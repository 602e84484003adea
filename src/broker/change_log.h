#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/assert.h"
#include "broker/watermarks.h"
#include "commands/command.h"
#include "data/keyspace.h"
#include "effects/batch.h"
#include "journal/journal.h"

namespace runnel {

// The effects of a turn are collected in a batch, which becomes a frame of the journal. The
// watermarks say how far the journal has come. Without a journal, effects are only applied.
class ChangeLog {
 public:
  // `keyspace` outlives it.
  explicit ChangeLog(Keyspace& keyspace) : keyspace_(keyspace) {}

  // From now on every change goes into the journal. See Broker::KeepIn.
  void KeepIn(journal::Journal* journal);
  // nullptr if there is none.
  journal::Journal* journal() const { return journal_; }

  // The changes come from a leader, whose frames others add to the journal and apply: none is made
  // here. What is shown is the state at `applied`, which is safe. REQUIRES: sealed(); there is a
  // journal.
  void Follow(Position applied);
  // The state is that at this later position now. REQUIRES: follows().
  void NoteApplied(Position applied);
  // Changes are made here again, after all that the journal holds. REQUIRES: follows(); that is
  // applied.
  void Lead();
  bool follows() const { return follows_; }

  // The effects of this turn that are in no frame yet. Commands add to it (Context::Apply).
  Batch& batch() { return batch_; }
  // True if all changes are in appended frames of the journal, as at the end of a turn.
  bool sealed() const { return batch_.empty(); }
  // Applies an effect that no command has stated. The effect's views need to live only until this
  // returns. A failure ends the process: see Commit.
  template <class E>
  void Apply(const E& effect) noexcept {
    ASSERT(!follows_);
    Commit(effect, batch_, keyspace_);
  }

  // Changes that commands have made since the last snapshot that is durable, or the start: elements
  // and keys, as Redis counts them. What comes with time alone does not count.
  uint64_t changes() const { return changes_; }
  void CountChanges(uint64_t changes) { changes_ += changes; }
  // A snapshot is durable that was begun when changes() was this.
  void NoteSaved(uint64_t changes_before) { changes_ -= changes_before; }

  // Whether the journal takes changes.
  bool takes_changes() const { return journal_ == nullptr || journal_->status().ok(); }
  // Whether a command with these flags (CommandFlag) must be refused: because the journal takes no
  // changes, or because it has no room for the changes of this turn and of the command, which are
  // about as large as the command's arguments and `more` bytes. On a full disk, commands that
  // remove are admitted as long as there is room for them.
  bool Refuses(uint32_t flags, uint64_t more, std::span<const std::string_view> args) const {
    if (journal_ == nullptr) return false;
    if ((flags & kWrite) == 0) return !takes_changes();
    for (const std::string_view arg : args) {
      more += arg.size();
    }
    return RefusesChange(flags, more);
  }
  // Why a command with these flags is refused; OK if it does not concern data in the journal.
  // REQUIRES: Refuses() or failed().
  Status WhyNot(uint32_t flags) const;
  // How far the in-sync replicas are, and who is there: for a server that leads, whenever it
  // changes.
  struct Replicas {
    // The mark is what the replicas have; else it is what this server has.
    bool shared = false;
    Position mark = 0;
    uint64_t answered = UINT64_MAX;  // see Watermarks
    uint32_t live = 1;               // in-sync replicas that are there, this server included
    uint32_t wanted = 1;             // min-insync-replicas
    uint32_t members = 1;            // that have everything before the mark, this server included

    bool enough() const { return live >= wanted; }
    bool operator==(const Replicas&) const = default;
  };
  void NoteReplicas(const Replicas& replicas);
  const Replicas& replicas() const { return replicas_; }

  // The journal has failed for good, and Flush has returned kFailed.
  bool failed() const { return failed_; }

  // Makes a frame of the batch if it is large. Whatever adds to the batch calls this often.
  // REQUIRES: no command and no transaction is half done.
  void SealIfLarge();
  // What has happened to the journal since the last call.
  enum class Flushed {
    kNothing,
    kSafer,   // the safe watermark has advanced
    kFailed,  // returned once: the journal has failed
  };
  // Makes a frame of the batch and gives it to the system. For the end of a turn. `now_us` is the
  // time of a clock that only goes forward.
  Flushed Flush(int64_t now_us);
  // After kFailed: memory holds changes that the journal did not keep.
  bool lost_changes() const { return unkept_; }
  // After kFailed: the sessions that are left depend on nothing that could be lost, so no reply
  // waits any more.
  void LetAllPass() {
    watermarks_.safe.position = watermarks_.committed.position = watermarks_.appended.position;
    watermarks_.answered = UINT64_MAX;
    watermarks_.members = UINT32_MAX;
  }

  const Watermarks& watermarks() const { return watermarks_; }
  // The position on which a change in the batch depends: it will be in a frame that begins where
  // the journal ends now.
  Position next_change() const {
    // The journal may have got a frame that is no change: a leader begins with one.
    return (journal_ == nullptr ? watermarks_.appended.position : journal_->appended()) + 1;
  }

 private:
  bool RefusesChange(uint32_t flags, uint64_t bytes) const;
  void Seal();
  void ShowAll(Position position);
  void UpdateCommitted();

  Keyspace& keyspace_;
  journal::Journal* journal_ = nullptr;
  bool follows_ = false;
  bool failed_ = false;
  bool unkept_ = false;
  uint64_t changes_ = 0;
  Batch batch_{journal::kFrameHeaderBytes};
  Watermarks watermarks_;
  Replicas replicas_;
};

}  // namespace runnel
