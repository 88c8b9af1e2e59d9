// A process around the shards under test, as far as commands ask for it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "quorate/redis/cluster_replies.h"
#include "quorate/redis/glob.h"
#include "quorate/redis/server_control.h"

namespace quorate::redis {

// Directives are whatever was set.
class FakeSettings final : public Settings {
 public:
  void get(std::span<const std::string_view> patterns, const Sink& sink) const override {
    for (const auto& [name, value] : values) {
      for (const std::string_view pattern : patterns) {
        if (!glob_match(pattern, name, true)) continue;
        sink(name, value);
        break;
      }
    }
  }
  runtime::Status set(std::span<const Change> changes) override {
    for (const auto& [name, value] : changes) {
      if (values.find(name) == values.end()) {
        return runtime::fail("Unknown option or number of arguments for CONFIG SET - '" +
                             std::string(name) + "'");
      }
    }
    for (const auto& [name, value] : changes) values.find(name)->second = value;
    return {};
  }

  std::map<std::string, std::string, std::less<>> values;
};

// Notes what it is asked for, and answers what it was told to.
class FakeClusterAdmin final : public ClusterAdmin {
 public:
  runtime::Status meet(const std::string& host, uint16_t peer_port) override {
    asked = "meet " + host + " " + std::to_string(peer_port);
    return answer;
  }
  runtime::Status forget(std::string_view node) override {
    asked = "forget " + std::string(node);
    return answer;
  }
  std::vector<ClusterLinkFacts> links() const override { return link_facts; }
  ClusterTraffic traffic() const override { return {7, 8}; }

  std::string asked;
  runtime::Status answer;
  std::vector<ClusterLinkFacts> link_facts;
};

// What a shard is told of a cluster of one, whose node does not know where others reach it.
inline std::shared_ptr<const ClusterReplies> cluster_of_one(const std::string& node_id) {
  cluster::Member own;
  own.id = *object::parse_node_id(node_id);
  own.status = cluster::MemberStatus::normal;
  own.address = {"", 6379, 16379};
  own.tokens = {0};
  cluster::MemberList list;
  list.merge(own);
  return std::make_shared<const ClusterReplies>(cluster::ClusterView::make(
      {list, own.id, [](const object::NodeId&) { return cluster::Liveness::alive; }}, nullptr));
}

class FakeServerControl final : public ServerControl {
 public:
  explicit FakeServerControl(runtime::Executor& executor) : executor_(executor) {
    server.version = "0.1.0";
    server.redis_version = "7.2.0";
    server.node_id = std::string(40, 'a');
    server.run_id = std::string(40, 'b');
    server.process_id = 1234;
    server.tcp_port = 6379;
  }

  runtime::Executor& executor() override { return executor_; }
  Settings& settings() override { return directives; }
  ClusterAdmin& cluster() override { return cluster_admin; }
  const ServerFacts& facts() const override { return server; }
  MemoryFacts memory() const override { return memory_facts; }
  CpuFacts cpu() const override { return {}; }
  ConnectionFacts connections() const override { return connection_facts; }
  void shutdown(ShutdownMode mode, std::function<void(std::string)> refused) override {
    shutdown_mode = mode;
    if (!refusal.empty()) refused(refusal);
  }
  void connection_closed() override { ++closed_connections; }

  ServerFacts server;
  MemoryFacts memory_facts;
  ConnectionFacts connection_facts;
  FakeSettings directives;
  FakeClusterAdmin cluster_admin;
  std::optional<ShutdownMode> shutdown_mode;  // what SHUTDOWN has asked for
  std::string refusal;                        // why it cannot; empty: it can
  unsigned closed_connections = 0;

 private:
  runtime::Executor& executor_;
};

}  // namespace quorate::redis
