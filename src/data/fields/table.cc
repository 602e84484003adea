#include "data/fields/table.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "base/assert.h"
#include "base/memory.h"

namespace runnel {
namespace {

// Elements per bucket at which a table grows and shrinks: far enough apart that a table whose size
// swings does not split and merge the same bucket over and over. A single bucket is searched in two
// or three words of tags, and its rows are a cache line.
constexpr size_t kFieldsGrowAt = 20;
constexpr size_t kFieldsShrinkAt = 8;

constexpr size_t kPageBits = 8;
constexpr size_t kPageBuckets = size_t{1} << kPageBits;

uint64_t ReverseAllBits(uint64_t value) {
  value = ((value >> 1) & 0x5555555555555555) | ((value & 0x5555555555555555) << 1);
  value = ((value >> 2) & 0x3333333333333333) | ((value & 0x3333333333333333) << 2);
  value = ((value >> 4) & 0x0f0f0f0f0f0f0f0f) | ((value & 0x0f0f0f0f0f0f0f0f) << 4);
  return __builtin_bswap64(value);
}

// A number below `bound` by the high bits of `random`.
uint64_t Scale(uint64_t random, uint64_t bound) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(random) * bound) >> 64);
}

size_t BlockEffort(size_t bytes, const Block* block) {
  return block == nullptr ? 0 : Cell::FreeEffort(bytes);
}
size_t BlockEffort(const Field& field) {
  return BlockEffort(field.name.size(), field.name_block) +
         BlockEffort(field.value.size(), field.value_block);
}

size_t BlockEffort(const FieldBucket& bucket) {
  size_t effort = 0;
  bucket.ForEach([&](const Field& field) { effort += BlockEffort(field); });
  return effort;
}

}  // namespace

// Counted by reference; only a unique page may be changed.
class FieldTable::Page {
 public:
  // A page with room for so many buckets, with those of `from`, which may be null: it is a copy if
  // others hold `from`, too. Takes over the reference to `from`.
  static Page* Grow(Page* from, size_t capacity) {
    void* const memory = std::calloc(1, sizeof(Page) + capacity * sizeof(FieldBucket*));
    CHECK(memory != nullptr);
    Page* const page = new (memory) Page;
    page->capacity_ = static_cast<uint32_t>(capacity);
    if (from == nullptr) return page;
    for (size_t i = 0; i < std::min<size_t>(from->capacity_, capacity); i++) {
      page->buckets()[i] = from->buckets()[i];
      if (page->buckets()[i] != nullptr) page->buckets()[i]->AddRef();
    }
    from->Unref();
    return page;
  }

  FieldBucket** buckets() { return reinterpret_cast<FieldBucket**>(this + 1); }
  size_t capacity() const { return capacity_; }
  size_t MemoryBytes() const { return AllocationSize(this); }

  bool unique() const { return references_.load(std::memory_order_acquire) == 1; }
  void AddRef() { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < capacity_; i++) {
      if (buckets()[i] != nullptr) buckets()[i]->Unref();
    }
    this->~Page();
    std::free(this);
  }

 private:
  std::atomic<uint32_t> references_{1};
  uint32_t capacity_ = 0;
};

FieldTable FieldTable::Share() const {
  FieldTable copy;
  if (const Directory* all = directory()) {
    Directory* const shared = new Directory(*all);
    for (Page* page : shared->pages) {
      page->AddRef();
    }
    copy.root_ = reinterpret_cast<uintptr_t>(shared) | 1;
  } else if (single() != nullptr) {
    single()->AddRef();
    copy.root_ = root_;
  }
  return copy;
}

void FieldTable::Clear() {
  if (Directory* all = directory()) {
    for (Page* page : all->pages) {
      page->Unref();
    }
    delete all;
  } else if (single() != nullptr) {
    single()->Unref();
  }
  root_ = 0;
}

const FieldBucket* FieldTable::BucketAt(uint64_t address) const {
  const Directory* const all = directory();
  if (all == nullptr) return single();
  return all->pages[address >> kPageBits]->buckets()[address % kPageBuckets];
}

int FieldTable::DepthOf(uint64_t address) const {
  const Directory* const all = directory();
  if (all == nullptr) return 0;
  const bool was_split = address < all->split || address >= (uint64_t{1} << all->level);
  return all->level + (was_split ? 1 : 0);
}

