// LatencyHistogram: how long things took, in eight buckets for each power of two.
//
// Any percentile is within 1/8 of the true value and never below it. Fixed size; recording
// allocates nothing, adding two makes one of both. Thread: any one. Units: microseconds, up to 2^32
// (71 minutes; more counts as that).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace quorate::coordinator {

class LatencyHistogram {
 public:
  void record(uint64_t us, uint64_t times = 1) {
    counts_[bucket_of(std::min(us, kMaxUs))] += times;
    total_ += times;
  }
  void add(const LatencyHistogram& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
  }

  uint64_t total() const { return total_; }
  // The least bound that `fraction` (0 to 1) of the values do not exceed; 0 if there are none.
  uint64_t percentile_us(double fraction) const {
    const auto wanted = static_cast<uint64_t>(std::ceil(fraction * static_cast<double>(total_)));
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > 0 && seen >= wanted) return last_of(i);
    }
    return 0;
  }

 private:
  static constexpr int kSubBits = 3;
  static constexpr uint64_t kSub = uint64_t{1} << kSubBits;
  static constexpr int kBits = 32;
  static constexpr uint64_t kMaxUs = (uint64_t{1} << kBits) - 1;

  // Below eight each value has a bucket of its own; above, the highest bit chooses the row and the
  // next three the bucket in it.
  static size_t bucket_of(uint64_t us) {
    if (us < kSub) return static_cast<size_t>(us);
    const int shift = std::bit_width(us) - 1 - kSubBits;
    return static_cast<size_t>((static_cast<uint64_t>(shift) + 1) * kSub + ((us >> shift) - kSub));
  }
  static uint64_t last_of(size_t bucket) {
    if (bucket < kSub) return bucket;
    const uint64_t shift = bucket / kSub - 1;
    return ((bucket % kSub + kSub + 1) << shift) - 1;
  }

  std::array<uint64_t, (kBits - kSubBits + 1) * kSub> counts_{};
  uint64_t total_ = 0;
};

}  // namespace quorate::coordinator
