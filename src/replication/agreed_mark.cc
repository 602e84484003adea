#include "replication/agreed_mark.h"

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "base/coding.h"
#include "base/hash.h"
#include "base/log.h"
#include "env/replace_file.h"

namespace runnel::replication {
namespace {

constexpr std::string_view kMarkTitle = "runnel-mark 1\n";
// The id of the journal, the position, and the checksum of all before.
constexpr size_t kMarkBytes = kMarkTitle.size() + 3 * sizeof(uint64_t);
constexpr int64_t kWriteEveryMs = 1000;

}  // namespace

Result<std::unique_ptr<AgreedMark>> AgreedMark::Open(Disk& disk, Worker& helper, std::string path) {
  std::unique_ptr<AgreedMark> mark(new AgreedMark(disk, helper, std::move(path)));
  const auto file = disk.Open(mark->path_, OpenMode::kRead);
  if (!file.ok()) {
    if (file.status().error_number() != ENOENT) return file.status();
    return mark;
  }
  std::string bytes(kMarkBytes + 1, '\0');
  const auto read = (*file)->ReadAt(0, bytes.data(), bytes.size());
  if (!read.ok()) return read.status();
  bytes.resize(*read);
  const std::string_view covered =
      std::string_view(bytes).substr(0, std::min(bytes.size(), kMarkBytes - sizeof(uint64_t)));
  const bool whole = bytes.size() == kMarkBytes && bytes.starts_with(kMarkTitle);
  if (!whole || Decoder(std::string_view(bytes).substr(covered.size())).Fixed<uint64_t>() !=
                    Checksum(covered)) {
    return Status::Error(mark->path_ +
                         ": this is no note of what other servers have, too. Restore the file from "
                         "a copy, or remove it: then nothing is known of that");
  }
  Decoder in(covered.substr(kMarkTitle.size()));
  mark->journal_id_ = in.Fixed<uint64_t>();
  mark->position_ = in.Fixed<uint64_t>();
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
  changed_ = true;
}

void AgreedMark::Turn(int64_t now_ms) {
  if (!changed_ || writing_ || now_ms - written_ms_ < kWriteEveryMs) return;
  changed_ = false;
  writing_ = true;
  written_ms_ = now_ms;
  std::string bytes(kMarkTitle);
  Encoder encoder(&bytes);
  encoder.Fixed(journal_id_);
  encoder.Fixed(position_);
  encoder.Fixed(Checksum(bytes));
  auto status = std::make_shared<Status>();
  helper_.Run(
      [status, bytes, &disk = disk_, path = path_] { *status = ReplaceFile(disk, path, bytes); },
      [this, status, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired()) return;
        writing_ = false;
        if (status->ok()) return;
        changed_ = true;
        LogWarning("What other servers have, too, is not kept: {}", status->message());
      });
}

}  // namespace runnel::replication
