// BatchRun: single-key requests, copied, that run on the shard of their keys, each as soon as its
// key can be had.
//
// Whoever collects them calls add(); from start() on it belongs to the shard's thread until `ended`
// is called there, once, when all have run and what they changed may be answered for; then to
// whoever reads the replies. Requests for one key run in the order in which they were added; in a
// cluster, where a key must be admitted first (ShardCluster::admit), they share that: they are a
// chain. A chain that was admitted without a read and then changed nothing runs again after one.
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
  enum class Admitted : uint8_t { as_it_may, by_read };
  struct Reply {
    size_t begin = 0, end = 0;  // in replies_
    bool of_change = false;     // of a chain that changes its key
  };

  void prefetch() const;
  void run_one(size_t i);
  void run(size_t i, const runtime::Status& status);
  void start_in_cluster();
  void run_chain(size_t first, const runtime::Status& status, Admitted how);
  void one_ended();

  ShardEngine& engine_;
  RequestCopies requests_;
  bool sealed_ = false;
  OutputBuffer replies_;
  std::vector<Reply> extents_;
  std::vector<uint32_t> next_of_key_;  // in a cluster
  size_t missing_ = 0;
  uint64_t begin_ = 0;  // journal position
  bool uncertain_ = false;
  runtime::Executor* receiver_ = nullptr;
  runtime::Task ended_;
};

}  // namespace quorate::redis
