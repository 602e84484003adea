#include <algorithm>

#include "commands/stream/arguments.h"
#include "commands/stream/commands.h"
#include "commands/stream/replies.h"
#include "commands/topic/partitions.h"

namespace runnel::commands {
namespace {

// The options after the interval. COUNT may be named again: the last one counts.
bool ReadCount(Context& context, uint64_t* count) {
  for (size_t i = 4; i < context.argc(); i += 2) {
    if (i + 1 == context.argc() || !Is(context.arg(i), "COUNT")) {
      context.reply().Error(kSyntaxError);
      return false;
    }
    int64_t number;
    if (!ReadInteger(context, context.arg(i + 1), &number)) return false;
    *count = static_cast<uint64_t>(std::max<int64_t>(number, 0));
  }
  return true;
}

void Range(Context& context, bool back) {
  StreamId first;
  StreamId last;
  uint64_t count = kNoCount;
  if (!ReadIntervalStart(context, context.arg(back ? 3 : 2), &first)) return;
  if (!ReadIntervalEnd(context, context.arg(back ? 2 : 3), &last)) return;
  if (!ReadCount(context, &count)) return;
  const Stream* stream;
  if (!context.Read(StreamKey(context, 1), &stream)) return;
  if (stream == nullptr) return context.reply().Array(0);
  if (count == 0) return context.reply().NullArray();
  const EntryCursor at = back ? stream->SeekBack(last) : stream->Seek(first);
  if (!at.valid()) return context.reply().Array(0);
  if (back) {
    WriteEntriesBack(context.reply(), FormOf(*stream), at, at.CountBackTo(first, count));
  } else {
    WriteEntries(context.reply(), FormOf(*stream), at, at.CountTo(last, count));
  }
}

}  // namespace

void XLen(Context& context) {
  const Stream* stream;
  if (!context.Read(StreamKey(context, 1), &stream)) return;
  context.reply().Integer(stream == nullptr ? 0 : static_cast<int64_t>(stream->length()));
}

void XRange(Context& context) {
  Range(context, false);
}
void XRevRange(Context& context) {
  Range(context, true);
}

}  // namespace runnel::commands
