// BatchRun: single-key requests, copied, that run on the shard of their keys, each as soon as its
// key can be had.
//
// Whoever collects them calls add(); from start() on it belongs to the shard's thread until `ended`
// is called there, once, when all have run; then to whoever reads the replies. What the requests
// changed may not be answerable yet when they have run: that is for the caller to wait for.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "quorate/redis/output_buffer.h"
#include "quorate/redis/shard_engine.h"

#include "redis/request_copies.h"

namespace quorate::redis {

class BatchRun : public std::enable_shared_from_this<BatchRun> {
 public:
  explicit BatchRun(ShardEngine& engine) : engine_(engine) {}

  ShardEngine& engine() { return engine_; }
  // REQUIRES: one key of the engine's shard.
  void add(const Request& request) { requests_.add(request); }
  size_t size() const { return requests_.size(); }
  // REQUIRES: something was added.
  void start(runtime::Task ended);
  std::string_view reply(size_t i) const;

 private:
  struct Reply {
    size_t begin = 0, end = 0;  // in replies_
    OutputBuffer late;          // of a request that had to wait
  };

  void run_one(size_t i);
  void run_late(size_t i, const runtime::Status& status);
  void one_ended();

  ShardEngine& engine_;
  RequestCopies requests_;
  OutputBuffer replies_;
  std::vector<Reply> extents_;
  size_t missing_ = 0;
  runtime::Task ended_;
};

}  // namespace quorate::redis
