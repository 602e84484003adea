#include "snapshot/load.h"

#include <fmt/format.h>

#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "base/log.h"
#include "snapshot/files.h"
#include "snapshot/section_reader.h"

namespace runnel::snapshot {
namespace {

// The encoding of one key, piece by piece.
class Pieces : public DecoderSource {
 public:
  Pieces(SectionReader* reader, const LoadProgress& progress)
      : reader_(reader), progress_(progress) {}

  // Begins with the next key: true, and first() is its first piece; false behind the last key.
  Result<bool> Begin() {
    const Result<bool> there = Advance();
    if (!there.ok() || !*there) return there;
    first_ = piece_;
    return true;
  }
  std::string_view first() const { return first_; }
  // Whether first() is all.
  bool whole() const { return !more_; }

  std::string_view More(std::string_view rest, size_t needed) override {
    if (rest.empty() && NextPiece() && piece_.size() >= needed) return piece_;
    // A field lies across pieces, which happens to large values only.
    if (rest.empty()) {
      window_.assign(piece_);
    } else if (rest.data() >= window_.data() && rest.data() < window_.data() + window_.size()) {
      window_.erase(0, static_cast<size_t>(rest.data() - window_.data()));
    } else {
      window_.assign(rest);
    }
    while (window_.size() < needed && NextPiece()) {
      window_.append(piece_);
    }
    return window_;
  }

  // Why reading stopped, if that was not the end of the key.
  const Status& status() const { return status_; }

 private:
  // The next piece of the same key. Leaves an empty one if there is none.
  bool NextPiece() {
    piece_ = {};
    if (!more_ || !status_.ok()) return false;
    const Result<bool> there = Advance();
    if (there.ok() && !*there) {
      status_ = reader_->DamagedAt(reader_->offset(), "the snapshot ends inside a key");
    } else {
      status_ = there.status();
    }
    return status_.ok();
  }

  Result<bool> Advance() {
    while (section_.empty()) {
      const Result<bool> there = reader_->Next();
      if (!there.ok() || !*there) return there;
      section_ = reader_->bytes();
      const Status goes_on =
          progress_ ? progress_(reader_->offset(), reader_->file_bytes()) : Status();
      if (!goes_on.ok()) return goes_on;
    }
    Decoder in(section_);
    const uint64_t length = in.Varint();
    const size_t bytes = static_cast<size_t>(length >> 1);
    if (!in.ok() || bytes > in.remaining()) {
      return reader_->DamagedAt(reader_->offset(), "a key reaches beyond its section");
    }
    more_ = (length & 1) != 0;
    piece_ = section_.substr(static_cast<size_t>(in.position()), bytes);
    section_.remove_prefix(static_cast<size_t>(in.position()) + bytes);
    return true;
  }

  SectionReader* const reader_;
  const LoadProgress& progress_;
  std::string_view section_;  // what of it is still to come
  std::string_view piece_;
  std::string_view first_;
  bool more_ = false;
  std::string window_;
  Status status_;
};

class Loader {
 public:
  Loader(SectionReader* reader, Keyspace* keyspace, const LoadProgress& progress,
         ColdSource* stored)
      : reader_(reader),
        keyspace_(keyspace),
        progress_(progress),
        stored_(stored),
        pieces_(reader, progress) {}

  Status Run() {
    if (reader_->info().databases > keyspace_->databases()) {
      return reader_->DamagedAt(
          0, fmt::format("a snapshot of {} databases; this server is configured for {}",
                         reader_->info().databases, keyspace_->databases()));
    }
    while (true) {
      const Result<bool> there = pieces_.Begin();
      if (!there.ok()) return there.status();
      if (!*there) break;
      const uint64_t offset = reader_->offset();
      if (!LoadKey()) {
        if (!pieces_.status().ok()) return pieces_.status();
        return reader_->DamagedAt(
            offset, "a key in this section is damaged, or a file is missing that it names");
      }
      keys_++;
    }
    if (keys_ != reader_->totals().keys) {
      return reader_->DamagedAt(reader_->file_bytes() - kFooterBytes,
                                fmt::format("the snapshot holds {} keys, its end says {}", keys_,
                                            reader_->totals().keys));
    }
    return progress_ ? progress_(reader_->file_bytes(), reader_->file_bytes()) : Status();
  }

