#include "journal/segment_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "journal/segment.h"

namespace runnel::journal {
namespace {

constexpr uint64_t kWindowBytes = uint64_t{1} << 20;

// REQUIRES: not empty. The reserve of a segment is large: compared by words, not by bytes.
bool AreZeros(std::string_view bytes) {
  return bytes[0] == '\0' && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace

Result<SegmentReader> SegmentReader::Open(Disk& disk, const std::string& directory, Position base,
                                          const std::optional<Identity>& identity) {
  return OpenFile(disk, SegmentPath(directory, base), base, identity);
}

Result<SegmentReader> SegmentReader::OpenFile(Disk& disk, const std::string& path, Position base,
                                              const std::optional<Identity>& identity) {
  auto file = disk.Open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  SegmentReader reader(std::move(*file), path, base, identity);
  const Status sized = reader.Refresh();
  if (!sized.ok()) return sized;
  return reader;
}

Result<Found> SegmentReader::At(Position position, Frame* frame) {
  CHECK(base_ <= position && position <= end());
  const uint64_t offset = position - base_;
  const uint64_t rest = file_bytes_ - offset;
  if (rest == 0) return Found::kEnd;
  const uint64_t head_bytes = std::min<uint64_t>(rest, kFrameHeaderBytes);
  const auto head = ReadSome(offset, head_bytes);
  if (!head.ok()) return head.status();
  if (head->size() < head_bytes) return Found::kEnd;
  FrameHeader header;
  const auto kind = HeaderAt(position, *head, &header);
  if (!kind.ok()) return kind.status();
  if (*kind == HeaderKind::kForeign) return Found::kForeign;
  if (*kind == HeaderKind::kNewer) return Found::kNewer;
  if (header.frame_bytes() > rest) return Found::kTooLong;
  const auto whole = ReadSome(offset, header.frame_bytes());
  if (!whole.ok()) return whole.status();
  if (whole->size() < header.frame_bytes()) return Found::kTooLong;
  const uint64_t id = identity_ ? identity_->id : 0;
  return DecodeFrame(header, *whole, id, frame) ? Found::kFrame : Found::kBadChecksum;
}

Result<HeaderKind> SegmentReader::HeaderAt(Position position, std::string_view bytes,
                                           FrameHeader* header) const {
  const HeaderKind kind = DecodeHeader(bytes, header);
  // A version alone may be noise after the first bytes of a torn header.
  if (kind == HeaderKind::kNewer && header->base != position) return HeaderKind::kForeign;
  if (kind != HeaderKind::kFrame) return kind;
  if (header->version == 1) {
    // Where all frames have a salt, one without is what somebody has made to look like a frame.
    return identity_ && position >= identity_->salted_from ? HeaderKind::kForeign : kind;
  }
  if (!identity_ && header->base == position) {
    return Status::Error(fmt::format(
        "{}, offset {} (position {}): the frame can only be verified with the id of its journal, "
        "and the file '{}' that holds it is missing",
        path_, position - base_, position, ParentOf(path_) + "/identity"));
  }
  return kind;
}

Result<std::optional<Frame>> SegmentReader::FindFrom(Position position) {
  uint64_t offset = position - base_;
  for (;;) {
    const auto next = PastReserve(offset);
    if (!next.ok()) return next.status();
    offset = *next;
    if (offset + kFrameHeaderBytes > file_bytes_) break;
    const auto view = Read(offset, kFrameHeaderBytes);
    if (!view.ok()) return view.status();
    const size_t hit = view->find(kFrameMagic);
    if (hit == std::string_view::npos) {
      offset += view->size() - kFrameMagic.size() + 1;
      continue;
    }
    offset += hit;
    const auto found = OwnFrameAt(base_ + offset);
    if (!found.ok() || *found) return found;
    offset++;
  }
  return std::optional<Frame>();
}

// Looks at the base first: it tells a frame from bytes of a payload that look like one, and costs
// no checksum.
Result<std::optional<Frame>> SegmentReader::OwnFrameAt(Position position) {
  const uint64_t offset = position - base_;
  if (offset + kFrameHeaderBytes > file_bytes_) return std::optional<Frame>();
  const auto head = Read(offset, kFrameHeaderBytes);
  if (!head.ok()) return head.status();
  FrameHeader header;
  const auto kind = HeaderAt(position, *head, &header);
  if (!kind.ok()) return kind.status();
  if (*kind != HeaderKind::kFrame || header.base != position) return std::optional<Frame>();
  Frame frame;
  const auto found = At(position, &frame);
  if (!found.ok()) return found.status();
  return *found == Found::kFrame ? std::optional<Frame>(frame) : std::nullopt;
}

Result<Position> SegmentReader::DataEnd(Position position) {
  Position end = position;
  for (uint64_t offset = position - base_;;) {
    const auto next = PastReserve(offset);
    if (!next.ok()) return next.status();
    offset = *next;
    if (offset >= file_bytes_) break;
    const auto view = Read(offset, 1);
    if (!view.ok()) return view.status();
    if (!AreZeros(*view)) end = base_ + offset + view->find_last_not_of('\0') + 1;
    offset += view->size();
  }
  return end;
}

Result<uint64_t> SegmentReader::PastReserve(uint64_t offset) const {
  const bool at_hand = offset >= window_offset_ && offset < window_offset_ + window_.size();
  return at_hand || offset >= file_bytes_ ? offset : file_->NextData(offset);
}

Status SegmentReader::Refresh() {
  window_.clear();
  const auto size = file_->Size();
  if (!size.ok()) return size.status();
  file_bytes_ = *size;
  return {};
}

Result<std::string_view> SegmentReader::Read(uint64_t offset, uint64_t bytes) {
  const auto view = ReadSome(offset, bytes);
  if (view.ok() && view->size() < bytes) {
    return Status::Error(fmt::format("{} became shorter while it was read", SegmentName(base_)));
  }
  return view;
}

Result<std::string_view> SegmentReader::ReadSome(uint64_t offset, uint64_t bytes) {
  const uint64_t window_end = window_offset_ + window_.size();
  if (offset < window_offset_ || offset + bytes > window_end) {
    window_.resize(std::min(std::max(bytes, kWindowBytes), file_bytes_ - offset));
    window_offset_ = offset;
    const auto read = file_->ReadAt(offset, window_.data(), window_.size());
    if (!read.ok()) {
      window_.clear();
      return read.status();
    }
    if (*read < window_.size()) {
      window_.resize(*read);
      file_bytes_ = std::min(file_bytes_, offset + *read);
    }
  }
  return std::string_view(window_).substr(offset - window_offset_);
}

}  // namespace runnel::journal
