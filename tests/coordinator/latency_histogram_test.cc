#include "quorate/coordinator/latency_histogram.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace quorate::coordinator {
namespace {

TEST(LatencyHistogramTest, NothingTookNoTime) {
  const LatencyHistogram empty;
  EXPECT_EQ(empty.total(), 0U);
  EXPECT_EQ(empty.percentile_us(0.5), 0U);
  EXPECT_EQ(empty.percentile_us(1), 0U);
}

TEST(LatencyHistogramTest, PercentilesAreWithinAnEighthAndNeverBelow) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 50; ++round) {
    LatencyHistogram one, other;
    std::vector<uint64_t> values;
    for (int i = 0; i < 1000; ++i) {
      values.push_back((random() >> 32) >> (random() % 33));
      (i % 2 == 0 ? one : other).record(values.back());
    }
    one.add(other);
    ASSERT_EQ(one.total(), values.size());
    std::ranges::sort(values);
    for (const double fraction : {0.001, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const auto rank = static_cast<size_t>(std::ceil(fraction * 1000));
      const uint64_t exact = values[std::max<size_t>(rank, 1) - 1];
      const uint64_t told = one.percentile_us(fraction);
      EXPECT_GE(told, exact) << fraction;
      EXPECT_LE(told, exact + exact / 8) << fraction;
    }
  }
}

TEST(LatencyHistogramTest, CountsSeveralAtOnceAndWhatIsBeyondAsTheMost) {
  LatencyHistogram histogram;
  histogram.record(5, 99);
  histogram.record(UINT64_MAX);
  EXPECT_EQ(histogram.total(), 100U);
  EXPECT_EQ(histogram.percentile_us(0.99), 5U);
  EXPECT_EQ(histogram.percentile_us(1), (uint64_t{1} << 32) - 1);
}

}  // namespace
}  // namespace quorate::coordinator
