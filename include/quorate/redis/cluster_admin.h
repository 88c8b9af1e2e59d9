// ClusterAdmin: what commands may ask of the cluster's control plane beyond the view they have.
//
// Implemented by the server room. Thread: the control thread only. Errors: the text behind "ERR ".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/object/dot.h"
#include "quorate/runtime/error.h"

namespace quorate::redis {

struct ClusterLinkFacts {
  object::NodeId node{};
  bool outgoing = false;  // made by this node
  uint64_t created_ms = 0;
  size_t queued_bytes = 0;
};

struct ClusterTraffic {
  uint64_t messages_sent = 0, messages_received = 0;
};

class ClusterAdmin {
 public:
  virtual ~ClusterAdmin() = default;
  // Begins to meet whoever is at that address; what becomes of it is logged. An error says that
  // this node does not meet others at all.
  virtual runtime::Status meet(const std::string& host, uint16_t peer_port) = 0;
  // `node` as 40 hexadecimal digits.
  virtual runtime::Status forget(std::string_view node) = 0;
  virtual std::vector<ClusterLinkFacts> links() const = 0;
  virtual ClusterTraffic traffic() const = 0;
};

}  // namespace quorate::redis
