#include "snapshot/load.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "base/log.h"
#include "snapshot/files.h"
#include "snapshot/section_reader.h"

namespace runnel::snapshot {

// The encoding of one key, piece by piece.
class Pieces : public DecoderSource {
 public:
  explicit Pieces(SectionReader* reader) : reader_(reader) {}

  // Begins with the next key: true, and first() is its first piece; false after the last key.
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
  std::string_view section_;  // what of it is still to come
  std::string_view piece_;
  std::string_view first_;
  bool more_ = false;
  std::string window_;
  Status status_;
};

namespace {

// For values that name no files.
class NoFiles final : public ColdSource {
 public:
  void Fetch(const ColdExtents&) override {}
  std::shared_ptr<const BlockRun> Pass(const ColdExtents&) override { return nullptr; }
  void Expect(const ColdExtents&) override {}
  std::shared_ptr<const BlockRun> Read(const ColdExtent&) override { return nullptr; }
  Ref<ColdExtent> Resolve(Decoder*) override { return {}; }
};

// A value that EncodeStored wrote, of a type that is never on the disk.
std::unique_ptr<Object> LoadUnordered(const ObjectKind& kind, Decoder* in) {
  NoFiles none;
  std::unique_ptr<Object> value = kind.load_stored(in, none);
  return value != nullptr && in->ok() && in->done() ? std::move(value) : nullptr;
}

}  // namespace

// --- SnapshotLoad ---

Result<std::unique_ptr<SnapshotLoad>> SnapshotLoad::Open(Disk& disk, const std::string& path,
                                                         Keyspace* keyspace, ColdStore* stored) {
  auto reader = SectionReader::Open(disk, path);
  if (!reader.ok()) return reader.status();
  return std::unique_ptr<SnapshotLoad>(new SnapshotLoad(std::move(*reader), keyspace, stored));
}

SnapshotLoad::SnapshotLoad(std::unique_ptr<SectionReader> reader, Keyspace* keyspace,
                           ColdStore* stored)
    : reader_(std::move(reader)),
      keyspace_(keyspace),
      stored_(stored),
      pieces_(std::make_unique<Pieces>(reader_.get())) {}

SnapshotLoad::~SnapshotLoad() = default;

const SnapshotInfo& SnapshotLoad::info() const {
  return reader_->info();
}
const SnapshotTotals& SnapshotLoad::totals() const {
  return reader_->totals();
}
uint64_t SnapshotLoad::loaded_bytes() const {
  return all_ ? reader_->file_bytes() : reader_->offset();
}
uint64_t SnapshotLoad::file_bytes() const {
  return reader_->file_bytes();
}

Result<bool> SnapshotLoad::Step(size_t keys) {
  auto all = LoadKeys(keys);
  if (!all.ok()) keyspace_->Clear();
  return all;
}

Result<bool> SnapshotLoad::LoadKeys(size_t keys) {
  for (; keys > 0 && !all_; keys--) {
    const Result<bool> there = pieces_->Begin();
    if (!there.ok()) return there;
    if (*there) {
      if (Status loaded = LoadKey(); !loaded.ok()) return loaded;
      keys_++;
      continue;
    }
    if (keys_ != reader_->totals().keys) {
      return Damaged(reader_->file_bytes() - kFooterBytes,
                     fmt::format("the snapshot holds {} keys, its end says {}", keys_,
                                 reader_->totals().keys));
    }
    all_ = true;
  }
  return all_;
}

Status SnapshotLoad::Damaged(uint64_t offset, const std::string& what) const {
  return reader_->DamagedAt(offset, what);
}

Status SnapshotLoad::LoadKey() {
  const uint64_t offset = reader_->offset();
  Decoder in = pieces_->whole() ? Decoder(pieces_->first()) : Decoder(pieces_->first(), &*pieces_);
  const uint64_t db = in.Varint();
  if (db == kLibraryMark && info().has_libraries) {
    if (LoadLibrary(&in)) return {};
    if (!pieces_->status().ok()) return pieces_->status();
    return Damaged(offset, "a library of functions in this section is damaged");
  }
  const auto type = static_cast<ObjectType>(in.Byte());
  const uint8_t flags = in.Byte();
  const int64_t expire_at_ms = (flags & kExpires) != 0 ? in.Signed() : kNoExpiry;
  name_.assign(in.Bytes());
  const ObjectKind* kind = FindObjectKind(type);
  const bool known = in.ok() && db < 2 * uint64_t{kCompanionBit} &&
                     DatabaseOf(static_cast<uint32_t>(db)) < reader_->info().databases &&
                     kind != nullptr && (flags & ~(kExpires | kNamesFiles | kUnordered)) == 0 &&
                     ((flags & kUnordered) == 0 || (kind->unordered && (flags & kNamesFiles) == 0));
  if (known && DatabaseOf(static_cast<uint32_t>(db)) >= keyspace_->databases()) {
    databases_needed_ = reader_->info().databases;
    return Damaged(offset, fmt::format("the snapshot has a key in database {}, and this server is "
                                       "configured for {} databases",
                                       db, keyspace_->databases()));
  }
  std::unique_ptr<Object> value;
  if (known && keyspace_->Find(KeyRef(static_cast<uint32_t>(db), name_)) == nullptr) {
    value = (flags & kNamesFiles) != 0  ? LoadStored(*kind, &in)
            : (flags & kUnordered) != 0 ? LoadUnordered(*kind, &in)
                                        : kind->Load(&in);
  }
  if (value == nullptr) {
    if (!pieces_->status().ok()) return pieces_->status();
    const std::string missing = stored_ == nullptr ? std::string() : stored_->unresolved();
    return Damaged(offset, missing.empty()
                               ? "a key in this section is damaged"
                               : fmt::format("a key in this section has entries in the file {}, "
                                             "which is missing: put the file back, or go on with "
                                             "a whole copy of the directory",
                                             missing));
  }
  const KeyRef key(static_cast<uint32_t>(db), name_);
  keyspace_->Put(key, std::move(value));
  if (expire_at_ms != kNoExpiry) keyspace_->SetExpiry(key, expire_at_ms);
  return {};
}

bool SnapshotLoad::LoadLibrary(Decoder* in) {
  std::optional<StoredLibrary> library = StoredLibrary::Load(in);
  if (!library || !in->done()) return false;
  FunctionCatalog& functions = keyspace_->functions();
  if (functions.Find(library->name) != nullptr || !functions.MayPut(*library)) return false;
  functions.Put(std::move(*library));
  return true;
}

std::unique_ptr<Object> SnapshotLoad::LoadStored(const ObjectKind& kind, Decoder* in) {
  if (stored_ == nullptr || kind.load_stored == nullptr) return nullptr;
  std::unique_ptr<Object> value = kind.load_stored(in, *stored_);
  if (value == nullptr || !in->ok() || !in->done()) return nullptr;
  ColdExtents extents;
  value->AddExtents(&extents);
  cold::AddFiles(extents, &files_);
  return value;
}

// --- NewestLoad ---

Result<std::unique_ptr<NewestLoad>> NewestLoad::Begin(Disk& disk, std::string directory,
                                                      std::optional<Position> journal_first,
                                                      Keyspace* keyspace, ColdStore* stored) {
  auto positions = ListSnapshots(disk, directory);
  if (!positions.ok()) return positions.status();
  std::unique_ptr<NewestLoad> load(
      new NewestLoad(disk, std::move(directory), journal_first, keyspace, stored));
  load->positions_ = std::move(*positions);
  return load;
}

NewestLoad::NewestLoad(Disk& disk, std::string directory, std::optional<Position> journal_first,
                       Keyspace* keyspace, ColdStore* stored)
    : disk_(disk),
      directory_(std::move(directory)),
      journal_first_(journal_first),
      keyspace_(keyspace),
      stored_(stored) {}

Result<bool> NewestLoad::Step(size_t keys) {
  if (loaded_ || positions_.empty()) return true;
  if (load_ == nullptr) {
    if (Status opened = OpenNext(); !opened.ok()) return opened;
    return false;
  }
  const auto all = load_->Step(keys);
  if (!all.ok()) {
    if (load_->databases_needed() == 0) {
      if (Status passed = PassOver(all.status()); !passed.ok()) return passed;
      return false;
    }
    return Status::Error(
        fmt::format("{}. Set `databases` to {}, as it was when the snapshot was "
                    "taken",
                    all.message(), load_->databases_needed()));
  }
  if (!*all) return false;
  const Position position = positions_[damaged_.size()];
  if (load_->info().position != position) {
    keyspace_->Clear();
    const Status why = Status::Error(
        fmt::format("{}, offset 8: holds the state at position {}, not that of its name",
                    SnapshotPath(directory_, position), load_->info().position));
    if (Status passed = PassOver(why); !passed.ok()) return passed;
    return false;
  }
  if (Status finished = Finish(); !finished.ok()) return finished;
  return true;
}

// Opens the first one that was not found to be damaged.
Status NewestLoad::OpenNext() {
  const std::string path = SnapshotPath(directory_, positions_[damaged_.size()]);
  auto load = SnapshotLoad::Open(disk_, path, keyspace_, stored_);
  if (load.ok()) {
    load_ = std::move(*load);
    return {};
  }
  return IsOfNewerFormat(disk_, path) ? load.status() : PassOver(load.status());
}

// Goes on with the snapshot before, if it will do.
Status NewestLoad::PassOver(Status why) {
  load_.reset();
  damaged_.push_back({positions_[damaged_.size()], std::move(why)});
  if (damaged_.size() == positions_.size() || !journal_first_ ||
      positions_[damaged_.size()] < *journal_first_) {
    return damaged_.front().why;
  }
  LogWarning("{}; trying the snapshot before it, {}", damaged_.back().why.message(),
             SnapshotName(positions_[damaged_.size()]));
  return {};
}

// Whoever wrote the snapshot may have been killed before its name was durable. From now on the
// journal relies on it, and may begin anew after it.
Status NewestLoad::Finish() {
  const Status synced = disk_.SyncDirectory(directory_);
  if (!synced.ok()) {
    keyspace_->Clear();
    return synced;
  }
  loaded_ = Loaded{load_->info(), load_->totals()};
  return {};
}

Result<Loaded> LoadSnapshot(Disk& disk, const std::string& path, Keyspace* keyspace,
                            ColdStore* stored) {
  const auto load = SnapshotLoad::Open(disk, path, keyspace, stored);
  if (!load.ok()) return load.status();
  const auto all = (*load)->Step(SnapshotLoad::kAllKeys);
  if (!all.ok()) return all.status();
  return Loaded{(*load)->info(), (*load)->totals()};
}

Result<std::optional<Loaded>> LoadNewest(Disk& disk, const std::string& directory,
                                         std::optional<Position> journal_first, Keyspace* keyspace,
                                         ColdStore* stored) {
  const auto load = NewestLoad::Begin(disk, directory, journal_first, keyspace, stored);
  if (!load.ok()) return load.status();
  for (;;) {
    const auto all = (*load)->Step(SnapshotLoad::kAllKeys);
    if (!all.ok()) return all.status();
    if (*all) return (*load)->loaded();
  }
}

}  // namespace runnel::snapshot
