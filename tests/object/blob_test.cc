#include "quorate/object/blob.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace quorate::object {
namespace {

TEST(BlobTest, HoldsTheBytesItWasMadeOf) {
  const BlobRef blob = Blob::make(std::string_view("a\0b", 3));
  EXPECT_EQ(blob.view(), std::string_view("a\0b", 3));
  const BlobRef built = Blob::build(4, [](std::span<char> to) { std::ranges::fill(to, 'x'); });
  EXPECT_EQ(built.view(), "xxxx");
  EXPECT_EQ(built.size(), 4U);
  EXPECT_EQ(built.heap_bytes(), 12U);
}

TEST(BlobTest, NothingIsNull) {
  EXPECT_TRUE(Blob::make("").empty());
  EXPECT_EQ(Blob::make(""), BlobRef{});
  EXPECT_EQ(BlobRef{}.view(), "");
  EXPECT_EQ(BlobRef{}.heap_bytes(), 0U);
}

TEST(BlobTest, CopiesShareAndEqualityIsOfContent) {
  BlobRef one = Blob::make("value");
  const BlobRef copy = one;
  EXPECT_EQ(copy.view().data(), one.view().data());
  one = Blob::make("other");
  EXPECT_EQ(copy.view(), "value");
  EXPECT_EQ(copy, Blob::make("value"));
  EXPECT_FALSE(copy == one);
}

TEST(BlobTest, DetachAndAttachKeepTheOneReference) {
  BlobRef one = Blob::make("value");
  Blob* raw = std::move(one).detach();
  EXPECT_EQ(raw->view(), "value");
  EXPECT_EQ(BlobRef::attach(raw).view(), "value");
}

TEST(BlobTest, IsSharedBetweenThreads) {
  BlobRef shared = Blob::make("value");
  std::vector<std::thread> threads;
  std::atomic<int> intact = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([copy = shared, &intact] {
      for (int round = 0; round < 20'000; ++round) {
        const BlobRef another = copy;
        intact += another.view() == "value" ? 1 : 0;
      }
    });
  }
  shared = BlobRef{};
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(intact, 80'000);
}

}  // namespace
}  // namespace quorate::object
