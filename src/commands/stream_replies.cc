#include "commands/stream_replies.h"

#include <cstring>

namespace runnel::commands {
namespace {

// Up to this size a name and a value are written in one piece.
constexpr size_t kInlineField = 8 * 1024;

char* WriteBulk(char* out, std::string_view bytes) {
  out = ReplyWriter::WriteHeader(out, '$', bytes.size());
  std::memcpy(out, bytes.data(), bytes.size());
  out += bytes.size();
  *out++ = '\r';
  *out++ = '\n';
  return out;
}

void WriteIdAndFields(ReplyWriter& reply, const EntryView& entry, char elements,
                      StreamIdWriter& ids) {
  Rope& rope = reply.rope();
  constexpr size_t kHead = 4 + kMaxStreamIdText + 2 + 2 * ReplyWriter::kMaxHeader;
  char id[kMaxStreamIdText];
  const size_t id_size = static_cast<size_t>(ids.Write(id, entry.id()) - id);
  char* out = rope.Reserve(kHead);
  *out++ = '*';
  *out++ = elements;
  *out++ = '\r';
  *out++ = '\n';
  out = ReplyWriter::WriteHeader(out, '$', id_size);
  std::memcpy(out, id, sizeof(id));  // a fixed size is copied faster than the right one
  out += id_size;
  *out++ = '\r';
  *out++ = '\n';
  out = ReplyWriter::WriteHeader(out, '*', 2 * entry.size());
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

size_t HeaderBytes(uint64_t n) {
  return 1 + DecimalDigits(n) + 2;
}
size_t BulkBytes(size_t size) {
  return HeaderBytes(size) + size + 2;
}

}  // namespace

void WriteEntry(ReplyWriter& reply, const EntryView& entry) {
  StreamIdWriter ids;
  WriteIdAndFields(reply, entry, '2', ids);
}

void WriteClaimedEntry(ReplyWriter& reply, const EntryView& entry, int64_t idle,
                       uint64_t deliveries) {
  StreamIdWriter ids;
  WriteIdAndFields(reply, entry, '4', ids);
  reply.Integer(idle);
  reply.Integer(static_cast<int64_t>(deliveries));
}

void WriteEntries(ReplyWriter& reply, EntryCursor at, uint64_t count) {
  reply.Array(count);
  StreamIdWriter ids;
  for (; count > 0; count--) {
    WriteIdAndFields(reply, *at, '2', ids);
    if (count > 1) at.Next();
  }
}

void WriteEntriesBack(ReplyWriter& reply, EntryCursor at, uint64_t count) {
  reply.Array(count);
  StreamIdWriter ids;
  for (; count > 0; count--) {
    WriteIdAndFields(reply, *at, '2', ids);
    if (count > 1) at.Previous();
  }
}

size_t EntryReplyBytes(const EntryView& entry) {
  const StreamId id = entry.id();
  size_t bytes = HeaderBytes(2) + BulkBytes(DecimalDigits(id.ms) + 1 + DecimalDigits(id.seq)) +
                 HeaderBytes(2 * entry.size());
  for (const auto& field : entry) {
    bytes += BulkBytes(field.name.size()) + BulkBytes(field.value.size());
  }
  return bytes;
}

}  // namespace runnel::commands
