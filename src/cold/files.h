#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "base/status.h"
#include "cold/cold_file.h"
#include "env/disk.h"
#include "env/worker.h"

namespace runnel::cold {

// The files of the store's directory: their names and sizes, what the start finds, and the removal
// of files to which nothing refers. For the loop's thread, if nothing else is said.
class ColdFiles {
 public:
  // Everything is borrowed and outlives this. `remover` removes files, `measurer` finds out how
  // long files are; they may be the same. Extents are given up before this is destroyed.
  ColdFiles(Disk& disk, std::string directory, Worker& remover, Worker& measurer);
  // Waits for both workers.
  ~ColdFiles();
  ColdFiles(const ColdFiles&) = delete;
  ColdFiles& operator=(const ColdFiles&) = delete;

  // --- The start ---

  // Lists the directory, which may not exist yet, and opens no file. Forgets what it knew before:
  // the files stay that were referred to, until RemoveUnused. Waits for the disk. REQUIRES: idle().
  Status List();
  // Reads what StoredExtent::Describe wrote; the extent's source will be `source`. Null if the
  // bytes are no description, or if List has not found the file and nobody has written it since
  // (unresolved() tells which).
  Ref<StoredExtent> Resolve(ColdSource* source, Decoder* in);
  // The path of the file whose lack is why the last Resolve has given nothing; empty if that has
  // another reason.
  const std::string& unresolved() const { return unresolved_; }
  // Adds the file of this name (FileName::ToString) to `files`; false if there is none.
  bool Hold(std::string_view name, FileRefs* files);
  // Ends the start: removes the files that List has found and that neither Resolve nor Hold was
  // asked for, and has the measurer log those that are shorter than what was resolved of them.
  // Waits for the disk. Returns one of the failures, if a file could not be removed.
  Status RemoveUnused();

  // --- Files that are written ---

  // A number for a value that has no files yet. No value has had it as long as files of it exist.
  uint64_t NewObject() { return ++last_object_; }
  // A file of this value that is not on the disk yet. It counts from NoteSize on.
  Ref<ColdFile> NewFile(uint64_t object);
  // The file is on the disk, and has this many bytes.
  void NoteSize(const FileName& name, uint64_t bytes);
  // The file could not be written. If it was new, a part of it may be there.
  void NoteFailed(const FileName& name);

  // Has the remover remove files to which nothing refers any more. One that cannot be removed is
  // logged, and tried again after a second. `steady_ms` is the time.
  void EndTurn(int64_t steady_ms);
  // Whether no file is being removed.
  bool idle() const { return removing_ == 0; }

  // The number of files on the disk, and their bytes.
  uint64_t count() const { return files_.size(); }
  uint64_t bytes() const { return bytes_; }

  // --- Any thread; these wait for the disk, except PathOf ---

  std::string PathOf(const FileName& name) const;
  Result<std::unique_ptr<File>> Open(const FileName& name, OpenMode mode) const;
  // Makes the directory, if it is not there.
  Status MakeDirectory() const;
  // When it returns, the names of all files, and that of the directory, survive a power cut.
  Status SyncNames() const;

 private:
  const Ref<ColdFile>& Resolved(const FileName& name);
  void Measure(std::vector<FileName> names);
  void FinishMeasure(const FileName& name, const Result<uint64_t>& size);
  void Forget(const FileName& name);
  void FinishRemove(const FileName& name, const Status& removed, int64_t steady_ms);

  Disk& disk_;
  const std::string directory_;
  Worker& remover_;
  Worker& measurer_;
  // Shared with the files of this list, the last of which may go after the list has been made anew.
  std::shared_ptr<UnusedFiles> unused_ = std::make_shared<UnusedFiles>();
  // The files that exist, with their sizes: those that List has found, and those written since.
  absl::btree_map<FileName, uint64_t> files_;
  uint64_t bytes_ = 0;  // of all files
  uint64_t last_object_ = 0;
  uint64_t last_file_ = 0;
  std::vector<FileName> found_;  // by List, until RemoveUnused
  // The files to which Resolve and Hold have made references, until RemoveUnused.
  absl::btree_map<FileName, Ref<ColdFile>> resolved_;
  Ref<StoredExtent> last_resolved_;
  std::string unresolved_;
  std::vector<FileName> unremoved_;
  size_t removing_ = 0;  // jobs
  int64_t no_removes_before_ms_ = 0;
};

}  // namespace runnel::cold
