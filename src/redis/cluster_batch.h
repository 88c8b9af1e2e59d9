// ClusterBatch: single-key requests of one connection that go to one place of the cluster together:
// a shard of this node, or another node.
//
// What comes back as refused, because the cluster has changed meanwhile, or certainly never arrived
// is sent where it belongs now, again and again until its deadline, which is put off as long as
// others of the batch are answered; what one answer refused goes together, so that requests for one
// key stay in their order. A change that may have arrived is never sent twice: its reply is
// -UNCERTAIN. Thread: the connection's shard.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "quorate/cluster/peer_calls.h"
#include "quorate/coordinator/shard_cluster.h"
#include "quorate/redis/session.h"

#include "redis/batch_run.h"

namespace quorate::redis {

// The same for equal keys.
inline uint64_t key_number(const object::Key& key) { return key.hash + key.db; }

// Where the reply of a request goes, once.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
  virtual void replied(std::string_view reply) = 0;
};

// A place of the cluster.
struct Destination {
  std::optional<object::NodeId> node;  // nothing: this one
  unsigned shard = 0;

  friend bool operator==(const Destination&, const Destination&) = default;
};

class ClusterBatch : public std::enable_shared_from_this<ClusterBatch> {
 public:
  static constexpr uint64_t kTimeoutUs = 5'000'000;

  // Where the request belongs now; `access` is of all that share its key and go with it.
  static Destination destination_of(ShardEngine& engine, const Request& request,
                                    coordinator::Access access);

  // The session's WrittenSlots are told of changes that were made, or may have been, and by whom.
  ClusterBatch(std::shared_ptr<Session> session, const Destination& to, uint64_t deadline_us)
      : home_(session->engine_),
        session_(std::move(session)),
        to_(to),
        deadline_us_(deadline_us),
        run_(std::make_shared<BatchRun>(home_.engine(to.shard))) {}

  const Destination& destination() const { return to_; }
  // The reply goes to its place in the session.
  void add(const Request& request, Session::PendingReply& place) {
    run_->add(request);
    items_.push_back({&place, nullptr});
  }
  void add(const Request& request, std::shared_ptr<ReplySink> sink) {
    run_->add(request);
    items_.push_back({nullptr, std::move(sink)});
  }
  void send();

 private:
  // One of both.
  struct Item {
    Session::PendingReply* place = nullptr;
    std::shared_ptr<ReplySink> sink;
  };

  // To be sent again, or answered with what refused it.
  struct Refused {
    size_t item = 0;
    std::string_view reply;
  };

  void send_to_shard();
  void send_to_node();
  static void ask(std::shared_ptr<ClusterBatch> batch);
  void answered(cluster::PeerCalls::Answer answer);
  // The place of a reply was made a round trip ago.
  void prefetch_place(size_t i) const {
    if (i < items_.size()) __builtin_prefetch(items_[i].place);
  }
  void replied(size_t i, std::string_view reply);
  void finish(size_t i, std::string_view reply);
  void try_again(size_t i, std::string_view reply);
  void send_refused();
  void send_again(const std::vector<size_t>& items);

  ShardEngine& home_;
  const std::shared_ptr<Session> session_;
  const Destination to_;
  uint64_t deadline_us_;
  std::shared_ptr<BatchRun> run_;  // not while it runs; of another node only the requests
  std::vector<Item> items_;
  std::vector<Refused> refused_;  // while an answer is looked at
};

}  // namespace quorate::redis
