// ForwardedBatch: single-key requests of one connection that its session could not run at once, on
// their way to the shard of their keys (perhaps its own) and back with the replies.
//
// One message each way, whatever the number of requests. The replies go back together when the last
// request has run, no earlier than the journal allows. Thread: the home shard's until send(), then
// the target's, then again the home's in deliver().
#pragma once

#include <memory>
#include <vector>

#include "quorate/redis/session.h"

#include "redis/batch_run.h"

namespace quorate::redis {

class ForwardedBatch : public std::enable_shared_from_this<ForwardedBatch> {
 public:
  ForwardedBatch(std::shared_ptr<Session> session, ShardEngine& target)
      : session_(std::move(session)), run_(std::make_shared<BatchRun>(target)) {}

  void add(const Request& request, Session::PendingReply& place) {
    run_->add(request);
    places_.push_back(&place);
  }
  void send();

 private:
  void start();
  void deliver(const BatchRun& run);

  std::shared_ptr<Session> session_;
  std::shared_ptr<BatchRun> run_;  // until it starts
  std::vector<Session::PendingReply*> places_;
};

}  // namespace quorate::redis
