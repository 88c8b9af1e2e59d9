// BatchRun: single-key requests, copied, that run on the shard of their keys, each as soon as its
// key can be had.
//
// Whoever collects them calls add(); from start() on it belongs to the shard's thread until `ended`
// is called there, once, when all have run and what they changed may be answered for; then to
// whoever reads the replies. Requests for one key run in the order in which they were added; in a
// cluster, where a key must be admitted first (ShardCluster::admit), those that follow each other
// with the same quorums share that.
//
// Replies wait for W copies: the cluster's, which is one position of the journal for all of them
// (ShardCoordinator::answerable), or the request's own, which CopyWaits counts.
#pragma once

#include <memory>
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

  ShardEngine& engine() { return engine_; }
  // REQUIRES: one key.
  void add(const Request& request) { requests_.add(request); }
  // Nothing may be added any more. start() does it, too.
  void seal() {
    if (!std::exchange(sealed_, true)) requests_.seal();
  }
  size_t size() const { return requests_.size(); }
  // REQUIRES: sealed.
  const Request& request(size_t i) const { return requests_.request(i); }
  // `ended` must not own this, which lives until it was called. REQUIRES: something was added, and
  // all keys are of the engine's shard.
  void start(runtime::Executor& receiver, runtime::Task ended);
  std::string_view reply(size_t i) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Reply {
    size_t begin = 0, end = 0;  // in replies_
    OutputBuffer late;          // of a request that had to wait
    bool uncertain = false;     // its own W was not reached
  };

  void prefetch() const;
  void run_one(size_t i);
  void run_late(size_t i, const runtime::Status& status);
  void start_in_cluster();
  void admit_chain(size_t first);
  void run_chain(size_t first, const runtime::Status& status);
  void run_with_own_quorum(size_t i);
  bool has_own_quorum(size_t i) const;
  void one_ended();
  void end_in_cluster(runtime::Task ended);
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
  runtime::Executor* receiver_ = nullptr;
  runtime::Task ended_;
};

}  // namespace quorate::redis
