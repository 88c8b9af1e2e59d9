#include "sim/cluster_history.h"

#include <array>
#include <charconv>
#include <gtest/gtest.h>
#include <utility>

namespace quorate::sim {
namespace {

using history::Kind;

constexpr uint64_t kStepUs = 200;
constexpr uint64_t kThinkUs = 4'000;
constexpr uint64_t kPauseUs = 500'000;
constexpr uint64_t kDisturbanceUs = 1'500'000;
constexpr uint64_t kPartedUs = 2'000'000;
constexpr uint64_t kLongestCommandUs = 600'000'000;

redis::Words words_of(const history::Operation& operation) {
  switch (operation.kind) {
    case Kind::get:
      return {"GET", operation.key};
    case Kind::set:
      return {"SET", operation.key, operation.argument};
    case Kind::set_nx:
      return {"SET", operation.key, operation.argument, "NX"};
    case Kind::incr:
      return {"INCR", operation.key};
    case Kind::append:
      return {"APPEND", operation.key, operation.argument};
    case Kind::del:
      return {"DEL", operation.key};
  }
  return {};
}

history::Result result_of(std::string_view reply) {
  const std::string_view line = reply.substr(1, reply.find("\r\n") - 1);
  switch (reply.front()) {
    case '+':
      return history::Result::ok();
    case '-':
      return history::Result::error(std::string(line));
    case ':': {
      int64_t value = 0;
      std::from_chars(line.data(), line.data() + line.size(), value);
      return history::Result::of(value);
    }
    default:
      break;
  }
  if (line == "-1") return history::Result::nil();
  const size_t begin = line.size() + 3;
  return history::Result::value(std::string(reply.substr(begin, reply.size() - begin - 2)));
}

}  // namespace

ClusterHistory::ClusterHistory(uint64_t seed, ClusterHistoryOptions options)
    : options_(options),
      random_(runtime::make_seeded_random(seed * 31 + 7)),
      cluster_(seed, options.nodes, options.quorum, {options.link_delay}, options.joins),
      nodes_(options.nodes) {
  cluster_.options().policy = options_.policy;
}

void ClusterHistory::run() {
  ASSERT_NO_FATAL_FAILURE(cluster_.start());
  cluster_.world().run_for(kDisturbanceUs);
  for (unsigned i = 0; i < options_.clients; ++i) {
    clients_.push_back({i % options_.nodes, cluster_.connect(i % options_.nodes), {}, 0});
  }
  const uint64_t deadline_us = cluster_.world().now_us() + kLongestCommandUs;
  next_disturbance_us_ = cluster_.world().now_us() + kDisturbanceUs;
  next_join_us_ = cluster_.world().now_us() + below(kDisturbanceUs);
  while (history_.size() < options_.operations) {
    cluster_.world().run_for(kStepUs);
    ASSERT_LT(cluster_.world().now_us(), deadline_us) << "operations do not end";
    for (unsigned i = 0; i < clients_.size(); ++i) step(i);
    disturb();
    let_join();
  }
  for (Client& client : clients_) {
    if (client.operation) history_.push_back(taken(client));
  }
}

history::Operation ClusterHistory::taken(Client& client) {
  history::Operation operation = std::move(*client.operation);
  client.operation.reset();
  return operation;
}

void ClusterHistory::step(unsigned number) {
  Client& client = clients_[number];
  if (client.operation && !cluster_.node(client.node).running()) {
    // Nobody will tell what became of it.
    history_.push_back(taken(client));
  }
  if (!cluster_.node(client.node).running()) {
    client.node = (client.node + 1) % nodes_;
    client.wire = cluster_.connect(client.node);
    client.next_at_us = cluster_.world().now_us() + kThinkUs;
  }
  if (client.operation) {
    if (redis::reply_bytes(client.wire->to_client) != 0) end(client);
  } else if (cluster_.world().now_us() >= client.next_at_us) {
    begin(number);
  }
}

void ClusterHistory::begin(unsigned number) {
  constexpr std::array kKinds = {Kind::get,  Kind::get,    Kind::get,    Kind::set, Kind::set,
                                 Kind::incr, Kind::set_nx, Kind::append, Kind::del};
  constexpr size_t kBlind = 5;  // the first of them
  Client& client = clients_[number];
  history::Operation operation;
  operation.client = number;
  operation.key = "key-" + std::to_string(below(options_.keys));
  operation.kind = kKinds[below(options_.partitions ? kBlind : kKinds.size())];
  if (history::has_argument(operation.kind)) operation.argument = std::to_string(++values_);
  operation.invoked = cluster_.world().now_us();
  client.wire->to_client.clear();
  SimNode::send(*client.wire, redis::encode_request(words_of(operation)));
  client.operation = std::move(operation);
}

void ClusterHistory::end(Client& client) {
  history::Operation operation = taken(client);
  client.next_at_us = cluster_.world().now_us() + below(kThinkUs);
  const std::string& reply = client.wire->to_client;
  for (const std::string_view refusal : {"-NOQUORUM", "-TRYAGAIN"}) {
    if (!reply.starts_with(refusal)) continue;
    ++refused_;
    return;
  }
  if (!reply.starts_with("-UNCERTAIN")) {
    operation.returned = cluster_.world().now_us();
    operation.result = result_of(reply);
  }
  history_.push_back(std::move(operation));
}

// The next one, when the one before has. Some clients go over to it then.
void ClusterHistory::let_join() {
  if (cluster_.world().now_us() < next_join_us_ || nodes_ == cluster_.size()) return;
  if (!joining_) {
    joining_ = true;
    cluster_.join(nodes_);
  } else if (cluster_.joined(nodes_)) {
    joining_ = false;
    next_join_us_ = cluster_.world().now_us() + below(kDisturbanceUs);
    ++nodes_;
    for (Client& client : clients_) {
      if (client.operation || below(2) == 0) continue;
      client.node = nodes_ - 1;
      client.wire = cluster_.connect(client.node);
    }
  }
}

void ClusterHistory::disturb() {
  const uint64_t now = cluster_.world().now_us();
  if (now < next_disturbance_us_) return;
  next_disturbance_us_ = now + kDisturbanceUs / 2 + below(kDisturbanceUs);
  if (parted_) {
    cluster_.heal();
    parted_ = false;
  } else if (down_) {
    cluster_.start(*down_);
    down_.reset();
  } else if (options_.partitions && below(2) == 0) {
    const auto alone = static_cast<unsigned>(below(options_.nodes));
    std::vector<unsigned> others;
    for (unsigned i = 0; i < options_.nodes; ++i) {
      if (i != alone) others.push_back(i);
    }
    cluster_.part({alone}, others);
    parted_ = true;
    next_disturbance_us_ += kPartedUs;  // what is tried alone is to be given up
  } else if (options_.crashes && below(2) == 0) {
    down_ = static_cast<unsigned>(below(options_.nodes));
    cluster_.crash(*down_);
  } else if (options_.pauses) {
    SimNode& node = cluster_.node(static_cast<unsigned>(below(options_.nodes)));
    node.shards()[0].loop->stand_still_until(now + below(kPauseUs));
  }
}

}  // namespace quorate::sim
