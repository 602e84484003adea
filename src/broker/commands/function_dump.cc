#include "broker/commands/function_dump.h"

#include <cstdint>
#include <optional>

#include "base/coding.h"
#include "base/crc64.h"

namespace runnel {
namespace {

constexpr uint8_t kLibrary = 245;
constexpr uint8_t kLibraryBeforeRelease = 246;
// Redis 7.0 writes and reads 10, 7.4 reads up to 12. What is read here is the same in all of them.
constexpr uint16_t kWrittenVersion = 10;
constexpr uint16_t kNewestVersion = 12;
constexpr size_t kTrailerBytes = sizeof(uint16_t) + sizeof(uint64_t);

// How the first byte of a length begins: its two highest bits.
enum LengthKind : uint8_t { kSixBits = 0, kFourteenBits = 1, kWhole = 2, kSpecial = 3 };
constexpr uint8_t kWhole32 = 0x80;
constexpr uint8_t kWhole64 = 0x81;
// The special ones: a number of so many bytes, or compressed text.
enum SpecialKind : uint8_t { kInt8 = 0, kInt16 = 1, kInt32 = 2, kCompressed = 3 };

template <class T>
T FromBigEndian(std::string_view bytes) {
  T value = 0;
  for (const char byte : bytes) {
    value = static_cast<T>(value << 8 | static_cast<uint8_t>(byte));
  }
  return value;
}

void AppendBigEndian(uint64_t value, size_t bytes, std::string* out) {
  for (size_t i = bytes; i > 0; i--) {
    out->push_back(static_cast<char>(value >> (8 * (i - 1))));
  }
}

void AppendText(std::string_view text, std::string* out) {
  const uint64_t size = text.size();
  if (size < 1 << 6) {
    AppendBigEndian(size, 1, out);
  } else if (size < 1 << 14) {
    AppendBigEndian(uint64_t{kFourteenBits} << 14 | size, 2, out);
  } else {
    // A library is not so long that it would need kWhole64.
    AppendBigEndian(kWhole32, 1, out);
    AppendBigEndian(size, 4, out);
  }
  out->append(text);
}

// Takes the fields off the front of `rest`. Nothing if they are not there.
class TextReader {
 public:
  TextReader(std::string_view rest, size_t most_bytes) : rest_(rest), most_bytes_(most_bytes) {}

  bool done() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  uint8_t Byte() {
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }

  std::optional<std::string> Text() {
    if (done()) return std::nullopt;
    const auto first = static_cast<uint8_t>(rest_.front());
    if (first >> 6 != kSpecial) {
      const std::optional<uint64_t> size = Length();
      if (!size) return std::nullopt;
      return Raw(*size);
    }
    Byte();
    switch (first & 0x3f) {
      case kInt8:
        return Number<int8_t>();
      case kInt16:
        return Number<int16_t>();
      case kInt32:
        return Number<int32_t>();
      case kCompressed:
        return Compressed();
      default:
        return std::nullopt;
    }
  }

