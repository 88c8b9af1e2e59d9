#include "redis/cluster_batch.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <utility>

#include "quorate/object/codec.h"

#include "redis/peer_requests.h"

namespace quorate::redis {
namespace {

constexpr uint64_t kRetryUs = 20'000;
constexpr size_t kPlacesAhead = 4;

constexpr std::string_view kMayBeDone = "-UNCERTAIN ";
constexpr std::string_view kNoAnswer =
    "-UNCERTAIN the coordinator of the key does not answer; the write may take effect\r\n";
constexpr std::string_view kUnreachable =
    "-TRYAGAIN the coordinator of the key cannot be reached\r\n";

}  // namespace

Destination ClusterBatch::destination_of(ShardEngine& engine, const Request& request,
                                         coordinator::Access access) {
  const uint16_t slot = request.keys[0].slot;
  return {engine.shard_cluster()->route(slot, access, request.quorums),
          engine.coordinator().shard_of(slot)};
}

void ClusterBatch::send() {
  run_->seal();
  if (to_.node) return send_to_node();
  send_to_shard();
}

// Who runs it on another shard keeps nothing of it: it ends, and with it perhaps the session, at
// home.
void ClusterBatch::send_to_shard() {
  runtime::Loop& there = run_->engine().loop();
  auto start = [self = shared_from_this()]() mutable {
    const std::shared_ptr<BatchRun> run = std::move(self->run_);
    runtime::Loop& home = self->home_.loop();
    run->start(home, [self = std::move(self), run = run.get()] {
      self->run_ = run->shared_from_this();
      for (size_t i = 0; i < self->items_.size(); ++i) {
        self->prefetch_place(i + kPlacesAhead);
        self->replied(i, run->reply(i));
      }
      self->send_refused();
    });
  };
  if (to_.shard == home_.shard()) return start();
  there.post(std::move(start));
}

// Every shard has its own way to the same shard of the other node.
void ClusterBatch::send_to_node() {
  if (to_.shard != home_.shard()) {
    return run_->engine().loop().post(
        [self = shared_from_this()]() mutable { ask(std::move(self)); });
  }
  ask(shared_from_this());
}

void ClusterBatch::ask(std::shared_ptr<ClusterBatch> batch) {
  const std::string_view question = batch->run_->question();
  const object::NodeId node = *batch->to_.node;
  batch->run_->engine().shard_cluster()->calls().call(
      node, kRequestService, question, cluster::Patience::while_healthy(kTimeoutUs),
      [self = std::move(batch)](cluster::PeerCalls::Answer answer) mutable {
        if (self->to_.shard == self->home_.shard()) return self->answered(answer);
        using Kept = std::expected<std::string, cluster::CallFailure>;
        Kept kept = answer ? Kept(std::string(*answer)) : Kept(std::unexpected(answer.error()));
        runtime::Loop& home = self->home_.loop();
        home.post([self = std::move(self), kept = std::move(kept)] {
          self->answered(kept ? cluster::PeerCalls::Answer(*kept)
                              : cluster::PeerCalls::Answer(std::unexpected(kept.error())));
        });
      });
}

void ClusterBatch::answered(cluster::PeerCalls::Answer answer) {
  if (answer) {
    object::ByteReader in(*answer);
    for (size_t i = 0; i < items_.size(); ++i) {
      prefetch_place(i + kPlacesAhead);
      const std::string_view reply = in.sized();
      replied(i, in.ok() ? reply : kNoAnswer);
    }
    return send_refused();
  }
  const bool unseen = answer.error() != cluster::CallFailure::no_answer;
  for (size_t i = 0; i < items_.size(); ++i) {
    if (unseen || access_of(run_->request(i)) == coordinator::Access::read) {
      try_again(i, kUnreachable);
    } else {
      finish(i, kNoAnswer);
    }
  }
  send_refused();
}

void ClusterBatch::replied(size_t i, std::string_view reply) {
  if (reply.starts_with(kTryAgain)) return try_again(i, reply);
  finish(i, reply);
}

void ClusterBatch::finish(size_t i, std::string_view reply) {
  const Request& request = run_->request(i);
  const bool refused = reply.starts_with('-') && !reply.starts_with(kMayBeDone);
  if (access_of(request) == coordinator::Access::change && !refused) {
    session_->client_.written.note(to_.node, request.keys[0].slot);
  }
  const Item& item = items_[i];
  if (item.place != nullptr) {
    session_->replied(request.keys[0], *item.place, reply);
  } else {
    item.sink->replied(reply);
  }
}

void ClusterBatch::try_again(size_t i, std::string_view reply) { refused_.push_back({i, reply}); }

void ClusterBatch::send_refused() {
  if (refused_.empty()) return;
  const uint64_t now = home_.loop().clock().monotonic_us();
  // Large answers that come one after the other may take long in all.
  if (refused_.size() < items_.size()) deadline_us_ = now + kTimeoutUs;
  const std::vector<Refused> refused = std::exchange(refused_, {});
  if (now + kRetryUs > deadline_us_) {
    for (const auto& [item, reply] : refused) finish(item, reply);
    return;
  }
  std::vector<size_t> items;
  items.reserve(refused.size());
  for (const Refused& of : refused) items.push_back(of.item);
  home_.run_after(
      kRetryUs, [self = shared_from_this(), items = std::move(items)] { self->send_again(items); });
}

void ClusterBatch::send_again(const std::vector<size_t>& items) {
  using coordinator::Access;
  boost::unordered_flat_set<uint64_t> changed;
  for (const size_t i : items) {
    const Request& request = run_->request(i);
    if (access_of(request) == Access::change) changed.insert(key_number(request.keys[0]));
  }
  std::vector<std::shared_ptr<ClusterBatch>> batches;
  for (const size_t i : items) {
    const Request& request = run_->request(i);
    const bool changes = changed.contains(key_number(request.keys[0]));
    const auto to = destination_of(home_, request, changes ? Access::change : Access::read);
    auto at = std::ranges::find_if(batches, [&](const auto& of) { return of->to_ == to; });
    if (at == batches.end()) {
      at = batches.insert(at, std::make_shared<ClusterBatch>(session_, to, deadline_us_));
    }
    const Item& item = items_[i];
    if (item.place != nullptr) {
      (*at)->add(request, *item.place);
    } else {
      (*at)->add(request, item.sink);
    }
  }
  for (const auto& batch : batches) batch->send();
}

}  // namespace quorate::redis
