#include "coordinator/exclusive_operation.h"

#include <algorithm>
#include <utility>

namespace quorate::coordinator {

void ExclusiveOperation::start(ShardCoordinator& home, const std::vector<object::Key>& keys,
                               bool writes, Run run, runtime::Task finished) {
  auto operation =
      std::make_shared<ExclusiveOperation>(home, writes, std::move(run), std::move(finished));
  operation->visits_.resize(home.shards().size());
  for (size_t shard = 0; shard < home.shards().size(); ++shard) {
    operation->visits_[shard].shard = home.shards()[shard];
  }
  for (const object::Key& key : keys) {
    Visit& visit = operation->visits_[home.shard_of(key.slot)];
    if (std::ranges::find(visit.keys, key) == visit.keys.end()) visit.keys.push_back(key);
    visit.slots.push_back(key.slot);
  }
  std::erase_if(operation->visits_, [](const Visit& visit) { return visit.keys.empty(); });
  for (Visit& visit : operation->visits_) {
    std::ranges::sort(visit.slots);
    visit.slots.erase(std::unique(visit.slots.begin(), visit.slots.end()), visit.slots.end());
  }
  operation->visit_next();
}

void ExclusiveOperation::visit_next() {
  if (next_ == visits_.size()) return run();
  Visit& visit = visits_[next_++];
  if (visit.shard == &home_) return acquire_next(visit);
  visit.shard->loop().post([self = shared_from_this(), &visit] { self->acquire_next(visit); });
}

void ExclusiveOperation::acquire_next(Visit& visit) {
  if (visit.acquired == visit.slots.size()) return load_all(visit);
  const uint16_t slot = visit.slots[visit.acquired++];
  visit.shard->store().pin(slot);
  visit.shard->gates().acquire(slot,
                               [self = shared_from_this(), &visit] { self->acquire_next(visit); });
}

void ExclusiveOperation::load_all(Visit& visit) {
  storage::ShardStore& store = visit.shard->store();
  if (writes_ && !store.write_refusal().empty())
    visit.status = runtime::fail(store.write_refusal());
  visit.loading = 1;
  for (const object::Key& key : visit.keys) {
    if (!store.needs_load(key)) continue;
    ++visit.loading;
    store.load(key, [self = shared_from_this(), &visit](runtime::Status status) {
      if (!status) visit.status = std::move(status);
      if (--visit.loading == 0) self->gathered(visit);
    });
  }
  if (--visit.loading == 0) gathered(visit);
}

void ExclusiveOperation::gathered(Visit& visit) {
  if (visit.shard == &home_) return visit_next();
  for (const object::Key& key : visit.keys) {
    visit.copies.emplace_back(key, visit.shard->store().find(key));
  }
  // What was read must be answerable before it is used.
  visit.shard->after_turn(home_.loop(), [self = shared_from_this()] { self->visit_next(); });
}

void ExclusiveOperation::run() {
  runtime::Status status;
  std::vector<ForeignKey> foreign;
  for (Visit& visit : visits_) {
    if (!visit.status) status = visit.status;
    for (ForeignKey& copy : visit.copies) foreign.push_back(std::move(copy));
  }
  home_.keys().set_foreign(&foreign);
  run_(std::move(status));
  home_.keys().set_foreign(nullptr);

  unsettled_ = visits_.size();
  for (Visit& visit : visits_) {
    std::vector<ForeignKey> changed;
    for (ForeignKey& key : foreign) {
      if (key.change != ForeignKey::Change::none &&
          home_.shards()[home_.shard_of(key.key.slot)] == visit.shard) {
        changed.push_back(std::move(key));
      }
    }
    settle(visit, std::move(changed));
  }
}

void ExclusiveOperation::settle(Visit& visit, std::vector<ForeignKey> changed) {
  if (visit.shard == &home_) {
    release(visit);
    return settled();
  }
  visit.shard->loop().post(
      [self = shared_from_this(), &visit, changed = std::move(changed)]() mutable {
        for (const ForeignKey& of : changed) visit.shard->keys().adopt(of);
        release(visit);
        visit.shard->after_turn(self->home_.loop(), [self] { self->settled(); });
      });
}

void ExclusiveOperation::release(const Visit& visit) {
  for (const uint16_t slot : visit.slots) {
    visit.shard->store().unpin(slot);
    visit.shard->gates().release(slot);
  }
}

void ExclusiveOperation::settled() {
  if (--unsettled_ == 0) finished_();
}

}  // namespace quorate::coordinator
