// ClusterHistory: clients of a simulated cluster that do random things to few keys, and what they
// saw, for the checker of histories.
//
// Every client has one command under way, through a node of its own until that crashes, then
// through another. Links delay each message by a time of its own; options add what goes wrong
// meanwhile. The seed decides everything.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "history/history.h"
#include "sim/sim_cluster.h"

namespace quorate::sim {

struct ClusterHistoryOptions {
  unsigned nodes = 3;
  cluster::Quorum quorum = {};
  unsigned clients = 8;
  unsigned keys = 3;
  size_t operations = 1500;
  Delay link_delay = {0, 5'000};
  storage::SyncPolicy policy = storage::SyncPolicy::always;
  bool pauses = false;   // nodes stand still, shorter than it takes to suspect them
  bool crashes = false;  // one node at a time crashes and comes back
  // One node at a time does not see the others. Then clients only read and SET: what a node that is
  // cut off makes of an old value, and can promise nobody, may show later beside the new.
  bool partitions = false;
  unsigned joins = 0;  // so many nodes join, one after the other
};

class ClusterHistory {
 public:
  ClusterHistory(uint64_t seed, ClusterHistoryOptions options);

  // Runs it all.
  void run();
  const history::History& history() const { return history_; }
  SimCluster& cluster() { return cluster_; }
  uint64_t refused() const { return refused_; }
  unsigned joined() const { return nodes_ - options_.nodes; }

 private:
  struct Client {
    unsigned node = 0;
    std::shared_ptr<redis::Wire> wire;
    std::optional<history::Operation> operation;
    uint64_t next_at_us = 0;
  };

  static history::Operation taken(Client& client);
  void step(unsigned number);
  void begin(unsigned number);
  void end(Client& client);
  void disturb();
  void let_join();
  uint64_t below(uint64_t bound) { return random_->below(bound); }

  const ClusterHistoryOptions options_;
  std::unique_ptr<runtime::Random> random_;
  SimCluster cluster_;
  std::vector<Client> clients_;
  history::History history_;
  uint64_t values_ = 0, refused_ = 0;
  uint64_t next_disturbance_us_ = 0;
  uint64_t next_join_us_ = 0;
  bool joining_ = false;
  std::optional<unsigned> down_;
  bool parted_ = false;
  unsigned nodes_;  // that clients know
};

}  // namespace quorate::sim
