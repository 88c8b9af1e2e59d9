#include "sim/rival_coordinators.h"

#include <string>

#include "sim/sim_cluster.h"

namespace quorate::sim {
namespace {

constexpr unsigned kOne = 0, kOther = 1, kThird = 2;

bool ok(const redis::Wire& wire) { return wire.to_client == "+OK\r\n"; }

}  // namespace

RivalChanges let_rivals_change(uint64_t seed, RivalAskedBy by) {
  SimCluster cluster(seed, 3, {}, {.delay = {50, 3000}});
  cluster.start();
  cluster.world().run_for(3 * kSecond);
  cluster.part({kOne}, {kOther});
  cluster.world().run_for(4 * kSecond);  // nobody waits for promises any more
  RivalChanges changes;
  for (unsigned i = 0; i < 60; ++i) {
    const std::string key = "key-" + std::to_string(i);
    const bool rivals =
        cluster.coordinator_of(kOne, key) == kOne && cluster.coordinator_of(kOther, key) == kOther;
    if (!rivals) continue;
    const auto connect = [&](unsigned rival) {
      const bool forwarded =
          by == RivalAskedBy::the_third && cluster.coordinator_of(kThird, key) == rival;
      return cluster.connect(forwarded ? kThird : rival);
    };
    const auto one = connect(kOne), other = connect(kOther);
    SimNode::send(*one, redis::encode_request({"SET", key, "one", "NX"}));
    SimNode::send(*other, redis::encode_request({"SET", key, "other", "NX"}));
    cluster.world().run_for(3 * kSecond);
    ++changes.keys;
    changes.by_one += ok(*one) != ok(*other) ? 1 : 0;
    changes.by_both += ok(*one) && ok(*other) ? 1 : 0;
  }
  for (const unsigned rival : {kOne, kOther}) {
    const auto& replicator = cluster.node(rival).shards()[0].cluster->replicator();
    changes.early += replicator.statistics().answers_left;
  }
  return changes;
}

}  // namespace quorate::sim
