#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "commands/arguments.h"
#include "commands/key_events.h"
#include "commands/string/commands.h"
#include "data/string_object.h"
#include "effects/string_effects.h"

namespace runnel::commands {
namespace {

// Bits are numbered from the highest one of the first byte on.

constexpr std::string_view kNoBitOffset = "ERR bit offset is not an integer or out of range";
constexpr std::string_view kNoBit = "ERR bit is not an integer or out of range";

// The offset of a bit in a string that may be stored.
bool ReadBitOffset(Context& context, std::string_view text, uint64_t* offset) {
  int64_t number;
  if (!ReadInteger(context, text, &number, kNoBitOffset, 0)) return false;
  *offset = static_cast<uint64_t>(number);
  if (*offset / 8 < context.options().max_bulk_bytes) return true;
  return Fail(context, kNoBitOffset);
}

// REQUIRES: offset < size.
uint8_t ByteAt(const StringObject& string, uint64_t offset) {
  uint8_t byte = 0;
  string.ForEachPiece(offset, 1,
                      [&](std::string_view piece) { byte = static_cast<uint8_t>(piece[0]); });
  return byte;
}

bool BitAt(uint8_t byte, uint64_t offset) {
  return (byte >> (7 - offset % 8) & 1) != 0;
}

uint64_t CountOnes(std::string_view bytes) {
  uint64_t count = 0;
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, 8);
    count += static_cast<uint64_t>(std::popcount(word));
  }
  for (; at < bytes.size(); at++) {
    count += static_cast<uint64_t>(std::popcount(static_cast<uint8_t>(bytes[at])));
  }
  return count;
}

// Some bits of a string: from `begin` to before `end`.
struct BitRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool empty() const { return begin >= end; }
};

// REQUIRES: the range is in the string, and not empty.
uint64_t CountOnes(const StringObject& string, BitRange range) {
  const uint64_t first = range.begin / 8;
  const uint64_t last = (range.end - 1) / 8;
  uint64_t count = 0;
  string.ForEachPiece(first, last - first + 1,
                      [&](std::string_view piece) { count += CountOnes(piece); });
  // What the first byte has before the range, and the last one after it.
  const unsigned before = ByteAt(string, first) & ~(0xffu >> range.begin % 8);
  const unsigned after = ByteAt(string, last) & (0xffu >> (range.end - 1) % 8 >> 1);
  return count - static_cast<uint64_t>(std::popcount(before) + std::popcount(after));
}

// The position of the first byte that is another than this one; bytes.size() if there is none.
size_t FindOtherByte(std::string_view bytes, uint8_t byte) {
  const uint64_t words = byte * 0x0101010101010101u;
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, 8);
    if (word != words) break;
  }
  while (at < bytes.size() && static_cast<uint8_t>(bytes[at]) == byte)
    at++;
  return at;
}

// The first such bit in the range. REQUIRES: the range is in the string, and not empty.
std::optional<uint64_t> FindBit(const StringObject& string, bool bit, BitRange range) {
  const auto position = [&](uint64_t offset, uint8_t byte) -> std::optional<uint64_t> {
    const uint8_t wanted = bit ? byte : static_cast<uint8_t>(~byte);
    const uint64_t at = offset * 8 + static_cast<uint64_t>(std::countl_zero(wanted));
    return at < range.end ? std::optional(at) : std::nullopt;
  };
  // A byte that has no such bit.
  const uint8_t none = bit ? 0x00 : 0xff;
  const uint64_t first = range.begin / 8;
  const uint8_t ahead = static_cast<uint8_t>(~(0xffu >> range.begin % 8));
  const uint8_t byte = ByteAt(string, first);
  const uint8_t begin = static_cast<uint8_t>(bit ? byte & ~ahead : byte | ahead);
  if (begin != none) return position(first, begin);

  std::optional<uint64_t> found;
  bool met = false;
  uint64_t offset = first + 1;
  const uint64_t last = (range.end - 1) / 8;
  if (offset > last) return std::nullopt;
  string.ForEachPiece(offset, last - first, [&](std::string_view piece) {
    if (met) return;
    const size_t at = FindOtherByte(piece, none);
    met = at < piece.size();
    if (met) found = position(offset + at, static_cast<uint8_t>(piece[at]));
    offset += piece.size();
  });
  return found;
}

// The range that BITCOUNT and BITPOS are given.
struct BitRangeOptions {
  bool has_start = false;
  bool has_end = false;
  bool in_bits = false;
  int64_t start = 0;
  int64_t end = 0;
};

