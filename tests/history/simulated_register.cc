#include "history/simulated_register.h"

#include <algorithm>
#include <queue>
#include <random>
#include <tuple>
#include <vector>

#include "history/brute_force.h"

namespace quorate::history {
namespace {

constexpr uint64_t kLongestStep =
    100;  // between invocation and effect, effect and return, and calls

struct Effect {
  uint64_t at;
  size_t operation;
  bool operator>(const Effect& other) const {
    return std::tie(at, operation) > std::tie(other.at, other.operation);
  }
};

class Recorder {
 public:
  explicit Recorder(const Recording& recording)
      : recording_(recording), random_(recording.seed), values_(recording.keys) {}

  History run() {
    std::vector<uint64_t> free_at(recording_.clients);
    for (size_t i = 0; i < recording_.operations; ++i) {
      const auto client = std::ranges::min_element(free_at);
      const uint64_t invoked = *client + below(kLongestStep);
      *client = invoke(static_cast<uint32_t>(client - free_at.begin()), invoked);
      // Whoever is free next begins no earlier than this.
      execute_until(*std::ranges::min_element(free_at));
    }
    execute_until(kNever);
    return std::move(history_);
  }

 private:
  uint64_t below(uint64_t bound) { return random_() % bound; }

  Kind choose_kind() {
    unsigned total = 0;
    for (const unsigned share : recording_.mix) total += share;
    auto chosen = static_cast<unsigned>(below(total));
    size_t kind = 0;
    while (chosen >= recording_.mix[kind]) chosen -= recording_.mix[kind++];
    return static_cast<Kind>(kind);
  }

  std::string choose_argument(Kind kind) {
    if (!has_argument(kind)) return {};
    if (below(100) < recording_.integer_percent) return std::to_string(below(100));
    const std::string unique = "<" + std::to_string(history_.size()) + ">";
    return unique + std::string(kind == Kind::append ? 0 : below(20), '.');
  }

  // Returns when the client is free again.
  uint64_t invoke(uint32_t client, uint64_t invoked) {
    const size_t index = history_.size();
    const Kind kind = choose_kind();
    const auto key = below(recording_.keys);
    history_.push_back(
        {client, "k" + std::to_string(key), kind, choose_argument(kind), invoked, kNever, {}});
    keys_.push_back(key);
    const uint64_t effect = invoked + below(kLongestStep);
    const uint64_t returned = effect + below(kLongestStep);
    if (below(1000) >= recording_.uncertain_permille) {
      history_[index].returned = returned;
      effects_.push({effect, index});
    } else if (below(2)) {
      effects_.push({invoked + below(100 * kLongestStep), index});
    }
    return returned;
  }

  void execute_until(uint64_t time) {
    while (!effects_.empty() && effects_.top().at < time) {
      Operation& operation = history_[effects_.top().operation];
      const Result result = execute(operation, values_[keys_[effects_.top().operation]]);
      if (operation.returned != kNever) operation.result = result;
      effects_.pop();
    }
  }

  const Recording& recording_;
  std::mt19937_64 random_;
  std::vector<KeyValue> values_;
  History history_;
  std::vector<size_t> keys_;  // of the operations
  std::priority_queue<Effect, std::vector<Effect>, std::greater<>> effects_;
};

}  // namespace

History record(const Recording& recording) { return Recorder(recording).run(); }

}  // namespace quorate::history
