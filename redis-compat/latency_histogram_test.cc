#include "latency_histogram.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace quorate::compat {
namespace {

TEST(LatencyHistogram, AnswersZeroWhenEmpty) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.percentile_ns(0.99), 0U);
  EXPECT_EQ(histogram.total(), 0U);
}

TEST(LatencyHistogram, KeepsSmallValuesExactly) {
  LatencyHistogram histogram;
  for (std::uint64_t value = 1; value <= 100; ++value) histogram.record(value);
  EXPECT_EQ(histogram.percentile_ns(0.5), 50U);
  EXPECT_EQ(histogram.percentile_ns(0.99), 99U);
  EXPECT_EQ(histogram.percentile_ns(1.0), 100U);
}

TEST(LatencyHistogram, NeverExceedsTheLargestValue) {
  LatencyHistogram histogram;
  histogram.record(1'000'003);
  EXPECT_EQ(histogram.percentile_ns(0.5), 1'000'003U);
  EXPECT_EQ(histogram.max_ns(), 1'000'003U);
}

TEST(LatencyHistogram, CapsWhatItCannotHold) {
  LatencyHistogram histogram;
  histogram.record(~std::uint64_t{0});
  EXPECT_EQ(histogram.percentile_ns(1.0), (std::uint64_t{1} << 42) - 1);
}

// Against a sorted list, over seven orders of magnitude: not below the true value, at most 1/128
// above it.
TEST(LatencyHistogram, PercentilesAreWithinOneBucket) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> exponent(0, 10);
  LatencyHistogram histogram;
  std::vector<std::uint64_t> values;
  for (int i = 0; i < 100'000; ++i) {
    values.push_back(static_cast<std::uint64_t>(std::pow(10.0, exponent(random))));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double fraction : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999}) {
    const auto rank =
        static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(values.size())));
    const std::uint64_t exact = values[rank - 1];
    EXPECT_GE(histogram.percentile_ns(fraction), exact) << fraction;
    EXPECT_LE(histogram.percentile_ns(fraction), exact + exact / 128) << fraction;
  }
}

}  // namespace
}  // namespace quorate::compat
