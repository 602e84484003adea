#pragma once

#include <memory>
#include <string>

#include "data/keyspace.h"
#include "env/disk.h"
#include "env/loop.h"
#include "env/thread_worker.h"
#include "journal/journal.h"
#include "server/config_values.h"

namespace runnel {

// The data directory of a server: what was kept comes from it, and what shall be kept goes to it.
// Owns the threads that work for it.
class Storage {
 public:
  // The loop outlives the storage.
  explicit Storage(Loop& loop);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  // Locks the directory, in which the process works already, and makes the empty keyspace what the
  // journal says. Blocks for as long as that takes, with a line in the log now and then. Fails if
  // somebody else has the directory, or if what is there cannot be trusted.
  Status Open(const ServerOptions& options, Keyspace& keyspace);

  // nullptr if the server keeps none.
  journal::Journal* journal() { return journal_.get(); }

  // Waits until the disk has all that the journal was given: replies that wait for that can leave.
  void Sync();
  // The end: everything is on the disk when this returns, or the log says what is not. The journal
  // takes nothing more.
  void Close();

 private:
  Status Replay(const journal::Frame& frame, Keyspace& keyspace);

  std::unique_ptr<DirectoryLock> lock_;
  std::unique_ptr<Wakeup> wakeup_;  // for both workers: the loop takes what they have done
  // Syncs the journal. Nothing else may keep it busy.
  std::unique_ptr<ThreadWorker> log_thread_;
  // All other work with files.
  std::unique_ptr<ThreadWorker> helper_;
  std::unique_ptr<journal::Journal> journal_;
  int64_t told_us_ = 0;  // when the log was last told how far loading is
};

}  // namespace runnel
