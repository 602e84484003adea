#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/compression.h"
#include "base/position.h"
#include "data/keyspace.h"
#include "journal/epochs.h"

// The bytes of a snapshot, format version 3. README.md shows them.

namespace runnel::snapshot {

// Version 1 has no history of epochs, version 2 no libraries of functions. A snapshot is written in
// the oldest version that has what it needs.
inline constexpr uint8_t kFormatVersion = 3;
inline constexpr size_t kHeaderBytes = 48;
inline constexpr size_t kSectionHeaderBytes = 32;
inline constexpr size_t kFooterBytes = 48;
// The most bytes of a section before compression.
inline constexpr size_t kMaxSectionBytes = size_t{1} << 20;
// The largest piece of a key that leaves room for its length.
inline constexpr size_t kMaxPieceBytes = kMaxSectionBytes - 10;

// The header of the file.
struct SnapshotInfo {
  // The state is that after all of the journal before this position...
  Position position = 0;
  // ...whose last frame had this epoch.
  uint64_t epoch = 0;
  int64_t created_ms = 0;  // Unix time
  uint32_t databases = 0;
  // The epochs of the journal before the position.
  journal::EpochHistory epochs = {};
  // There may be libraries of functions among the keys.
  bool has_libraries = false;

  bool operator==(const SnapshotInfo&) const = default;
};

// The footer of the file.
struct SnapshotTotals {
  uint64_t sections = 0;
  uint64_t keys = 0;        // with the libraries
  uint64_t raw_bytes = 0;   // of the sections, uncompressed
  uint64_t file_bytes = 0;  // of the whole file

  bool operator==(const SnapshotTotals&) const = default;
};

struct SectionHeader {
  Codec codec = Codec::kNone;
  uint32_t stored_bytes = 0;
  uint32_t raw_bytes = 0;
  uint64_t number = 0;  // counted from 0
  uint64_t checksum = 0;
};

// Where a key has its database, this says that it is a library of functions instead:
// StoredLibrary::Encode follows.
inline constexpr uint64_t kLibraryMark = 2 * uint64_t{kCompanionBit};

// What the file says of a key besides its name and value, as bits.
inline constexpr uint8_t kExpires = 1;  // its expiry follows
// Its value was written by Object::EncodeStored: it names files, or it is of a type whose elements
// have no order (ObjectKind::unordered) and names none.
inline constexpr uint8_t kNamesFiles = 2;
inline constexpr uint8_t kUnordered = 4;

// Each appends its bytes; EncodeHeader also those of the history of epochs. `seed` is what
// EncodeHeader returned: it makes the checksums of sections and footer specific to this file, so
// that a block of another snapshot in their place is detected.
uint64_t EncodeHeader(const SnapshotInfo& info, std::string* out);
void EncodeSectionHeader(const SectionHeader& header, std::string_view stored, uint64_t seed,
                         std::string* out);
void EncodeFooter(const SnapshotTotals& totals, uint64_t seed, std::string* out);

enum class HeaderKind {
  kGood,
  kNewer,    // of a later format version
  kDamaged,  // anything else
};
// `input` are the first kHeaderBytes of a file, or fewer if it is shorter. `*version` is set unless
// the file is no snapshot at all. The history of epochs takes `*epochs_bytes` bytes after the
// header.
HeaderKind DecodeHeader(std::string_view input, SnapshotInfo* info, uint64_t* seed,
                        uint8_t* version, size_t* epochs_bytes);
// False unless these are the bytes of a history of epochs, with a good checksum.
bool DecodeEpochs(std::string_view input, uint64_t seed, journal::EpochHistory* epochs);
// False if these are no kSectionHeaderBytes of a section header. What it says is not verified
// before CheckSection has been asked.
bool DecodeSectionHeader(std::string_view input, SectionHeader* header);
bool CheckSection(std::string_view input, const SectionHeader& header, std::string_view stored,
                  uint64_t seed);
// False unless these are the kFooterBytes of a footer, with a good checksum.
bool DecodeFooter(std::string_view input, uint64_t seed, SnapshotTotals* totals);

}  // namespace runnel::snapshot
