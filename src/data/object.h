#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/coding.h"
#include "data/cold.h"
#include "data/disposer.h"

namespace runnel {

class HotBlocks;

// What a key can hold. The numbers are stored in dumps and snapshots: never reuse one.
enum class ObjectType : uint8_t {
  kString = 0,
  kList = 1,
  kStream = 2,
};

// The value of a key. Owned by the entry of the keyspace that holds it. Changed only by effects
// (see effects/effect.h); everybody else has it const.
class Object : public Disposable {
 public:
  explicit Object(ObjectType type) : type_(type) {}
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  ObjectType type() const { return type_; }

  // The answer of OBJECT ENCODING.
  virtual std::string_view encoding() const = 0;
  // Bytes of memory that the object holds, allocator rounding included. Looks at no more than
  // `samples` parts and scales up; 0 looks at all.
  virtual size_t MemoryBytes(size_t samples) const = 0;
  // Allocations that freeing the object takes, roughly: large ones are freed by a helper thread. A
  // clone takes about as many.
  virtual size_t FreeEffort() const = 0;
  // An independent copy, which may go to another thread. Sealed blocks are shared, not copied.
  virtual std::unique_ptr<Object> Clone() const = 0;
  // Writes the object's payload for DUMP and snapshots: a format of its own per type, which begins
  // with a version byte. The kind's load reads it. Has a checkpoint at least every few KiB, but for
  // single values that are larger.
  virtual void Encode(Encoder* out) const = 0;
  // Appends the payload to a string.
  void Serialize(std::string* out) const {
    Encoder encoder(out);
    Encode(&encoder);
  }
  // The same, but where entries lie on the disk it only says where: their files are part of what is
  // written so. ObjectKind::load_stored reads it.
  virtual void EncodeStored(Encoder* out) const { Encode(out); }
  // Adds the extents that EncodeStored names. If it adds none, Encode and EncodeStored are one.
  virtual void AddExtents(ColdExtents*) const {}
  // Fetches what lies on the disk and Encode would read there. May throw as looking at it may.
  virtual void FetchAll() const {}
  // The value belongs to a key of the keyspace that counts blocks in `hot`, or, with nullptr, to
  // none any more.
  virtual void Attach(HotBlocks*) {}
  // Whether something has to be done about the value as time passes, though nobody uses it.
  virtual bool needs_upkeep() const { return false; }

 private:
  const ObjectType type_;
};

// What the server must know of a type; one line of the table in data/object.cc registers it.
struct ObjectKind {
  ObjectType type;
  std::string_view name;  // the answer of TYPE
  // Reads what Encode wrote, up to the input's end or not that far. Returns nullptr if the bytes
  // are no such payload; never crashes, and allocates no more than a small multiple of the input.
  std::unique_ptr<Object> (*load)(Decoder* in);
  // The same for what EncodeStored wrote; nullptr also if `source` does not have what it names.
  // Null for a type that is never on the disk.
  std::unique_ptr<Object> (*load_stored)(Decoder* in, ColdSource& source) = nullptr;

  // The same for a payload that is to be read whole.
  std::unique_ptr<Object> Load(Decoder* in) const {
    std::unique_ptr<Object> object = load(in);
    return object != nullptr && in->ok() && in->done() ? std::move(object) : nullptr;
  }
  std::unique_ptr<Object> Load(std::string_view payload) const {
    Decoder in(payload);
    return Load(&in);
  }
};

std::span<const ObjectKind> ObjectKinds();
// nullptr for a number or name that no kind has.
const ObjectKind* FindObjectKind(ObjectType type);
const ObjectKind* FindObjectKind(std::string_view name);

}  // namespace runnel
