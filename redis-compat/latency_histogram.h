// A log-linear histogram of latencies, in the manner of HdrHistogram: 128 linear buckets per power
// of two.
//
// Values are nanoseconds, 0 to 2^42 (73 minutes; more counts as that). Any percentile is within
// 1/128 of the true value and never below it. One thread; fixed size, recording allocates nothing.

#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace quorate::compat {

class LatencyHistogram {
 public:
  void record(std::uint64_t value_ns) {
    value_ns = std::min(value_ns, kMaxNs);
    ++counts_[index(value_ns)];
    ++total_;
    max_ns_ = std::max(max_ns_, value_ns);
  }

  // The smallest bucket bound that at least `fraction` (0 to 1) of the values do not exceed; 0 when
  // empty.
  [[nodiscard]] std::uint64_t percentile_ns(double fraction) const {
    const auto wanted =
        static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(total_)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > 0 && seen >= wanted) return std::min(upper_bound(i), max_ns_);
    }
    return max_ns_;
  }

  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] std::uint64_t max_ns() const { return max_ns_; }

 private:
  static constexpr int kSubBits = 7;
  static constexpr std::uint64_t kSubCount = 1U << kSubBits;
  static constexpr int kMaxBits = 42;
  static constexpr std::uint64_t kMaxNs = (std::uint64_t{1} << kMaxBits) - 1;

  // Below 128 each value has its own bucket; above, the highest bit chooses the row and the next
  // seven the bucket.
  static std::size_t index(std::uint64_t value) {
    if (value < kSubCount) return static_cast<std::size_t>(value);
    const int shift = std::bit_width(value) - 1 - kSubBits;
    return (static_cast<std::size_t>(shift) + 1) * kSubCount + ((value >> shift) - kSubCount);
  }

  static std::uint64_t upper_bound(std::size_t index) {
    if (index < kSubCount) return index;
    const std::size_t shift = index / kSubCount - 1;
    return ((index % kSubCount + kSubCount + 1) << shift) - 1;
  }

  std::array<std::uint64_t, (kMaxBits - kSubBits + 1) * kSubCount> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ns_ = 0;
};

}  // namespace quorate::compat
