#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "env/disk.h"

namespace runnel::sim {

// What the end of the process leaves on the disk.
enum class Crash {
  kProcess,     // kill -9: the system goes on, nothing is lost
  kPower,       // by chance, any part of what was not synced
  kPowerWorst,  // nothing of what was not synced
};

// A disk in memory that does what Disk allows and nothing better. The fault model:
// - Until File::Sync returned, each change of the file (a write, a new size) may be lost whatever
// became of those before and after
//   it. A write survives by sectors of 512 bytes; a sector that does not is as before, torn at any
//   byte, or holds noise. Bytes outside of the write never change.
// - Until SyncDirectory returned, each change of a name may be lost, whatever became of the others.
// A rename is one change.
// - After a failed Sync what it should have kept may be lost, and a later Sync does not mend that.
// - What was synced stays.
// All chance comes from the seed. For one thread.
class ModelDisk final : public Disk {
 public:
  explicit ModelDisk(uint64_t seed) : random_(seed) {}

  // Calls of disk and files so far, numbered from 1. Those that only ask for the size do not count.
  uint64_t calls() const { return calls_; }
  // So many calls from number `first` on fail with `error_number`; a write may have been done by
  // half, other changes whole.
  void FailCalls(uint64_t first, uint64_t count, int error_number);
  // The process ends inside this call: it is done, by half or not, and all later ones fail until
  // Restart.
  void StopAt(uint64_t call) { stop_at_ = call; }
  void StopNow() { stopped_ = true; }
  bool stopped() const { return stopped_; }
  // The call in which it ended, as "what path"; empty if it ended between two.
  const std::string& stopped_in() const { return stopped_in_; }
  // While one lives, the test looks at the disk from outside: nothing fails or counts, also after
  // the end.
  class Aside {
   public:
    explicit Aside(ModelDisk* disk) : disk_(disk) { disk_->asides_++; }
    ~Aside() { disk_->asides_--; }
    Aside(const Aside&) = delete;
    Aside& operator=(const Aside&) = delete;

   private:
    ModelDisk* const disk_;
  };
  // Nothing is left on it. REQUIRES: no process uses it.
  void Wipe();
  // Room for so many bytes of file sizes: growing beyond fails with ENOSPC, a write by half.
  void set_capacity(uint64_t bytes) { capacity_ = bytes; }
  uint64_t used() const;

  // The process begins again: files and locks of the one before are dead, faults are taken away.
  // After a power cut what is left is durable; after kProcess what was not synced may still be lost
  // later.
  void Restart(Crash crash);

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status CreateDirectory(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& directory) override;
  Status SyncDirectory(const std::string& directory) override;
  Result<uint64_t> FreeBytes(const std::string& directory) override;
  std::string BootId() override { return "boot " + std::to_string(power_cuts_); }
  Result<std::unique_ptr<DirectoryLock>> Lock(const std::string& directory) override;

 private:
  friend class ModelFile;
  friend class ModelLock;

  struct Change {
    enum Kind { kWrite, kGrow, kResize } kind;
    uint64_t offset = 0;  // or the size
    std::string bytes;
  };
  struct Inode {
    bool is_directory = false;
    std::string now;              // what reads see
    std::string synced;           // what is on the disk for certain
    std::vector<Change> changes;  // what was done to `synced` since, in order
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  // One step in one directory: names that get a file, or lose theirs (null).
  using NameChange = std::vector<std::pair<std::string, std::shared_ptr<Inode>>>;

  // What becomes of a call.
  struct Fate {
    int error_number = 0;
    bool done = true;  // though it failed, perhaps
  };
  Fate NextCall(std::string_view what, const std::string& path);

  static void Apply(const Change& change, std::string* bytes);
  void ApplySurvivors(const Change& change, int survival, std::string* bytes);
  void Do(Inode& inode, Change change);
  // Rids the inode of unsynced changes, as a power cut or failed sync does.
  void LoseUnsynced(Inode& inode, int survival);
  void DoNames(NameChange change);
  static void ApplyNames(const NameChange& change, Names* names);
  bool IsDirectory(const std::string& path) const;
  bool Fits(uint64_t more_bytes) const;
  bool Chance(int percent) { return random_.Below(100) < static_cast<uint64_t>(percent); }

  Random random_;
  Names names_;
  Names synced_names_;
  std::vector<NameChange> name_changes_;
  std::set<std::string> locks_;
  uint64_t boot_ = 0;  // handles of an earlier one are dead
  uint64_t power_cuts_ = 0;
  uint64_t calls_ = 0;
  uint64_t stop_at_ = 0;
  bool stopped_ = false;
  std::string stopped_in_;
  int asides_ = 0;
  uint64_t fail_first_ = 0;
  uint64_t fail_count_ = 0;
  int fail_error_ = 0;
  uint64_t capacity_ = std::numeric_limits<uint64_t>::max();
};

}  // namespace runnel::sim
