// What the view of a cluster costs the control thread: with another placement, and with nothing
// changed but liveness.
#include <benchmark/benchmark.h>

#include "quorate/cluster/cluster_view.h"

#include "cluster/ring_figures.h"

namespace {

using namespace quorate::cluster;

MemberList members_of(unsigned count) {
  Cluster cluster(1);
  MemberList list;
  for (unsigned i = 0; i < count; ++i) cluster.join(1);
  for (const RingMember& of : cluster.members()) {
    Member member;
    member.id = of.id;
    member.status = MemberStatus::normal;
    member.tokens = of.tokens;
    list.merge(member);
  }
  return list;
}

Liveness all_alive(const quorate::object::NodeId& /*member*/) { return Liveness::alive; }

void placement(benchmark::State& state) {
  const MemberList list = members_of(static_cast<unsigned>(state.range(0)));
  const auto self = list.members().begin()->first;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ClusterView::make({list, self, all_alive}, nullptr));
  }
}
BENCHMARK(placement)->Arg(3)->Arg(30)->Arg(300)->Unit(benchmark::kMicrosecond);

void liveness(benchmark::State& state) {
  const MemberList list = members_of(static_cast<unsigned>(state.range(0)));
  const auto self = list.members().begin()->first;
  const auto view = ClusterView::make({list, self, all_alive}, nullptr);
  for (auto _ : state) benchmark::DoNotOptimize(ClusterView::make(all_alive, *view));
}
BENCHMARK(liveness)->Arg(3)->Arg(30)->Arg(300)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
