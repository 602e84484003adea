#include "snapshot/snapshot_writer.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "data/key_entry.h"
#include "snapshot/files.h"

namespace runnel::snapshot {
namespace {

// So much is synced at a time, so that the disk has work from the beginning and the last sync does
// not hold up everybody else's.
constexpr uint64_t kBytesPerSync = uint64_t{32} << 20;
// A section ends when it has so much: it is packed in one go, during which nobody else has this
// processor.
constexpr size_t kSectionBytes = size_t{256} << 10;
// Encoded, or written to the system, at a time.
constexpr size_t kBytesAtATime = size_t{64} << 10;

// Threads that wait for this processor, above all the loop's, get it before the snapshot goes on.
// Otherwise the system would often let them wait for its next tick.
void GiveWay() {
  std::this_thread::yield();
}

}  // namespace

SnapshotWriter::SnapshotWriter(Disk* disk, std::string directory, const SnapshotInfo& info,
                               size_t kept)
    : disk_(disk), directory_(std::move(directory)), info_(info), kept_(kept) {}

SnapshotWriter::~SnapshotWriter() {
  if (!is_temporary_) return;
  file_.reset();
  const Status removed = RemoveIfThere(*disk_, TemporaryPath(directory_, info_.position));
  if (!removed.ok()) {
    LogWarning("The files of an unfinished snapshot could not be removed: {}", removed.message());
  }
}

void SnapshotWriter::Check(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

void SnapshotWriter::Open() {
  Check(disk_->CreateDirectory(directory_));
  if (status_.ok()) Check(disk_->SyncDirectory(ParentOf(directory_)));
  if (!status_.ok()) return;
  const std::string path = TemporaryPath(directory_, info_.position);
  auto file = disk_->Open(path, OpenMode::kCreate);
  if (!file.ok()) {
    (void)disk_->Remove(path);  // the name may have been made all the same
    return Check(file.status());
  }
  file_ = std::move(*file);
  is_temporary_ = true;
  std::string header;
  seed_ = EncodeHeader(info_, &header);
  Write(header);
}

void SnapshotWriter::Write(std::string_view bytes) {
  for (; status_.ok() && !bytes.empty();
       bytes.remove_prefix(std::min(bytes.size(), kBytesAtATime))) {
    const std::string_view piece = bytes.substr(0, kBytesAtATime);
    Check(file_->WriteAt(totals_.file_bytes, piece));
    totals_.file_bytes += piece.size();
    GiveWay();
  }
  if (status_.ok() && totals_.file_bytes - synced_ >= kBytesPerSync) {
    Check(file_->Sync());
    synced_ = totals_.file_bytes;
  }
}

void SnapshotWriter::Add(uint32_t db, std::string_view name, int64_t expire_at_ms,
                         const Object& value) {
  if (!status_.ok()) return;
  gathered_.clear();
  Encoder encoder(&gathered_, this);
  encoder.Varint(db);
  encoder.Byte(static_cast<uint8_t>(value.type()));
  ColdExtents extents;
  value.AddExtents(&extents);
  const bool unordered = FindObjectKind(value.type())->unordered;
  encoder.Byte(static_cast<uint8_t>((expire_at_ms != kNoExpiry ? kExpires : 0) |
                                    (extents.empty() ? 0 : kNamesFiles) |
                                    (unordered ? kUnordered : 0)));
  if (expire_at_ms != kNoExpiry) encoder.Signed(expire_at_ms);
  encoder.Bytes(name);
  extents.empty() && !unordered ? value.Encode(&encoder) : value.EncodeStored(&encoder);
  EndKey();
}

void SnapshotWriter::Add(const StoredLibrary& library) {
  if (!status_.ok()) return;
  ASSERT(info_.has_libraries);
  gathered_.clear();
  Encoder encoder(&gathered_, this);
  encoder.Varint(kLibraryMark);
  library.Encode(&encoder);
  EndKey();
}

// The rest of the key is gathered.
void SnapshotWriter::EndKey() {
  if (gathered_.size() > kMaxPieceBytes) {
    Take(gathered_);
    gathered_.clear();
  }
  AddPiece(gathered_, false);
  totals_.keys++;
}

void SnapshotWriter::Take(std::string_view bytes) {
  for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), kMaxPieceBytes))) {
    AddPiece(bytes.substr(0, kMaxPieceBytes), true);
  }
}

// A piece lies in one section.
void SnapshotWriter::AddPiece(std::string_view bytes, bool more) {
  const uint64_t length = bytes.size() << 1 | (more ? 1 : 0);
  if (section_.size() + VarintSize(length) + bytes.size() > kMaxSectionBytes) WriteSection();
  const size_t before = section_.size();
  Encoder encoder(&section_);
  encoder.Varint(length);
  encoder.Raw(bytes);
  if (section_.size() / kBytesAtATime > before / kBytesAtATime) GiveWay();
  if (section_.size() >= kSectionBytes) WriteSection();
}

void SnapshotWriter::WriteSection() {
  ASSERT(section_.size() <= kMaxSectionBytes);
  if (status_.ok()) {
    SectionHeader header;
    std::string_view stored;
    header.codec = Compress(Codec::kLz4, section_, &compressed_, &stored);
    header.stored_bytes = static_cast<uint32_t>(stored.size());
    header.raw_bytes = static_cast<uint32_t>(section_.size());
    header.number = totals_.sections++;
    totals_.raw_bytes += section_.size();
    head_.clear();
    EncodeSectionHeader(header, stored, seed_, &head_);
    Write(head_);
    Write(stored);
  }
  section_.clear();
}

void SnapshotWriter::Finish(const std::vector<std::string>& files) {
  if (!section_.empty()) WriteSection();
  SnapshotTotals totals = totals_;
  totals.file_bytes += kFooterBytes;
  std::string footer;
  EncodeFooter(totals, seed_, &footer);
  Write(footer);
  if (status_.ok()) Check(file_->Sync());
  if (!status_.ok()) return;
  file_.reset();
  // The list first: a snapshot without one names no files.
  Check(WriteFileList(*disk_, directory_, info_.position, files));
  if (status_.ok() && !files.empty()) Check(disk_->SyncDirectory(directory_));
  if (!status_.ok()) return;
  Check(disk_->Rename(TemporaryPath(directory_, info_.position),
                      SnapshotPath(directory_, info_.position)));
  if (!status_.ok()) return;
  is_temporary_ = false;
  Check(disk_->SyncDirectory(directory_));
  if (status_.ok()) KeepNewest(*disk_, directory_, kept_);
}

}  // namespace runnel::snapshot
