#include "quorate/coordinator/shard_coordinator.h"

#include <utility>

#include "coordinator/exclusive_operation.h"

namespace quorate::coordinator {

bool ShardCoordinator::ready_slowly(std::span<const object::Key> keys) const {
  for (const object::Key& key : keys) {
    if (!store_.shape().owns(key.slot) || gates_.closed(key.slot)) return false;
    if (store_.needs_load(key)) return false;
  }
  return true;
}

void ShardCoordinator::when_ready(const object::Key& key, Run run) {
  if (!gates_.closed(key.slot)) return admitted(key, std::move(run));
  gates_.wait(key.slot,
              [this, key, run = std::move(run)]() mutable { admitted(key, std::move(run)); });
}

void ShardCoordinator::admitted(const object::Key& key, Run run) {
  if (!store_.needs_load(key)) return run({});
  gates_.enter(key.slot);
  store_.load(key, [this, slot = key.slot, run = std::move(run)](runtime::Status status) mutable {
    run(std::move(status));
    gates_.leave(slot);
  });
}

void ShardCoordinator::run_exclusively(const std::vector<object::Key>& keys, bool writes, Run run,
                                       runtime::Task finished) {
  ExclusiveOperation::start(*this, keys, writes, std::move(run), std::move(finished));
}

void ShardCoordinator::after_turn(runtime::Executor& receiver, runtime::Task task) {
  held_.push_back({store_.journal().end_position(), &receiver, std::move(task)});
}

void ShardCoordinator::after(uint64_t position, runtime::Executor& receiver, runtime::Task task) {
  const auto at = std::ranges::upper_bound(held_, position, {}, &Held::position);
  held_.insert(at, {position, &receiver, std::move(task)});
}

void ShardCoordinator::after_journal(runtime::Task task) {
  journal_waiters_.emplace_back(store_.journal().end_position(), std::move(task));
}

runtime::Status ShardCoordinator::end_turn() {
  runtime::Status status = store_.end_turn();
  // What could not be written must not reach others either: it will be with a later turn.
  if (barrier_ != nullptr && status) barrier_->end_turn(store_.journal().written_position());
  if (!held_.empty() || !journal_waiters_.empty()) release_held();
  return status;
}

void ShardCoordinator::release_held() {
  const uint64_t journaled_up_to = journaled();
  while (!journal_waiters_.empty() && journal_waiters_.front().first <= journaled_up_to) {
    runtime::Task task = std::move(journal_waiters_.front().second);
    journal_waiters_.pop_front();
    task();
  }
  const uint64_t position = answerable();
  while (!held_.empty() && held_.front().position <= position) {
    held_.front().receiver->post(std::move(held_.front().task));
    held_.pop_front();
  }
}

}  // namespace quorate::coordinator
