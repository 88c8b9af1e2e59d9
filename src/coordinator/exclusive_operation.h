// ExclusiveOperation: one command over several keys, under way.
//
// It visits the shards of its keys in order. On each it acquires the gates of its slots, loads what
// is cold and copies the keys; back home it runs the command on the copies and its own keys, sends
// every shard the changes of its keys together with the release of its slots, and ends when all
// have answered. It owns itself: the last step deletes it. Thread: its members belong to the home
// shard, except while a visit is under way, when the visited shard alone touches `visit`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "quorate/coordinator/shard_coordinator.h"

namespace quorate::coordinator {

class ExclusiveOperation : public std::enable_shared_from_this<ExclusiveOperation> {
 public:
  using Run = ShardCoordinator::Run;

  static void start(ShardCoordinator& home, const std::vector<object::Key>& keys, bool writes,
                    Run run, runtime::Task finished);

  ExclusiveOperation(ShardCoordinator& home, bool writes, Run run, runtime::Task finished)
      : home_(home), writes_(writes), run_(std::move(run)), finished_(std::move(finished)) {}

 private:
  // What one shard contributes.
  struct Visit {
    ShardCoordinator* shard = nullptr;
    std::vector<object::Key> keys;  // views of the command's arguments
    std::vector<uint16_t> slots;    // ascending, each once
    std::vector<ForeignKey> copies;
    size_t acquired = 0, loading = 0;
    runtime::Status status;
  };

  void visit_next();
  void acquire_next(Visit& visit);
  void load_all(Visit& visit);
  void gathered(Visit& visit);
  void run();
  void settle(Visit& visit, std::vector<ForeignKey> changed);
  static void release(const Visit& visit);
  void settled();

  ShardCoordinator& home_;
  bool writes_;
  Run run_;
  runtime::Task finished_;
  std::vector<Visit> visits_;
  size_t next_ = 0;
  size_t unsettled_ = 0;
};

}  // namespace quorate::coordinator
