#include "replication/agreed_mark.h"

#include <string_view>

#include "base/coding.h"
#include "base/log.h"
#include "base/sealed.h"
#include "env/replace_file.h"

namespace runnel::replication {
namespace {

constexpr std::string_view kMarkTitle = "runnel-mark 1\n";
// Far more than the file has.
constexpr size_t kMostMarkBytes = 1024;
constexpr int64_t kWriteEveryMs = 1000;

}  // namespace

Result<std::unique_ptr<AgreedMark>> AgreedMark::Open(Disk& disk, Worker& helper, std::string path) {
  std::unique_ptr<AgreedMark> mark(new AgreedMark(disk, helper, std::move(path)));
  const auto bytes = ReadSmallFile(disk, mark->path_, kMostMarkBytes);
  if (!bytes.ok()) return bytes.status();
  if (!*bytes) return mark;
  const auto body = Unseal(**bytes, kMarkTitle);
  Decoder in(body.value_or(""));
  mark->journal_id_ = in.Fixed<uint64_t>();
  mark->position_ = in.Fixed<uint64_t>();
  if (!in.ok() || !in.done()) {
    return Status::Error(mark->path_ +
                         ": this is no note of what other servers have, too. Restore the file from "
                         "a copy, or remove it: then nothing is known of that");
  }
  return mark;
}

void AgreedMark::Note(uint64_t journal_id, Position position) {
  if (journal_id == journal_id_ && position <= position_) return;
  journal_id_ = journal_id;
  position_ = position;
  changed_ = true;
}

void AgreedMark::Lower(Position position) {
  if (position >= position_) return;
  position_ = position;
  changed_ = lowering_ = true;
  write_at_ms_ = 0;
}

std::string AgreedMark::Encode() const {
  std::string bytes(kMarkTitle);
  Encoder encoder(&bytes);
  encoder.Fixed(journal_id_);
  encoder.Fixed(position_);
  return Seal(std::move(bytes));
}

void AgreedMark::Save() {
  helper_.Drain();
  if (!std::exchange(changed_, false)) return;
  const Status saved = ReplaceFile(disk_, path_, Encode());
  if (!saved.ok()) LogWarning("What other servers have, too, is not kept: {}", saved.message());
}

void AgreedMark::Turn(int64_t now_ms) {
  if (!changed_ || writing_ || now_ms < write_at_ms_) return;
  changed_ = false;
  writing_ = true;
  write_at_ms_ = now_ms + kWriteEveryMs;
  auto status = std::make_shared<Status>();
  helper_.Run([status, bytes = Encode(), &disk = disk_,
               path = path_] { *status = ReplaceFile(disk, path, bytes); },
              [this, status, alive = std::weak_ptr<bool>(alive_)] {
                if (alive.expired()) return;
                writing_ = false;
                if (status->ok()) {
                  lowering_ &= changed_;
                  return;
                }
                changed_ = true;
                LogWarning("What other servers have, too, is not kept: {}", status->message());
              });
}

}  // namespace runnel::replication
