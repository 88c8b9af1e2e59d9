#include "redis/forwarded_batch.h"

#include <utility>

namespace quorate::redis {

void ForwardedBatch::send() {
  ShardEngine& target = run_->engine();
  if (&target == &session_->engine_) return start();
  target.loop().post([self = shared_from_this()] { self->start(); });
}

void ForwardedBatch::start() {
  run_->start(session_->engine_.loop(), [self = shared_from_this()] { self->deliver(); });
}

void ForwardedBatch::deliver() {
  for (size_t i = 0; i < places_.size(); ++i) {
    places_[i]->bytes.append(run_->reply(i));
    session_->reply_done(*places_[i]);
  }
}

}  // namespace quorate::redis
