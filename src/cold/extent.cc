#include "cold/extent.h"

#include <cstring>

#include "base/assert.h"
#include "base/coding.h"
#include "base/hash.h"
#include "fmt/format.h"

namespace runnel::cold {
namespace {

constexpr std::string_view kFileMagic = "RNLCOLD\n";
constexpr uint32_t kVersion = 1;
constexpr uint32_t kExtentMagic = 0x54584552;  // "REXT"
// LZ4 makes at most 255 bytes of one. What would need more is not packed by Zstandard either, so
// that no few bytes can ask for much memory.
constexpr uint64_t kMostRatio = 255;
// A block of one entry may be as large as an entry.
constexpr uint64_t kMostRawBytes = 0x7e000000;  // what LZ4 takes

// An extent's header, but for its checksum.
struct Header {
  uint32_t magic = kExtentMagic;
  uint16_t kind = 0;
  uint16_t codec = 0;
  uint32_t raw_bytes = 0;
  uint32_t stored_bytes = 0;
  uint32_t entries = 0;
  uint32_t blocks = 0;
  uint64_t offset = 0;
};

std::string Encode(const Header& header) {
  std::string bytes;
  Encoder out(&bytes);
  out.Fixed(header.magic);
  out.Fixed(header.kind);
  out.Fixed(header.codec);
  out.Fixed(header.raw_bytes);
  out.Fixed(header.stored_bytes);
  out.Fixed(header.entries);
  out.Fixed(header.blocks);
  out.Fixed(header.offset);
  return bytes;
}

Header Decode(std::string_view bytes) {
  Decoder in(bytes);
  Header header;
  header.magic = in.Fixed<uint32_t>();
  header.kind = in.Fixed<uint16_t>();
  header.codec = in.Fixed<uint16_t>();
  header.raw_bytes = in.Fixed<uint32_t>();
  header.stored_bytes = in.Fixed<uint32_t>();
  header.entries = in.Fixed<uint32_t>();
  header.blocks = in.Fixed<uint32_t>();
  header.offset = in.Fixed<uint64_t>();
  return header;
}

// Of all bytes before the checksum and after it. The object is part of it, so that an extent of
// another file is not taken for one of this file.
uint64_t ExtentChecksum(std::string_view header, std::string_view stored, uint64_t object) {
  return Checksum(stored, Checksum(header, object));
}

// As it is to be stored. Zstandard could make more than kMostRatio bytes of one, which LZ4 cannot.
std::string Pack(std::string_view raw, Codec* codec) {
  std::string buffer;
  std::string_view stored;
  Codec packed = Compress(*codec, raw, &buffer, &stored);
  if (raw.size() > kMostRatio * stored.size()) {
    packed = Compress(Codec::kLz4, raw, &buffer, &stored);
  }
  *codec = packed;
  return std::string(stored);
}

bool Unpack(Codec codec, std::string_view stored, size_t raw_bytes, std::string* raw) {
  if (raw_bytes > kMostRatio * stored.size()) return false;
  raw->resize(raw_bytes);
  return Decompress(codec, stored, raw->data(), raw_bytes);
}

}  // namespace

std::string EncodeFileHeader(uint64_t object) {
  std::string bytes;
  Encoder out(&bytes);
  bytes += kFileMagic;
  out.Fixed(kVersion);
  out.Fixed(uint32_t{0});
  out.Fixed(object);
  out.Fixed(Checksum(bytes));
  CHECK(bytes.size() == kFileHeaderBytes);
  return bytes;
}

Status CheckFileHeader(std::string_view bytes, uint64_t object) {
  if (bytes.size() < kFileHeaderBytes || !bytes.starts_with(kFileMagic)) {
    return Status::Error("it does not begin like a file of cold entries");
  }
  const auto version = ReadFixed<uint32_t>(bytes.data() + kFileMagic.size());
  if (version != kVersion) return Status::Error(fmt::format("its format version is {}", version));
  if (bytes.substr(0, kFileHeaderBytes) != EncodeFileHeader(object)) {
    return Status::Error(fmt::format("its header is damaged, or not that of object {}", object));
  }
  return {};
}

void AppendExtent(const BlockRun& run, Codec codec, uint64_t object, uint64_t offset,
                  std::string* out) {
  std::string raw;
  Encoder encoder(&raw);
  run.Serialize(&encoder);
  CHECK(raw.size() <= kMostRawBytes);
  const std::string stored = Pack(raw, &codec);
  Header header;
  header.kind = static_cast<uint16_t>(run.kind());
  header.codec = static_cast<uint16_t>(codec);
  header.raw_bytes = static_cast<uint32_t>(raw.size());
  header.stored_bytes = static_cast<uint32_t>(stored.size());
  header.entries = static_cast<uint32_t>(run.entries());
  header.blocks = static_cast<uint32_t>(run.blocks());
  header.offset = offset;
  const std::string bytes = Encode(header);
  const uint64_t checksum = ExtentChecksum(bytes, stored, object);
  CHECK(bytes.size() + sizeof(checksum) == kExtentHeaderBytes);
  *out += bytes;
  Encoder(out).Fixed(checksum);
  *out += stored;
}

Result<std::shared_ptr<const BlockRun>> DecodeExtent(std::string_view bytes, RunKind kind,
                                                     uint64_t object, uint64_t offset) {
  const auto damaged = [](std::string_view what) { return Status::Error(std::string(what)); };
  if (bytes.size() < kExtentHeaderBytes) return damaged("the file ends before it");
  const Header header = Decode(bytes);
  if (header.magic != kExtentMagic) return damaged("no extent begins there");
  const std::string_view stored = bytes.substr(kExtentHeaderBytes);
  if (header.stored_bytes != stored.size() || header.offset != offset) {
    return damaged("its header does not fit its place");
  }
  const std::string_view sealed = bytes.substr(0, kExtentHeaderBytes - sizeof(uint64_t));
  if (ReadFixed<uint64_t>(bytes.data() + sealed.size()) != ExtentChecksum(sealed, stored, object)) {
    return damaged("its checksum is wrong");
  }
  // From here on it is what a server wrote, or meant to deceive: then it must not do harm either.
  std::string raw;
  if (header.kind != static_cast<uint16_t>(kind)) return damaged("it is of another kind");
  if (header.codec > static_cast<uint16_t>(Codec::kZstd) || header.raw_bytes > kMostRawBytes ||
      !Unpack(static_cast<Codec>(header.codec), stored, header.raw_bytes, &raw)) {
    return damaged("it cannot be unpacked");
  }
  Decoder in(raw);
  std::shared_ptr<const BlockRun> run = BlockRun::Load(kind, &in);
  if (run == nullptr || !in.done()) return damaged("its blocks are damaged");
  if (run->entries() != header.entries || run->blocks() != header.blocks) {
    return damaged("its blocks are not those that its header names");
  }
  return run;
}

}  // namespace runnel::cold