// As KeyTable::NextCursor, which says why this sees what it must.
uint64_t FieldTable::NextCursor(uint64_t cursor) const {
  const uint64_t mask = (uint64_t{1} << DepthOf(AddressOf(cursor))) - 1;
  return ReverseAllBits(ReverseAllBits(cursor | ~mask) + 1);
}

std::optional<Field> FieldTable::Find(uint64_t hash, std::string_view name) const {
  const FieldBucket* const bucket = BucketAt(AddressOf(hash));
  if (bucket == nullptr) return std::nullopt;
  const size_t position = bucket->Find(TagOf(hash), name);
  if (position == FieldBucket::kNowhere) return std::nullopt;
  return bucket->At(position);
}

bool FieldTable::Contains(uint64_t hash, std::string_view name) const {
  const FieldBucket* const bucket = BucketAt(AddressOf(hash));
  return bucket != nullptr && bucket->Find(TagOf(hash), name) != FieldBucket::kNowhere;
}

// The place of a bucket in a page that only this table has.
FieldBucket** FieldTable::WritableSlot(uint64_t address) {
  Page*& page = directory()->pages[address >> kPageBits];
  if (!page->unique()) page = Page::Grow(page, page->capacity());
  return page->buckets() + address % kPageBuckets;
}

bool FieldTable::Set(uint64_t hash, std::string_view name, std::string_view value,
                     const Block* name_block) {
  Directory* const all = directory();
  FieldBucket* alone = single();
  FieldBucket** const slot = all == nullptr ? &alone : WritableSlot(AddressOf(hash));
  const size_t position =
      *slot == nullptr ? FieldBucket::kNowhere : (*slot)->Find(TagOf(hash), name);
  const bool is_new = position == FieldBucket::kNowhere;
  if (!is_new) {
    if (all != nullptr) {
      const Field old = (*slot)->At(position);
      all->block_effort -= BlockEffort(old.value.size(), old.value_block);
    }
    *slot = FieldBucket::SetValue(*slot, position, Cell(value));
  } else if (name_block != nullptr) {
    *slot = FieldBucket::Add(*slot, TagOf(hash), Cell(*name_block, name.size()), Cell(value));
  } else {
    *slot = FieldBucket::Add(*slot, TagOf(hash), Cell(name), Cell(value));
  }
  if (all == nullptr) {
    root_ = reinterpret_cast<uintptr_t>(alone);
    if (alone->size() > kFieldsGrowAt) BecomeLarge();
    return is_new;
  }
  const Field now = (*slot)->At(is_new ? (*slot)->size() - 1 : position);
  all->block_effort += is_new ? BlockEffort(now) : BlockEffort(now.value.size(), now.value_block);
  if (is_new) {
    all->most = std::max(all->most, static_cast<uint32_t>((*slot)->size()));
    all->size++;
    if (all->size > kFieldsGrowAt * buckets()) Split();
  }
  return is_new;
}

bool FieldTable::Remove(uint64_t hash, std::string_view name) {
  Directory* const all = directory();
  const uint64_t address = AddressOf(hash);
  const FieldBucket* const bucket = BucketAt(address);
  if (bucket == nullptr) return false;
  const size_t position = bucket->Find(TagOf(hash), name);
  if (position == FieldBucket::kNowhere) return false;
  if (all == nullptr) {
    root_ = reinterpret_cast<uintptr_t>(FieldBucket::Erase(single(), position));
    return true;
  }
  all->block_effort -= BlockEffort(bucket->At(position));
  FieldBucket** const slot = WritableSlot(address);
  *slot = FieldBucket::Erase(*slot, position);
  all->size--;
  if (all->size < kFieldsShrinkAt * buckets()) Merge();
  return true;
}

void FieldTable::BecomeLarge() {
  FieldBucket* const bucket = single();
  Directory* const all = new Directory;
  all->pages.push_back(Page::Grow(nullptr, 2));
  all->pages[0]->buckets()[0] = bucket;
  all->size = bucket->size();
  all->most = static_cast<uint32_t>(bucket->size());
  all->block_effort = BlockEffort(*bucket);
  root_ = reinterpret_cast<uintptr_t>(all) | 1;
  Split();
}

void FieldTable::BecomeSingle() {
  Directory* const all = directory();
  FieldBucket* const bucket = std::exchange(*WritableSlot(0), nullptr);
  for (Page* page : all->pages) {
    page->Unref();
  }
  delete all;
  root_ = reinterpret_cast<uintptr_t>(bucket);
}

