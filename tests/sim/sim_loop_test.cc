#include "sim/sim_loop.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace quorate::sim {
namespace {

TEST(SimLoop, PostedTasksRunInOrderAndShareTurns) {
  SimWorld world(1);
  const auto loop = world.make_loop(1);
  std::vector<int> order;
  int turn_ends = 0;
  loop->set_turn_end([&] { ++turn_ends; });
  for (int i = 0; i < 100; ++i) loop->post([&order, i] { order.push_back(i); });
  EXPECT_TRUE(order.empty()) << "nothing runs before time does";
  world.run_for(1000);
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
  EXPECT_EQ(turn_ends, 1);
  EXPECT_EQ(loop->turns(), 1u);
}

TEST(SimLoop, WhatATurnPostsRunsInTheNext) {
  SimWorld world(2);
  const auto loop = world.make_loop(1);
  std::string order;
  loop->set_turn_end([&] { order += '|'; });
  loop->post([&] {
    order += 'a';
    loop->post([&] { order += 'b'; });
  });
  world.run_for(1000);
  EXPECT_EQ(order, "a|b|");
}

TEST(SimLoop, TimersRunWhenDueRepeatAndAreCancelled) {
  SimWorld world(3);
  const auto loop = world.make_loop(1, {1, 1});
  std::vector<uint64_t> once;
  std::vector<uint64_t> repeated;
  int cancelled = 0;
  const auto first = loop->start_timer(5000, 0, [&] { once.push_back(world.now_us()); });
  auto second = loop->start_timer(1000, 1000, [&] { repeated.push_back(world.now_us()); });
  auto third = loop->start_timer(100, 0, [&] { ++cancelled; });
  third.reset();
  world.run_until(10'500);
  ASSERT_EQ(once.size(), 1u);
  EXPECT_GE(once[0], 5000u);
  EXPECT_LE(once[0], 5010u);
  EXPECT_GE(repeated.size(), 9u);
  EXPECT_EQ(cancelled, 0);
  second.reset();
  const size_t before = repeated.size();
  world.run_for(10'000);
  EXPECT_EQ(repeated.size(), before);
}

TEST(SimLoop, ATimerMayCancelItself) {
  SimWorld world(4);
  const auto loop = world.make_loop(1);
  int runs = 0;
  std::unique_ptr<runtime::Timer> timer;
  timer = loop->start_timer(10, 10, [&] {
    ++runs;
    timer.reset();
  });
  world.run_for(10'000);
  EXPECT_EQ(runs, 1);
}

TEST(SimLoop, WallClocksJumpWhileMonotonicOnesDoNot) {
  SimWorld world(5);
  const auto loop = world.make_loop(1);
  const auto other = world.make_loop(2);
  world.run_until(5'000'000);
  EXPECT_EQ(loop->clock().wall_ms(), SimWorld::kWallEpochMs + 5000);
  world.set_wall_offset_ms(1, -60'000);
  EXPECT_EQ(loop->clock().wall_ms(), SimWorld::kWallEpochMs - 55'000);
  EXPECT_EQ(other->clock().wall_ms(), SimWorld::kWallEpochMs + 5000);
  EXPECT_EQ(loop->clock().monotonic_us(), 5'000'000u);
}

TEST(SimWorker, ATaskTakesTimeAndItsPostsArriveAfterIt) {
  SimWorld world(6);
  const auto loop = world.make_loop(1, {0, 0});
  const auto worker = world.make_worker(1, {1000, 1000});
  std::vector<uint64_t> began;
  std::vector<uint64_t> answered;
  for (int i = 0; i < 3; ++i) {
    worker->post([&] {
      began.push_back(world.now_us());
      loop->post([&] { answered.push_back(world.now_us()); });
    });
  }
  EXPECT_EQ(worker->queued(), 3u);
  world.run_for(10'000);
  ASSERT_EQ(began.size(), 3u);
  ASSERT_EQ(answered.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(answered[i], began[i] + 1000);
  EXPECT_GE(began[1], began[0] + 1000) << "one at a time";
}

TEST(SimWorld, ACrashDropsWhatANodeHadQueuedAndNothingElse) {
  SimWorld world(7);
  auto loop = world.make_loop(1);
  auto worker = world.make_worker(1);
  const auto other = world.make_loop(2);
  std::string ran;
  auto destroyed = std::make_shared<int>();
  loop->post([&ran, destroyed] { ran += 'x'; });
  worker->post([&ran, destroyed] { ran += 'x'; });
  const auto timer = loop->start_timer(10, 10, [&ran, destroyed] { ran += 'x'; });
  world.schedule(1, 10, [&ran, destroyed] { ran += 'x'; });
  other->post([&ran] { ran += 'o'; });
  EXPECT_EQ(destroyed.use_count(), 5);
  world.crash(1);
  EXPECT_EQ(destroyed.use_count(), 1);
  EXPECT_TRUE(loop->stopped());
  EXPECT_TRUE(worker->stopped());
  loop->post([&ran] { ran += 'x'; });
  world.run_for(10'000);
  EXPECT_EQ(ran, "o");
  loop = world.make_loop(1);
  loop->post([&ran] { ran += 'n'; });
  world.run_for(10'000);
  EXPECT_EQ(ran, "on") << "a restarted node has new loops";
}

TEST(SimWorld, ANodeMayCrashFromWithinItsOwnTurn) {
  SimWorld world(8);
  const auto loop = world.make_loop(1);
  std::string ran;
  loop->set_turn_end([&] { ran += 'e'; });
  loop->post([&] {
    ran += 'a';
    world.crash(1);
  });
  loop->post([&] { ran += 'b'; });
  world.run_for(10'000);
  EXPECT_EQ(ran, "a");
}

std::vector<uint64_t> history(uint64_t seed) {
  SimWorld world(seed);
  const auto loop = world.make_loop(1);
  const auto worker = world.make_worker(1);
  std::vector<uint64_t> times;
  for (int i = 0; i < 50; ++i) {
    world.schedule(1, world.random().below(10'000), [&] {
      worker->post([&] { loop->post([&] { times.push_back(world.now_us()); }); });
    });
  }
  world.run_for(1'000'000);
  return times;
}

TEST(SimWorld, ASeedReplays) {
  EXPECT_EQ(history(11).size(), 50u);
  EXPECT_EQ(history(11), history(11));
  EXPECT_NE(history(11), history(12));
}

TEST(SimWorld, RunsUntilSomethingHoldsOrTimeIsUp) {
  SimWorld world(9);
  const auto loop = world.make_loop(1);
  bool done = false;
  const auto timer = loop->start_timer(5000, 0, [&] { done = true; });
  EXPECT_FALSE(world.run_until([&] { return done; }, 4000));
  EXPECT_TRUE(world.run_until([&] { return done; }, 100'000));
  EXPECT_LE(world.now_us(), 6000u);
}

}  // namespace
}  // namespace quorate::sim
