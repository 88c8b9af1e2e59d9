// Requests of a connection while the node is part of a cluster: each goes, through the batch of its
// destination, to where its key is at home. Requests for one key never overtake each other: those
// of one turn go the same way, and one whose key is on its way since an earlier turn waits. So does
// a change behind a read that went to another replica than the coordinator.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "quorate/redis/session.h"

#include "redis/arguments.h"
#include "redis/cluster_batch.h"
#include "redis/split_request.h"

namespace quorate::redis {
namespace {

// Of a connection's requests that are under way; what follows waits where it came from.
constexpr size_t kFlightBytesMax = size_t{4} << 20;

}  // namespace

// The place of the reply to a request over several keys in the order of replies.
class Session::Place : public ReplySink {
 public:
  Place(std::shared_ptr<Session> session, const Request& request)
      : session_(std::move(session)), reply_(session_->new_pending()) {
    keys_.reserve(request.keys.size());
    for (const object::Key& key : request.keys) keys_.push_back(key);
  }
  void replied(std::string_view reply) override {
    reply_.bytes.append(reply);
    for (const object::Key& key : keys_) session_->landed(key);
    session_->reply_done(reply_);
  }

 private:
  std::shared_ptr<Session> session_;
  PendingReply& reply_;
  std::vector<object::Key> keys_;  // their names are gone
};

Session::Next Session::run_in_cluster(const Request& request) {
  if (engine_.settings().redirects) [[unlikely]] {
    if (const auto moved = moved_elsewhere(request)) {
      ReplyWriter(reply_place(), client_.protocol).error(*moved);
      return Next::go_on;
    }
  }
  if (request.spec->quorums == nullptr) [[likely]]
    return send_home(request);
  Request own = request;
  own.quorums = request.quorums.with(request.spec->quorums(request.args));
  return send_home(own);
}

// What a node of Redis Cluster answers if it is not the one to ask; who is, is by this node's view
// well. Keys of several slots have no such node: they are served.
std::optional<std::string> Session::moved_elsewhere(const Request& request) {
  if (std::exchange(client_.asking, false)) return {};
  const uint16_t slot = request.keys[0].slot;
  const auto elsewhere = [slot](const object::Key& key) { return key.slot != slot; };
  if (std::ranges::any_of(request.keys, elsewhere)) return {};
  const coordinator::ShardCluster& cluster = *engine_.shard_cluster();
  const auto access = client_.reads_replicas ? access_of(request) : coordinator::Access::change;
  const auto to = cluster.route(slot, access, request.quorums);
  if (!to) return {};
  const auto& node = cluster.view()->member(cluster.view()->find(*to));
  if (!node.healthy()) return {};
  return "MOVED " + std::to_string(slot) + " " + node.address.ip + ":" +
         std::to_string(node.address.port);
}

Session::Next Session::send_home(const Request& request) {
  if (request.keys.size() == 1) {
    if (flight_bytes_ > kFlightBytesMax && !pending_.empty()) return Next::stop;
    ClusterBatch* const batch = cluster_batch_for(request);
    if (batch == nullptr) return Next::stop;
    PendingReply& place = new_pending();
    for (const std::string_view arg : request.args) place.request_bytes += arg.size();
    flight_bytes_ += place.request_bytes;
    batch->add(request, place);
    return Next::go_on;
  }
  if (!pending_.empty()) return Next::stop;
  if (!SplitRequest::divides(request)) {
    ReplyWriter(out_, client_.protocol).error(wrong_arity_text(*request.spec));
    return Next::go_on;
  }
  const auto split = std::make_shared<SplitRequest>(
      engine_.commands(), request, std::make_shared<Place>(shared_from_this(), request));
  for (size_t i = 0; i < split->size(); ++i) {
    const Request part = split->part(i);
    // Nothing of an earlier turn is under way.
    cluster_batch_for(part)->add(part, split->sink(i));
  }
  return Next::go_on;
}

ClusterBatch* Session::cluster_batch_for(const Request& request) {
  const auto [at, fresh] = flights_.try_emplace(key_number(request.keys[0]));
  Flight& flight = at->second;
  if (fresh) {
    begin_flight(flight, request);
  } else if (!joins(flight, request)) {
    return nullptr;
  }
  ++flight.requests;
  return cluster_batches_[flight.batch].get();
}

// Whether it may go where the last one for its key goes.
bool Session::joins(Flight& flight, const Request& request) {
  if (flight.turn != flight_turn_) return false;
  if (!flight.only_reads || access_of(request) == coordinator::Access::read) return true;
  const Destination to = ClusterBatch::destination_of(engine_, request, access_of(request));
  if (to != cluster_batches_[flight.batch]->destination()) return false;
  flight.only_reads = false;
  return true;
}

void Session::begin_flight(Flight& flight, const Request& request) {
  flight.turn = flight_turn_;
  flight.only_reads = access_of(request) == coordinator::Access::read;
  const Destination to = ClusterBatch::destination_of(engine_, request, access_of(request));
  if (to.node) ++engine_.statistics_.forwarded_commands;
  const auto known = std::ranges::find_if(
      cluster_batches_, [&](const auto& batch) { return batch->destination() == to; });
  flight.batch = static_cast<size_t>(known - cluster_batches_.begin());
  if (known != cluster_batches_.end()) return;
  const uint64_t now = engine_.loop().clock().monotonic_us();
  cluster_batches_.push_back(
      std::make_shared<ClusterBatch>(shared_from_this(), to, now + ClusterBatch::kTimeoutUs));
}

void Session::send_to_cluster() {
  ++flight_turn_;
  for (const auto& batch : std::exchange(cluster_batches_, {})) batch->send();
}

void Session::replied(const object::Key& key, PendingReply& place, std::string_view reply) {
  landed(key);
  flight_bytes_ -= place.request_bytes;
  if (&place == &pending_.front()) {
    out_.append(reply);
  } else {
    place.text = reply;
  }
  reply_done(place);
}

void Session::landed(const object::Key& key) {
  const auto at = flights_.find(key_number(key));
  if (--at->second.requests == 0) flights_.erase(at);
}

}  // namespace quorate::redis