bool ReadRangeUnit(Context& context, std::string_view unit, BitRangeOptions* options) {
  options->in_bits = Is(unit, "BIT");
  return options->in_bits || Is(unit, "BYTE") || Fail(context, kSyntaxError);
}

// The bits of a string of `size` bytes that are meant. An end that is not given is the last byte.
BitRange RangeOfBits(const BitRangeOptions& options, size_t size) {
  const int64_t total = static_cast<int64_t>(options.in_bits ? size * 8 : size);
  int64_t start = options.start;
  int64_t end = options.has_end ? options.end : total - 1;
  if (start < 0) start = std::max<int64_t>(start + total, 0);
  if (end < 0) end = std::max<int64_t>(end + total, 0);
  end = std::min(end, total - 1);
  if (start > end) return {};
  const uint64_t unit = options.in_bits ? 1 : 8;
  return {static_cast<uint64_t>(start) * unit, (static_cast<uint64_t>(end) + 1) * unit};
}

}  // namespace

void SetBit(Context& context) {
  uint64_t offset;
  if (!ReadBitOffset(context, context.arg(2), &offset)) return;
  int64_t bit;
  if (!ReadInteger(context, context.arg(3), &bit, kNoBit, 0, 1)) return;
  const KeyRef key = context.Key(1);
  const StringObject* string;
  if (!context.ReadForWrite(key, &string)) return;
  const uint64_t at = offset / 8;
  const bool grows = string == nullptr || at >= string->size();
  const uint8_t byte = grows ? 0 : ByteAt(*string, at);
  const bool before = BitAt(byte, offset);
  // A bit that is as it should be is no change.
  if (grows || before != (bit == 1)) {
    const bool created = string == nullptr;
    const char changed = static_cast<char>(byte ^ (before != (bit == 1) ? 0x80 >> offset % 8 : 0));
    context.Apply(StringSetRange{key, at, {&changed, 1}});
    if (created) NotifyNew(context, key);
    context.Notify(kNotifyString, "setbit", key);
  }
  context.reply().Integer(before ? 1 : 0);
}

void GetBit(Context& context) {
  uint64_t offset;
  if (!ReadBitOffset(context, context.arg(2), &offset)) return;
  const StringObject* string;
  if (!context.Read(context.Key(1), &string)) return;
  const uint64_t at = offset / 8;
  const bool is_there = string != nullptr && at < string->size();
  context.reply().Integer(is_there && BitAt(ByteAt(*string, at), offset) ? 1 : 0);
}

void BitCount(Context& context) {
  BitRangeOptions options;
  if (context.argc() == 3 || context.argc() > 5) return context.reply().Error(kSyntaxError);
  if (context.argc() > 3) {
    options.has_start = options.has_end = true;
    if (!ReadInteger(context, context.arg(2), &options.start)) return;
    if (!ReadInteger(context, context.arg(3), &options.end)) return;
    if (context.argc() == 5 && !ReadRangeUnit(context, context.arg(4), &options)) return;
  }
  const StringObject* string;
  if (!context.Read(context.Key(1), &string)) return;
  if (string == nullptr) return context.reply().Integer(0);
  // Both before the beginning would otherwise be the first byte.
  const bool is_backward = options.start < 0 && options.end < 0 && options.start > options.end;
  const BitRange range = is_backward ? BitRange() : RangeOfBits(options, string->size());
  const uint64_t count = range.empty() ? 0 : CountOnes(*string, range);
  context.reply().Integer(static_cast<int64_t>(count));
}

void BitPos(Context& context) {
  int64_t bit;
  if (!ReadInteger(context, context.arg(2), &bit)) return;
  if (bit != 0 && bit != 1) {
    return context.reply().Error("ERR The bit argument must be 1 or 0.");
  }
  BitRangeOptions options;
  if (context.argc() > 6) return context.reply().Error(kSyntaxError);
  options.has_start = context.argc() > 3;
  options.has_end = context.argc() > 4;
  if (options.has_start && !ReadInteger(context, context.arg(3), &options.start)) return;
  if (context.argc() == 6 && !ReadRangeUnit(context, context.arg(5), &options)) return;
  if (options.has_end && !ReadInteger(context, context.arg(4), &options.end)) return;
  const StringObject* string;
  if (!context.Read(context.Key(1), &string)) return;
  // A string goes on with zeros, as far as anybody asks who gives no end.
  if (string == nullptr) return context.reply().Integer(bit == 1 ? -1 : 0);
  const BitRange range = RangeOfBits(options, string->size());
  if (range.empty()) return context.reply().Integer(-1);
  const std::optional<uint64_t> found = FindBit(*string, bit == 1, range);
  if (found) return context.reply().Integer(static_cast<int64_t>(*found));
  const bool goes_on = bit == 0 && !options.has_end;
  context.reply().Integer(goes_on ? static_cast<int64_t>(range.end) : -1);
}

