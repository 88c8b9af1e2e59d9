// A process around the shards under test, as far as commands ask for it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

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
  std::optional<ShutdownMode> shutdown_mode;  // what SHUTDOWN has asked for
  std::string refusal;                        // why it cannot; empty: it can
  unsigned closed_connections = 0;

 private:
  runtime::Executor& executor_;
};

}  // namespace quorate::redis
