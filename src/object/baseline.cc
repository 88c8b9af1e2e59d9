#include "quorate/object/baseline.h"

#include <algorithm>

namespace quorate::object {

namespace {

constexpr uint8_t kBaselineFormat = 1;
constexpr std::size_t kMinItemBytes = 4;

bool in_range(Int128 total) { return total <= kMaxTotal && total >= -kMaxTotal; }

bool actor_before(const ActorTotal& item, ActorId actor) { return item.dot.actor < actor; }

}  // namespace

void Totals::raise(const ActorTotal& item) {
  const auto at = std::lower_bound(items_.begin(), items_.end(), item.dot.actor, actor_before);
  if (at == items_.end() || at->dot.actor != item.dot.actor) {
    items_.insert(at, item);
  } else if (item.dot.n > at->dot.n) {
    *at = item;
  }
}

void Totals::join(const Totals& other) {
  for (const ActorTotal& item : other.items_) raise(item);
}

Totals Totals::later_than(const Totals& other) const {
  Totals later;
  for (const ActorTotal& item : items_) {
    const ActorTotal* before = other.find(item.dot.actor);
    if (before == nullptr || before->dot.n < item.dot.n) later.items_.push_back(item);
  }
  return later;
}

const ActorTotal* Totals::find(ActorId actor) const {
  const auto at = std::lower_bound(items_.begin(), items_.end(), actor, actor_before);
  return at != items_.end() && at->dot.actor == actor ? &*at : nullptr;
}

void Totals::write_to(ByteWriter& out) const {
  out.varint(items_.size());
  for (const ActorTotal& item : items_) {
    out.varint(static_cast<uint64_t>(item.dot.actor));
    out.varint(item.dot.n);
    out.signed128(item.total);
  }
}

Totals Totals::read_from(ByteReader& in) {
  Totals totals;
  const uint64_t count = in.count(kMinItemBytes);
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    const uint64_t actor = in.varint();
    const uint64_t n = in.varint();
    const ActorTotal item{Dot{static_cast<ActorId>(actor), n}, in.signed128()};
    if (actor > UINT32_MAX || n == 0 || n > Dot::kMaxN || !in_range(item.total)) in.reject();
    if (i > 0 && item.dot.actor <= totals.items_.back().dot.actor) in.reject();
    totals.items_.push_back(item);
  }
  return totals;
}

BlobRef Baseline::encode() const {
  if (erased.empty() && absorbed.empty()) return {};
  std::string bytes;
  ByteWriter out(bytes);
  out.byte(kBaselineFormat);
  erased.write_to(out);
  absorbed.write_to(out);
  return Blob::make(bytes);
}

std::optional<Baseline> Baseline::decode(std::string_view bytes) {
  if (bytes.empty()) return Baseline{};
  ByteReader in(bytes);
  if (in.byte() != kBaselineFormat) return std::nullopt;
  Baseline baseline;
  baseline.erased = Totals::read_from(in);
  baseline.absorbed = Totals::read_from(in);
  if (!in.finished() || (baseline.erased.empty() && baseline.absorbed.empty())) return std::nullopt;
  return baseline;
}

BlobRef encode_total(Int128 total) {
  std::string bytes;
  ByteWriter out(bytes);
  out.signed128(total);
  return Blob::make(bytes);
}

std::optional<Int128> decode_total(std::string_view bytes) {
  ByteReader in(bytes);
  const Int128 total = in.signed128();
  if (!in.finished() || !in_range(total)) return std::nullopt;
  return total;
}

}  // namespace quorate::object
