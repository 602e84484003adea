#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace runnel::test {

// One value as it came over the wire, RESP2 or RESP3. Types that look alike to a user but differ in
// bytes (null bulk, null array, RESP3 null; array, set, push) stay apart, because clients tell them
// apart.
struct Reply {
  enum class Kind {
    kSimple,
    kError,
    kInteger,
    kBulk,
    kNullBulk,
    kArray,
    kNullArray,
    kMap,  // items hold key, value, key, value ...
    kSet,
    kPush,
    kDouble,  // text as sent
    kBoolean,
    kNull,
    kVerbatim,  // text is "txt:..."
    kBigNumber,
    kBlobError,
    // Not a value but an event that a test waited for, put where the reply would have been: the
    // connection was closed, the time was up, the bytes are no RESP.
    kNote,
  };

  Kind kind = Kind::kNull;
  std::string text;     // of all kinds without items but kInteger, kBoolean
  int64_t integer = 0;  // kInteger, kBoolean
  std::vector<Reply> items;

  static Reply Integer(int64_t value) { return {Kind::kInteger, {}, value, {}}; }
  static Reply Bulk(std::string text) { return {Kind::kBulk, std::move(text), 0, {}}; }
  static Reply Note(std::string text) { return {Kind::kNote, std::move(text), 0, {}}; }
  static Reply Closed() { return Note("closed"); }
  static Reply TimedOut() { return Note("timed out"); }

  bool is_error() const { return kind == Kind::kError || kind == Kind::kBlobError; }
  bool is_note() const { return kind == Kind::kNote; }
  // Whether the reply has items, whatever kind of aggregate it is.
  bool is_aggregate() const {
    return kind == Kind::kArray || kind == Kind::kMap || kind == Kind::kSet || kind == Kind::kPush;
  }

  bool operator==(const Reply&) const = default;
};

// The reply on one line: +OK -"ERR no such key" 42 "bulk" nil nil-array [a, b] {k: v} ~[set]
// >[push] ,1.5 #t null ="txt:verbatim" (12345 <note>. Different replies give different texts.
std::string ToText(const Reply& reply);

// What a RESP2 client would have got: sets and pushes as arrays, doubles and verbatim strings as
// bulks, booleans as integers; null and null array both become the null bulk, since from a RESP3
// null nobody can tell which of the two it was. Maps become flat arrays or, as XREAD has it, arrays
// of pairs.
enum class MapShape { kFlat, kPairs };
Reply Lowered(const Reply& reply, MapShape shape);

enum class ParseResult { kDone, kMore, kInvalid };

// Parses one value at the start of `bytes`. kDone: *reply is set and *used bytes were taken. kMore:
// `bytes` is the start of a value. kInvalid: it is not.
ParseResult ParseReply(std::string_view bytes, Reply* reply, size_t* used);

}  // namespace runnel::test
