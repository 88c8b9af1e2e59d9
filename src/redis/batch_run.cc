#include "redis/batch_run.h"

#include <utility>

namespace quorate::redis {

void BatchRun::start(runtime::Task ended) {
  requests_.seal();
  ended_ = std::move(ended);
  const size_t count = requests_.size();
  for (size_t i = 0; i < count; ++i) engine_.store().prefetch_cell(requests_.request(i).keys[0]);
  for (size_t i = 0; i < count; ++i) engine_.store().prefetch_entry(requests_.request(i).keys[0]);
  extents_.resize(count);
  missing_ = count;
  for (size_t i = 0; i < count; ++i) run_one(i);
}

void BatchRun::run_one(size_t i) {
  const Request& request = requests_.request(i);
  if (engine_.coordinator().ready(request.keys)) {
    extents_[i].begin = replies_.size();
    engine_.run(request, replies_, nullptr, {});
    extents_[i].end = replies_.size();
    return one_ended();
  }
  engine_.coordinator().when_ready(
      request.keys[0],
      [self = shared_from_this(), i](runtime::Status status) { self->run_late(i, status); });
}

void BatchRun::run_late(size_t i, const runtime::Status& status) {
  const Request& request = requests_.request(i);
  if (status) {
    engine_.run(request, extents_[i].late, nullptr, {});
  } else {
    ReplyWriter(extents_[i].late, request.protocol)
        .error("ERR the key could not be read from disk: " + status.error().message);
  }
  one_ended();
}

void BatchRun::one_ended() {
  if (--missing_ == 0) std::exchange(ended_, nullptr)();
}

std::string_view BatchRun::reply(size_t i) const {
  const Reply& reply = extents_[i];
  if (reply.end == reply.begin) return reply.late.view();
  return replies_.view().substr(reply.begin, reply.end - reply.begin);
}

}  // namespace quorate::redis
