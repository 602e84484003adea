#include "cold/running_command.h"

#include "fmt/format.h"

namespace runnel::cold {
namespace {

// Extents for which the commands of one transaction may make the loop wait, because what the
// commands before them did has led them to where nobody looked before it began. A script is not
// stopped half way for that: only cold-read-limit bounds it.
constexpr uint64_t kMostBlocking = 64;

}  // namespace

void RunningCommand::NoteUse(const ColdExtent& extent) {
  if (command_ == 0) return;
  Count(extent);
  reply_end_ = reply_->size();
  if (!reply_begin_) reply_begin_ = reply_end_;
  Check();
}

void RunningCommand::NoteKept(uint64_t bytes) {
  if (command_ == 0) return;
  needed_ += bytes;
  Check();
}

void RunningCommand::Check() const {
  const uint64_t limit = settings_.cold_read_limit;
  uint64_t needed = needed_ + replied_;
  if (reply_begin_) needed += reply_end_ - *reply_begin_;
  if (limit == 0 || needed <= limit || command_ == 0) return;
  const Phase now = phase();
  if (now == Phase::kChanging || now == Phase::kChanged) return;
  throw ColdFailure{fmt::format("the command needs at least {} bytes of cold data and of its reply "
                                "in memory at once, and cold-read-limit is {}",
                                needed, limit),
                    true};
}

void RunningCommand::CountBlockingRead() {
  if (command_ != 0 && phase() == Phase::kInside && blocking_ >= kMostBlocking) {
    throw ColdFailure{fmt::format("the transaction comes to need more than {} pieces of cold data "
                                  "that could not be foreseen",
                                  kMostBlocking),
                      true};
  }
  blocking_++;
  blocking_reads_++;
}

}  // namespace runnel::cold
