#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "env/disk.h"
#include "env/worker.h"
#include "journal/epochs.h"

namespace runnel::replication {

// One of the servers that have copies of a journal.
struct Member {
  std::string node_id;
  std::string host;  // where clients reach it
  uint16_t port = 0;
  // It has everything that was ever below the high watermark, so it may lead.
  bool in_sync = false;

  bool operator==(const Member&) const = default;
};

// Who leads, and who may take over: the one state that all servers of a journal must agree on.
struct ClusterRecord {
  uint64_t version = 0;  // each change has the next one; 0: nothing is recorded yet
  uint64_t journal_id = 0;
  journal::Epoch epoch = 0;  // of the leader
  std::string leader;        // its node id
  // The leader is one of them. No two have the same node id.
  std::vector<Member> members;

  // More members than anybody has; a record with more is refused.
  static constexpr size_t kMostMembers = 1000;

  // nullptr if there is none.
  const Member* Find(std::string_view node_id) const;
  Member* Find(std::string_view node_id);
  size_t in_sync() const;

  // Ends with a checksum.
  std::string Encode() const;
  // Nothing if the bytes are no record, or damaged.
  static std::optional<ClusterRecord> Decode(std::string_view bytes);

  bool operator==(const ClusterRecord&) const = default;
};

// The one way to the record. Today the leader decides alone, and a file keeps the record; whatever
// takes its place, a quorum for example, has the same calls. All of them come from the loop.
class RecordKeeper {
 public:
  virtual ~RecordKeeper() = default;
  // The record that holds.
  virtual const ClusterRecord& now() const = 0;
  // Asks for `next` in the place of the record that holds. Calls `done`, never from inside this
  // call, with the answer: `next` holds, or why not. Refused if another record holds than the one
  // that `next` follows: next.version must be now().version + 1 when its turn comes.
  virtual void Propose(ClusterRecord next, std::function<void(const Status&)> done) = 0;
  // Calls `changed` whenever another record holds. One observer; nullptr: none.
  virtual void Observe(std::function<void()> changed) = 0;
};

// Keeps the record in a file. A change holds when the disk has it.
class RecordFile final : public RecordKeeper {
 public:
  // Reads the file; without one, nothing is recorded. Fails if it cannot be read or is damaged: the
  // message says what to do. Blocks. `disk` and `helper`, which writes, outlive it.
  static Result<std::unique_ptr<RecordFile>> Open(Disk& disk, Worker& helper, std::string path);

  const ClusterRecord& now() const override { return now_; }
  void Propose(ClusterRecord next, std::function<void(const Status&)> done) override;
  void Observe(std::function<void()> changed) override { changed_ = std::move(changed); }

  // What the leader that this server follows says: it holds, whatever was here before. It is
  // written soon.
  void Adopt(ClusterRecord record);
  // Which record the disk has: its version, and the epoch of its leader.
  struct Kept {
    uint64_t version = 0;
    journal::Epoch epoch = 0;
  };
  const Kept& kept() const { return kept_; }
  // Writes the adopted record once more if that has failed, from time to time.
  void KeepAgain(int64_t now_ms);

 private:
  struct Proposal {
    ClusterRecord record;
    std::function<void(const Status&)> done;  // nullptr: adopted
  };

  RecordFile(Disk& disk, Worker& helper, std::string path)
      : disk_(disk), helper_(helper), path_(std::move(path)) {}

  void WriteNext();
  void End(Proposal proposal, const Status& written);
  void Hold(ClusterRecord record);

  Disk& disk_;
  Worker& helper_;
  const std::string path_;
  ClusterRecord now_;
  Kept kept_;
  std::function<void()> changed_;
  std::deque<Proposal> waiting_;
  bool writing_ = false;
  int64_t keep_again_ms_ = 0;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace runnel::replication
