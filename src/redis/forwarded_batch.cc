#include "redis/forwarded_batch.h"

#include <utility>

namespace quorate::redis {

void ForwardedBatch::send() {
  ShardEngine& target = run_->engine();
  if (&target == &session_->engine_) return start();
  target.loop().post([self = shared_from_this()] { self->start(); });
}

void ForwardedBatch::start() {
  const std::shared_ptr<BatchRun> run = std::move(run_);
  run->start(session_->engine_.loop(),
             [self = shared_from_this(), run = run.get()] { self->deliver(*run); });
}

void ForwardedBatch::deliver(const BatchRun& run) {
  for (size_t i = 0; i < places_.size(); ++i) {
    places_[i]->bytes.append(run.reply(i));
    session_->reply_done(*places_[i]);
  }
}

}  // namespace quorate::redis
