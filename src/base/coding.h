#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/varint.h"

// Building and reading byte strings field by field: the payloads of dumps and of journal records.

namespace runnel {

// Appends fields to a string that the caller owns and that outlives the encoder.
class Encoder {
 public:
  explicit Encoder(std::string* out) : out_(out) {}

  void Byte(uint8_t value) { out_->push_back(static_cast<char>(value)); }
  void Varint(uint64_t value) {
    char buffer[kMaxVarint];
    out_->append(buffer, static_cast<size_t>(WriteVarint(buffer, value) - buffer));
  }
  void Signed(int64_t value) { Varint(ZigZag(value)); }
  template <class T>
  void Fixed(T value) {
    char buffer[sizeof(T)];
    WriteFixed(buffer, value);
    out_->append(buffer, sizeof(T));
  }
  // The length as a varint, then the bytes.
  void Bytes(std::string_view value) {
    Varint(value.size());
    out_->append(value);
  }

 private:
  std::string* out_;
};

// Reads what an Encoder wrote from bytes that may be damaged. The first field that does not fit
// makes the decoder bad; from then on every field reads as zero or empty, so that a caller may read
// a whole record and test ok() once. Views returned point into the input.
class Decoder {
 public:
  explicit Decoder(std::string_view input) : in_(input.data()), end_(input.data() + input.size()) {}

  bool ok() const { return ok_; }
  bool done() const { return in_ == end_; }
  size_t remaining() const { return static_cast<size_t>(end_ - in_); }
  // For a caller that finds a value senseless: from now on the decoder is bad.
  void Fail() {
    ok_ = false;
    in_ = end_;
  }

  uint8_t Byte() {
    if (in_ == end_) {
      Fail();
      return 0;
    }
    return static_cast<uint8_t>(*in_++);
  }
  uint64_t Varint() {
    uint64_t value = 0;
    const char* next = ReadVarint(in_, end_, &value);
    if (next == nullptr) {
      Fail();
      return 0;
    }
    in_ = next;
    return value;
  }
  int64_t Signed() { return UnZigZag(Varint()); }
  template <class T>
  T Fixed() {
    if (remaining() < sizeof(T)) {
      Fail();
      return T{};
    }
    const T value = ReadFixed<T>(in_);
    in_ += sizeof(T);
    return value;
  }
  std::string_view Bytes() {
    const uint64_t size = Varint();
    if (size > remaining()) {
      Fail();
      return {};
    }
    const std::string_view value(in_, size);
    in_ += size;
    return value;
  }
  // A count of things that take at least `least_bytes` (>= 1) each in what remains: a damaged count
  // cannot make the caller reserve more than the input could hold.
  uint64_t Count(size_t least_bytes) {
    const uint64_t count = Varint();
    if (count > remaining() / least_bytes) {
      Fail();
      return 0;
    }
    return count;
  }

 private:
  const char* in_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace runnel
