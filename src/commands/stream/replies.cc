#include "commands/stream/replies.h"

#include <cstring>

#include "data/topic/record.h"

namespace runnel::commands {
namespace {

// Up to this size a name and a value are written in one piece.
constexpr size_t kInlineField = 8 * 1024;

// Writes entries that follow one another. What such entries have in common is made once: the first
// digits of the time, and the names where they lie in the same place, as they do for all entries of
// a block that have the same.
class EntryWriter {
 public:
  EntryWriter(ReplyWriter& reply, EntryForm form) : reply_(reply), form_(form) {}

  // `more` is the number of elements of the entry's array behind the fields that the caller writes.
  void Write(const EntryView& entry, int more) {
    const char elements = static_cast<char>('2' + more);
    if (form_ == EntryForm::kPlain) [[likely]]
      return WriteFieldsOf(entry, elements);
    if (entry.names() != record_names_) {
      record_names_ = entry.names();
      first_ = RecordView::FirstOf(entry);
    }
    const RecordView record(entry, first_);
    if (form_ == EntryForm::kRecord) return WriteFieldsOf(record.fields, elements);
    WriteFieldsOf(record.fields, static_cast<char>(elements + 1));
    record.has_key ? reply_.Bulk(record.key) : reply_.Null();
  }

 private:
  static constexpr size_t kMostPieces = 8;
  static constexpr size_t kMostBytes = 64;  // of a piece; more is not worth the room

  void WriteFieldsOf(const EntryView& entry, char elements) {
    WriteId(entry.id(), elements);
    if (entry.names() != names_ || entry.size() == 0) {
      names_ = entry.names();
      pieces_ = 0;
      return WriteFields(entry);
    }
    if (pieces_ == 0 && !MakePieces(entry)) return WriteFields(entry);
    size_t piece = 0;
    entry.ForEachValue([&](std::string_view value) { WriteBehind(piece++, value); });
  }

  void WriteId(StreamId id, char elements) {
    constexpr size_t kRoom = 4 + kMaxStreamIdText + 2 + ReplyWriter::kMaxHeader;
    const std::string_view text = ids_.Text(id);
    char* out = reply_.rope().Reserve(kRoom);
    *out++ = '*';
    *out++ = elements;
    *out++ = '\r';
    *out++ = '\n';
    out = ReplyWriter::WriteHeader(out, '$', text.size());
    // A fixed size is copied faster than the right one.
    std::memcpy(out, text.data(), kMaxStreamIdText);
    out += text.size();
    *out++ = '\r';
    *out++ = '\n';
    reply_.rope().Commit(out);
  }

  void WriteFields(const EntryView& entry) {
    reply_.Array(2 * entry.size());
    for (const auto& field : entry) {
      const size_t bytes = field.name.size() + field.value.size();
      if (bytes > kInlineField) {
        reply_.Bulk(field.name);
        reply_.Bulk(field.value);
        continue;
      }
      char* out = reply_.rope().Reserve(bytes + 2 * (ReplyWriter::kMaxHeader + 2));
      out = ReplyWriter::WriteBulk(out, field.name);
      out = ReplyWriter::WriteBulk(out, field.value);
      reply_.rope().Commit(out);
    }
  }

  // Makes what stands before each value: its name as a bulk, and for the first one the head of the
  // array. False if there is too much of it.
  bool MakePieces(const EntryView& entry) {
    if (entry.size() > kMostPieces) return false;
    size_t piece = 0;
    for (const auto& field : entry) {
      constexpr size_t kHeaders = 2 * ReplyWriter::kMaxHeader + 2;
      if (field.name.size() + kHeaders > kMostBytes) return false;
      char* const begin = text_[piece];
      char* out = begin;
      if (piece == 0) out = ReplyWriter::WriteHeader(out, '*', 2 * entry.size());
      sizes_[piece] = static_cast<uint8_t>(ReplyWriter::WriteBulk(out, field.name) - begin);
      piece++;
    }
    pieces_ = piece;
    return true;
  }

  void WriteBehind(size_t piece, std::string_view value) {
    if (value.size() > kInlineField) {
      reply_.rope().Append({text_[piece], sizes_[piece]});
      return reply_.Bulk(value);
    }
    char* out = reply_.rope().Reserve(kMostBytes + ReplyWriter::kMaxHeader + value.size() + 2);
    std::memcpy(out, text_[piece], kMostBytes);
    out = ReplyWriter::WriteBulk(out + sizes_[piece], value);
    reply_.rope().Commit(out);
  }

  ReplyWriter& reply_;
  const EntryForm form_;
  StreamIdWriter ids_;
  const char* record_names_ = nullptr;  // of the last entry, if it is a record
  RecordView::First first_ = RecordView::First::kField;
  const char* names_ = nullptr;  // of the last entry, without what is no field of a record
  size_t pieces_ = 0;            // made for these names; 0 for none
  uint8_t sizes_[kMostPieces];
  char text_[kMostPieces][kMostBytes];
};

size_t HeaderBytes(uint64_t n) {
  return 1 + DecimalDigits(n) + 2;
}
size_t BulkBytes(size_t size) {
  return HeaderBytes(size) + size + 2;
}

}  // namespace

void WriteEntry(ReplyWriter& reply, EntryForm form, const EntryView& entry) {
  EntryWriter(reply, form).Write(entry, 0);
}

void WriteClaimedEntry(ReplyWriter& reply, EntryForm form, const EntryView& entry, int64_t idle,
                       uint64_t deliveries) {
  EntryWriter(reply, form).Write(entry, 2);
  reply.Integer(idle);
  reply.Integer(static_cast<int64_t>(deliveries));
}

void WriteEntries(ReplyWriter& reply, EntryForm form, EntryCursor at, uint64_t count) {
  at.Require(count);
  reply.Array(count);
  EntryWriter writer(reply, form);
  for (; count > 0; count--) {
    writer.Write(*at, 0);
    if (count > 1) at.Next();
  }
}

uint64_t WriteEntriesWithin(ReplyWriter& reply, EntryForm form, EntryCursor at, uint64_t count,
                            uint64_t bytes, bool one_anyway) {
  EntryWriter writer(reply, form);
  const size_t begin = reply.rope().size();
  for (uint64_t written = 0; written < count;) {
    const size_t before = reply.rope().size();
    writer.Write(*at, 0);
    if (reply.rope().size() - begin > bytes && (written > 0 || !one_anyway)) {
      reply.rope().Truncate(before);
      return written;
    }
    if (++written < count) at.Next();
  }
  return count;
}

void WriteEntriesBack(ReplyWriter& reply, EntryForm form, EntryCursor at, uint64_t count) {
  at.RequireBack(count);
  reply.Array(count);
  EntryWriter writer(reply, form);
  for (; count > 0; count--) {
    writer.Write(*at, 0);
    if (count > 1) at.Previous();
  }
}

size_t EntryReplyBytes(const EntryView& entry) {
  return EntrySizer().BytesOf(entry);
}

size_t EntrySizer::BytesOf(const EntryView& entry) {
  const StreamId id = entry.id();
  size_t bytes = HeaderBytes(2) + BulkBytes(DecimalDigits(id.ms) + 1 + DecimalDigits(id.seq));
  if (entry.names() != names_) {
    names_ = entry.names();
    names_bytes_ = HeaderBytes(2 * entry.size());
    for (const auto& field : entry) {
      names_bytes_ += BulkBytes(field.name.size());
    }
  }
  bytes += names_bytes_;
  entry.ForEachValue([&](std::string_view value) { bytes += BulkBytes(value.size()); });
  return bytes;
}

}  // namespace runnel::commands