 private:
  bool LoadKey() {
    Decoder in = pieces_.whole() ? Decoder(pieces_.first()) : Decoder(pieces_.first(), &pieces_);
    const uint64_t db = in.Varint();
    const auto type = static_cast<ObjectType>(in.Byte());
    const uint8_t flags = in.Byte();
    const int64_t expire_at_ms = (flags & kExpires) != 0 ? in.Signed() : kNoExpiry;
    name_.assign(in.Bytes());
    const ObjectKind* kind = FindObjectKind(type);
    if (!in.ok() || db >= reader_->info().databases || kind == nullptr) return false;
    if ((flags & ~(kExpires | kNamesFiles)) != 0) return false;
    const KeyRef key(static_cast<uint32_t>(db), name_);
    if (keyspace_->Find(key) != nullptr) return false;
    std::unique_ptr<Object> value =
        (flags & kNamesFiles) != 0 ? LoadStored(*kind, &in) : kind->Load(&in);
    if (value == nullptr) return false;
    keyspace_->Put(key, std::move(value));
    if (expire_at_ms != kNoExpiry) keyspace_->SetExpiry(key, expire_at_ms);
    return true;
  }

  std::unique_ptr<Object> LoadStored(const ObjectKind& kind, Decoder* in) {
    if (stored_ == nullptr || kind.load_stored == nullptr) return nullptr;
    std::unique_ptr<Object> value = kind.load_stored(in, *stored_);
    return value != nullptr && in->ok() && in->done() ? std::move(value) : nullptr;
  }

  SectionReader* const reader_;
  Keyspace* const keyspace_;
  const LoadProgress& progress_;
  ColdSource* const stored_;
  Pieces pieces_;
  std::string name_;
  uint64_t keys_ = 0;
};

void Clear(Keyspace* keyspace) {
  for (uint32_t db = 0; db < keyspace->databases(); db++) {
    keyspace->Flush(db);
  }
}

}  // namespace

Result<Loaded> LoadSnapshot(Disk& disk, const std::string& path, Keyspace* keyspace,
                            const LoadProgress& progress, ColdSource* stored) {
  auto reader = SectionReader::Open(disk, path);
  if (!reader.ok()) return reader.status();
  if (Status status = Loader(reader->get(), keyspace, progress, stored).Run(); !status.ok()) {
    Clear(keyspace);
    return status;
  }
  return Loaded{(*reader)->info(), (*reader)->totals()};
}

Result<std::optional<Loaded>> LoadNewest(Disk& disk, const std::string& directory,
                                         std::optional<Position> journal_first, Keyspace* keyspace,
                                         const LoadProgress& progress, ColdSource* stored) {
  const auto positions = ListSnapshots(disk, directory);
  if (!positions.ok()) return positions.status();
  Status given_up;
  const LoadProgress watched = [&](uint64_t loaded_bytes, uint64_t total_bytes) {
    if (progress) given_up = progress(loaded_bytes, total_bytes);
    return given_up;
  };
  Status failure;
  for (const Position position : *positions) {
    if (!failure.ok()) {
      if (!journal_first || position < *journal_first) break;
      LogWarning("{}; trying the snapshot before it, {}", failure.message(),
                 SnapshotName(position));
    }
    const auto loaded =
        LoadSnapshot(disk, SnapshotPath(directory, position), keyspace, watched, stored);
    if (!given_up.ok()) return given_up;
    if (loaded.ok() && loaded->info.position == position) {
      // Whoever wrote it may have been killed before its name was durable. From now on the journal
      // relies on it, and may begin anew behind it.
      const Status synced = disk.SyncDirectory(directory);
      if (synced.ok()) return std::optional<Loaded>(*loaded);
      Clear(keyspace);
      return synced;
    }
    Status why = loaded.status();
    if (loaded.ok()) {
      Clear(keyspace);
      why =
          Status::Error(fmt::format("{}, offset 8: holds the state at position {}, not that of "
                                    "its name",
                                    SnapshotPath(directory, position), loaded->info.position));
    }
    if (failure.ok()) failure = why;
  }
  if (!failure.ok()) return failure;
  return std::optional<Loaded>();
}

}  // namespace runnel::snapshot
