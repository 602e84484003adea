// The part of a list that lies on the disk: how it is looked at, and how it is stored.

#include <algorithm>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/coding.h"
#include "data/list/list.h"
#include "data/list/run.h"
#include "data/list/spill.h"
#include "data/missing_extents.h"

namespace runnel {
namespace {

// The runs after a walk are looked for in this many blocks.
constexpr size_t kBlocksAhead = 64;
// A walk that has looked at many runs fetches as many more at once, up to this.
constexpr size_t kMostFetched = 1024;

}  // namespace

bool List::has_cold() const {
  if (const ListSpill* spill = this->spill()) return spill->runs() > 0;
  // A short list that counts has none: else it would be a long one.
  if (reports_to_ != 0 && held() == nullptr) return false;
  for (size_t b = 0; b < blocks_.size(); b++) {
    if (blocks_[b].cold()) return true;
  }
  return false;
}

const ListRun& List::FetchRun(size_t block) const {
  const ListBlock& cold = blocks_[block];
  if (cold.extent().Use() == nullptr) FetchExtents({cold.ShareExtent()});
  const BlockRun& run = *cold.extent().Use();
  ASSERT(run.kind() == RunKind::kList);
  // Both come from files, which were not written together.
  if (cold.skip() + cold.size() > run.entries()) {
    throw ColdFailure{"elements of a list are missing in their file"};
  }
  return static_cast<const ListRun&>(run);
}

// A miss at an end is taken for a step of a queue that is consumed there.
std::string_view List::ColdAt(size_t block, size_t position) const {
  const ListBlock& cold = blocks_[block];
  if (cold.extent().loaded() == nullptr) {
    if (block == 0) {
      ExpectFrom(1, true);
    } else if (block + 1 == blocks_.size()) {
      ExpectFrom(block - 1, false);
    }
  }
  return FetchRun(block).At(cold.skip() + position);
}

// Asks for the next runs of a walk that comes to this block.
void List::ExpectFrom(size_t block, bool forward) const {
  ColdExtents expected;
  size_t runs = 0;
  for (size_t i = 0; i < kBlocksAhead && runs < kRunsAhead && block < blocks_.size(); i++) {
    const ListBlock& next = blocks_[block];
    forward ? block++ : block--;
    if (!next.cold()) continue;
    runs++;
    if (next.extent().loaded() == nullptr) expected.push_back(next.ShareExtent());
  }
  ExpectExtents(expected);
}

void List::RequireCold(size_t start, size_t count) const {
  MissingExtents missing;
  AddMissing(start, count, &missing);
  FetchExtents(missing.extents());
}

void List::AddMissing(size_t start, size_t count, MissingExtents* missing) const {
  if (count == 0) return;
  const int64_t first = blocks_.front().start() + static_cast<int64_t>(start);
  const size_t last = FindBlock(first + static_cast<int64_t>(count) - 1);
  for (size_t b = FindBlock(first); b <= last; b++) {
    const ListBlock& block = blocks_[b];
    if (block.cold()) missing->Add(block.ShareExtent());
  }
}

// The run in whose midst an element is inserted: it is thawed by that. Between two blocks nothing
// is looked at.
std::optional<size_t> List::ColdToInsert(size_t index) const {
  if (index == 0 || index == size()) return {};
  const int64_t number = blocks_.front().start() + static_cast<int64_t>(index);
  const size_t b = FindBlock(number);
  return blocks_[b].cold() && number > blocks_[b].start() ? std::optional(b) : std::nullopt;
}

void List::RequireColdToInsert(size_t index) const {
  if (const auto b = ColdToInsert(index)) FetchRun(*b);
}

void List::AddMissingToInsert(size_t index, MissingExtents* missing) const {
  if (const auto b = ColdToInsert(index)) missing->Add(blocks_[*b].ShareExtent());
}

// Fetches the run and as many runs after it as the walk has seen, so that a long walk is not begun
// again for each run.
void List::Iterator::EnterRun() {
  const Ring<ListBlock>& blocks = list_->blocks_;
  const ListBlock& cold = blocks[block_];
  if (cold.extent().loaded() == nullptr) {
    ColdExtents missing = {cold.ShareExtent()};
    const size_t most = std::clamp<size_t>(runs_, 1, kMostFetched);
    for (size_t b = forward_ ? block_ + 1 : block_ - 1; b < blocks.size() && missing.size() < most;
         forward_ ? b++ : b--) {
      const ListBlock& next = blocks[b];
      if (next.cold() && next.extent().loaded() == nullptr) missing.push_back(next.ShareExtent());
    }
    FetchExtents(missing);
  }
  run_ = &list_->FetchRun(block_);
  runs_++;
  list_->ExpectFrom(forward_ ? block_ + 1 : block_ - 1, forward_);
  const size_t element = cold.skip() + position_;
  OpenInRun(run_->Find(element));
  position_ = element - static_cast<size_t>(in_->start());
}

// Finds out which elements of the run's block are the list's.
void List::Iterator::OpenInRun(size_t block) {
  in_run_ = block;
  in_ = &run_->block(block);
  const ListBlock& cold = list_->blocks_[block_];
  const auto first = static_cast<int64_t>(cold.skip());
  const int64_t end = first + static_cast<int64_t>(cold.size());
  const int64_t start = in_->start();
  begin_ = static_cast<size_t>(std::clamp<int64_t>(first - start, 0, in_->stop() - start));
  end_ = static_cast<size_t>(std::clamp<int64_t>(end - start, 0, in_->stop() - start));
}

// --- Making it the list's own again ---

void List::Thaw(size_t block) {
  const ListBlock& cold = blocks_[block];
  std::vector<ListBlock> parts = FetchRun(block).Share(cold.skip(), cold.size());
  const ListSpill::Edit edit(spill(), block, block + 1);
  int64_t number = cold.start();
  blocks_.Open(block + 1, parts.size() - 1);
  for (size_t i = 0; i < parts.size(); i++) {
    parts[i].set_start(number);
    number = parts[i].stop();
    blocks_[block + i] = std::move(parts[i]);
  }
}

// --- Keeping account ---

void List::Attach(HotBlocks* hot) {
  Ref<HeldBlocks> shared;
  if (ListSpill* spill = this->spill()) {
    if (spill->hot() == hot) return;
    if (hot != nullptr) shared = spill->TakeShared();
    delete spill;
    reports_to_ = 0;
  } else if (held() != nullptr) {
    const BlockHolder end(Ref<HeldBlocks>::Adopt(held()));
    reports_to_ = 0;
  }
  const bool is_long = hot != nullptr && (blocks_.size() >= kLongBlocks || has_cold());
  reports_to_ = reinterpret_cast<uintptr_t>(hot);
  if (is_long) BecomeLong(hot);
  if (!shared) return;
  is_long ? spill()->SetShared(std::move(shared)) : shared->Drop(UINT64_MAX);
}

void List::Hold(Ref<HeldBlocks> held) {
  if (held) reports_to_ = reinterpret_cast<uintptr_t>(held.Release()) | 2;
}

std::unique_ptr<Object> List::CloneForCapture() {
  std::unique_ptr<Object> clone = Clone();
  if (ListSpill* spill = this->spill()) static_cast<List&>(*clone).Hold(spill->Share());
  return clone;
}

void List::LeaveKey() {
  Ref<HeldBlocks> held;
  if (ListSpill* spill = this->spill()) {
    held = spill->Leave();
    delete spill;
    reports_to_ = 0;
  } else {
    Attach(nullptr);
  }
  Hold(std::move(held));
}

void List::BecomeLong(HotBlocks* hot) {
  reports_to_ = reinterpret_cast<uintptr_t>(new ListSpill(this, hot)) | 1;
}

// --- Payloads ---

void List::AddExtents(ColdExtents* extents) const {
  for (size_t b = 0; b < blocks_.size(); b++) {
    if (blocks_[b].cold()) extents->push_back(blocks_[b].ShareExtent());
  }
}

void List::FetchAll() const {
  Require(0, size());
}

// May run on every thread that has the list to itself: reads the runs without having them loaded.
void List::Encode(Encoder* out) const {
  const auto write = [out](const ListBlock& block) {
    for (size_t i = 0; i < block.size(); i++) {
      out->Bytes(block.At(i));
      out->Checkpoint();
    }
  };
  out->Byte(kVersion);
  out->Varint(size());
  for (size_t b = 0; b < blocks_.size(); b++) {
    const ListBlock& block = blocks_[b];
    if (!block.cold()) {
      write(block);
      continue;
    }
    const std::shared_ptr<const BlockRun> run = block.extent().source().Read(block.extent());
    if (block.skip() + block.size() > run->entries()) {
      throw ColdFailure{"elements of a list are missing in their file"};
    }
    for (const ListBlock& part :
         static_cast<const ListRun&>(*run).Share(block.skip(), block.size())) {
      write(part);
    }
  }
}

void List::EncodeStored(Encoder* out) const {
  out->Byte(kVersion);
  out->Varint(blocks_.size());
  for (size_t b = 0; b < blocks_.size(); b++) {
    const ListBlock& block = blocks_[b];
    if (block.cold()) {
      out->Varint(0);
      block.extent().Describe(out);
      out->Varint(block.skip());
      out->Varint(block.size());
      continue;
    }
    out->Varint(block.size());
    for (size_t i = 0; i < block.size(); i++) {
      out->Bytes(block.At(i));
    }
    out->Checkpoint();
  }
}

std::unique_ptr<Object> List::LoadStored(Decoder* in, ColdSource& source) {
  auto list = std::make_unique<List>();
  if (in->Byte() != kVersion) return nullptr;
  const uint64_t parts = in->Count(2);
  const ColdExtent* last_extent = nullptr;
  for (uint64_t i = 0; i < parts; i++) {
    const uint64_t count = in->Varint();
    if (!in->ok()) return nullptr;
    if (count > 0) {
      if (!list->LoadElements(in, count)) return nullptr;
      continue;
    }
    Ref<ColdExtent> extent = source.Resolve(in);
    const uint64_t skip = in->Varint();
    const uint64_t left = in->Varint();
    if (!in->ok() || !extent || extent->kind() != RunKind::kList || left == 0 ||
        skip > UINT32_MAX || left > UINT32_MAX - skip) {
      return nullptr;
    }
    // Parts of one run count for its bytes once.
    const bool counted = extent.get() == last_extent;
    last_extent = extent.get();
    const uint32_t bytes = counted ? 0 : extent->raw_bytes();
    list->AttachBlock<false>(ListBlock::Cold(std::move(extent), static_cast<uint32_t>(skip),
                                             static_cast<uint32_t>(left), bytes));
  }
  if (list->empty()) return nullptr;
  return list;
}

}  // namespace runnel