void FieldTable::Split() {
  Directory* const all = directory();
  const uint64_t from = all->split;
  const uint64_t to = from + (uint64_t{1} << all->level);
  const int bit = all->level;
  std::vector<Page*>& pages = all->pages;
  // Only the last page may be smaller than a whole one, so that a table of a few buckets does not
  // pay for more.
  if (to / kPageBuckets == pages.size()) {
    pages.push_back(Page::Grow(nullptr, 4));
  } else if (to % kPageBuckets >= pages.back()->capacity()) {
    pages.back() = Page::Grow(pages.back(), 2 * pages.back()->capacity());
  }
  if (++all->split == uint64_t{1} << all->level) {
    all->level++;
    all->split = 0;
  }
  FieldBucket** const target = WritableSlot(to);
  FieldBucket** const source = WritableSlot(from);
  *source = FieldBucket::Split(
      *source, target, [&](std::string_view name) { return (HashKey(name) >> bit & 1) != 0; });
}

void FieldTable::Merge() {
  Directory* const all = directory();
  if (all->split == 0) {
    all->level--;
    all->split = uint64_t{1} << all->level;
  }
  all->split--;
  const uint64_t from = all->split + (uint64_t{1} << all->level);
  FieldBucket* const source = std::exchange(*WritableSlot(from), nullptr);
  FieldBucket** const target = WritableSlot(all->split);
  *target = FieldBucket::Join(*target, source);
  if (*target != nullptr) {
    all->most = std::max(all->most, static_cast<uint32_t>((*target)->size()));
  }
  std::vector<Page*>& pages = all->pages;
  if (from % kPageBuckets == 0) {
    pages.back()->Unref();
    pages.pop_back();
  } else if (from % kPageBuckets < pages.back()->capacity() / 4) {
    pages.back() = Page::Grow(pages.back(), pages.back()->capacity() / 2);
  }
  if (pages.size() < pages.capacity() / 4) pages.shrink_to_fit();
  if (buckets() == 1) BecomeSingle();
}

Field FieldTable::Random(uint64_t random) const {
  const Directory* const all = directory();
  if (all == nullptr) return single()->At(Scale(random, single()->size()));
  // A place is drawn, of which each bucket has the same number, until there is an element in it.
  while (true) {
    random += 0x9e3779b97f4a7c15;
    uint64_t drawn = random;  // mixed as SplitMix64 does
    drawn = (drawn ^ (drawn >> 30)) * 0xbf58476d1ce4e5b9;
    drawn = (drawn ^ (drawn >> 27)) * 0x94d049bb133111eb;
    drawn ^= drawn >> 31;
    const uint64_t place = Scale(drawn, buckets() * all->most);
    const FieldBucket* const bucket = BucketAt(place / all->most);
    if (bucket != nullptr && place % all->most < bucket->size()) {
      return bucket->At(place % all->most);
    }
  }
}

size_t FieldTable::MemoryBytes(size_t samples) const {
  const Directory* const all = directory();
  if (all == nullptr) return single() != nullptr ? single()->MemoryBytes() : 0;
  size_t fixed = AllocationSize(all) + AllocationSize(all->pages.data());
  fixed += (all->pages.size() - 1) * all->pages.front()->MemoryBytes();
  fixed += all->pages.back()->MemoryBytes();
  const size_t count = buckets();
  if (samples == 0 || samples > count) samples = count;
  size_t sum = 0;
  for (size_t i = 0; i < samples; i++) {
    const FieldBucket* const bucket = BucketAt(i * count / samples);
    if (bucket != nullptr) sum += bucket->MemoryBytes();
  }
  if (samples == count) return fixed + sum;
  return fixed + static_cast<size_t>(static_cast<double>(sum) / static_cast<double>(samples) *
                                     static_cast<double>(count));
}

size_t FieldTable::FreeEffort() const {
  if (const Directory* all = directory()) return buckets() + all->block_effort;
  return single() != nullptr ? 1 + BlockEffort(*single()) : 0;
}

void FieldTable::Iterator::FindBucket() {
  while (!at_.Valid() && next_ < table_->buckets()) {
    at_ = FieldBucket::Iterator(table_->BucketAt(next_++));
  }
}

}  // namespace runnel
