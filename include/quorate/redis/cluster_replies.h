// ClusterReplies: one view of the cluster and what CLUSTER SLOTS, SHARDS and NODES say of it.
//
// The replies are large and every client library asks for them, so each is made once, when it is
// first asked for, and shared by all shards. They name the first healthy member of each preference
// list first: the one to send commands to. Thread: any; making a reply takes a lock, which nothing
// on the path of data commands does. Source: Redis 7.2 cluster.c.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>

#include "quorate/cluster/cluster_view.h"

namespace quorate::redis {

class ClusterReplies {
 public:
  using View = std::shared_ptr<const cluster::ClusterView>;
  using Text = std::shared_ptr<const std::string>;

  explicit ClusterReplies(View view) : view_(std::move(view)) {}

  const cluster::ClusterView& view() const { return *view_; }
  const View& shared_view() const { return view_; }

  // Whole replies, encoded. `own_ip` is where the client reached this node; it is used as long as
  // the node does not know where others do.
  Text slots(int protocol, std::string_view own_ip) const;
  Text shards(int protocol, std::string_view own_ip) const;
  Text nodes(int protocol, std::string_view own_ip) const;

 private:
  enum class Kind : uint8_t { slots, shards, nodes };
  using Key = std::tuple<Kind, bool, std::string>;  // RESP3, own ip

  Text made(Kind kind, int protocol, std::string_view own_ip) const;

  const View view_;
  mutable std::mutex mutex_;
  mutable std::map<Key, Text> texts_;
};

}  // namespace quorate::redis
