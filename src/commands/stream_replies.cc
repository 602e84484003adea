#include "commands/stream_replies.h"

#include <cstring>

namespace runnel::commands {
namespace {

// Up to this size a name and a value are written in one piece.
constexpr size_t kInlineField = 8 * 1024;

// "<type>n\r\n". Nearly all lengths have one to three digits.
char* WriteHeader(char* out, char type, size_t n) {
  if (n >= 1000) return ReplyWriter::WriteHeader(out, type, n);
  *out++ = type;
  if (n >= 100) *out++ = static_cast<char>('0' + n / 100);
  if (n >= 10) *out++ = static_cast<char>('0' + n / 10 % 10);
  *out++ = static_cast<char>('0' + n % 10);
  *out++ = '\r';
  *out++ = '\n';
  return out;
}

char* WriteBulk(char* out, std::string_view bytes) {
  out = WriteHeader(out, '$', bytes.size());
  std::memcpy(out, bytes.data(), bytes.size());
  out += bytes.size();
  *out++ = '\r';
  *out++ = '\n';
  return out;
}

// The ID as a bulk, with its length in two digits if it has them, which it mostly has.
char* WriteBulkId(char* out, StreamId id) {
  constexpr size_t kHeader = 5;
  char* text = out + kHeader;
  char* end = WriteStreamId(text, id);
  const size_t size = static_cast<size_t>(end - text);
  if (size < 10) {
    std::memmove(text - 1, text, size);
    end--;
  }
  WriteHeader(out, '$', size);
  *end++ = '\r';
  *end++ = '\n';
  return end;
}

void WriteIdAndFields(ReplyWriter& reply, const EntryView& entry, char elements) {
  Rope& rope = reply.rope();
  constexpr size_t kHead = 4 + 5 + kMaxStreamIdText + 2 + ReplyWriter::kMaxHeader;
  char* out = rope.Reserve(kHead);
  *out++ = '*';
  *out++ = elements;
  *out++ = '\r';
  *out++ = '\n';
  out = WriteBulkId(out, entry.id());
  out = WriteHeader(out, '*', 2 * entry.size());
  rope.Commit(out);
  for (const auto& field : entry) {
    const size_t bytes = field.name.size() + field.value.size();
    if (bytes > kInlineField) {
      reply.Bulk(field.name);
      reply.Bulk(field.value);
      continue;
    }
    out = rope.Reserve(bytes + 2 * (ReplyWriter::kMaxHeader + 2));
    out = WriteBulk(out, field.name);
    out = WriteBulk(out, field.value);
    rope.Commit(out);
  }
}

size_t Digits(uint64_t n) {
  size_t digits = 1;
  for (; n >= 10; n /= 10) {
    digits++;
  }
  return digits;
}

size_t HeaderBytes(uint64_t n) {
  return 1 + Digits(n) + 2;
}
size_t BulkBytes(size_t size) {
  return HeaderBytes(size) + size + 2;
}

}  // namespace

void WriteEntry(ReplyWriter& reply, const EntryView& entry) {
  WriteIdAndFields(reply, entry, '2');
}

void WriteClaimedEntry(ReplyWriter& reply, const EntryView& entry, int64_t idle,
                       uint64_t deliveries) {
  WriteIdAndFields(reply, entry, '4');
  reply.Integer(idle);
  reply.Integer(static_cast<int64_t>(deliveries));
}

void WriteEntries(ReplyWriter& reply, EntryCursor at, uint64_t count) {
  reply.Array(count);
  for (; count > 0; count--) {
    WriteEntry(reply, *at);
    if (count > 1) at.Next();
  }
}

void WriteEntriesBack(ReplyWriter& reply, EntryCursor at, uint64_t count) {
  reply.Array(count);
  for (; count > 0; count--) {
    WriteEntry(reply, *at);
    if (count > 1) at.Previous();
  }
}

size_t EntryReplyBytes(const EntryView& entry) {
  const StreamId id = entry.id();
  size_t bytes = HeaderBytes(2) + BulkBytes(Digits(id.ms) + 1 + Digits(id.seq)) +
                 HeaderBytes(2 * entry.size());
  for (const auto& field : entry) {
    bytes += BulkBytes(field.name.size()) + BulkBytes(field.value.size());
  }
  return bytes;
}

}  // namespace runnel::commands
