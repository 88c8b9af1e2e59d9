// Recordings of an atomic key are accepted, and refused once an anomaly is put into them.
#include <algorithm>
#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <iostream>
#include <optional>
#include <random>

#include "history/linearizability.h"
#include "history/simulated_register.h"

namespace quorate::history {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

constexpr std::array<unsigned, 6> kAllKinds = {6, 3, 1, 1, 1, 1};
constexpr std::array<unsigned, 6> kGetSetDel = {6, 3, 0, 0, 0, 1};
constexpr std::array<unsigned, 6> kGetSetNx = {3, 0, 3, 0, 0, 0};
constexpr std::array<unsigned, 6> kGetIncr = {3, 0, 0, 3, 0, 0};
constexpr std::array<unsigned, 6> kGetAppend = {3, 0, 0, 0, 1, 0};

Report check(const Recording& recording) { return check_linearizability(record(recording)); }

TEST(Recorded, IsAccepted) {
  for (uint64_t seed = 1; seed <= (kSanitized ? 30 : 200); ++seed) {
    for (const uint32_t clients : {1U, 4U, 16U, 32U}) {
      const Report report = check({.operations = 400,
                                   .clients = clients,
                                   .keys = 1 + static_cast<uint32_t>(seed % 3),
                                   .integer_percent = seed % 2 ? 50U : 0U,
                                   .seed = seed});
      ASSERT_TRUE(report.linearizable()) << "seed " << seed << '\n' << report.text();
    }
  }
}

TEST(Recorded, IsAcceptedWithUncertainOperations) {
  for (uint64_t seed = 1; seed <= (kSanitized ? 10 : 60); ++seed) {
    for (const uint32_t clients : {2U, 8U, 16U}) {
      const Report report = check({.operations = 1000,
                                   .clients = clients,
                                   .keys = 1,
                                   .integer_percent = seed % 2 ? 50U : 0U,
                                   .uncertain_permille = 40,
                                   .seed = seed});
      ASSERT_TRUE(report.linearizable()) << "seed " << seed << '\n' << report.text();
    }
  }
}

class Anomalies {
 public:
  Anomalies(History& history, uint64_t seed) : history_(history), random_(seed) {}

  // A read of what a completed write had replaced before the read began.
  bool read_stale() {
    const size_t late = choose(Kind::get, [](const Operation&) { return true; });
    const auto replaced = find_before(late, [](const Operation& each) {
      return each.kind == Kind::set || each.result == Result::of(1);
    });
    if (!replaced) return false;
    const auto old =
        find_before(*replaced, [](const Operation& each) { return each.kind == Kind::set; });
    if (!old) return false;
    history_[late].result = Result::value(history_[*old].argument);
    return true;
  }

  // Two increments that found the same total.
  bool lose_increment() {
    const auto any = [](const Operation&) { return true; };
    const auto is_incr = [](const Operation& each) { return each.kind == Kind::incr; };
    const size_t late = choose(Kind::incr, any);
    const auto early = find_before(late, is_incr);
    if (!early) return false;
    history_[late].result = history_[*early].result;
    return true;
  }

  bool win_twice() {
    const size_t loser = choose(
        Kind::set_nx, [](const Operation& each) { return each.result.type == Result::Type::nil; });
    history_[loser].result = Result::ok();
    return true;
  }

  // A read without an append that had completed before.
  bool lose_append() {
    const size_t late = choose(Kind::get, [](const Operation&) { return true; });
    const auto early =
        find_before(late, [](const Operation& each) { return each.kind == Kind::append; });
    if (!early) return false;
    std::string& seen = history_[late].result.bytes;
    const std::string& suffix = history_[*early].argument;
    const size_t at = seen.find(suffix);
    if (at == seen.npos) return false;
    seen.erase(at, suffix.size());
    return true;
  }

  bool read_invented() {
    const size_t late = choose(Kind::get, [](const Operation&) { return true; });
    history_[late].result = Result::value("nobody wrote this");
    return true;
  }

 private:
  using Wanted = std::function<bool(const Operation&)>;

  size_t choose(Kind kind, const Wanted& wanted) {
    while (true) {
      const size_t i = history_.size() / 4 + random_() % (history_.size() * 3 / 4);
      const Operation& each = history_[i];
      if (each.kind == kind && !each.uncertain() && wanted(each)) return i;
    }
  }

  // One that had returned when that one was invoked.
  std::optional<size_t> find_before(size_t late, const Wanted& wanted) {
    for (int attempt = 0; attempt < 10'000; ++attempt) {
      const size_t i = random_() % history_.size();
      const Operation& each = history_[i];
      if (each.returned < history_[late].invoked && wanted(each)) return i;
    }
    return std::nullopt;
  }

  History& history_;
  std::mt19937_64 random_;
};

void expect_found(const std::array<unsigned, 6>& mix, bool (Anomalies::*inject)(),
                  unsigned uncertain_permille = 0) {
  size_t injected = 0;
  for (uint64_t seed = 1; seed <= (kSanitized ? 20 : 150); ++seed) {
    for (const uint32_t clients : {2U, 8U, 24U}) {
      History history = record({.operations = 300,
                                .clients = clients,
                                .mix = mix,
                                .uncertain_permille = uncertain_permille,
                                .seed = seed});
      if (!(Anomalies(history, seed).*inject)()) continue;
      ++injected;
      const Report report = check_linearizability(history);
      ASSERT_EQ(report.violations.size(), 1) << "seed " << seed << ", " << clients << " clients\n"
                                             << report.text();
      ASSERT_FALSE(report.violations.front().core.empty());
    }
  }
  EXPECT_GT(injected, kSanitized ? 30 : 200);
}

TEST(Injected, StaleReadIsFound) { expect_found(kGetSetDel, &Anomalies::read_stale); }
TEST(Injected, StaleReadAmongAllKindsIsFound) { expect_found(kAllKinds, &Anomalies::read_stale); }
TEST(Injected, StaleReadAmongUncertainOperationsIsFound) {
  expect_found(kAllKinds, &Anomalies::read_stale, 60);
}
TEST(Injected, LostIncrementIsFound) { expect_found(kGetIncr, &Anomalies::lose_increment); }
TEST(Injected, SecondWinnerIsFound) { expect_found(kGetSetNx, &Anomalies::win_twice); }
TEST(Injected, LostAppendIsFound) { expect_found(kGetAppend, &Anomalies::lose_append); }
TEST(Injected, InventedValueIsFound) { expect_found(kAllKinds, &Anomalies::read_invented); }

// Prints its time: nothing here asserts how fast a machine is.
TEST(Large, MillionOperationsOf32ClientsOn20Keys) {
  const History history = record({.operations = kSanitized ? 20'000U : 1'000'000U,
                                  .clients = 32,
                                  .keys = 20,
                                  .integer_percent = 20,
                                  .seed = 7});
  const auto start = std::chrono::steady_clock::now();
  const Report report = check_linearizability(history);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << took.count() << " s: " << report.text();
  EXPECT_TRUE(report.linearizable());
  EXPECT_EQ(report.operations, history.size());
}

}  // namespace
}  // namespace quorate::history
