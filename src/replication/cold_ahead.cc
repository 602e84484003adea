#include "replication/cold_ahead.h"

#include <algorithm>
#include <limits>

#include "effects/foresight.h"
#include "journal/frame.h"

namespace runnel::replication {
namespace {

// When something has to be read, the frames after the first one are looked through, too: so many
// bytes of frames, and until so much is to be read.
constexpr uint64_t kMostLookedThrough = uint64_t{1} << 20;
constexpr size_t kMostFramesAhead = 64;
constexpr uint64_t kMostReadAhead = uint64_t{16} << 20;

std::string_view PayloadOf(const std::string& frame) {
  return std::string_view(frame).substr(journal::kFrameHeaderBytes);
}

}  // namespace

ColdAhead::~ColdAhead() {
  if (reading_) cold_->Cancel(pins_.get());
}

bool ColdAhead::Ready(const std::deque<std::string>& frames, Position from, Position to) {
  if (cold_ == nullptr) return true;
  if (reading_) return false;
  if (!Foresight::AnyLooks(keyspace_, PayloadOf(frames.front()))) return true;
  Foresight foresight(keyspace_);
  foresight.Add(PayloadOf(frames.front()));
  ColdMiss miss;
  Ask(foresight.missing(), cold_->read_limit(), &miss.missing);
  if (miss.missing.empty()) return true;
  Position end = from + frames.front().size();
  asked_to_ = std::max(asked_to_, end);
  for (size_t i = 1; i < std::min(frames.size(), kMostFramesAhead); i++) {
    end += frames[i].size();
    if (end > to || end - from > kMostLookedThrough || asked_bytes_ > kMostReadAhead) break;
    foresight.Add(PayloadOf(frames[i]));
    Ask(foresight.missing(), kMostReadAhead, &miss.missing);
    asked_to_ = std::max(asked_to_, end);
  }
  reading_ = true;
  cold_->Load(miss, pins_.get(), [this] { reading_ = false; });
  return false;
}

// Adds to `asked` what was not asked for yet, as long as no more than `most` bytes are (0: no
// bound). What was asked for and is still missing cannot be read.
void ColdAhead::Ask(const MissingExtents& missing, uint64_t most, ColdExtents* asked) {
  for (const Ref<ColdExtent>& extent : missing.extents()) {
    if (most != 0 && asked_bytes_ + extent->raw_bytes() > most) return;
    if (!asked_.insert(extent.get()).second) continue;
    asked_bytes_ += extent->raw_bytes();
    asked->push_back(extent);
  }
}

void ColdAhead::NoteApplied(Position position) {
  if (asked_.empty() || position < asked_to_) return;
  pins_ = std::make_unique<ColdStore::Pins>();
  asked_.clear();
  asked_bytes_ = 0;
}

}  // namespace runnel::replication
