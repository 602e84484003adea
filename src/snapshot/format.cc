#include "snapshot/format.h"

#include "base/coding.h"
#include "base/hash.h"

namespace runnel::snapshot {
namespace {

constexpr std::string_view kMagic = "RNS";
constexpr std::string_view kSectionMagic = "SECT";
constexpr std::string_view kFooterMagic = "FOOT";
constexpr size_t kChecksumBytes = sizeof(uint64_t);
constexpr size_t kMostEpochsBytes = 64 * 1024;

// Of the `size` bytes at the end of `out`, which is appended.
uint64_t AppendChecksum(std::string* out, size_t size, uint64_t seed) {
  const uint64_t checksum = Checksum(std::string_view(*out).substr(out->size() - size), seed);
  Encoder(out).Fixed(checksum);
  return checksum;
}

uint64_t SectionChecksum(std::string_view head, std::string_view stored, uint64_t seed) {
  return Checksum(stored, Checksum(head, seed));
}

}  // namespace

uint64_t EncodeHeader(const SnapshotInfo& info, std::string* out) {
  std::string epochs;
  if (!info.epochs.empty()) {
    Encoder encoder(&epochs);
    info.epochs.Encode(&encoder);
  }
  out->append(kMagic);
  Encoder encoder(out);
  encoder.Byte(info.has_libraries ? 3 : epochs.empty() ? 1 : 2);
  encoder.Fixed(info.databases);
  encoder.Fixed(info.position);
  encoder.Fixed(info.epoch);
  encoder.Fixed(info.created_ms);
  encoder.Fixed(static_cast<uint64_t>(epochs.empty() ? 0 : epochs.size() + kChecksumBytes));
  const uint64_t seed = AppendChecksum(out, kHeaderBytes - kChecksumBytes, 0);
  out->append(epochs);
  if (!epochs.empty()) AppendChecksum(out, epochs.size(), seed);
  return seed;
}

void EncodeSectionHeader(const SectionHeader& header, std::string_view stored, uint64_t seed,
                         std::string* out) {
  const size_t begin = out->size();
  out->append(kSectionMagic);
  Encoder encoder(out);
  encoder.Fixed(static_cast<uint32_t>(header.codec));
  encoder.Fixed(header.stored_bytes);
  encoder.Fixed(header.raw_bytes);
  encoder.Fixed(header.number);
  encoder.Fixed(SectionChecksum(std::string_view(*out).substr(begin), stored, seed));
}

void EncodeFooter(const SnapshotTotals& totals, uint64_t seed, std::string* out) {
  out->append(kFooterMagic);
  Encoder encoder(out);
  encoder.Fixed(uint32_t{0});
  encoder.Fixed(totals.sections);
  encoder.Fixed(totals.keys);
  encoder.Fixed(totals.raw_bytes);
  encoder.Fixed(totals.file_bytes);
  AppendChecksum(out, kFooterBytes - kChecksumBytes, seed);
}

HeaderKind DecodeHeader(std::string_view input, SnapshotInfo* info, uint64_t* seed,
                        uint8_t* version, size_t* epochs_bytes) {
  *version = 0;
  if (input.size() <= kMagic.size() || !input.starts_with(kMagic)) return HeaderKind::kDamaged;
  *version = static_cast<uint8_t>(input[kMagic.size()]);
  if (*version > kFormatVersion) return HeaderKind::kNewer;
  if (input.size() != kHeaderBytes || *version == 0) return HeaderKind::kDamaged;
  Decoder in(input.substr(kMagic.size() + 1));
  info->databases = in.Fixed<uint32_t>();
  info->position = in.Fixed<uint64_t>();
  info->epoch = in.Fixed<uint64_t>();
  info->created_ms = in.Fixed<int64_t>();
  const uint64_t epochs = in.Fixed<uint64_t>();
  *epochs_bytes = *version == 1 ? 0 : epochs;
  info->has_libraries = *version >= 3;
  *seed = in.Fixed<uint64_t>();
  const bool good = Checksum(input.substr(0, kHeaderBytes - kChecksumBytes)) == *seed &&
                    *epochs_bytes <= kMostEpochsBytes;
  return good ? HeaderKind::kGood : HeaderKind::kDamaged;
}

bool DecodeEpochs(std::string_view input, uint64_t seed, journal::EpochHistory* epochs) {
  if (input.size() < kChecksumBytes) return false;
  const std::string_view rows = input.substr(0, input.size() - kChecksumBytes);
  Decoder in(rows);
  *epochs = journal::EpochHistory::Load(&in);
  Decoder checksum(input.substr(rows.size()));
  return in.ok() && in.done() && Checksum(rows, seed) == checksum.Fixed<uint64_t>();
}

bool DecodeSectionHeader(std::string_view input, SectionHeader* header) {
  if (input.size() != kSectionHeaderBytes || !input.starts_with(kSectionMagic)) return false;
  Decoder in(input.substr(kSectionMagic.size()));
  const uint32_t codec = in.Fixed<uint32_t>();
  header->codec = static_cast<Codec>(codec);
  header->stored_bytes = in.Fixed<uint32_t>();
  header->raw_bytes = in.Fixed<uint32_t>();
  header->number = in.Fixed<uint64_t>();
  header->checksum = in.Fixed<uint64_t>();
  return codec <= static_cast<uint32_t>(Codec::kZstd) && header->raw_bytes <= kMaxSectionBytes &&
         header->stored_bytes <= header->raw_bytes;
}

bool CheckSection(std::string_view input, const SectionHeader& header, std::string_view stored,
                  uint64_t seed) {
  const std::string_view head = input.substr(0, kSectionHeaderBytes - kChecksumBytes);
  return SectionChecksum(head, stored, seed) == header.checksum;
}

bool DecodeFooter(std::string_view input, uint64_t seed, SnapshotTotals* totals) {
  if (input.size() != kFooterBytes || !input.starts_with(kFooterMagic)) return false;
  Decoder in(input.substr(kFooterMagic.size()));
  in.Fixed<uint32_t>();  // nothing yet
  totals->sections = in.Fixed<uint64_t>();
  totals->keys = in.Fixed<uint64_t>();
  totals->raw_bytes = in.Fixed<uint64_t>();
  totals->file_bytes = in.Fixed<uint64_t>();
  return Checksum(input.substr(0, kFooterBytes - kChecksumBytes), seed) == in.Fixed<uint64_t>();
}

}  // namespace runnel::snapshot
