#include "snapshot/section_reader.h"

#include <fmt/format.h>

#include <utility>

#include "base/compression.h"

namespace runnel::snapshot {
namespace {

// So many sections may be ahead of the one that is used.
constexpr size_t kAhead = 4;

}  // namespace

Status SectionReader::DamagedAt(uint64_t offset, std::string_view what) const {
  return Status::Error(fmt::format("{}, offset {}: {}", path_, offset, what));
}

Result<std::unique_ptr<SectionReader>> SectionReader::Open(Disk& disk, const std::string& path) {
  auto file = disk.Open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  const auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  std::unique_ptr<SectionReader> reader(new SectionReader(path, std::move(*file), *size));
  if (Status status = reader->ReadHeader(); !status.ok()) return status;
  for (size_t i = 0; i < kAhead; i++) {
    auto& section = reader->spare_.emplace_back(std::make_unique<Section>());
    section->raw = std::make_unique_for_overwrite<char[]>(kMaxSectionBytes);
  }
  reader->stored_.reserve(kMaxSectionBytes);
  reader->thread_ = std::thread([self = reader.get()] { self->Loop(); });
  return reader;
}

SectionReader::~SectionReader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status SectionReader::ReadHeader() {
  std::string header(kHeaderBytes, '\0');
  const auto read = file_->ReadAt(0, header.data(), header.size());
  if (!read.ok()) return read.status();
  header.resize(*read);
  uint8_t version;
  size_t epochs_bytes;
  switch (DecodeHeader(header, &info_, &seed_, &version, &epochs_bytes)) {
    case HeaderKind::kGood:
      return ReadEpochs(epochs_bytes);
    case HeaderKind::kNewer:
      return DamagedAt(0, fmt::format("a snapshot of format version {}; this server reads version "
                                      "{}: it was written by a newer one",
                                      version, kFormatVersion));
    case HeaderKind::kDamaged:
      break;
  }
  return DamagedAt(0, "no snapshot begins here, or its header is damaged");
}

Status SectionReader::ReadEpochs(size_t size) {
  if (size == 0) return {};
  std::string bytes(size, '\0');
  const auto read = file_->ReadAt(kHeaderBytes, bytes.data(), size);
  if (!read.ok()) return read.status();
  bytes.resize(*read);
  if (!DecodeEpochs(bytes, seed_, &info_.epochs)) {
    return DamagedAt(kHeaderBytes, "the history of epochs is damaged");
  }
  offset_ += size;
  return {};
}

Result<bool> SectionReader::Next() {
  std::unique_lock lock(mutex_);
  if (current_ != nullptr && (!ready_.empty() || !ended_)) {
    spare_.push_back(std::move(current_));
    changed_.notify_all();
  }
  changed_.wait(lock, [this] { return !ready_.empty() || ended_; });
  if (ready_.empty()) {
    if (!end_.ok()) return end_;
    totals_ = found_;
    return false;
  }
  current_ = std::move(ready_.front());
  ready_.pop_front();
  return true;
}

void SectionReader::Loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || !spare_.empty(); });
    if (stop_) return;
    std::unique_ptr<Section> section = std::move(spare_.back());
    spare_.pop_back();
    lock.unlock();
    const Result<bool> read = Read(section.get());
    lock.lock();
    if (read.ok() && *read) {
      ready_.push_back(std::move(section));
    } else {
      end_ = read.status();
      ended_ = true;
    }
    changed_.notify_all();
    if (ended_) return;
  }
}

Result<bool> SectionReader::Read(Section* section) {
  if (file_bytes_ - offset_ <= kFooterBytes) return ReadFooter();
  char head[kSectionHeaderBytes];
  const auto read = file_->ReadAt(offset_, head, sizeof(head));
  if (!read.ok()) return read.status();
  SectionHeader header;
  const std::string_view head_bytes(head, *read);
  if (!DecodeSectionHeader(head_bytes, &header)) {
    return DamagedAt(offset_, "neither a section nor the end of the snapshot");
  }
  if (header.stored_bytes > file_bytes_ - offset_ - kSectionHeaderBytes) {
    return DamagedAt(offset_, "the file ends inside this section");
  }
  stored_.resize(header.stored_bytes);
  const auto body = file_->ReadAt(offset_ + kSectionHeaderBytes, stored_.data(), stored_.size());
  if (!body.ok()) return body.status();
  if (*body != stored_.size() || header.number != found_.sections ||
      !CheckSection(head_bytes, header, stored_, seed_)) {
    return DamagedAt(offset_, "the checksum of this section does not fit");
  }
  if (!Decompress(header.codec, stored_, section->raw.get(), header.raw_bytes)) {
    return DamagedAt(offset_, "this section cannot be decompressed");
  }
  section->offset = offset_;
  section->size = header.raw_bytes;
  found_.sections++;
  found_.raw_bytes += header.raw_bytes;
  offset_ += kSectionHeaderBytes + header.stored_bytes;
  return true;
}

Result<bool> SectionReader::ReadFooter() {
  char bytes[kFooterBytes];
  const auto read = file_->ReadAt(offset_, bytes, sizeof(bytes));
  if (!read.ok()) return read.status();
  SnapshotTotals totals;
  if (!DecodeFooter({bytes, *read}, seed_, &totals)) {
    return DamagedAt(offset_, "the end of the snapshot is missing or damaged");
  }
  found_.keys = totals.keys;
  found_.file_bytes = file_bytes_;
  if (totals != found_) return DamagedAt(offset_, "the snapshot is not what its end says");
  return false;
}

bool IsOfNewerFormat(Disk& disk, const std::string& path) {
  const auto file = disk.Open(path, OpenMode::kRead);
  if (!file.ok()) return false;
  std::string header(kHeaderBytes, '\0');
  const auto read = (*file)->ReadAt(0, header.data(), header.size());
  if (!read.ok()) return false;
  header.resize(*read);
  SnapshotInfo info;
  uint64_t seed = 0;
  uint8_t version = 0;
  size_t epochs_bytes = 0;
  return DecodeHeader(header, &info, &seed, &version, &epochs_bytes) == HeaderKind::kNewer;
}

}  // namespace runnel::snapshot
