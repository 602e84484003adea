#include "cold/extent_io.h"

#include <string_view>
#include <utility>

#include "fmt/format.h"

namespace runnel::cold {

Result<std::shared_ptr<const BlockRun>> ReadExtent(const ColdFiles& files,
                                                   const StoredExtent& extent) {
  // The file stays as long as this has it.
  const auto [stored_in, place] = extent.location();
  const FileName& name = stored_in->name;
  const auto fail = [&, offset = place.offset](std::string_view why) {
    return Status::Error(
        fmt::format("cold entries in {} at offset {}: {}", files.PathOf(name), offset, why));
  };
  const auto file = files.Open(name, OpenMode::kRead);
  if (!file.ok()) return fail(file.message());
  const auto length = (*file)->Size();
  if (!length.ok()) return fail(length.message());
  if (*length < uint64_t{place.offset} + place.bytes) {
    return fail("the file ends before their end");
  }
  std::string bytes(place.bytes, '\0');
  const auto size = (*file)->ReadAt(place.offset, bytes.data(), bytes.size());
  if (!size.ok()) return fail(size.message());
  bytes.resize(*size);
  if (bytes.size() < place.bytes) return fail("the file ends before their end");
  auto run = DecodeExtent(bytes, extent.kind(), name.object, place.offset);
  if (!run.ok()) return fail(run.message());
  return run;
}

ExtentAppend::ExtentAppend(Ref<ColdFile> file, Codec codec)
    : file_(std::move(file)), begin_(file_->size), codec_(codec) {
  if (begin_ == 0) bytes_ = EncodeFileHeader(file_->name.object);
}

StoredExtent::Place ExtentAppend::Add(const BlockRun& run) {
  const size_t begin = bytes_.size();
  const uint64_t offset = begin_ + begin;
  AppendExtent(run, codec_, file_->name.object, offset, &bytes_);
  return {static_cast<uint32_t>(offset), static_cast<uint32_t>(bytes_.size() - begin)};
}

void ExtentAppend::Write(const ColdFiles& files) {
  const std::string bytes = std::move(bytes_);
  const bool is_new = begin_ == 0;
  end_ = begin_ + bytes.size();
  if (is_new) {
    written_ = files.MakeDirectory();
    if (!written_.ok()) return;
  }
  auto file = files.Open(file_->name, is_new ? OpenMode::kCreate : OpenMode::kReadWrite);
  written_ = file.ok() ? (*file)->WriteAt(begin_, bytes) : file.status();
}

Status ExtentAppend::Finish(ColdFiles* files) {
  if (!written_.ok()) {
    files->NoteFailed(file_->name);
    return std::move(written_);
  }
  file_->size = end_;
  file_->dirty = true;
  files->NoteSize(file_->name, end_);
  return {};
}

}  // namespace runnel::cold
