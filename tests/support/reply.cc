#include "tests/support/reply.h"

#include <algorithm>
#include <charconv>

#include "tests/support/quote.h"

namespace runnel::test {
namespace {

using Kind = Reply::Kind;

std::string ItemsText(const Reply& reply, std::string_view open, std::string_view close) {
  std::string text(open);
  for (size_t i = 0; i < reply.items.size(); ++i) {
    if (i > 0) text += reply.kind == Kind::kMap && i % 2 == 1 ? ": " : ", ";
    text += ToText(reply.items[i]);
  }
  return text.append(close);
}

// Takes the line at *at without its CRLF, and moves *at past it.
ParseResult TakeLine(std::string_view bytes, size_t* at, std::string_view* line) {
  const size_t end = bytes.find("\r\n", *at);
  if (end == std::string_view::npos) return ParseResult::kMore;
  *line = bytes.substr(*at, end - *at);
  *at = end + 2;
  return ParseResult::kDone;
}

bool ParseInteger(std::string_view text, int64_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

ParseResult ParseAt(std::string_view bytes, size_t* at, Reply* reply);

ParseResult ParseBlob(std::string_view bytes, size_t* at, int64_t length, Reply* reply) {
  if (length < 0) return ParseResult::kInvalid;
  const size_t size = static_cast<size_t>(length);
  if (bytes.size() - *at < size + 2) return ParseResult::kMore;
  if (bytes.substr(*at + size, 2) != "\r\n") return ParseResult::kInvalid;
  reply->text = bytes.substr(*at, size);
  *at += size + 2;
  return ParseResult::kDone;
}

ParseResult ParseItems(std::string_view bytes, size_t* at, int64_t count, Reply* reply) {
  if (count < 0) return ParseResult::kInvalid;
  for (int64_t i = 0; i < count; ++i) {
    const ParseResult result = ParseAt(bytes, at, &reply->items.emplace_back());
    if (result != ParseResult::kDone) return result;
  }
  return ParseResult::kDone;
}

// The kinds whose line is all there is.
bool ParseLineKind(char type, std::string_view line, Reply* reply) {
  reply->text = line;
  switch (type) {
    case '+':
      reply->kind = Kind::kSimple;
      return true;
    case '-':
      reply->kind = Kind::kError;
      return true;
    case ',':
      reply->kind = Kind::kDouble;
      return true;
    case '(':
      reply->kind = Kind::kBigNumber;
      return true;
    case '_':
      reply->kind = Kind::kNull;
      return line.empty();
    case '#':
      reply->kind = Kind::kBoolean;
      reply->text.clear();
      reply->integer = line == "t";
      return line == "t" || line == "f";
    case ':':
      reply->kind = Kind::kInteger;
      reply->text.clear();
      return ParseInteger(line, &reply->integer);
    default:
      return false;
  }
}

ParseResult ParseAt(std::string_view bytes, size_t* at, Reply* reply) {
  std::string_view line;
  if (TakeLine(bytes, at, &line) != ParseResult::kDone) return ParseResult::kMore;
  if (line.empty()) return ParseResult::kInvalid;
  const char type = line.front();
  line.remove_prefix(1);
  *reply = Reply();
  int64_t length = 0;
  switch (type) {
    case '$':
    case '=':
    case '!':
      if (!ParseInteger(line, &length)) return ParseResult::kInvalid;
      reply->kind = type == '$' ? Kind::kBulk : type == '=' ? Kind::kVerbatim : Kind::kBlobError;
      if (type == '$' && length == -1) {
        reply->kind = Kind::kNullBulk;
        return ParseResult::kDone;
      }
      return ParseBlob(bytes, at, length, reply);
    case '*':
    case '%':
    case '~':
    case '>':
      if (!ParseInteger(line, &length)) return ParseResult::kInvalid;
      if (type == '*' && length == -1) {
        reply->kind = Kind::kNullArray;
        return ParseResult::kDone;
      }
      reply->kind = type == '*'   ? Kind::kArray
                    : type == '%' ? Kind::kMap
                    : type == '~' ? Kind::kSet
                                  : Kind::kPush;
      return ParseItems(bytes, at, type == '%' ? 2 * length : length, reply);
    default:
      return ParseLineKind(type, line, reply) ? ParseResult::kDone : ParseResult::kInvalid;
  }
}

}  // namespace

std::string ToText(const Reply& reply) {
  switch (reply.kind) {
    case Kind::kSimple:
      return "+" + QuoteIfNeeded(reply.text);
    case Kind::kError:
      return "-" + Quote(reply.text);
    case Kind::kInteger:
      return std::to_string(reply.integer);
    case Kind::kBulk:
      return Quote(reply.text);
    case Kind::kNullBulk:
      return "nil";
    case Kind::kArray:
      return ItemsText(reply, "[", "]");
    case Kind::kNullArray:
      return "nil-array";
    case Kind::kMap:
      return ItemsText(reply, "{", "}");
    case Kind::kSet:
      return ItemsText(reply, "~[", "]");
    case Kind::kPush:
      return ItemsText(reply, ">[", "]");
    case Kind::kDouble:
      return "," + reply.text;
    case Kind::kBoolean:
      return reply.integer != 0 ? "#t" : "#f";
    case Kind::kNull:
      return "null";
    case Kind::kVerbatim:
      return "=" + Quote(reply.text);
    case Kind::kBigNumber:
      return "(" + reply.text;
    case Kind::kBlobError:
      return "!" + Quote(reply.text);
    case Kind::kNote:
      return "<" + reply.text + ">";
  }
  return "";
}

Reply Lowered(const Reply& reply, MapShape shape) {
  Reply lowered = reply;
  for (Reply& item : lowered.items)
    item = Lowered(item, shape);
  switch (reply.kind) {
    case Kind::kMap:
      lowered.kind = Kind::kArray;
      if (shape == MapShape::kPairs) {
        std::vector<Reply> pairs;
        for (size_t i = 0; i + 1 < lowered.items.size(); i += 2) {
          pairs.push_back({Kind::kArray, {}, 0, {lowered.items[i], lowered.items[i + 1]}});
        }
        lowered.items = std::move(pairs);
      }
      break;
    case Kind::kSet:
    case Kind::kPush:
      lowered.kind = Kind::kArray;
      break;
    case Kind::kNull:
    case Kind::kNullArray:
      lowered.kind = Kind::kNullBulk;
      break;
    case Kind::kBoolean:
      lowered.kind = Kind::kInteger;
      break;
    case Kind::kDouble:
    case Kind::kBigNumber:
      lowered.kind = Kind::kBulk;
      break;
    case Kind::kVerbatim:
      lowered.kind = Kind::kBulk;
      lowered.text = reply.text.substr(std::min<size_t>(4, reply.text.size()));
      break;
    case Kind::kBlobError:
      lowered.kind = Kind::kError;
      break;
    default:
      break;
  }
  return lowered;
}

ParseResult ParseReply(std::string_view bytes, Reply* reply, size_t* used) {
  *used = 0;
  return ParseAt(bytes, used, reply);
}

}  // namespace runnel::test
