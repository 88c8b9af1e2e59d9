// Node: one Quorate server, wired together from its configuration.
//
// start() locks the data directory, takes a new life (cluster::NodeIdentity), recovers, starts the
// shard threads and listens; run() is the control thread: it accepts connections and hands them to
// the shards in turn, gossips with other nodes, answers for the process, applies CONFIG SET, and
// ends on SIGTERM, SIGINT or SHUTDOWN: connections close, journals are synced, the clean-stop mark
// is written. Errors: start() fails with one clear line; nothing is served then. Thread: the one
// that calls run().
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quorate/runtime/error.h"
#include "quorate/server/cluster_control.h"
#include "quorate/server/config.h"

namespace quorate::server {

class HeldSockets;

class Node {
 public:
  // What a node leaves to the one that is started in its place.
  struct Legacy {
    std::optional<Config> config;       // with what CONFIG SET has changed; replaces that of Start
    std::vector<ClusterSeed> meetings;  // that CLUSTER MEET had begun
    std::shared_ptr<HeldSockets>
        sockets;  // so that nobody is refused, and who waits stays connected
  };
  struct Start {
    Config config;
    std::string config_file;
    std::vector<std::string> warnings;
    std::string version;
    Legacy legacy = {};
  };

  static runtime::Result<std::unique_ptr<Node>> start(Start start);
  virtual ~Node() = default;
  // Serves until the node is told to stop. Returns false if the stop was not a clean one.
  virtual bool run() = 0;
  // After run(): whether a node is to be started in its place, on the same directory, because it
  // has taken over the hash seed of a cluster.
  virtual bool restarts() const = 0;
  // What that node begins with.
  virtual Legacy legacy() const = 0;
};

}  // namespace quorate::server
