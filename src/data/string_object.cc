#include "data/string_object.h"

#include <cstring>
#include <new>
#include <utility>

#include "base/memory.h"
#include "base/numbers.h"

namespace runnel {
namespace {

constexpr uint8_t kStringVersion = 1;
// The longest string that Redis keeps in one allocation with its object and reports as "embstr".
constexpr size_t kMaxEmbedded = 44;

// A piece of zero bytes that all strings share which have one.
const Ref<Block>& ZeroPiece() {
  static const Ref<Block> piece = [] {
    Ref<Block> block = Block::Create(StringObject::kPieceBytes);
    std::memset(block->data(), 0, StringObject::kPieceBytes);
    return block;
  }();
  return piece;
}

// Makes `piece`, of which `used` bytes count, the caller's alone, with room for `capacity` bytes.
void MakeWritable(Ref<Block>& piece, size_t used, size_t capacity) {
  if (piece->unique() && piece->capacity() >= capacity) return;
  Ref<Block> copy = Block::Create(capacity);
  std::memcpy(copy->data(), piece->data(), used);
  piece = std::move(copy);
}

}  // namespace

StringObject::StringObject(std::string_view value) : Object(kType) {
  Set(value);
}

StringObject::StringObject(const StringObject& other)
    : Object(kType), edited_(other.edited_), small_size_(other.small_size_) {
  if (is_long()) {
    new (&long_) Long(other.long_);
  } else {
    std::memcpy(small_, other.small_, kSmallBytes);
  }
}

std::string StringObject::ToString() const {
  std::string bytes;
  bytes.reserve(size());
  ForEachPiece(0, size(), [&](std::string_view piece) { bytes.append(piece); });
  return bytes;
}

void StringObject::Set(std::string_view value) {
  value.size() <= kSmallBytes ? SetSmall(value) : SetLong(value);
  edited_ = false;
}

void StringObject::SetSmall(std::string_view value) {
  if (is_long()) long_.~Long();
  std::memcpy(small_, value.data(), value.size());
  small_size_ = static_cast<uint8_t>(value.size());
}

// Blocks that are nobody else's and fit are written over.
void StringObject::SetLong(std::string_view value) {
  if (!is_long()) {
    new (&long_) Long;
    small_size_ = kLong;
  }
  const size_t more = (value.size() - 1) / kPieceBytes;  // pieces after the first
  if (more < long_.rest.capacity() / 2) std::vector<Ref<Block>>().swap(long_.rest);
  long_.rest.resize(more);
  long_.size = value.size();
  for (size_t offset = 0; offset < value.size(); offset += kPieceBytes) {
    const std::string_view part = value.substr(offset, kPieceBytes);
    Ref<Block>& piece = PieceAt(offset);
    const bool fits = piece && piece->unique() && piece->capacity() >= part.size() &&
                      piece->capacity() <= 2 * part.size() + 64;
    if (!fits) piece = Block::Create(part.size());
    std::memcpy(piece->data(), part.data(), part.size());
  }
}

// Moves a small string to a block.
void StringObject::BecomeLong(size_t capacity) {
  Ref<Block> block = Block::Create(std::min(std::max(capacity, 2 * kSmallBytes), kPieceBytes));
  const size_t size = small_size_;
  std::memcpy(block->data(), small_, size);
  new (&long_) Long;
  small_size_ = kLong;
  long_.size = size;
  long_.head = std::move(block);
}

// The place after the last byte of a long string, where *room > 0 bytes may be written, `bytes` at
// most: in the last piece, which is made larger, or in a new one.
char* StringObject::PlaceAtEnd(size_t bytes, size_t* room) {
  const size_t size = long_.size;
  const size_t used = size % kPieceBytes;
  *room = std::min(bytes, kPieceBytes - used);
  if (used == 0 && size > 0) {
    long_.rest.push_back(Block::Create(*room));
  } else if (Ref<Block>& last = PieceAt(size); used + *room > last->capacity()) {
    MakeWritable(last, used, std::min(std::max(used + *room, 2 * used), kPieceBytes));
  } else {
    MakeWritable(last, used, last->capacity());
  }
  return PieceAt(size)->data() + used;
}

void StringObject::Append(std::string_view tail) {
  edited_ = true;
  if (!is_long() && small_size_ + tail.size() <= kSmallBytes) {
    std::memcpy(small_ + small_size_, tail.data(), tail.size());
    small_size_ = static_cast<uint8_t>(small_size_ + tail.size());
    return;
  }
  if (!is_long()) BecomeLong(small_size_ + tail.size());
  while (!tail.empty()) {
    size_t room;
    char* place = PlaceAtEnd(tail.size(), &room);
    std::memcpy(place, tail.data(), room);
    long_.size += room;
    tail.remove_prefix(room);
  }
}

void StringObject::AppendZeros(size_t count) {
  if (!is_long() && small_size_ + count <= kSmallBytes) {
    std::memset(small_ + small_size_, 0, count);
    small_size_ = static_cast<uint8_t>(small_size_ + count);
    return;
  }
  if (!is_long()) BecomeLong(small_size_ + count);
  while (count > 0) {
    size_t room = kPieceBytes;
    if (long_.size > 0 && long_.size % kPieceBytes == 0 && count >= kPieceBytes) {
      long_.rest.push_back(ZeroPiece());
    } else {
      char* place = PlaceAtEnd(count, &room);
      std::memset(place, 0, room);
    }
    long_.size += room;
    count -= room;
  }
}

void StringObject::Overwrite(size_t offset, std::string_view part) {
  if (!is_long()) {
    std::memcpy(small_ + offset, part.data(), part.size());
    return;
  }
  while (!part.empty()) {
    const size_t begin = offset % kPieceBytes;
    const size_t bytes = std::min(part.size(), kPieceBytes - begin);
    Ref<Block>& piece = PieceAt(offset);
    const size_t used = std::min(long_.size - (offset - begin), kPieceBytes);
    MakeWritable(piece, used, used);
    std::memcpy(piece->data() + begin, part.data(), bytes);
    offset += bytes;
    part.remove_prefix(bytes);
  }
}

void StringObject::SetRange(size_t offset, std::string_view part) {
  if (offset > size()) AppendZeros(offset - size());
  const size_t overlap = std::min(part.size(), size() - offset);
  Overwrite(offset, part.substr(0, overlap));
  Append(part.substr(overlap));
}

std::string_view StringObject::encoding() const {
  if (edited_) return "raw";
  if (ParseInteger(head())) return "int";
  return size() <= kMaxEmbedded ? "embstr" : "raw";
}

size_t StringObject::MemoryBytes(size_t) const {
  size_t bytes = AllocationSize(this);
  if (!is_long()) return bytes;
  const auto& rest = long_.rest;
  bytes += long_.head->MemoryBytes() + rest.capacity() * sizeof(rest[0]);
  // All pieces between the first and the last are like the first.
  if (!rest.empty()) {
    bytes += (rest.size() - 1) * long_.head->MemoryBytes() + rest.back()->MemoryBytes();
  }
  return bytes;
}

std::unique_ptr<Object> StringObject::Clone() const {
  return std::unique_ptr<Object>(new StringObject(*this));
}

void StringObject::Encode(Encoder* out) const {
  out->Byte(kStringVersion);
  out->Byte(edited_ ? 1 : 0);
  ForEachPiece(0, size(), [&](std::string_view piece) { out->Raw(piece); });
}

std::unique_ptr<Object> StringObject::Load(Decoder* in) {
  const uint8_t version = in->Byte();
  const uint8_t edited = in->Byte();
  if (!in->ok() || version != kStringVersion || edited > 1) return nullptr;
  auto object = std::make_unique<StringObject>(in->Rest());
  object->edited_ = edited == 1;
  return object;
}

}  // namespace runnel
