#include "effects/applier.h"

#include <algorithm>

#include "base/assert.h"
#include "data/cold.h"
#include "effects/batch.h"
#include "fmt/format.h"

namespace runnel {

void Applier::Begin(const journal::Frame& frame) {
  CHECK(done());
  frame_ = frame;
  in_frame_ = 0;
  reader_.emplace(frame.payload, keyspace_);
}

Status Applier::ApplySome(size_t budget) {
  if (!failure_.ok()) return failure_;
  try {
    for (; budget > 0 && reader_; budget--) {
      const std::optional<Record> record = reader_->Next();
      if (!record) return End();
      Status replayed = Replay(*record, keyspace_);
      if (!replayed.ok()) return Refuse(*record, replayed);
      in_frame_++;
      records_++;
    }
  } catch (const ColdFailure& failure) {
    return Fail(failure.message);
  }
  return {};
}

Status Applier::End() {
  if (!reader_->ok()) return Fail("what follows are no records");
  // Who only counts records believes the header.
  if (in_frame_ != frame_.records) {
    return Fail(fmt::format("the frame's header tells of {} records", frame_.records));
  }
  reader_.reset();
  return {};
}

Status Applier::Refuse(const Record& record, const Status& why) {
  const uint64_t needed = DatabasesNeeded(record);
  if (needed > keyspace_.databases()) databases_needed_ = needed;
  in_frame_++;
  met_unknown_effect_ = record.kind == nullptr;
  return Fail(met_unknown_effect_
                  ? why.message() + "; a later version of Runnel may have written it"
                  : why.message());
}

Status Applier::Fail(const std::string& why) {
  failure_ = Status::Error(fmt::format("the frame at position {} of the journal, record {}: {}",
                                       frame_.base, in_frame_, why));
  return failure_;
}

void Applier::NoteDatabases(const journal::Frame& frame) {
  Batch::ForEach(frame.payload, [this](const Record& record) {
    databases_needed_ = std::max(databases_needed_, DatabasesNeeded(record));
  });
}

}  // namespace runnel
