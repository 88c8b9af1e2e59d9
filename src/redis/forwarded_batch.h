// ForwardedBatch: single-key requests of one connection that its session could not run at once, on
// their way to the shard of their keys (perhaps its own) and back with the replies.
//
// One message each way, whatever the number of requests. On the shard each request runs as soon as
// its key can be had; the replies go back together when the last is done, no earlier than the
// journal allows. Thread: the home shard's until send(), then the target's, then again the home's
// in deliver().
#pragma once

#include <memory>
#include <vector>

#include "quorate/redis/output_buffer.h"
#include "quorate/redis/session.h"

#include "redis/request_copies.h"

namespace quorate::redis {

class ForwardedBatch : public std::enable_shared_from_this<ForwardedBatch> {
 public:
  ForwardedBatch(std::shared_ptr<Session> session, ShardEngine& target)
      : session_(std::move(session)), target_(target) {}

  void add(const Request& request, Session::PendingReply& place) {
    requests_.add(request);
    places_.push_back(&place);
  }
  void send();

 private:
  struct Reply {
    size_t begin = 0, end = 0;  // in replies_
    OutputBuffer late;          // of a request that had to wait
  };

  void run();
  void run_one(size_t i);
  void run_late(size_t i, const runtime::Status& status);
  void one_done();
  void deliver();

  std::shared_ptr<Session> session_;
  ShardEngine& target_;
  RequestCopies requests_;
  std::vector<Session::PendingReply*> places_;
  OutputBuffer replies_;
  std::vector<Reply> extents_;
  size_t missing_ = 0;
};

}  // namespace quorate::redis
