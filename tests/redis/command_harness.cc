#include "redis/command_harness.h"

#include <charconv>
#include <utility>

namespace quorate::redis {
namespace {

// Virtual time in which a reply has come unless none will.
constexpr uint64_t kReplyPatienceUs = 30'000'000;
constexpr sim::NodeId kControlNode = 1'000'000;

}  // namespace

std::string encode_request(const Words& words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return bytes;
}

size_t reply_bytes(std::string_view bytes) {
  const size_t line_end = bytes.find("\r\n");
  if (line_end == std::string_view::npos) return 0;
  const size_t header = line_end + 2;
  int64_t number = 0;
  std::from_chars(bytes.data() + 1, bytes.data() + line_end, number);
  const std::string_view blobs = "$=!";
  const std::string_view aggregates = "*~>%";
  if (blobs.find(bytes[0]) != std::string_view::npos) {
    if (number < 0) return header;
    const size_t whole = header + static_cast<size_t>(number) + 2;
    return bytes.size() >= whole ? whole : 0;
  }
  if (aggregates.find(bytes[0]) == std::string_view::npos) return header;
  size_t at = header;
  for (int64_t left = bytes[0] == '%' ? number * 2 : number; left > 0; --left) {
    const size_t element = reply_bytes(bytes.substr(at));
    if (element == 0) return 0;
    at += element;
  }
  return at;
}

// ---- Connection

Connection::Connection(CommandHarness& harness, unsigned shard, uint64_t id)
    : harness_(harness), shard_(shard), id_(id) {
  sim::SimLoop& loop = *harness.rig().shards[shard].loop;
  loop.post([&loop, wire = wire_, engine = &harness.engine(shard), id] {
    engine->open_session(std::make_unique<MemoryStream>(loop, wire), id);
  });
  EXPECT_TRUE(harness.run_until([this] { return wire_->stream != nullptr; }));
}

void Connection::send(std::string_view bytes) {
  wire_->to_server.append(bytes);
  if (wire_->stream != nullptr) {
    wire_->stream->in_turn([](MemoryStream& stream) { stream.deliver(); });
  }
}

std::string Connection::reply() {
  size_t size = 0;
  sim::SimWorld& world = harness_.rig().world;
  world.run_until([&] { return (size = reply_bytes(wire_->to_client)) != 0; },
                  world.now_us() + kReplyPatienceUs);
  std::string bytes = wire_->to_client.substr(0, size);
  wire_->to_client.erase(0, size);
  return bytes;
}

void Connection::close() {
  if (wire_->stream != nullptr) wire_->stream->close();
}

void Connection::set_room(size_t bytes) {
  wire_->room_bytes = bytes;
  if (wire_->stream == nullptr || !wire_->stream->writing()) return;
  wire_->stream->in_turn([](MemoryStream& stream) {
    if (stream.writing()) stream.drain();
  });
}

// ---- CommandHarness

CommandHarness::CommandHarness(coordinator::ShardRigOptions options, EngineSettings settings)
    : settings_(std::move(settings)),
      rig_(std::move(options)),
      control_loop_(rig_.world.make_loop(kControlNode)),
      control_(*control_loop_) {
  register_all_commands(commands_);
  start();
}

CommandHarness::~CommandHarness() { stop(); }

void CommandHarness::start() {
  std::vector<ShardEngine*> all;
  for (unsigned i = 0; i < rig_.shards.size(); ++i) {
    coordinator::ShardRig::Shard& shard = rig_.shards[i];
    engines_.push_back(std::make_unique<ShardEngine>(
        ShardEngine::Parts{*shard.loop, *shard.random, *shard.coordinator, commands_, control_}, i,
        settings_));
    engines_.back()->set_cluster(cluster_of_one(control_.server.node_id));
    all.push_back(engines_.back().get());
  }
  for (ShardEngine* engine : all) engine->connect(all);
  connection_ = connect(0);
}

void CommandHarness::stop() {
  for (const auto& shard : rig_.shards) rig_.world.crash(shard.loop->node());
  engines_.clear();
  rig_.stop();
}

void CommandHarness::restart() {
  rig_.checkpoint();
  stop();
  rig_.start();
  start();
}

std::unique_ptr<Connection> CommandHarness::connect(unsigned shard) {
  return std::make_unique<Connection>(*this, shard, ++clients_);
}

void CommandHarness::apply(const EngineSettings& settings) {
  settings_ = settings;
  for (const auto& engine : engines_) engine->apply(settings);
}

}  // namespace quorate::redis