namespace {

enum class BitOperation { kAnd, kOr, kXor, kNot };

std::optional<BitOperation> ParseBitOperation(std::string_view word) {
  if (Is(word, "AND")) return BitOperation::kAnd;
  if (Is(word, "OR")) return BitOperation::kOr;
  if (Is(word, "XOR")) return BitOperation::kXor;
  if (Is(word, "NOT")) return BitOperation::kNot;
  return std::nullopt;
}

void CombineBytes(BitOperation operation, char* bytes, std::string_view other) {
  switch (operation) {
    case BitOperation::kAnd:
      for (size_t i = 0; i < other.size(); i++)
        bytes[i] = static_cast<char>(bytes[i] & other[i]);
      return;
    case BitOperation::kOr:
      for (size_t i = 0; i < other.size(); i++)
        bytes[i] = static_cast<char>(bytes[i] | other[i]);
      return;
    case BitOperation::kXor:
      for (size_t i = 0; i < other.size(); i++)
        bytes[i] = static_cast<char>(bytes[i] ^ other[i]);
      return;
    case BitOperation::kNot:
      for (size_t i = 0; i < other.size(); i++)
        bytes[i] = static_cast<char>(~other[i]);
      return;
  }
}

// A string that is named several times takes no more time than one: AND and OR need it once, and
// two of XOR do nothing.
void TidyBitSources(BitOperation operation, std::vector<const StringObject*>* sources) {
  std::sort(sources->begin(), sources->end(), std::less<>());
  if (operation != BitOperation::kXor) {
    sources->erase(std::unique(sources->begin(), sources->end()), sources->end());
    return;
  }
  std::vector<const StringObject*> odd;
  for (const StringObject* source : *sources) {
    if (!odd.empty() && odd.back() == source) {
      odd.pop_back();
    } else {
      odd.push_back(source);
    }
  }
  *sources = std::move(odd);
}

// The result has `size` bytes, as the longest source; shorter ones, and missing ones (nullptr), go
// on with zeros.
std::string CombineBits(BitOperation operation, std::vector<const StringObject*> sources,
                        size_t size) {
  TidyBitSources(operation, &sources);
  const bool starts_with_ones = operation == BitOperation::kAnd;
  std::string result(size, starts_with_ones ? '\xff' : '\0');
  for (const StringObject* source : sources) {
    size_t at = 0;
    if (source != nullptr) {
      source->ForEachPiece(0, source->size(), [&](std::string_view piece) {
        CombineBytes(operation, result.data() + at, piece);
        at += piece.size();
      });
    }
    if (operation == BitOperation::kAnd)
      std::fill(result.begin() + static_cast<ptrdiff_t>(at), result.end(), '\0');
  }
  return result;
}

}  // namespace

void BitOp(Context& context) {
  const std::optional<BitOperation> operation = ParseBitOperation(context.arg(1));
  if (!operation) return context.reply().Error(kSyntaxError);
  if (*operation == BitOperation::kNot && context.argc() != 4) {
    return context.reply().Error("ERR BITOP NOT must be called with a single source key.");
  }
  std::vector<const StringObject*> sources(context.argc() - 3);
  size_t size = 0;
  for (size_t i = 0; i < sources.size(); i++) {
    if (!context.Read(context.Key(i + 3), &sources[i])) return;
    if (sources[i] != nullptr) size = std::max(size, sources[i]->size());
  }
  if (context.FailIfTooManyChanges(size)) return;
  const KeyRef target = context.Key(2);
  const bool existed = context.FindForWrite(target) != nullptr;
  if (size > 0) {
    const std::string result = CombineBits(*operation, std::move(sources), size);
    context.Apply(StringSet{target, result, kNoExpiry});
    if (!existed) NotifyNew(context, target);
    context.Notify(kNotifyString, "set", target);
  } else if (existed) {
    context.Apply(KeyRemove{target});
    NotifyDeleted(context, target);
  }
  context.reply().Integer(static_cast<int64_t>(size));
}

}  // namespace runnel::commands
