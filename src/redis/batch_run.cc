#include "redis/batch_run.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <utility>

#include "quorate/coordinator/shard_cluster.h"

#include "redis/peer_requests.h"

namespace quorate::redis {
namespace {

constexpr std::string_view kUncertain =
    "-UNCERTAIN the write is on too few replicas to be promised and may take effect\r\n";
constexpr std::string_view kUncertainRead =
    "-UNCERTAIN the key is being written and what was read may not have taken effect\r\n";
constexpr std::string_view kTooMuch = "TRYAGAIN too much is on its way to the node that asks";
constexpr uint64_t kOwnQuorumUs = 2'000'000;
// Of replies to another node, beyond which what has not run yet is to be asked for once more: no
// answer may be more than its link takes.
constexpr size_t kAnswersBytesMax = size_t{32} << 20;

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
  using For = storage::ShardStore::For;
  for (size_t i = 0; i < size(); ++i) {
    const bool changes = access_of(request(i)) == coordinator::Access::change;
    engine_.store().prefetch_slot(request(i).keys[0], changes ? For::change : For::look_up);
  }
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

BatchRun::~BatchRun() {
  if (peer_reply_bytes_ != nullptr) *peer_reply_bytes_ -= counted_bytes_;
}

void BatchRun::set_asker(const cluster::PeerCalls::Reply& asker) {
  asker_ = asker;
  peer_reply_bytes_ = engine_.peer_reply_bytes();
}

void BatchRun::count_reply_bytes() {
  if (!asker_) return;
  *peer_reply_bytes_ += replies_.size() - counted_bytes_;
  counted_bytes_ = replies_.size();
}

// Once it was, it stays so: what follows on the same key must not run before what was refused.
bool BatchRun::is_too_much() {
  if (!asker_ || too_much_) return too_much_;
  const auto& links = engine_.shard_cluster()->calls().links();
  too_much_ = *peer_reply_bytes_ + links.queued_bytes(asker_->to()) > kAnswersBytesMax;
  return too_much_;
}

void BatchRun::run(size_t i, const runtime::Status& status) {
  extents_[i].begin = replies_.size();
  if (status) {
    engine_.run(request(i), replies_, nullptr, {});
  } else {
    ReplyWriter(replies_, request(i).protocol).error(status.error().message);
  }
  extents_[i].end = replies_.size();
  count_reply_bytes();
}

// ---- in a cluster

void BatchRun::start_in_cluster() {
  next_of_key_.assign(size(), kNone);
  if (size() == 1) return admit_chain(0);
  std::vector<uint32_t> firsts;
  firsts.reserve(size());
  boost::unordered_flat_map<const object::Key*, uint32_t, ByKey, ByKey> lasts;
  lasts.reserve(size());
  for (uint32_t i = 0; i < size(); ++i) {
    const auto [at, fresh] = lasts.try_emplace(request(i).keys.data(), i);
    if (fresh) {
      firsts.push_back(i);
    } else {
      next_of_key_[std::exchange(at->second, i)] = i;
    }
  }
  for (const uint32_t first : firsts) admit_chain(first);
}

bool BatchRun::in_chain(size_t i, size_t first) const {
  return i != kNone && request(i).quorums == request(first).quorums;
}

void BatchRun::admit_chain(size_t first) {
  coordinator::Access access = coordinator::Access::read;
  for (size_t i = first; in_chain(i, first); i = next_of_key_[i]) {
    if (access_of(request(i)) == coordinator::Access::change) access = access_of(request(i));
  }
  const bool changes = access == coordinator::Access::change;
  for (size_t i = first; changes && in_chain(i, first); i = next_of_key_[i]) {
    extents_[i].of_change = true;
  }
  coordinator::ShardCluster& cluster = *engine_.shard_cluster();
  const object::Key& key = request(first).keys[0];
  if (changes && cluster.admits_now(key, request(first).quorums)) [[likely]]
    return run_chain(first, {}, Admitted::as_it_may);
  cluster.admit(key, access, request(first).quorums,
                [self = shared_from_this(), first](const runtime::Status& status) {
                  self->run_chain(first, status, Admitted::as_it_may);
                });
}

void BatchRun::run_chain(size_t first, const runtime::Status& status, Admitted how) {
  coordinator::ShardCluster& cluster = *engine_.shard_cluster();
  const object::Key& key = request(first).keys[0];
  const bool relies = status && how == Admitted::as_it_may && extents_[first].of_change &&
                      cluster.relies_on_promises(key.slot);
  const uint64_t changes = cluster.replicator().changes_made();
  const size_t written = replies_.size();
  for (size_t i = first; in_chain(i, first); i = next_of_key_[i]) {
    if (is_too_much()) {
      run(i, runtime::fail(std::string(kTooMuch)));
    } else {
      has_own_quorum(i) && status ? run_with_own_quorum(i) : run(i, status);
    }
  }
  if (relies && cluster.replicator().changes_made() == changes) {
    replies_.truncate(written);
    count_reply_bytes();
    return cluster.admit_by_read(key, request(first).quorums,
                                 [self = shared_from_this(), first](const auto& admitted) {
                                   self->run_chain(first, admitted, Admitted::by_read);
                                 });
  }
  size_t i = first;
  do {
    const size_t next = next_of_key_[i];
    one_ended();
    i = next;
  } while (in_chain(i, first));
  if (i != kNone) admit_chain(i);
}

bool BatchRun::has_own_quorum(size_t i) const {
  return request(i).quorums.write != 0 && access_of(request(i)) == coordinator::Access::change;
}

void BatchRun::run_with_own_quorum(size_t i) {
  coordinator::ShardCluster& cluster = *engine_.shard_cluster();
  const unsigned write = cluster.quorum(request(i).quorums).write;
  const uint64_t before = engine_.store().journal().end_position();
  cluster.replicator().lower_write_quorum(write);
  run(i, {});
  cluster.replicator().lower_write_quorum(coordinator::Replicator::kWriteQuorumOfCluster);
  if (engine_.store().journal().end_position() != before) {  // else it has only read
    turn_ = cluster.replicator().turn_of_last_change();
    needs_.push_back({request(i).keys[0].slot, write - 1});
    changed_by_.push_back(static_cast<uint32_t>(i));
    extents_[i].needs_less = write < cluster.quorum({}).write;
  }
}

// ---- the end

void BatchRun::one_ended() {
  if (--missing_ != 0) return;
  // Kept alive until then: whoever waits does not own it, or nothing would end if this never does.
  auto ended = [self = shared_from_this(), ended = std::exchange(ended_, nullptr)]() mutable {
    ended();
  };
  if (!engine_.clustered()) {
    return engine_.coordinator().after_turn(*receiver_, std::move(ended));
  }
  end_in_cluster(std::move(ended));
}

void BatchRun::end_in_cluster(runtime::Task ended) {
  const uint64_t end = engine_.store().journal().end_position();
  auto answer = [this, ended = std::move(ended), end]() mutable {
    uncertain_ = engine_.shard_cluster()->replicator().window().given_up(begin_, end);
    if (!needs_.empty()) return wait_for_own_quorums(std::move(ended));
    receiver_->post(std::move(ended));
  };
  if (may_leave_early()) {
    const std::string bytes = encode_replies(*this);
    return engine_.shard_cluster()->replicator().leave(
        asker_->to(), {asker_->id(), bytes, begin_, end, std::move(answer)});
  }
  const bool all_need_less = std::ranges::all_of(extents_, &Reply::needs_less);
  if (all_need_less) return engine_.coordinator().after_journal(std::move(answer));
  engine_.coordinator().after_turn(engine_.loop(), std::move(answer));
}

bool BatchRun::may_leave_early() const {
  if (!asker_ || !needs_.empty()) return false;
  const coordinator::Replicator& replicator = engine_.shard_cluster()->replicator();
  for (size_t i = 0; i < size(); ++i) {
    if (!replicator.may_leave(asker_->to(), request(i).keys[0].slot)) return false;
  }
  return true;
}

void BatchRun::wait_for_own_quorums(runtime::Task ended) {
  coordinator::CopyWaits& waits = engine_.shard_cluster()->copy_waits();
  waits.wait(needs_, turn_, kOwnQuorumUs,
             [this, &waits, ended = std::move(ended)](bool reached) mutable {
               for (size_t i = 0; !reached && i < needs_.size(); ++i) {
                 extents_[changed_by_[i]].uncertain = !waits.reached({needs_[i]}, turn_);
               }
               receiver_->post(std::move(ended));
             });
}

std::string_view BatchRun::reply(size_t i) const {
  const Reply& reply = extents_[i];
  const auto bytes = replies_.view().substr(reply.begin, reply.end - reply.begin);
  const bool of_cluster = uncertain_ && reply.of_change && !reply.needs_less;
  const bool uncertain = of_cluster || reply.uncertain;
  if (!uncertain || bytes.starts_with('-')) return bytes;
  const bool changes = access_of(request(i)) == coordinator::Access::change;
  return changes ? kUncertain : kUncertainRead;
}

}  // namespace quorate::redis
