#include "utils/bench_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace runnel::bench {

namespace {

constexpr int kExactBits = 11;  // values of so many bits are kept exactly
constexpr uint64_t kExact = uint64_t{1} << kExactBits;
constexpr uint64_t kPerPower = kExact / 2;  // buckets per power of two above that

// The values of bucket i >= kExact share their top kExactBits bits; `shift` is how many bits below
// those are dropped, so a power of two is the run of kPerPower buckets with the same shift.
size_t BucketOf(uint64_t value) {
  if (value < kExact) return value;
  const int shift = std::bit_width(value) - kExactBits;
  return kExact + static_cast<uint64_t>(shift - 1) * kPerPower + ((value >> shift) - kPerPower);
}

uint64_t LargestIn(size_t bucket) {
  if (bucket < kExact) return bucket;
  const uint64_t shift = (bucket - kExact) / kPerPower + 1;
  const uint64_t top = (bucket - kExact) % kPerPower + kPerPower;
  return ((top + 1) << shift) - 1;
}

}  // namespace

Histogram::Histogram() : buckets_(BucketOf(kLimit - 1) + 1) {}

void Histogram::Record(uint64_t value, uint64_t times) {
  buckets_[BucketOf(std::min(value, kLimit - 1))] += times;
  count_ += times;
  sum_ += static_cast<double>(value) * static_cast<double>(times);
  max_ = std::max(max_, value);
}

void Histogram::Add(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i)
    buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

double Histogram::Mean() const {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

uint64_t Histogram::Percentile(double percent) const {
  if (count_ == 0) return 0;
  const double rank = std::ceil(static_cast<double>(count_) * percent / 100);
  const uint64_t wanted = std::clamp<uint64_t>(static_cast<uint64_t>(rank), 1, count_);
  uint64_t seen = 0;
  // The last bucket has no upper edge of its own, so it answers with the maximum.
  for (size_t i = 0; i + 1 < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(LargestIn(i), max_);
  }
  return max_;
}

}  // namespace runnel::bench
