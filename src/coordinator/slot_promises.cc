#include "quorate/coordinator/slot_promises.h"

#include <algorithm>
#include <utility>

#include "quorate/object/codec.h"
#include "quorate/runtime/mutants.h"

namespace quorate::coordinator {
namespace {

using object::NodeId;

}  // namespace

SlotPromises::SlotPromises(Parts parts)
    : parts_(std::move(parts)),
      life_((parts_.random.next() << 32) | (uint64_t{1} << 63)),
      to_(object::kSlots, kNobody),
      numbers_(object::kSlots) {}

void SlotPromises::set_view(std::shared_ptr<const cluster::ClusterView> view) {
  view_ = std::move(view);
  // What this node changes itself is no other's. Who coordinated it before is told of its health.
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    if (view_->self_coordinates(static_cast<uint16_t>(slot))) to_[slot] = kNobody;
  }
}

uint16_t SlotPromises::party(const NodeId& node) {
  const auto at = std::ranges::find(parties_, node, &Party::id);
  if (at != parties_.end()) return static_cast<uint16_t>(at - parties_.begin());
  parties_.push_back({node, 0});
  return static_cast<uint16_t>(parties_.size() - 1);
}

std::string SlotPromises::question(Ask ask, std::span<const uint16_t> slots) {
  std::string body;
  object::ByteWriter out(body);
  out.byte(static_cast<uint8_t>(ask));
  for (const uint16_t slot : slots) out.varint(slot);
  return body;
}

std::optional<std::string> SlotPromises::serve(const NodeId& from, std::string_view question) {
  if (view_ == nullptr || view_->find(from) == cluster::ClusterView::kNobody) return std::nullopt;
  const auto place = view_->find(from);
  const uint16_t to = party(from);
  const bool quarrel = parties_[to].quarrel_until_us > parts_.loop.clock().monotonic_us();
  object::ByteReader in(question);
  const uint8_t ask = in.byte();
  if (ask > static_cast<uint8_t>(Ask::promise)) return std::nullopt;
  const bool promises = ask == static_cast<uint8_t>(Ask::promise);
  const bool willing = !quarrel && parts_.at_rest();
  if (promises) ++last_;
  const uint32_t number = last_;
  std::string body;
  object::ByteWriter out(body);
  out.fixed64(life_ | number);
  while (in.ok() && in.remaining() > 0) {
    const uint64_t slot = in.varint();
    if (!in.ok() || slot >= object::kSlots) return std::nullopt;
    const bool granted = willing && view_->coordinator(static_cast<uint16_t>(slot)) == place;
    if (granted && promises) {
      to_[slot] = to;
      numbers_[slot] = number;
    }
    out.byte(granted ? 1 : 0);
  }
  return in.ok() ? std::optional(std::move(body)) : std::nullopt;
}

std::optional<SlotPromises::Answer> SlotPromises::answer_of(std::string_view body, size_t slots) {
  object::ByteReader in(body);
  Answer answer;
  answer.number = in.fixed64();
  for (size_t i = 0; i < slots; ++i) answer.promised.push_back(in.byte() == 1);
  if (!in.finished() || answer.number == 0) return std::nullopt;
  return answer;
}

bool SlotPromises::kept(const NodeId& to, uint64_t number, std::span<const uint16_t> slots) const {
  if (runtime::mutant(runtime::Mutant::promises_unasked)) return true;
  const auto at = std::ranges::find(parties_, to, &Party::id);
  constexpr uint64_t kUpper = ~uint64_t{UINT32_MAX};
  if (at == parties_.end() || (number & kUpper) != life_) return false;
  const auto party = static_cast<uint16_t>(at - parties_.begin());
  return std::ranges::all_of(slots, [&](uint16_t slot) {
    return to_[slot] == party && numbers_[slot] <= static_cast<uint32_t>(number);
  });
}

void SlotPromises::applied(const object::Change& change, const NodeId& from) {
  uint16_t& promised_to = to_[change.slot];
  if (promised_to == kNobody) return;
  Party& to = parties_[promised_to];
  if (to.id == from || made_by(change, to.id)) return;
  promised_to = kNobody;
  // Another one coordinates the slot by now, in order.
  const auto coordinator = view_->coordinator(change.slot);
  const bool replaced =
      coordinator != cluster::ClusterView::kNobody && view_->member(coordinator).id != to.id;
  if (replaced) return;
  const uint64_t now = parts_.loop.clock().monotonic_us();
  const bool told = to.quarrel_until_us > now;
  to.quarrel_until_us = now + kQuarrelUs;
  if (!told) parts_.tell(to.id);
}

// Whether the node made all that the change brings, and so knows it.
bool SlotPromises::made_by(const object::Change& change, const NodeId& node) const {
  const auto its_own = [&](object::Dot dot) {
    const object::Actor* const actor = parts_.actors.actor(dot.actor);
    return actor != nullptr && actor->node == node;
  };
  if (object::is_flush(change.kind)) return false;
  const auto delta = object::delta_of(change);
  if (!delta) return false;
  return std::ranges::all_of(delta->change.elements,
                             [&](const object::Element& element) {
                               return std::ranges::all_of(element.versions, its_own,
                                                          &object::Version::dot);
                             }) &&
         its_own(change.dot);
}

std::optional<NodeId> SlotPromises::promised_to(uint16_t slot) const {
  if (to_[slot] == kNobody) return std::nullopt;
  return parties_[to_[slot]].id;
}

}  // namespace quorate::coordinator