 private:
  std::optional<std::string_view> Take(uint64_t size) {
    if (size > rest_.size()) return std::nullopt;
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::optional<std::string> Raw(uint64_t size) {
    if (size > most_bytes_) return std::nullopt;
    const auto bytes = Take(size);
    if (!bytes) return std::nullopt;
    return std::string(*bytes);
  }

  template <class T>
  std::optional<std::string> Number() {
    const auto bytes = Take(sizeof(T));
    if (!bytes) return std::nullopt;
    return std::to_string(ReadFixed<T>(bytes->data()));
  }

  std::optional<uint64_t> Length() {
    if (done()) return std::nullopt;
    const uint8_t first = Byte();
    std::optional<std::string_view> bytes;
    switch (first >> 6) {
      case kSixBits:
        return first & 0x3f;
      case kFourteenBits:
        bytes = Take(1);
        if (!bytes) return std::nullopt;
        return uint64_t{first & 0x3fu} << 8 | FromBigEndian<uint8_t>(*bytes);
      case kWhole:
        if (first != kWhole32 && first != kWhole64) return std::nullopt;
        bytes = Take(first == kWhole32 ? 4 : 8);
        if (!bytes) return std::nullopt;
        return FromBigEndian<uint64_t>(*bytes);
      default:
        return std::nullopt;
    }
  }

  std::optional<std::string> Compressed() {
    const std::optional<uint64_t> packed_size = Length();
    if (!packed_size) return std::nullopt;
    const std::optional<uint64_t> size = Length();
    if (!size || *size > most_bytes_) return std::nullopt;
    const auto packed = Take(*packed_size);
    if (!packed) return std::nullopt;
    return Unpack(*packed, *size);
  }

  // LZF: a byte below 32 is followed by one byte more than it says, as they are. Another one is a
  // copy of bytes that came before: its three highest bits are the length less 2, where 7 says that
  // another byte is to be added, and the others, with the byte after that, the distance less 1.
  static std::optional<std::string> Unpack(std::string_view packed, size_t size) {
    std::string text;
    text.reserve(size);
    size_t i = 0;
    while (i < packed.size()) {
      const auto control = static_cast<uint8_t>(packed[i++]);
      if (control < 32) {
        const size_t literal = control + size_t{1};
        if (literal > packed.size() - i || literal > size - text.size()) return std::nullopt;
        text.append(packed.substr(i, literal));
        i += literal;
        continue;
      }
      size_t length = control >> 5;
      if (length == 7) {
        if (i == packed.size()) return std::nullopt;
        length += static_cast<uint8_t>(packed[i++]);
      }
      length += 2;
      if (i == packed.size()) return std::nullopt;
      const size_t distance =
          (size_t{control & 0x1fu} << 8 | static_cast<uint8_t>(packed[i++])) + 1;
      if (distance > text.size() || length > size - text.size()) return std::nullopt;
      // The copy may reach into itself.
      for (size_t left = length; left > 0; left--) {
        text.push_back(text[text.size() - distance]);
      }
    }
    if (text.size() != size) return std::nullopt;
    return text;
  }

  std::string_view rest_;
  const size_t most_bytes_;
};

}  // namespace

size_t DumpBytes(const FunctionCatalog& functions) {
  size_t bytes = kTrailerBytes;
  for (const auto& [name, entry] : functions.entries()) {
    bytes += 2 + sizeof(uint64_t) + entry.library->code.size();
  }
  return bytes;
}

std::string DumpFunctions(const FunctionCatalog& functions) {
  std::string dump;
  dump.reserve(DumpBytes(functions));
  for (const auto& [name, entry] : functions.entries()) {
    dump.push_back(static_cast<char>(kLibrary));
    AppendText(entry.library->code, &dump);
  }
  Encoder trailer(&dump);
  trailer.Fixed(kWrittenVersion);
  trailer.Fixed(Crc64(dump));
  return dump;
}

Result<FunctionDumpReader> FunctionDumpReader::Open(std::string_view dump, size_t most_bytes) {
  const Status unsealed = Status::Error("DUMP payload version or checksum are wrong");
  if (dump.size() < kTrailerBytes) return unsealed;
  const size_t end = dump.size() - kTrailerBytes;
  const std::string_view sealed = dump.substr(0, end + sizeof(uint16_t));
  if (ReadFixed<uint16_t>(dump.data() + end) > kNewestVersion) return unsealed;
  if (ReadFixed<uint64_t>(dump.data() + sealed.size()) != Crc64(sealed)) return unsealed;
  return FunctionDumpReader(dump.substr(0, end), most_bytes);
}

Result<std::string> FunctionDumpReader::Next() {
  TextReader reader(rest_, most_bytes_);
  const uint8_t type = reader.Byte();
  if (type == kLibraryBeforeRelease) {
    return Status::Error("Pre-GA function format not supported");
  }
  if (type != kLibrary) return Status::Error("given type is not a function");
  std::optional<std::string> text = reader.Text();
  if (!text) return Status::Error("Failed loading library payload");
  rest_ = reader.rest();
  return std::move(*text);
}

}  // namespace runnel
