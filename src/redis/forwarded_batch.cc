#include "redis/forwarded_batch.h"

#include <utility>

namespace quorate::redis {

void ForwardedBatch::send() {
  requests_.seal();
  if (&target_ == &session_->engine_) return run();
  target_.loop().post([self = shared_from_this()] { self->run(); });
}

void ForwardedBatch::run() {
  const size_t count = requests_.size();
  for (size_t i = 0; i < count; ++i) target_.store().prefetch_cell(requests_.request(i).keys[0]);
  for (size_t i = 0; i < count; ++i) target_.store().prefetch_entry(requests_.request(i).keys[0]);
  extents_.resize(count);
  missing_ = count;
  for (size_t i = 0; i < count; ++i) run_one(i);
}

void ForwardedBatch::run_one(size_t i) {
  const Request& request = requests_.request(i);
  if (target_.coordinator().ready(request.keys)) {
    extents_[i].begin = replies_.size();
    target_.run(request, replies_, nullptr, {});
    extents_[i].end = replies_.size();
    return one_done();
  }
  target_.coordinator().when_ready(
      request.keys[0],
      [self = shared_from_this(), i](runtime::Status status) { self->run_late(i, status); });
}

void ForwardedBatch::run_late(size_t i, const runtime::Status& status) {
  const Request& request = requests_.request(i);
  if (status) {
    target_.run(request, extents_[i].late, nullptr, {});
  } else {
    ReplyWriter(extents_[i].late, request.protocol)
        .error("ERR the key could not be read from disk: " + status.error().message);
  }
  one_done();
}

void ForwardedBatch::one_done() {
  if (--missing_ != 0) return;
  target_.coordinator().after_turn(session_->engine_.loop(),
                                   [self = shared_from_this()] { self->deliver(); });
}

void ForwardedBatch::deliver() {
  const std::string_view all = replies_.view();
  for (size_t i = 0; i < places_.size(); ++i) {
    const Reply& reply = extents_[i];
    places_[i]->bytes.append(reply.end > reply.begin
                                 ? all.substr(reply.begin, reply.end - reply.begin)
                                 : reply.late.view());
    session_->reply_done(*places_[i]);
  }
}

}  // namespace quorate::redis
