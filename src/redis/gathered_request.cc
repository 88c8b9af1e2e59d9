#include "redis/gathered_request.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "redis/cluster_scan.h"
#include "redis/peer_requests.h"
#include "redis/slot_requests.h"

namespace quorate::redis {
namespace {

using cluster::ClusterView;
using Place = ClusterView::Place;

constexpr uint64_t kPartUs = 2'000'000;
constexpr uint64_t kKeysUs = 30'000'000;         // for walks over all keys
constexpr uint64_t kChangeUs = 5'000'000;        // longer than it takes to give up on copies
constexpr uint64_t kOptionalPartUs = 1'000'000;  // of what can be left out

// The text of an error reply.
std::string text_of(std::string_view reply) {
  return std::string(reply.substr(1, reply.find("\r\n") - 1));
}

}  // namespace

void GatheredRequest::start(ShardEngine& engine, const Request& request, Missing missing,
                            Done done) {
  std::make_shared<GatheredRequest>(engine, request, missing, std::move(done))->ask();
}

GatheredRequest::GatheredRequest(ShardEngine& engine, const Request& request, Missing missing,
                                 Done done)
    : engine_(engine),
      missing_(missing),
      done_(std::move(done)),
      reply_(request.spec->gather, engine.random()) {
  request_.add(request);
  request_.seal();
  patient_until_us_ = now_us() + patience_us();
}

// How long a part may take.
uint64_t GatheredRequest::part_us() const {
  if (missing_ == Missing::leave_out) return kOptionalPartUs;
  if (request_.request(0).spec->gather == Gather::elements) return kKeysUs;
  return changes() ? kChangeUs : kPartUs;
}

// Whom to ask for what is left, now. An error says that nobody can answer for some slot.
runtime::Status GatheredRequest::share_out(std::vector<std::pair<Place, Part>>& parts) {
  const ClusterView& view = *engine_.shard_cluster()->view();
  if (changes()) {
    if (auto enough = engine_.shard_cluster()->enough_replicas(left_); !enough) return enough;
  }
  std::vector<size_t> part_of(view.members().size(), SIZE_MAX);
  for (unsigned number = 0; number < object::kSlots; ++number) {
    const auto slot = static_cast<uint16_t>(number);
    if (!left_.contains(slot)) continue;
    const Place place = view.coordinator(slot);
    const bool own = place == view.self();
    const bool down =
        place == ClusterView::kNobody || (!own && is_down(view.member(place), asked_before_));
    if (down && missing_ == Missing::fail) {
      return runtime::fail("CLUSTERDOWN Hash slot not served");
    }
    if (down) {
      left_.remove(slot);
      continue;
    }
    if (part_of[place] == SIZE_MAX) {
      part_of[place] = parts.size();
      parts.push_back({place, {}});
    }
    Part& part = parts[part_of[place]].second;
    if (!own && part.size == slots_per_part_) continue;
    part.slots.add(slot);
    ++part.size;
  }
  return {};
}

void GatheredRequest::ask() {
  std::vector<std::pair<Place, Part>> parts;
  status_ = share_out(parts);
  asked_before_ = true;
  under_way_ = 1;
  if (!status_) parts.clear();
  const auto view = engine_.shard_cluster()->view();
  for (const auto& [place, part] : parts) left_.remove(part.slots);
  for (const auto& [place, part] : parts) {
    const bool own = place == view->self();
    const std::optional<object::NodeId> node =
        own ? std::nullopt : std::optional(view->member(place).id);
    ++under_way_;
    ask_for_slots(engine_, node, request_.request(0), part.slots, part_us(),
                  [self = shared_from_this(), part](cluster::PeerCalls::Answer answer) {
                    self->answered(part, answer);
                  });
  }
  one_answered();
}

void GatheredRequest::answered(const Part& part, cluster::PeerCalls::Answer answer) {
  if (answer) {
    part_done(*answer, part);
  } else if (answer.error() == cluster::CallFailure::no_answer && changes()) {
    status_ = runtime::fail(
        "UNCERTAIN the coordinator of some slots does not answer; the write may take effect");
  } else {
    refused(part, "CLUSTERDOWN the coordinator of some slots cannot be reached");
  }
  one_answered();
}

void GatheredRequest::part_done(std::string_view reply, const Part& part) {
  if (reply.starts_with(kTryAgain)) return refused(part, text_of(reply));
  if (reply.starts_with(kSplit) && part.size > 1) {
    size_t pieces = 0;
    std::from_chars(reply.data() + kSplit.size(), reply.data() + reply.size(), pieces);
    slots_per_part_ = std::max<size_t>(1, part.size / std::max<size_t>(2, pieces));
    return left_.add(part.slots);
  }
  if (reply.starts_with('-')) {
    // What may have been done counts for more than what was not.
    if (status_ || !status_.error().message.starts_with("UNCERTAIN")) {
      status_ = runtime::fail(text_of(reply));
    }
    return;
  }
  if (!reply_.add(reply)) {
    status_ = runtime::fail(changes() ? "UNCERTAIN another node's answer makes no sense"
                                      : "ERR another node's answer makes no sense");
    return;
  }
  some_done_ = true;
  patient_until_us_ = now_us() + patience_us();
}

void GatheredRequest::refused(const Part& part, std::string_view why) {
  left_.add(part.slots);
  refusal_ = why;
}

void GatheredRequest::one_answered() {
  if (--under_way_ != 0) return;
  if (!status_ || left_.empty()) return finish(status_);
  if (refusal_.empty()) return ask();  // for what was too much at once
  if (now_us() + kAskAgainUs > patient_until_us_) {
    if (missing_ == Missing::leave_out) return finish({});
    return finish(runtime::fail(refusal_));
  }
  refusal_.clear();
  engine_.run_after(kAskAgainUs, [self = shared_from_this()] { self->ask_again(); });
}

void GatheredRequest::ask_again() {
  if (engine_.clustered()) return ask();
  finish(runtime::fail("CLUSTERDOWN this node is no member of the cluster any more"));
}

void GatheredRequest::finish(runtime::Status status) {
  const bool halfway =
      !status && changes() && some_done_ && !status.error().message.starts_with("UNCERTAIN");
  if (halfway) {
    status = runtime::fail("UNCERTAIN done for some slots and not for others: " +
                           status.error().message);
  }
  std::exchange(done_, nullptr)(status, reply_);
}

void answer_from_cluster(ShardEngine& engine, const Request& request, Finish finish) {
  if (request.spec->gather == Gather::pages) {
    return ClusterScan::start(engine, request, std::move(finish));
  }
  GatheredRequest::start(engine, request, GatheredRequest::Missing::fail,
                         [finish = std::move(finish)](const runtime::Status& status,
                                                      const GatheredReply& reply) mutable {
                           finish([&](ReplyWriter& to) {
                             if (status) return reply.write(to);
                             to.error(status.error().message);
                           });
                         });
}

}  // namespace quorate::redis
