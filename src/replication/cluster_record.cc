#include "replication/cluster_record.h"

#include <algorithm>
#include <utility>

#include "base/coding.h"
#include "base/log.h"
#include "base/sealed.h"
#include "env/replace_file.h"
#include "fmt/format.h"

namespace runnel::replication {
namespace {

constexpr std::string_view kRecordTitle = "runnel-cluster 1\n";
// Far more than a record of kMostMembers has.
constexpr size_t kMostRecordBytes = size_t{1} << 20;

}  // namespace

const Member* ClusterRecord::Find(std::string_view node_id) const {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const Member& each) { return each.node_id == node_id; });
  return found == members.end() ? nullptr : &*found;
}

Member* ClusterRecord::Find(std::string_view node_id) {
  return const_cast<Member*>(std::as_const(*this).Find(node_id));
}

size_t ClusterRecord::in_sync() const {
  return static_cast<size_t>(std::count_if(members.begin(), members.end(),
                                           [](const Member& each) { return each.in_sync; }));
}

std::string ClusterRecord::Encode() const {
  std::string out(kRecordTitle);
  Encoder encoder(&out);
  encoder.Varint(version);
  encoder.Fixed(journal_id);
  encoder.Fixed(epoch);
  encoder.Bytes(leader);
  encoder.Varint(members.size());
  for (const Member& member : members) {
    encoder.Bytes(member.node_id);
    encoder.Bytes(member.host);
    encoder.Varint(member.port);
    encoder.Byte(member.in_sync ? 1 : 0);
  }
  return Seal(std::move(out));
}

std::optional<ClusterRecord> ClusterRecord::Decode(std::string_view bytes) {
  const auto body = Unseal(bytes, kRecordTitle);
  if (!body) return {};
  Decoder in(*body);
  ClusterRecord record;
  record.version = in.Varint();
  record.journal_id = in.Fixed<uint64_t>();
  record.epoch = in.Fixed<uint64_t>();
  record.leader = in.Bytes();
  const uint64_t count = in.Varint();
  if (!in.ok() || count > kMostMembers) return {};
  for (uint64_t i = 0; i < count && in.ok(); i++) {
    Member member;
    member.node_id = in.Bytes();
    member.host = in.Bytes();
    const uint64_t port = in.Varint();
    member.in_sync = in.Byte() != 0;
    if (port > UINT16_MAX || record.Find(member.node_id) != nullptr) return {};
    member.port = static_cast<uint16_t>(port);
    record.members.push_back(std::move(member));
  }
  if (!in.ok()) return {};
  return record;
}

// --- RecordFile ---

Result<std::unique_ptr<RecordFile>> RecordFile::Open(Disk& disk, Worker& helper, std::string path) {
  std::unique_ptr<RecordFile> keeper(new RecordFile(disk, helper, std::move(path)));
  const auto bytes = ReadSmallFile(disk, keeper->path_, kMostRecordBytes);
  if (!bytes.ok()) return bytes.status();
  if (!*bytes) return keeper;
  auto record = ClusterRecord::Decode(**bytes);
  if (!record) {
    return Status::Error(keeper->path_ +
                         ": this is no record of the servers that follow each other. Restore the "
                         "file from a copy, or remove it: the server knows no others then");
  }
  keeper->now_ = std::move(*record);
  keeper->kept_ = {keeper->now_.version, keeper->now_.epoch};
  return keeper;
}

void RecordFile::Propose(ClusterRecord next, std::function<void(const Status&)> done) {
  waiting_.push_back({std::move(next), std::move(done)});
  WriteNext();
}

void RecordFile::Adopt(ClusterRecord record) {
  if (record == now_) return;
  Hold(record);
  waiting_.push_back({std::move(record), nullptr});
  WriteNext();
}

void RecordFile::KeepAgain(int64_t now_ms) {
  const bool kept = kept_.version == now_.version && kept_.epoch == now_.epoch;
  if (kept || writing_ || !waiting_.empty() || now_ms < keep_again_ms_) return;
  constexpr int64_t kAgainMs = 1000;
  keep_again_ms_ = now_ms + kAgainMs;
  waiting_.push_back({now_, nullptr});
  WriteNext();
}

// One at a time, in their order.
void RecordFile::WriteNext() {
  if (writing_ || waiting_.empty()) return;
  writing_ = true;
  struct Job {
    Proposal proposal;
    Status status;
  };
  auto job = std::make_shared<Job>();
  job->proposal = std::move(waiting_.front());
  waiting_.pop_front();
  const bool adopted = job->proposal.done == nullptr;
  if (!adopted && job->proposal.record.version != now_.version + 1) {
    job->status = Status::Error(fmt::format("the record has version {} now, so {} is refused",
                                            now_.version, job->proposal.record.version));
  }
  const bool write = job->status.ok();
  helper_.Run(
      [job, write, &disk = disk_, path = path_] {
        if (write) job->status = ReplaceFile(disk, path, job->proposal.record.Encode());
      },
      [this, job, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired()) return;
        writing_ = false;
        End(std::move(job->proposal), job->status);
        WriteNext();
      });
}

void RecordFile::End(Proposal proposal, const Status& written) {
  // After a failure it is not known what the disk has.
  kept_ = written.ok() ? Kept{proposal.record.version, proposal.record.epoch} : Kept();
  if (proposal.done == nullptr) {
    if (!written.ok()) LogWarning("The record of members is not kept: {}", written.message());
    return;
  }
  Status status = written;
  // The record of another leader may have come meanwhile; the file gets it next.
  if (status.ok() && proposal.record.version != now_.version + 1) {
    status = Status::Error(
        fmt::format("the record of another leader holds now, of epoch {:016x}", now_.epoch));
  }
  if (status.ok()) Hold(std::move(proposal.record));
  proposal.done(status);
}

void RecordFile::Hold(ClusterRecord record) {
  now_ = std::move(record);
  if (changed_) changed_();
}

}  // namespace runnel::replication
