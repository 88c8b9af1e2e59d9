#include "redis/batch_run.h"

#include <boost/unordered/unordered_flat_map.hpp>
#include <utility>

#include "quorate/coordinator/shard_cluster.h"

namespace quorate::redis {
namespace {

constexpr std::string_view kUncertain =
    "-UNCERTAIN the write is on too few replicas to be promised and may take effect\r\n";
constexpr std::string_view kUncertainRead =
    "-UNCERTAIN the key is being written and what was read may not have taken effect\r\n";

struct ByKey {
  using is_avalanching = void;
  size_t operator()(const object::Key* key) const { return key->hash + key->db; }
  bool operator()(const object::Key* one, const object::Key* other) const {
    return one->hash == other->hash && one->db == other->db && one->name == other->name;
  }
};

}  // namespace

void BatchRun::start(runtime::Executor& receiver, runtime::Task ended) {
  seal();
  receiver_ = &receiver;
  ended_ = std::move(ended);
  extents_.resize(size());
  missing_ = size();
  begin_ = engine_.store().journal().end_position();
  prefetch();
  if (engine_.clustered()) return start_in_cluster();
  for (size_t i = 0; i < size(); ++i) run_one(i);
}

void BatchRun::prefetch() const {
  for (size_t i = 0; i < size(); ++i) engine_.store().prefetch_cell(request(i).keys[0]);
  for (size_t i = 0; i < size(); ++i) engine_.store().prefetch_entry(request(i).keys[0]);
}

void BatchRun::run_one(size_t i) {
  if (engine_.coordinator().ready(request(i).keys)) {
    run(i, {});
    return one_ended();
  }
  engine_.coordinator().when_ready(
      request(i).keys[0], [self = shared_from_this(), i](const runtime::Status& status) {
        self->run(i, status ? status
                            : runtime::fail("ERR the key could not be read from disk: " +
                                            status.error().message));
        self->one_ended();
      });
}

void BatchRun::run(size_t i, const runtime::Status& status) {
  extents_[i].begin = replies_.size();
  if (status) {
    engine_.run(request(i), replies_, nullptr, {});
  } else {
    ReplyWriter(replies_, request(i).protocol).error(status.error().message);
  }
  extents_[i].end = replies_.size();
}

// ---- in a cluster

void BatchRun::start_in_cluster() {
  next_of_key_.assign(size(), kNone);
  std::vector<coordinator::Access> access(size());
  std::vector<uint32_t> firsts;
  boost::unordered_flat_map<const object::Key*, std::pair<uint32_t, uint32_t>, ByKey, ByKey>
      chains;  // first, last
  for (uint32_t i = 0; i < size(); ++i) {
    access[i] = access_of(request(i));
    const auto [at, fresh] = chains.try_emplace(request(i).keys.data(), i, i);
    if (fresh) {
      firsts.push_back(i);
      continue;
    }
    next_of_key_[std::exchange(at->second.second, i)] = i;
    if (access[i] == coordinator::Access::change) access[at->second.first] = access[i];
  }
  for (const uint32_t first : firsts) {
    const bool changes = access[first] == coordinator::Access::change;
    for (uint32_t i = first; changes && i != kNone; i = next_of_key_[i]) {
      extents_[i].of_change = true;
    }
    engine_.shard_cluster()->admit(
        request(first).keys[0], access[first],
        [self = shared_from_this(), first](const runtime::Status& status) {
          self->run_chain(first, status, Admitted::as_it_may);
        });
  }
}

void BatchRun::run_chain(size_t first, const runtime::Status& status, Admitted how) {
  coordinator::ShardCluster& cluster = *engine_.shard_cluster();
  const object::Key& key = request(first).keys[0];
  const bool relies = status && how == Admitted::as_it_may && extents_[first].of_change &&
                      cluster.relies_on_promises(key.slot);
  const uint64_t changes = cluster.replicator().changes_made();
  const size_t written = replies_.size();
  for (size_t i = first; i != kNone; i = next_of_key_[i]) run(i, status);
  if (relies && cluster.replicator().changes_made() == changes) {
    replies_.truncate(written);
    return cluster.admit_by_read(key, [self = shared_from_this(), first](const auto& admitted) {
      self->run_chain(first, admitted, Admitted::by_read);
    });
  }
  for (size_t i = first; i != kNone;) {
    const size_t next = next_of_key_[i];
    one_ended();
    i = next;
  }
}

void BatchRun::one_ended() {
  if (--missing_ != 0) return;
  // Kept alive until then: whoever waits does not own it, or nothing would end if this never does.
  auto ended = [self = shared_from_this(), ended = std::exchange(ended_, nullptr)]() mutable {
    ended();
  };
  if (!engine_.clustered()) {
    return engine_.coordinator().after_turn(*receiver_, std::move(ended));
  }
  engine_.coordinator().after_turn(
      engine_.loop(),
      [this, ended = std::move(ended), end = engine_.store().journal().end_position()]() mutable {
        const auto& window = engine_.shard_cluster()->replicator().window();
        uncertain_ = window.given_up(begin_, end);
        receiver_->post(std::move(ended));
      });
}

std::string_view BatchRun::reply(size_t i) const {
  const Reply& reply = extents_[i];
  const auto bytes = replies_.view().substr(reply.begin, reply.end - reply.begin);
  if (!uncertain_ || !reply.of_change || bytes.starts_with('-')) return bytes;
  const bool changes = access_of(request(i)) == coordinator::Access::change;
  return changes ? kUncertain : kUncertainRead;
}

}  // namespace quorate::redis
