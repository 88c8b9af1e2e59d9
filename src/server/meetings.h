// Meetings: connecting to nodes by their address until they are members.
//
// A meeting ends when its node is a member, when it turns out to be this node itself, or, unless
// it is one of a seed, when it was refused or time is up. What becomes of it is logged: that it
// does not work at first, and how it ended. Thread: that of the loop. Units: microseconds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quorate/cluster/peer_links.h"
#include "quorate/runtime/loop.h"
#include "quorate/server/cluster_control.h"

namespace quorate::server {

class Meetings {
 public:
  enum class Kind : uint8_t { command, seed };
  struct Parts {
    runtime::Loop& loop;
    object::NodeId self;
    std::function<cluster::PeerLinks&()> links;
    // Tells a node that was reached that it is to join, or it us.
    std::function<void(const object::NodeId&)> introduce;
    std::function<bool(const object::NodeId&)> is_member;
  };

  explicit Meetings(Parts parts) : parts_(std::move(parts)) {}

  // Returns what attempt() begins.
  uint64_t add(Kind kind, const ClusterSeed& whom);
  void attempt(uint64_t id);
  // The node will not have us.
  void refused(const object::NodeId& node, const std::string& reason);
  // Whom a command wants to meet, and it has not ended.
  std::vector<ClusterSeed> of_commands() const;

 private:
  struct Meeting {
    Kind kind = Kind::command;
    ClusterSeed whom;
    std::optional<object::NodeId> reached;
    unsigned failures = 0;
    uint64_t give_up_us = 0;
    std::unique_ptr<runtime::Timer> timer;

    std::string name() const;
  };

  uint64_t now_us() const { return parts_.loop.clock().monotonic_us(); }
  void reached(uint64_t id, runtime::Result<object::NodeId> met);
  void check(uint64_t id, const object::NodeId& node);
  void failed(uint64_t id, const std::string& reason, bool for_good);

  Parts parts_;
  std::map<uint64_t, Meeting> meetings_;
  uint64_t begun_ = 0;
};

}  // namespace quorate::server
