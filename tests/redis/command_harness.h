// Commands as a client sends them, answered by real engines, coordinators and stores on virtual
// time.
//
// run({"set", "k", "v"}) gives the reply's bytes. Further connections, to any shard, show order and
// concurrency. Source of the expected replies: Redis 7.2.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/redis/command_table.h"
#include "quorate/redis/session.h"
#include "quorate/redis/shard_engine.h"

#include "coordinator/shard_rig.h"
#include "redis/fake_server_control.h"
#include "redis/memory_stream.h"

namespace quorate::redis {

using Words = std::vector<std::string>;

// As client libraries send it.
std::string encode_request(const Words& words);
// Size of the first reply in `bytes`; 0 if it is not complete.
size_t reply_bytes(std::string_view bytes);

class CommandHarness;

// The client's end of a connection.
class Connection {
 public:
  Connection(CommandHarness& harness, unsigned shard, uint64_t id);

  // Sends bytes, which arrive in one read as far as they fit.
  void send(std::string_view bytes);
  void send(const Words& words) { send(encode_request(words)); }
  // Takes the next reply, waiting for it. Empty: none came.
  std::string reply();
  // Sends a request and takes the next reply.
  std::string run(const Words& words) {
    send(words);
    return reply();
  }
  // Everything that has come and was not taken.
  const std::string& received() const { return wire_->to_client; }
  bool ended() const { return wire_->ended; }
  // Closes the client's end.
  void close();
  // Lets the socket take so many more bytes.
  void set_room(size_t bytes);
  bool paused() const { return wire_->paused; }
  uint64_t id() const { return id_; }
  unsigned shard() const { return shard_; }

 private:
  CommandHarness& harness_;
  std::shared_ptr<Wire> wire_ = std::make_shared<Wire>();
  unsigned shard_;
  uint64_t id_;
};

class CommandHarness {
 public:
  explicit CommandHarness(coordinator::ShardRigOptions options = {}, EngineSettings settings = {});
  ~CommandHarness();

  // On a connection of shard 0 that is always there.
  std::string run(const Words& words) { return connection_->run(words); }
  Connection& connection() { return *connection_; }
  std::unique_ptr<Connection> connect(unsigned shard = 0);

  // The process ends, with everything saved, and starts anew: every key is cold, connections have
  // ended.
  void restart();
  void advance_ms(uint64_t ms) { rig_.world.run_for(ms * 1000); }
  bool run_until(const std::function<bool()>& done) { return rig_.run_until(done); }
  // Lets everything that is under way come to an end, unless it takes longer than a second.
  void settle() { rig_.world.run_for(1'000'000); }

  uint64_t now_ms() const { return rig_.shards[0].loop->clock().wall_ms(); }
  coordinator::ShardRig& rig() { return rig_; }
  ShardEngine& engine(unsigned shard = 0) { return *engines_[shard]; }
  FakeServerControl& control() { return control_; }
  const CommandTable& commands() const { return commands_; }
  // Changes what CONFIG would, on every shard.
  void apply(const EngineSettings& settings);

 private:
  void start();
  void stop();

  EngineSettings settings_;
  CommandTable commands_;
  coordinator::ShardRig rig_;
  std::unique_ptr<sim::SimLoop> control_loop_;
  FakeServerControl control_;
  std::vector<std::unique_ptr<ShardEngine>> engines_;
  std::unique_ptr<Connection> connection_;
  uint64_t clients_ = 0;
};

}  // namespace quorate::redis
