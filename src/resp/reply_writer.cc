#include "resp/reply_writer.h"

#include <algorithm>
#include <string>

namespace runnel {

void ReplyWriter::Simple(std::string_view text) {
  if (text.size() > kInlineBulk) {
    rope_->Append("+");
    rope_->Append(text);
    return rope_->Append("\r\n");
  }
  char* out = rope_->Reserve(text.size() + 3);
  *out++ = '+';
  std::memcpy(out, text.data(), text.size());
  out += text.size();
  *out++ = '\r';
  *out++ = '\n';
  rope_->Commit(out);
}

void ReplyWriter::Error(std::string_view text) {
  errors_++;
  std::string line = "-";
  line += text;
  std::replace(line.begin(), line.end(), '\r', ' ');
  std::replace(line.begin(), line.end(), '\n', ' ');
  last_error_code_ = CodeOf(std::string_view(line).substr(1));
  line += "\r\n";
  rope_->Append(line);
}

void ReplyWriter::BulkInteger(int64_t value) {
  char text[kMaxDecimal];
  Bulk({text, static_cast<size_t>(WriteDecimal(text, value) - text)});
}

void ReplyWriter::Double(double value) {
  const std::string text = FormatDouble(value);
  if (protocol_ != 3) return Bulk(text);
  Raw("," + text + "\r\n");
}

void ReplyWriter::Bool(bool value) {
  if (protocol_ != 3) return Integer(value ? 1 : 0);
  Raw(value ? "#t\r\n" : "#f\r\n");
}

void ReplyWriter::Verbatim(std::string_view text) {
  if (protocol_ != 3) return Bulk(text);
  char* out = rope_->Reserve(kMaxHeader);
  rope_->Commit(WriteHeader(out, '=', text.size() + 4));
  rope_->Append("txt:");
  rope_->Append(text);
  rope_->Append("\r\n");
}

void ReplyWriter::LargeBulk(std::string_view bytes) {
  char* out = rope_->Reserve(kMaxHeader);
  rope_->Commit(WriteHeader(out, '$', bytes.size()));
  rope_->Append(bytes);
  rope_->Append("\r\n");
}

}  // namespace runnel
