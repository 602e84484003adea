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
#include "data/encoding_limits.h"

namespace runnel {

class HotBlocks;

// What a key can hold. The numbers are stored in dumps and snapshots: never reuse one.
enum class ObjectType : uint8_t {
  kString = 0,
  kList = 1,
  kStream = 2,
  kTopic = 3,
  kTopicGroup = 4,
  kHash = 5,
  kSet = 6,
  kSortedSet = 7,
};

// The value of a key. Owned by the key's entry in the keyspace. Only effects change it (see
// effects/effect.h); all other callers have it const.
class Object : public Disposable {
 public:
  explicit Object(ObjectType type) : type_(type) {}
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  ObjectType type() const { return type_; }

  // The answer of OBJECT ENCODING.
  virtual std::string_view encoding() const = 0;
  // The same under other limits than the usual ones, for types that have small and large forms.
  virtual std::string_view EncodingUnder(const EncodingLimits&) const { return encoding(); }
  // Bytes of memory that the object holds, allocator rounding included. Looks at `samples` parts at
  // most and scales up; 0 looks at all.
  virtual size_t MemoryBytes(size_t samples) const = 0;
  // About how many allocations freeing the object frees, where a large one counts as one for each
  // of its pages: large objects are freed by a helper thread. A clone takes as many at most.
  virtual size_t FreeEffort() const = 0;
  // An independent copy, which may go to another thread. Sealed blocks are shared, not copied.
  virtual std::unique_ptr<Object> Clone() const = 0;
  // Writes the object's payload for DUMP and snapshots. Each type has its own format, which begins
  // with a version byte; ObjectKind::load reads it. Makes a checkpoint at least every few KiB,
  // except inside a single element that is larger.
  virtual void Encode(Encoder* out) const = 0;
  // Fetches what an addition to the value will look at beside its members into the processor's
  // cache (Keyspace::Prefetch).
  virtual void PrefetchGrowth() const {}
  // Appends the payload to a string.
  void Serialize(std::string* out) const {
    Encoder encoder(out);
    Encode(&encoder);
  }
  // The same, but for entries on the disk it only says where they are: the payload then needs their
  // files. ObjectKind::load_stored reads it. A type whose elements have no order may write them as
  // they lie, where Encode has to sort them.
  virtual void EncodeStored(Encoder* out) const { Encode(out); }
  // Adds the extents that EncodeStored names. If it adds none, a reader of what EncodeStored wrote
  // needs no files.
  virtual void AddExtents(ColdExtents*) const {}
  // Fetches the data on the disk that Encode would read. Throws as other functions that look at
  // such data do (data/cold.h).
  virtual void FetchAll() const {}
  // The value now belongs to a key, and its blocks count in `hot`; with nullptr it belongs to no
  // key any more.
  virtual void Attach(HotBlocks*) {}
  // A clone for a capture. What the value, which is attached, drops of the blocks that both have
  // goes on to count until the clone is destroyed.
  virtual std::unique_ptr<Object> CloneForCapture() { return Clone(); }
  // The value belongs to no key any more, but is not destroyed now: its blocks go on to count until
  // it is.
  virtual void LeaveKey() {}

 private:
  const ObjectType type_;
};

// What the server must know about a type. One line of the table in data/object.cc registers it.
struct ObjectKind {
  ObjectType type;
  std::string_view name;  // the answer of TYPE
  // Reads what Encode wrote; bytes may follow it in the input. Returns nullptr if the bytes are no
  // such payload. Never crashes, and allocates at most a small multiple of the input.
  std::unique_ptr<Object> (*load)(Decoder* in);
  // The same for what EncodeStored wrote. Also returns nullptr if `source` does not have an extent
  // that the payload names. The pointer is null for a type that is never on the disk.
  std::unique_ptr<Object> (*load_stored)(Decoder* in, ColdSource& source) = nullptr;
  // Whether a value may be dumped and restored, and may go to another key. Not if other values
  // belong to it, which are found by the name of its key.
  bool movable = true;
  // Elements have no order: EncodeStored writes them as they lie, where Encode sorts them, and
  // never names files.
  bool unordered = false;

  // The same for a payload that must fill the input.
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
