#include "cold/reader.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "cold/extent_io.h"

namespace runnel::cold {
namespace {

// Extents that are read in one go: those that somebody waits for, and those that are expected.
constexpr size_t kReadsWanted = 64;
constexpr size_t kReadsExpected = 8;
// Requests to read ahead beyond this are dropped: a command that needs them then waits.
constexpr size_t kMostExpected = 256;

}  // namespace

Pins::~Pins() {
  if (reader_ == nullptr) return;
  reader_->Unpin(extents_);
  reader_->Unpin(passing_);
}

ColdReader::ColdReader(const ColdFiles& files, Worker& worker, RunningCommand& command,
                       const ColdSettings& settings, const ColdSizes& sizes)
    : files_(files), worker_(worker), command_(command), settings_(settings), sizes_(sizes) {}

ColdReader::~ColdReader() {
  waiting_.clear();
  wanted_.clear();
  expected_.clear();
  worker_.Drain();
}

void ColdReader::Reset() {
  CHECK(waiting_.empty() && !reading_);
  wanted_.clear();
  expected_.clear();
  failures_.clear();
  cache_.Evict(0);
}

void ColdReader::EndTurn() {
  cache_.Evict(std::max<size_t>(settings_.stream_memory / 8, sizes_.least_cache));
  StartReads();
}

// --- For the running command ---

void ColdReader::CheckFailed(const ColdExtent& extent) const {
  const auto failed = failures_.find(static_cast<const StoredExtent*>(&extent));
  if (failed != failures_.end()) throw ColdFailure{failed->second};
}

void ColdReader::Fetch(const ColdExtents& extents) {
  ColdExtents missing;
  for (const Ref<ColdExtent>& extent : extents) {
    command_.Count(*extent);
    if (extent->loaded() != nullptr) continue;
    CheckFailed(*extent);
    missing.push_back(extent);
  }
  if (missing.empty()) return;
  command_.Check();
  if (command_.phase() == Phase::kLooking) throw ColdMiss{std::move(missing)};
  // Commands look at everything before their first effect.
  ASSERT(command_.phase() != Phase::kChanged);
  for (const Ref<ColdExtent>& extent : missing) {
    ReadNow(extent);
  }
}

void ColdReader::ReadNow(const Ref<ColdExtent>& extent) {
  if (extent->loaded() != nullptr) return;
  command_.CountBlockingRead();
  auto read = ReadExtent(files_, Stored(*extent));
  if (!read.ok()) throw ColdFailure{read.message()};
  cache_.Insert(Share(*extent), std::move(*read), false);
}

std::shared_ptr<const BlockRun> ColdReader::Pass(const ColdExtents& window) {
  const StoredExtent& first = Stored(*window.front());
  if (first.loaded() != nullptr) return cache_.Find(first);
  CheckFailed(first);
  if (command_.phase() == Phase::kLooking) throw ColdMiss{{}, window};
  command_.CountBlockingRead();
  return Read(first);
}

std::shared_ptr<const BlockRun> ColdReader::Read(const ColdExtent& extent) const {
  const auto& stored = static_cast<const StoredExtent&>(extent);
  if (std::shared_ptr<const BlockRun> blocks = cache_.Find(stored)) return blocks;
  auto read = ReadExtent(files_, stored);
  if (!read.ok()) throw ColdFailure{read.message()};
  return *read;
}

void ColdReader::Expect(const ColdExtents& extents) {
  for (const Ref<ColdExtent>& extent : extents) {
    StoredExtent& stored = Stored(*extent);
    if (stored.loaded() != nullptr || stored.reading_ || expected_.size() >= kMostExpected)
      continue;
    expected_.push_back(Share(stored));
  }
}

// --- For commands that wait ---

void ColdReader::Load(const ColdMiss& miss, Pins* pins, std::function<void()> done) {
  pins->reader_ = this;
  Waiting& waiting = waiting_.emplace_back(Waiting{pins, {}, std::move(done)});
  const StoredExtents passed = std::exchange(pins->passing_, {});
  UnpinUnneeded(&pins->extents_);
  Pin(miss.missing, &pins->extents_, &waiting);
  Pin(miss.passing, &pins->passing_, &waiting);
  Unpin(passed);
  StartReads();
}

void ColdReader::Cancel(const Pins* pins) {
  std::erase_if(waiting_, [pins](const Waiting& waiting) { return waiting.pins == pins; });
}

void ColdReader::Pin(const ColdExtents& missing, StoredExtents* pinned, Waiting* waiting) {
  for (const Ref<ColdExtent>& extent : missing) {
    const Ref<StoredExtent> stored = Share(*extent);
    stored->pins_++;
    pinned->push_back(stored);
    waiting->extents.push_back(stored);
    if (!stored->reading_) wanted_.push_back(stored);
  }
}

// What earlier runs of the command have needed, but not the last one: the data is another now, and
// so would be the memory that cold-read-limit bounds. As long as that is not exceeded, it stays.
void ColdReader::UnpinUnneeded(StoredExtents* pinned) {
  const uint64_t limit = settings_.cold_read_limit;
  uint64_t bytes = 0;
  for (const Ref<StoredExtent>& extent : *pinned) {
    bytes += extent->raw_bytes();
  }
  if (limit == 0 || bytes <= limit) return;
  const auto unneeded = std::stable_partition(
      pinned->begin(), pinned->end(),
      [&](const Ref<StoredExtent>& extent) { return command_.WasCounted(*extent); });
  Unpin(StoredExtents(unneeded, pinned->end()));
  pinned->erase(unneeded, pinned->end());
}

void ColdReader::Unpin(const StoredExtents& extents) {
  for (const Ref<StoredExtent>& extent : extents) {
    // The next command that needs the extent makes another attempt.
    if (--extent->pins_ == 0) failures_.erase(extent.get());
  }
}

// --- The worker's reads ---

struct ColdReader::Job {
  struct Item {
    Ref<StoredExtent> extent;
    bool ahead = false;
    std::shared_ptr<const BlockRun> blocks;
    Status status;
  };
  std::vector<Item> items;
};

// One job at a time, so that an extent for which a command waits is never queued after many that
// are only expected.
void ColdReader::StartReads() {
  if (reading_ || (wanted_.empty() && expected_.empty())) return;
  auto job = std::make_shared<Job>();
  Take(&wanted_, false, job.get());
  if (job->items.empty()) Take(&expected_, true, job.get());
  if (job->items.empty()) return;
  reading_ = true;
  reads_ += job->items.size();
  worker_.Run(
      [this, job] {
        for (Job::Item& item : job->items) {
          auto read = ReadExtent(files_, *item.extent);
          if (read.ok()) {
            item.blocks = std::move(*read);
          } else {
            item.status = read.status();
          }
        }
      },
      [this, job] { FinishReads(*job); });
}

void ColdReader::Take(StoredExtents* queue, bool ahead, Job* job) {
  const size_t most = ahead ? kReadsExpected : kReadsWanted;
  size_t taken = 0;
  while (taken < queue->size() && job->items.size() < most) {
    Ref<StoredExtent>& extent = (*queue)[taken++];
    if (extent->loaded() != nullptr || extent->reading_ || (ahead && extent->unique())) continue;
    extent->reading_ = true;
    job->items.push_back({std::move(extent), ahead, nullptr, {}});
  }
  queue->erase(queue->begin(), queue->begin() + static_cast<ptrdiff_t>(taken));
}

void ColdReader::FinishReads(Job& job) {
  reading_ = false;
  for (Job::Item& item : job.items) {
    StoredExtent& extent = *item.extent;
    extent.reading_ = false;
    if (item.status.ok()) {
      cache_.Insert(item.extent, std::move(item.blocks), item.ahead && extent.pins_ == 0);
    } else if (extent.pins_ > 0) {
      LogWarning("A command fails: {}", item.status.message());
      failures_[&extent] = item.status.message();
    }
  }
  WakeWaiting();
  StartReads();
}

bool ColdReader::IsSettled(const StoredExtent& extent) const {
  return extent.loaded() != nullptr || failures_.contains(&extent);
}

void ColdReader::WakeWaiting() {
  std::vector<Waiting> woken;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const bool settled =
        std::all_of(it->extents.begin(), it->extents.end(),
                    [this](const Ref<StoredExtent>& extent) { return IsSettled(*extent); });
    if (!settled) {
      ++it;
      continue;
    }
    woken.push_back(std::move(*it));
    it = waiting_.erase(it);
  }
  for (const Waiting& waiting : woken) {
    waiting.done();
  }
}

}  // namespace runnel::cold
