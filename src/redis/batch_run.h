// BatchRun: single-key requests, copied, that run on the shard of their keys, each as soon as its
// key can be had.
//
// Whoever collects them calls add(); from start() on it belongs to the shard's thread until `ended`
// is called there, once, when all have run and what they changed may be answered for; then to
// whoever reads the replies. Requests for one key run in the order in which they were added; in a
// cluster, where a key must be admitted first (ShardCluster::admit), those that follow each other
// with the same quorums share that: they are a chain. A chain that was admitted without a read and
// then changed nothing runs again after one.
//
// Replies wait for W copies: the cluster's, which is one position of the journal for all of them
// (ShardCoordinator::answerable), and the request's own, which CopyWaits counts; for that alone if
// it is less. What another node asks while much is on its way there is refused before it runs, with
// all that follows it. Replies to another node may leave earlier, with the changes (Replicator,
// early answers); `ended` is not called then.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "quorate/redis/output_buffer.h"
#include "quorate/redis/shard_engine.h"

#include "redis/request_copies.h"

namespace quorate::redis {

inline coordinator::Access access_of(const Request& request) {
  const bool changes = request.spec->has(command_flag::kWrite);
  return changes ? coordinator::Access::change : coordinator::Access::read;
}

class BatchRun : public std::enable_shared_from_this<BatchRun> {
 public:
  explicit BatchRun(ShardEngine& engine) : engine_(engine) {}
  ~BatchRun();
  BatchRun(const BatchRun&) = delete;
  BatchRun& operator=(const BatchRun&) = delete;

  ShardEngine& engine() { return engine_; }
  // REQUIRES: one key.
  void add(const Request& request) { requests_.add(request); }
  // A question of another node (peer_requests.h), kept: what add_held() adds views it, keys apart.
  std::string_view hold(std::string_view question) { return requests_.hold(question); }
  void add_held(const Request& request) { requests_.add_held(request); }
  // Nothing may be added any more. start() does it, too.
  void seal() {
    if (!std::exchange(sealed_, true)) requests_.seal();
  }
  size_t size() const { return requests_.size(); }
  // What was added, as a question to another node.
  std::string_view question() const { return requests_.encoded(); }
  // REQUIRES: sealed.
  const Request& request(size_t i) const { return requests_.request(i); }
  // Another node has asked for all of it.
  void set_asker(const cluster::PeerCalls::Reply& asker);
  // `ended` must not own this, which lives until it was called. REQUIRES: something was added, and
  // all keys are of the engine's shard.
  void start(runtime::Executor& receiver, runtime::Task ended);
  std::string_view reply(size_t i) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  enum class Admitted : uint8_t { as_it_may, by_read };
  struct Reply {
    size_t begin = 0, end = 0;  // in replies_
    bool of_change = false;     // of a chain that changes its key
    bool uncertain = false;     // its own W was not reached
    bool needs_less = false;    // its own W is less than the cluster's
  };

  void prefetch() const;
  void count_reply_bytes();
  bool is_too_much();
  void run_one(size_t i);
  void run(size_t i, const runtime::Status& status);
  void start_in_cluster();
  bool in_chain(size_t i, size_t first) const;
  void admit_chain(size_t first);
  void run_chain(size_t first, const runtime::Status& status, Admitted how);
  void run_with_own_quorum(size_t i);
  bool has_own_quorum(size_t i) const;
  void one_ended();
  void end_in_cluster(runtime::Task ended);
  bool may_leave_early() const;
  void wait_for_own_quorums(runtime::Task ended);

  ShardEngine& engine_;
  RequestCopies requests_;
  bool sealed_ = false;
  OutputBuffer replies_;
  std::vector<Reply> extents_;
  std::vector<uint32_t> next_of_key_;  // in a cluster
  size_t missing_ = 0;
  uint64_t begin_ = 0;  // journal position
  bool uncertain_ = false;
  coordinator::CopyWaits::Needs needs_;  // of changes with a W of their own …
  std::vector<uint32_t> changed_by_;     // … which these requests made
  uint64_t turn_ = 0;                    // of the last of them
  std::optional<cluster::PeerCalls::Reply> asker_;
  std::shared_ptr<size_t> peer_reply_bytes_;  // the engine's
  size_t counted_bytes_ = 0;                  // in it
  bool too_much_ = false;                     // was on its way to the asker
  runtime::Executor* receiver_ = nullptr;
  runtime::Task ended_;
};

}  // namespace quorate::redis
