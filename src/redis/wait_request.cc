#include "redis/wait_request.h"

#include <algorithm>
#include <utility>

namespace quorate::redis {
namespace {

using coordinator::CopyWaits;

constexpr uint64_t kUsPerMs = 1000;
constexpr uint64_t kTimeoutMsMax = uint64_t{1} << 40;  // in 34 years nobody will ask
constexpr uint64_t kUnreachableUs = 200'000;           // until a node is asked again

}  // namespace

unsigned WaitRequest::replicas_at_hand(ShardEngine& engine) {
  if (!engine.clustered()) return 0;
  const cluster::ClusterView& view = *engine.shard_cluster()->view();
  const auto healthy = static_cast<unsigned>(view.healthy_members());
  return std::max(1U, std::min(healthy, view.quorum().replicas)) - 1;
}

void WaitRequest::start(ShardEngine& engine, const ClientState& client, int64_t wanted,
                        uint64_t timeout_ms, Finish finish) {
  const auto request = std::make_shared<WaitRequest>(engine, client.id, wanted, std::move(finish));
  if (engine.clustered()) request->collect(client.written);
  request->begin(timeout_ms);
}

void WaitRequest::collect(const WrittenSlots& written) {
  WrittenSlots all = written;
  const cluster::ClusterView& view = *engine_.shard_cluster()->view();
  for (unsigned number = 0; written.everywhere() && number < object::kSlots; ++number) {
    const auto slot = static_cast<uint16_t>(number);
    const auto place = view.coordinator(slot);
    if (place == cluster::ClusterView::kNobody) continue;
    const bool own = place == view.self();
    all.note(own ? std::nullopt : std::optional(view.member(place).id), slot);
  }
  const auto shards = static_cast<unsigned>(engine_.shards());
  for (WrittenSlots::Place& place : all.places()) {
    const object::SlotSet& slots = place.slots();
    for (unsigned shard = 0; shard < shards; ++shard) {
      Part part{place.node(), shard, {}};
      for (unsigned slot = shard; slot < object::kSlots; slot += shards) {
        const auto number = static_cast<uint16_t>(slot);
        if (slots.contains(number)) part.slots.add(number);
      }
      if (!part.slots.empty()) parts_.push_back(part);
    }
  }
}

void WaitRequest::begin(uint64_t timeout_ms) {
  if (timeout_ms != 0) {
    const uint64_t timeout_us = std::min(timeout_ms, kTimeoutMsMax) * kUsPerMs;
    deadline_us_ = engine_.loop().clock().monotonic_us() + timeout_us;
    deadline_ = engine_.loop().start_timer(timeout_us, 0, [this] {
      const auto self = shared_from_this();
      const auto timer = std::move(deadline_);
      finish();
    });
  }
  if (parts_.empty()) return look_again();
  for (size_t i = 0; i < parts_.size(); ++i) ask(i);
}

// Nothing was written: it is a question of how many are well.
void WaitRequest::look_again() {
  if (over()) return;
  if (static_cast<int64_t>(copies()) >= wanted_) return finish();
  engine_.run_after(CopyWaits::kQuestionUs / 10,
                    [self = shared_from_this()] { self->look_again(); });
}

uint64_t WaitRequest::question_us() const {
  const uint64_t now = engine_.loop().clock().monotonic_us();
  return std::min(CopyWaits::kQuestionUs, deadline_us_ - std::min(now, deadline_us_));
}

void WaitRequest::ask(size_t i) {
  const Part& part = parts_[i];
  CopyWaits::Question question{part.slots, 0, 0};
  if (part.heard) {
    question.wanted = part.copies + 1;
    question.timeout_us = question_us();
  }
  const auto work = [self = shared_from_this(), i, question, node = part.node,
                     engine = &engine_.engine(part.shard)] {
    const auto answer = [self, i](std::optional<unsigned> copies) {
      self->engine_.loop().post([self, i, copies] { self->answered(i, copies); });
    };
    CopyWaits& waits = engine->shard_cluster()->copy_waits();
    node ? waits.ask(*node, question, answer) : waits.count(question, answer);
  };
  if (part.shard == engine_.shard()) return work();
  engine_.engine(part.shard).loop().post(work);
}

void WaitRequest::answered(size_t i, std::optional<unsigned> copies) {
  if (over()) return;
  Part& part = parts_[i];
  part.heard = true;
  part.copies = std::max(part.copies, copies.value_or(0));
  const bool all_heard = std::ranges::all_of(parts_, &Part::heard);
  if (all_heard && static_cast<int64_t>(this->copies()) >= wanted_) return finish();
  if (static_cast<int64_t>(part.copies) >= wanted_) return;
  if (copies) return ask(i);
  engine_.run_after(kUnreachableUs, [self = shared_from_this(), i] {
    if (!self->over()) self->ask(i);
  });
}

// Whether nobody waits any more.
bool WaitRequest::over() {
  if (finish_ != nullptr && !engine_.sessions().contains(client_id_)) {
    finish_ = nullptr;
    deadline_.reset();
  }
  return finish_ == nullptr;
}

unsigned WaitRequest::copies() const {
  if (parts_.empty()) return replicas_at_hand(engine_);
  return std::ranges::min(parts_, {}, &Part::copies).copies;
}

void WaitRequest::finish() {
  if (over()) return;
  deadline_.reset();
  std::exchange(finish_, nullptr)([this](ReplyWriter& reply) { reply.integer(copies()); });
}

}  // namespace quorate::redis
