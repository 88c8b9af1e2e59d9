// The checker beside one that tries all orders, on small histories: right, wrong and random ones.
#include "history/brute_force.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

#include "history/linearizability.h"

namespace quorate::history {
namespace {

// Few values, so that operations collide in every way; some are integers.
const std::vector<std::string> kValues = {"a", "b", "ab", "0", "1", "2", "12"};

class SmallHistories {
 public:
  explicit SmallHistories(uint64_t seed) : random_(seed) {}

  // Overlapping operations that one key has answered, some of which their client never heard of.
  History make() {
    const size_t operations = 2 + below(6);
    const uint64_t span = 4 + below(30);
    const unsigned uncertain_percent = below(2) ? 0 : 40;
    std::vector<std::pair<uint64_t, Operation>> effects;
    for (size_t i = 0; i < operations; ++i) {
      Operation operation;
      operation.client = static_cast<uint32_t>(i);
      operation.key = "k";
      operation.kind = static_cast<Kind>(below(6));
      if (has_argument(operation.kind)) operation.argument = kValues[below(kValues.size())];
      operation.invoked = below(span);
      operation.returned = operation.invoked + below(span / 2);
      effects.emplace_back(operation.invoked + below(operation.returned - operation.invoked + 1),
                           operation);
    }
    std::ranges::sort(effects, {}, [](const auto& effect) {
      return std::pair(effect.first, effect.second.client);
    });
    History history;
    KeyValue value;
    for (auto& [at, operation] : effects) {
      const bool uncertain = below(100) < uncertain_percent;
      if (!uncertain || below(2)) operation.result = execute(operation, value);
      if (uncertain) {
        operation.result = {};
        operation.returned = kNever;
      }
      history.push_back(operation);
    }
    std::ranges::shuffle(history, random_);
    return history;
  }

  // Changes one thing that a client saw.
  void spoil(History& history) {
    Operation& operation = history[below(history.size())];
    if (operation.uncertain() || below(4) == 0) {
      operation.invoked = below(operation.invoked + 1);
      if (below(2) && !operation.uncertain()) operation.returned = operation.invoked;
      return;
    }
    Result& result = operation.result;
    switch (operation.kind) {
      case Kind::get:
        result = below(4) ? Result::value(kValues[below(kValues.size())]) : Result::nil();
        return;
      case Kind::set:
        operation.argument = kValues[below(kValues.size())];
        return;
      case Kind::set_nx:
        result = result.type == Result::Type::ok ? Result::nil() : Result::ok();
        return;
      case Kind::incr:
        result = below(4) ? Result::of(static_cast<int64_t>(below(5))) : Result::error("");
        return;
      case Kind::append:
        result = Result::of(static_cast<int64_t>(below(7)));
        return;
      case Kind::del:
        result = Result::of(1 - result.integer);
        return;
    }
  }

 private:
  size_t below(size_t bound) { return random_() % bound; }

  std::mt19937_64 random_;
};

std::string text_of(const History& history) {
  std::ostringstream out;
  write_history(out, history);
  return out.str();
}

TEST(BruteForce, AgreesOnThousandsOfSmallHistories) {
  size_t possible = 0;
  size_t impossible = 0;
  for (uint64_t seed = 1; seed <= 40'000; ++seed) {
    SmallHistories histories(seed);
    History history = histories.make();
    ASSERT_TRUE(possible_by_brute_force(history)) << "seed " << seed << '\n' << text_of(history);
    for (uint64_t spoiled = 0; spoiled < 3; ++spoiled) {
      const bool expected = possible_by_brute_force(history);
      const Report report = check_linearizability(history);
      ASSERT_TRUE(report.undecided.empty());
      ASSERT_EQ(report.linearizable(), expected) << "seed " << seed << '\n'
                                                 << text_of(history) << report.text();
      ++(expected ? possible : impossible);
      histories.spoil(history);
    }
  }
  EXPECT_GT(possible, 50'000);
  EXPECT_GT(impossible, 20'000);
}

// What is shown as impossible must be so by itself, whatever the key held before.
TEST(BruteForce, AgreesThatTheCoreOfAViolationIsImpossible) {
  size_t checked = 0;
  for (uint64_t seed = 1; seed <= 4'000; ++seed) {
    SmallHistories histories(seed);
    History history = histories.make();
    histories.spoil(history);
    histories.spoil(history);
    for (const Violation& violation : check_linearizability(history).violations) {
      ASSERT_TRUE(std::ranges::includes(
          violation.window, violation.core, {}, [&](size_t i) { return history[i].invoked; },
          [&](size_t i) { return history[i].invoked; }));
      std::vector<bool> due(history.size());
      for (const size_t i : violation.core) due[i] = true;
      ASSERT_FALSE(possible_by_brute_force(history, due))
          << "seed " << seed << '\n'
          << text_of(history) << violation.explanation;
      ++checked;
    }
  }
  EXPECT_GT(checked, 500);
}

}  // namespace
}  // namespace quorate::history
