#include "quorate/coordinator/catch_up.h"

#include <algorithm>
#include <spdlog/spdlog.h>
#include <utility>

#include "quorate/object/codec.h"

namespace quorate::coordinator {
namespace {

using cluster::ClusterView;
using object::NodeId;

enum class Question : uint8_t { probe = 0, catch_up = 1 };

// Who is about to get its slots (slot_transfer.h) need not get them twice.
bool joins(const ClusterView& view) {
  return view.self() != ClusterView::kNobody &&
         view.member(view.self()).status == cluster::MemberStatus::joining;
}

}  // namespace

CatchUp::CatchUp(Parts parts, unsigned shard, unsigned shards)
    : loop_(parts.loop), puller_(parts.puller), shard_(shard), shards_(shards) {
  parts.calls.serve(
      kService, [this](const NodeId& from, std::string_view body, cluster::PeerCalls::Reply reply) {
        serve(from, body, reply);
      });
}

CatchUp::~CatchUp() = default;

// ---- a life begins

void CatchUp::set_view(std::shared_ptr<const ClusterView> view) {
  view_ = std::move(view);
  meet();
  look_whether_behind();
}

void CatchUp::meet() {
  if (joins(*view_)) return;
  for (const ClusterView::Node& node : view_->members()) {
    if (!node.healthy() || view_->find(node.id) == view_->self()) continue;
    auto at = std::ranges::find(first_, node.id, &Round::from);
    if (at == first_.end()) {
      at = first_.insert(at, nullptr);
    } else if ((*at)->missing != 0 || (*at)->failed == 0) {
      continue;
    }
    *at = std::make_shared<Round>(Round{node.id});
    start(*at);
    if ((*at)->slots == 0) first_.erase(at);
  }
}

bool CatchUp::waits_for(const ClusterView::Node& node) const {
  const bool counts = node.healthy() && node.status != cluster::MemberStatus::joining;
  const auto at = std::ranges::find(first_, node.id, &Round::from);
  return counts && at != first_.end() && ((*at)->missing != 0 || (*at)->failed != 0);
}

void CatchUp::look_whether_behind() {
  behind_ = std::ranges::any_of(view_->members(),
                                [this](const ClusterView::Node& node) { return waits_for(node); });
}

bool CatchUp::has_met(const NodeId& node) const {
  const auto at = std::ranges::find(first_, node, &Round::from);
  return at != first_.end() && (*at)->missing == 0 && (*at)->failed == 0;
}

// ---- another one asks

std::string CatchUp::probe() { return {static_cast<char>(Question::probe)}; }

std::string CatchUp::question(uint64_t round) {
  std::string body;
  object::ByteWriter out(body);
  out.byte(static_cast<uint8_t>(Question::catch_up));
  out.fixed64(round);
  return body;
}

std::optional<CatchUp::Answer> CatchUp::answer_of(std::string_view body) {
  if (body.size() != 1) return std::nullopt;
  const auto answer = static_cast<Answer>(body.front());
  if (answer > Answer::done) return std::nullopt;
  return answer;
}

void CatchUp::serve(const NodeId& from, std::string_view body, cluster::PeerCalls::Reply reply) {
  object::ByteReader in(body);
  const uint8_t question = in.byte();
  Answer answer = Answer::there;
  if (question == static_cast<uint8_t>(Question::catch_up)) {
    const uint64_t round = in.fixed64();
    if (!in.finished()) return;
    answer = work_on(from, round);
  } else if (question != static_cast<uint8_t>(Question::probe) || !in.finished()) {
    return;
  }
  const char byte = static_cast<char>(answer);
  reply({&byte, 1});
}

CatchUp::Answer CatchUp::work_on(const NodeId& from, uint64_t number) {
  if (view_ == nullptr || view_->find(from) == ClusterView::kNobody) return Answer::working;
  if (joins(*view_)) return Answer::working;
  auto at = std::ranges::find(asked_, from, &Round::from);
  if (at == asked_.end()) {
    at = asked_.insert(at, nullptr);
  } else if ((*at)->number == number) {
    if ((*at)->missing != 0) return Answer::working;
    if ((*at)->failed == 0) return Answer::done;
  }
  // Pulls of an earlier round that still go on count for nobody.
  *at = std::make_shared<Round>(Round{from, number});
  start(*at);
  return Answer::working;
}

// ----

void CatchUp::start(const RoundRef& round) {
  const auto self = view_->self(), other = view_->find(round->from);
  std::vector<uint16_t> slots;
  for (unsigned slot = shard_; slot < object::kSlots; slot += shards_) {
    const auto number = static_cast<uint16_t>(slot);
    if (view_->holds(number, self) && view_->holds(number, other)) slots.push_back(number);
  }
  round->slots = round->missing = slots.size();
  for (const uint16_t slot : slots) {
    puller_.pull(slot, round->from,
                 [this, round](const runtime::Status& status) { pulled(round, status); });
  }
}

void CatchUp::pulled(const RoundRef& round, const runtime::Status& status) {
  const std::string name = object::node_id_text(round->from).substr(0, 12);
  if (!status && round->failed++ == 0) {
    spdlog::warn("A slot cannot be brought up to node {}: {}", name, status.error().message);
  }
  if (--round->missing != 0) return;
  look_whether_behind();
  const auto level = round->failed == 0 ? spdlog::level::debug : spdlog::level::warn;
  spdlog::log(level, "Compared {} slots with node {}: {} are not up to it", round->slots, name,
              round->failed);
  if (round->number != 0 || round->failed == 0 || retry_ != nullptr) return;
  retry_ = loop_.start_timer(kRetryUs, 0, [this] {
    const auto timer = std::move(retry_);
    meet();
  });
}

}  // namespace quorate::coordinator
