#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/numbers.h"
#include "base/stream_id.h"
#include "resp/rope.h"

namespace runnel {

// Writes replies in RESP2 or RESP3 to the end of a rope. Aggregates begin with their length and are
// then written element by element; the caller must write exactly that many elements.
//
// Where the two protocols differ, the method's name is the RESP3 shape and RESP2 gets the form that
// Redis gives it: Map(n) is an array of 2n there, Set and Push are arrays, Null() is a null bulk,
// NullArray() a null array, Double a bulk, Bool an integer, Verbatim a bulk.
class ReplyWriter {
 public:
  // The prefix word of an error ("ERR", "WRONGTYPE") by which it is counted. An error whose first
  // bytes have no blank has none, and is counted as ERR, as in Redis. `line` is the whole error
  // without the minus and without ends of lines.
  static std::string_view CodeOf(std::string_view line) {
    constexpr size_t kMostCode = 30;
    const size_t blank = line.substr(0, kMostCode + 1).find(' ');
    return blank == line.npos ? "ERR" : line.substr(0, blank);
  }

  // Writes to `rope`, which outlives the writer.
  explicit ReplyWriter(Rope* rope) : rope_(rope) {}

  int protocol() const { return protocol_; }
  void set_protocol(int version) { protocol_ = version; }

  // The number of errors written so far: shows whether a command failed.
  uint64_t errors() const { return errors_; }
  // CodeOf the last error.
  const std::string& last_error_code() const { return last_error_code_; }

  void Simple(std::string_view text);
  void Ok() { Raw("+OK\r\n"); }
  // `text` begins with the prefix word. Bytes that would end the line are replaced by blanks.
  void Error(std::string_view text);
  void Integer(int64_t value) { Header(':', value); }
  void Bulk(std::string_view bytes) {
    if (bytes.size() > kInlineBulk) return LargeBulk(bytes);
    char* out = rope_->Reserve(bytes.size() + kMaxHeader + 2);
    rope_->Commit(WriteBulk(out, bytes));
  }
  // The text of a number as a bulk.
  void BulkInteger(int64_t value);
  void BulkId(StreamId id) {
    rope_->Commit(WriteBulkId(rope_->Reserve(kMaxHeader + kMaxStreamIdText + 2), id));
  }
  void Array(size_t elements) { Header('*', static_cast<int64_t>(elements)); }
  void Map(size_t pairs) {
    protocol_ == 3 ? Header('%', static_cast<int64_t>(pairs)) : Array(2 * pairs);
  }
  void Set(size_t elements) { Header(protocol_ == 3 ? '~' : '*', static_cast<int64_t>(elements)); }
  void Push(size_t elements) { Header(protocol_ == 3 ? '>' : '*', static_cast<int64_t>(elements)); }
  void Null() { Raw(protocol_ == 3 ? "_\r\n" : "$-1\r\n"); }
  void NullArray() { Raw(protocol_ == 3 ? "_\r\n" : "*-1\r\n"); }
  void Double(double value);
  void Bool(bool value);
  // Text for people, which RESP3 marks as such.
  void Verbatim(std::string_view text);
  // Whole reply lines that are ready.
  void Raw(std::string_view bytes) {
    if (bytes.size() > kInlineBulk) return rope_->Append(bytes);
    char* out = rope_->Reserve(bytes.size());
    std::memcpy(out, bytes.data(), bytes.size());
    rope_->Commit(out + bytes.size());
  }

  // Direct access for hot loops: see Rope.
  Rope& rope() { return *rope_; }

  // The longest "$n\r\n" or the like.
  static constexpr size_t kMaxHeader = 1 + kMaxDecimal + 2;
  // Writes "<type>n\r\n" at `out`, which has room for kMaxHeader bytes, all of which may be written
  // to; returns the place after the header.
  static char* WriteHeader(char* out, char type, size_t value) {
    if (value < kShortHeaders.size()) {
      const ShortHeader& header = kShortHeaders[value];
      std::memcpy(out, &header, sizeof(header));
      *out = type;
      return out + header.size;
    }
    *out++ = type;
    out = WriteDecimal(out, static_cast<uint64_t>(value));
    *out++ = '\r';
    *out++ = '\n';
    return out;
  }

  // Writes a bulk at `out`, which has room for kMaxHeader + bytes.size() + 2 bytes; returns the
  // place after it.
  static char* WriteBulk(char* out, std::string_view bytes) {
    out = WriteHeader(out, '$', bytes.size());
    std::memcpy(out, bytes.data(), bytes.size());
    out += bytes.size();
    *out++ = '\r';
    *out++ = '\n';
    return out;
  }
  // The same for the text of an ID, with room for kMaxHeader + kMaxStreamIdText + 2 bytes.
  static char* WriteBulkId(char* out, StreamId id) {
    out = WriteHeader(out, '$', DecimalDigits(id.ms) + 1 + DecimalDigits(id.seq));
    out = WriteStreamId(out, id);
    *out++ = '\r';
    *out++ = '\n';
    return out;
  }

 private:
  static constexpr size_t kInlineBulk = 8 * 1024;

  // Nearly all headers announce small numbers: these are ready, and written by one copy of a word.
  struct ShortHeader {
    char text[7];  // the first byte is left for the type
    uint8_t size;
  };
  static_assert(sizeof(ShortHeader) == 8);
  static constexpr std::array<ShortHeader, 1000> MakeShortHeaders() {
    std::array<ShortHeader, 1000> headers{};
    for (size_t n = 0; n < headers.size(); n++) {
      ShortHeader& header = headers[n];
      header.size = 1;
      for (size_t unit = n >= 100 ? 100 : n >= 10 ? 10 : 1; unit > 0; unit /= 10) {
        header.text[header.size++] = static_cast<char>('0' + n / unit % 10);
      }
      header.text[header.size++] = '\r';
      header.text[header.size++] = '\n';
    }
    return headers;
  }
  static const std::array<ShortHeader, 1000> kShortHeaders;

  void Header(char type, int64_t value) {
    char* out = rope_->Reserve(kMaxHeader);
    if (value >= 0) {
      out = WriteHeader(out, type, static_cast<uint64_t>(value));
    } else {
      *out++ = type;
      out = WriteDecimal(out, value);
      *out++ = '\r';
      *out++ = '\n';
    }
    rope_->Commit(out);
  }
  void LargeBulk(std::string_view bytes);

  Rope* rope_;
  int protocol_ = 2;
  uint64_t errors_ = 0;
  std::string last_error_code_;
};

inline constexpr std::array<ReplyWriter::ShortHeader, 1000> ReplyWriter::kShortHeaders =
    ReplyWriter::MakeShortHeaders();

}  // namespace runnel
