#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/position.h"
#include "base/status.h"
#include "cold/cold_store.h"
#include "data/keyspace.h"
#include "effects/applier.h"
#include "env/clock.h"
#include "env/disk.h"
#include "env/worker.h"
#include "journal/journal.h"
#include "server/config_values.h"
#include "server/found_state.h"
#include "snapshot/cold_entries.h"
#include "snapshot/load.h"

namespace runnel {

// Makes an empty keyspace what the newest snapshot and the journal of a directory say, in small
// steps: the caller lets its loop go on between two of them.
class Startup {
 public:
  // What it loads from and to. Everything outlives it.
  struct Parts {
    Disk& disk;
    Clock& clock;
    Worker& log;     // for the journal that is opened
    Worker& helper;  // likewise
    const ServerOptions& options;
    Keyspace& keyspace;
    ColdStore& cold;
    snapshot::ColdEntries& stored;  // of `cold`
    std::string journal_directory;
    std::string snapshot_directory;
    // Up to where the journal with this id may be applied, asked when loading comes to it. None:
    // all of it.
    std::function<Position(uint64_t journal_id)> limit;
    // As JournalOptions::cut_damage, in addition to the directive, and keep_cut.
    bool cut_damage = false;
    // The journal is that of a follower.
    bool follows = false;
  };

  // Each state ends with what the next one needs.
  enum class State {
    kOpen,          // looks at what there is
    kSnapshot,      // loads the newest snapshot that can be loaded
    kRemoveUnused,  // removes cold files that no snapshot names, because the journal makes its own
    kJournal,       // applies the journal from the snapshot on, as far as it may be
    kCountDatabases,  // there are too few: reads on to tell how many are needed
    kAccess,          // notes for every key that it was used now
    kReady,
  };

  // A budget for a caller that has nothing else to do.
  static constexpr size_t kEverything = std::numeric_limits<size_t>::max();

  explicit Startup(Parts parts);
  ~Startup();
  Startup(const Startup&) = delete;
  Startup& operator=(const Startup&) = delete;

  // Goes on for about `budget` keys or records (some 100 microseconds for 256). Returns whether all
  // is loaded. Fails if what is there cannot be trusted or used, naming the file and the offset;
  // then nothing that was kept has been changed, except as Journal::Opening::Finish says, and this
  // can only be destroyed. One value of a snapshot is loaded in one piece, and a step waits for the
  // disk.
  Result<bool> Step(size_t budget);

  State state() const { return state_; }
  // What a failure of Step says of the files.
  enum class Damage {
    kNone,     // nothing that would be good if they were fetched anew
    kJournal,  // the journal is damaged; with Parts::cut_damage it would be used up to that place
    kAll,      // what is there gives no state
  };
  Damage damage() const { return damage_; }
  // Bytes of the snapshot and the journal that were used so far, and how many there are, as far as
  // that can be told by now.
  uint64_t loaded_bytes() const;
  uint64_t total_bytes() const;

  // REQUIRES for these: state() == kReady.
  const FoundState& found() const { return found_; }
  // The journal to go on with; nullptr if options.journal is off.
  std::unique_ptr<journal::Journal> TakeJournal() { return std::move(journal_); }

 private:
  Status Open();
  Status LookAtJournal();
  Status LoadSnapshot(size_t budget);
  Status RemoveUnused();
  Status KeepOlderSnapshots();
  Status OpenJournal();
  Status ReadJournal(size_t budget);
  Result<std::optional<journal::Frame>> NextFrame();
  Status AtFrame(const std::string& why) const;
  void NoteDamage(const Status& failure);
  Status EndJournal();
  Status CountDatabases();
  void NoteAccess(size_t budget);
  Status SetDamagedAside();
  uint64_t JournalBytesTo(Position position) const;

  const Parts parts_;
  State state_ = State::kOpen;
  FoundState found_;

  std::unique_ptr<snapshot::NewestLoad> snapshot_;
  int64_t began_us_ = 0;  // steady clock: the state that takes long
  uint64_t snapshot_bytes_ = 0;
  // Where the journal begins, if there is one; from where on it is read; where it ends, about; how
  // far it was read.
  std::optional<Position> journal_first_;
  Position journal_from_ = 0;
  Position journal_end_ = 0;
  Position journal_at_ = 0;
  Position limit_ = UINT64_MAX;  // up to here it may be applied

  // One of them while the journal is read: to go on with it, or only to read what another server
  // has left.
  std::unique_ptr<journal::Journal::Opening> opening_;
  std::unique_ptr<journal::RecoveryReader> reader_;
  Applier applier_;
  Damage damage_ = Damage::kNone;
  Status failure_;  // what was found before kCountDatabases
  std::unique_ptr<journal::Journal> journal_;

  uint32_t access_slot_ = 0;
  uint64_t access_cursor_ = 0;
};

}  // namespace runnel
