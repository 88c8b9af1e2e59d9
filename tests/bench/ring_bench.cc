// What rings look like while a cluster grows member by member, and what computing one takes.
//
// ring/MEMBERS: the time to compute the map; beside it the balance of loads and of who stands
// first (average against greatest), what moved at the last join as a part of what had to move, and
// how many ranges of slots CLUSTER SLOTS would list. choose/MEMBERS: the time to choose.
// growth/FROM/TO: what each join between moved, on average and at most; the time is that of all.

#include <algorithm>
#include <benchmark/benchmark.h>
#include <utility>

#include "cluster/ring_figures.h"

namespace {

using namespace quorate::cluster;

constexpr unsigned kSeed = 1;

void ring(benchmark::State& state) {
  Cluster cluster(kSeed);
  for (int64_t i = 1; i < state.range(0); ++i) cluster.join(1);
  const Ring before = cluster.ring();
  cluster.join(1);
  Ring after;
  for (auto _ : state) after = cluster.ring();
  const Figures figures(after);
  const Moves moves = moved(before, after);
  state.counters["balance"] = figures.balance();
  state.counters["first_balance"] = figures.first_balance();
  state.counters["moved"] = moves.places;
  state.counters["between_old"] = moves.between_old;
  state.counters["firsts_moved"] = moves.firsts;
  state.counters["ranges"] = figures.ranges();
}
BENCHMARK(ring)->Arg(5)->Arg(10)->Arg(30)->Arg(100)->Arg(300)->Unit(benchmark::kMillisecond);

void choose(benchmark::State& state) {
  Cluster cluster(kSeed);
  for (int64_t i = 0; i < state.range(0); ++i) cluster.join(1);
  RingMember joining;
  for (auto _ : state) {
    benchmark::DoNotOptimize(choose_tokens(cluster.members(), joining, Cluster::kReplicas));
  }
}
BENCHMARK(choose)->Arg(3)->Arg(30)->Arg(300)->Unit(benchmark::kMillisecond);

void growth(benchmark::State& state) {
  double places = 0, between_old = 0, most = 0, balance = 1;
  for (auto _ : state) {
    Cluster cluster(kSeed);
    for (int64_t i = 0; i < state.range(0); ++i) cluster.join(1);
    Ring before = cluster.ring();
    for (int64_t i = state.range(0); i < state.range(1); ++i) {
      cluster.join(1);
      Ring after = cluster.ring();
      const Moves moves = moved(before, after);
      places += moves.places;
      between_old += moves.between_old;
      most = std::max(most, moves.places);
      balance = std::min(balance, Figures(after).balance());
      before = std::move(after);
    }
  }
  const auto joins = static_cast<double>(state.range(1) - state.range(0));
  state.counters["moved"] = places / joins;
  state.counters["moved_most"] = most;
  state.counters["between_old"] = between_old / joins;
  state.counters["balance_least"] = balance;
}
BENCHMARK(growth)
    ->Args({3, 30})
    ->Args({30, 100})
    ->Args({100, 300})
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

}  // namespace

BENCHMARK_MAIN();
