#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/varint.h"

// Building and reading byte strings field by field: the payloads of dumps and of journal records.

namespace runnel {

// Takes a long encoding piece by piece.
class EncoderSink {
 public:
  virtual ~EncoderSink() = default;
  // What follows what was taken before. `bytes` are valid during the call.
  virtual void Take(std::string_view bytes) = 0;
};

// Appends fields to a string that the caller owns and that outlives the encoder.
class Encoder {
 public:
  // About how many bytes are collected for a sink.
  static constexpr size_t kPieceBytes = 64 * 1024;

  explicit Encoder(std::string* out) : out_(out) {}
  // Gives the bytes in `out` to the sink at checkpoints, so that `out` stays small, however long
  // the encoding is. The rest stays in `out` for the caller.
  Encoder(std::string* out, EncoderSink* sink) : out_(out), sink_(sink) {}

  // To be called between the parts of a long encoding, of which there may be millions.
  void Checkpoint() {
    if (sink_ != nullptr && out_->size() >= kPieceBytes) HandOver();
  }

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
    Raw(value);
  }
  // The bytes without a length: for a field that ends where the encoding ends.
  void Raw(std::string_view value) {
    if (sink_ != nullptr && value.size() >= kPieceBytes) {
      HandOver();
      sink_->Take(value);
    } else {
      out_->append(value);
    }
  }

 private:
  void HandOver() {
    if (!out_->empty()) sink_->Take(*out_);
    out_->clear();
  }

  std::string* out_;
  EncoderSink* sink_ = nullptr;
};

// Gives a long encoding piece by piece.
class DecoderSource {
 public:
  virtual ~DecoderSource() = default;
  // Returns bytes that begin with `rest` (bytes that were returned before and not read yet) and are
  // at least `needed` (> rest.size()) in all, or all bytes that are left. Bytes that were returned
  // before become invalid.
  virtual std::string_view More(std::string_view rest, size_t needed) = 0;
};

// Reads what an Encoder wrote from bytes that may be damaged. The first field that does not fit
// makes the decoder bad; from then on every field reads as zero or empty, so that a caller may read
// a whole record and test ok() once. Views returned point into the input; if that comes from a
// source, they are valid until the next field is read.
class Decoder {
 public:
  explicit Decoder(std::string_view input)
      : in_(input.data()), end_(input.data() + input.size()), given_(input.size()) {}
  // Continues with bytes from the source, which outlives the decoder, where `input` ends.
  Decoder(std::string_view input, DecoderSource* source) : Decoder(input) { source_ = source; }

  bool ok() const { return ok_; }
  // Whether all bytes have been read.
  bool done() { return in_ == end_ && !Fetch(1); }
  // Bytes in memory that can be read; a source may have more.
  size_t remaining() const { return static_cast<size_t>(end_ - in_); }
  // Bytes read so far.
  uint64_t position() const { return given_ - remaining(); }
  // For a caller that finds an impossible value: from now on the decoder is bad.
  void Fail() {
    ok_ = false;
    in_ = end_;
    source_ = nullptr;
  }

  uint8_t Byte() {
    if (in_ == end_ && !Fetch(1)) {
      Fail();
      return 0;
    }
    return static_cast<uint8_t>(*in_++);
  }
  uint64_t Varint() {
    uint64_t value = 0;
    const char* next = ReadVarint(in_, end_, &value);
    if (next == nullptr) return VarintAtEnd();
    in_ = next;
    return value;
  }
  int64_t Signed() { return UnZigZag(Varint()); }
  template <class T>
  T Fixed() {
    if (remaining() < sizeof(T) && !Fetch(sizeof(T))) {
      Fail();
      return T{};
    }
    const T value = ReadFixed<T>(in_);
    in_ += sizeof(T);
    return value;
  }
  std::string_view Bytes() {
    const uint64_t size = Varint();
    if (size > remaining() && !Fetch(size)) {
      Fail();
      return {};
    }
    const std::string_view value(in_, size);
    in_ += size;
    return value;
  }
  // All bytes that are left, for a field that ends where the input ends.
  std::string_view Rest() {
    Fetch(std::numeric_limits<size_t>::max());
    const std::string_view value(in_, remaining());
    in_ = end_;
    return value;
  }
  // A count of elements that take at least `least_bytes` (>= 1) each of the remaining bytes, so
  // that most damaged counts are detected at once. It is not known how much a source still has:
  // reserve no memory by this number, and test ok() while you count.
  uint64_t Count(size_t least_bytes) {
    const uint64_t count = Varint();
    if (source_ == nullptr && count > remaining() / least_bytes) {
      Fail();
      return 0;
    }
    return count;
  }

 private:
  // Asks the source for `needed` bytes at in_, which are more than there are. Returns whether they
  // are there now.
  bool Fetch(size_t needed) {
    if (source_ == nullptr) return false;
    const std::string_view more = source_->More({in_, remaining()}, needed);
    given_ += more.size() - remaining();
    in_ = more.data();
    end_ = more.data() + more.size();
    if (remaining() < needed) source_ = nullptr;  // that was all
    return remaining() >= needed;
  }
  // Reads a varint that is cut off by the end of what is there, or damaged.
  uint64_t VarintAtEnd() {
    uint64_t value = 0;
    const char* next = nullptr;
    while (next == nullptr && remaining() < kMaxVarint && Fetch(remaining() + 1)) {
      next = ReadVarint(in_, end_, &value);
    }
    if (next == nullptr) {
      Fail();
      return 0;
    }
    in_ = next;
    return value;
  }

  const char* in_;
  const char* end_;
  uint64_t given_;  // bytes up to end_
  DecoderSource* source_ = nullptr;
  bool ok_ = true;
};

}  // namespace runnel
