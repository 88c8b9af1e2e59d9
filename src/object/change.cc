// The bytes of a batch. Format 1:
//
//   batch  = format, count, { node id, epoch } …, change …
//   change = kind and flags, db, actor, n, hlc (fixed 64), [expiry],
//            [expected (fixed 64)], key, [count, { actor, n } …], by kind: payload | total |
//            nothing | slot, context
#include "quorate/object/change.h"

#include <array>
#include <cassert>
#include <cstring>
#include <optional>

#include "quorate/object/baseline.h"
#include "quorate/object/key.h"

#include "actor_translation.h"

namespace quorate::object {

namespace {

constexpr uint8_t kBatchFormat = 1;
constexpr uint8_t kChangeKindMask = 0x07;
constexpr uint8_t kChangeHasExpiry = 0x08;
constexpr uint8_t kChangeHasSuperseded = 0x10;
constexpr uint8_t kChangeHasExpected = 0x20;
constexpr uint8_t kChangeBits =
    kChangeKindMask | kChangeHasExpiry | kChangeHasSuperseded | kChangeHasExpected;
constexpr std::size_t kActorRecordBytesMin = sizeof(NodeId) + 1;
constexpr std::size_t kMinDotBytes = 2;
// Kind, db, actor, n, hlc, expiry, expected and the key's size, each at its longest.
constexpr std::size_t kHeadBytesMax = 1 + 2 * 8 + 5 * 10;

char* put_varint(char* out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) *out++ = static_cast<char>(value | 0x80);
  *out++ = static_cast<char>(value);
  return out;
}

char* put_fixed64(char* out, uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) *out++ = static_cast<char>(value >> shift);
  return out;
}

bool is_translated(ChangeKind kind) { return kind >= ChangeKind::delta; }

std::string_view bytes_of(const NodeId& node) {
  return {reinterpret_cast<const char*>(node.data()), node.size()};
}

Version version_of(const Change& change) {
  Version version{.dot = change.dot,
                  .hlc = change.hlc,
                  .expiry_ms = change.expiry_ms,
                  .payload = {},
                  .baseline = {},
                  .kind = Kind::raw};
  if (change.kind == ChangeKind::counter) {
    version.kind = Kind::counter;
    version.payload = encode_total(change.total);
  } else {
    version.payload = Blob::make(change.payload);
  }
  return version;
}

Dot read_dot(ByteReader& in, std::span<const ActorId> handles) {
  const uint64_t index = in.varint();
  const uint64_t n = in.varint();
  if (index >= handles.size() || n == 0 || n > Dot::kMaxN) {
    in.reject();
    return {};
  }
  return {handles[index], n};
}

// What follows the kind in every change, but for the superseded dots.
bool read_head(ByteReader& in, std::span<const ActorId> handles, Change& change) {
  const uint8_t first = in.byte();
  change.kind = static_cast<ChangeKind>(first & kChangeKindMask);
  const bool known = (first & kChangeKindMask) <= static_cast<uint8_t>(ChangeKind::flushes);
  if (!known || (first & ~kChangeBits) != 0) in.reject();
  const uint64_t db = in.varint();
  change.db = static_cast<uint16_t>(db);
  change.dot = read_dot(in, handles);
  change.hlc = in.fixed64();
  if ((first & kChangeHasExpiry) != 0) {
    change.expiry_ms = in.varint();
    if (change.expiry_ms == 0 || change.kind != ChangeKind::raw) in.reject();
  }
  if ((first & kChangeHasExpected) != 0) change.expected = in.fixed64();
  change.key = in.sized();
  if (db > UINT16_MAX || change.hlc > kMaxHlc) in.reject();
  const bool supersedes = (first & kChangeHasSuperseded) != 0;
  if (supersedes && is_translated(change.kind)) in.reject();
  return supersedes;
}

void read_body(ByteReader& in, Change& change) {
  if (is_flush(change.kind)) {
    const uint64_t slot = in.varint();
    if (slot >= kSlots || !change.key.empty()) in.reject();
    change.slot = static_cast<uint16_t>(slot);
  } else {
    change.slot = key_slot(change.key);
  }
  if (change.kind == ChangeKind::counter) {
    change.total = in.signed128();
    if (change.total > kMaxTotal || change.total < -kMaxTotal) in.reject();
  } else if (change.kind != ChangeKind::remove) {
    change.payload = in.sized();
    if (change.payload.size() > Blob::kMaxBytes) in.reject();
  }
}

}  // namespace

runtime::Result<Delta> delta_of(const Change& change) {
  assert(!is_flush(change.kind));
  if (is_translated(change.kind)) return Delta::decode(change.payload);
  Delta delta;
  if (change.kind == ChangeKind::remove) {
    delta.remove(change.dot);
  } else {
    delta.write("", version_of(change));
  }
  for (const Dot dot : change.superseded) delta.supersede(dot);
  return delta;
}

uint64_t ChangeWriter::index_of(ActorId actor) {
  const auto handle = static_cast<std::size_t>(actor);
  if (handle >= index_of_.size()) index_of_.resize(std::max(handle + 1, actors_.size()));
  if (index_of_[handle] == 0) {
    named_.push_back(actor);
    index_of_[handle] = static_cast<uint32_t>(named_.size());
  }
  return index_of_[handle] - 1;
}

void ChangeWriter::add(const Change& change) {
  std::array<char, kHeadBytesMax> head{};
  unsigned kind = static_cast<uint8_t>(change.kind);
  if (change.expiry_ms != 0) kind |= kChangeHasExpiry;
  if (!change.superseded.empty()) kind |= kChangeHasSuperseded;
  if (change.expected) kind |= kChangeHasExpected;
  char* end = head.data();
  *end++ = static_cast<char>(kind);
  end = put_varint(end, change.db);
  end = put_varint(end, index_of(change.dot.actor));
  end = put_varint(end, change.dot.n);
  end = put_fixed64(end, change.hlc);
  if (change.expiry_ms != 0) end = put_varint(end, change.expiry_ms);
  if (change.expected) end = put_fixed64(end, *change.expected);
  end = put_varint(end, change.key.size());
  body_.append(head.data(), static_cast<std::size_t>(end - head.data()));
  body_.append(change.key);
  ByteWriter out(body_);
  if (!change.superseded.empty()) {
    out.varint(change.superseded.size());
    for (const Dot dot : change.superseded) {
      out.varint(index_of(dot.actor));
      out.varint(dot.n);
    }
  }
  if (is_translated(change.kind)) return add_translated(change);
  if (change.kind == ChangeKind::raw) out.sized(change.payload);
  if (change.kind == ChangeKind::counter) out.signed128(change.total);
}

void ChangeWriter::add_translated(const Change& change) {
  auto index = [this](ActorId actor) {
    return std::optional(static_cast<ActorId>(index_of(actor)));
  };
  ByteWriter out(body_);
  scratch_.clear();
  if (is_flush(change.kind)) {
    out.varint(change.slot);
    const auto context = CausalContext::decode(change.payload);
    assert(context);
    translated(*context, index)->encode(scratch_);
  } else {
    auto delta = Delta::decode(change.payload);
    assert(delta);
    translated(*std::move(delta), index)->encode(scratch_);
  }
  out.sized(scratch_);
}

void ChangeWriter::finish(std::string& out) {
  ByteWriter writer(out);
  writer.byte(kBatchFormat);
  writer.varint(named_.size());
  for (const ActorId handle : named_) {
    const Actor* actor = actors_.actor(handle);
    assert(actor != nullptr);
    writer.raw(bytes_of(actor->node));
    writer.varint(actor->epoch);
    index_of_[static_cast<std::size_t>(handle)] = 0;
  }
  writer.raw(body_);
  named_.clear();
  body_.clear();
}

runtime::Result<ChangeReader> ChangeReader::open(std::string_view batch) {
  ByteReader in(batch);
  if (in.byte() != kBatchFormat) return runtime::fail("changes: unknown format");
  const uint64_t count = in.count(kActorRecordBytesMin);
  std::vector<Actor> actors;
  ActorTable distinct;
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    Actor actor;
    const std::string_view node = in.raw(actor.node.size());
    const uint64_t epoch = in.varint();
    if (!in.ok() || epoch > UINT32_MAX) return runtime::fail("changes: malformed actor");
    std::memcpy(actor.node.data(), node.data(), node.size());
    actor.epoch = static_cast<uint32_t>(epoch);
    distinct.intern(actor);
    if (distinct.size() != i + 1) return runtime::fail("changes: an actor is named twice");
    actors.push_back(actor);
  }
  if (!in.ok()) return runtime::fail("changes: malformed actors");
  ChangeReader reader(batch.substr(batch.size() - in.remaining()));
  reader.actors_ = std::move(actors);
  return reader;
}

runtime::Result<bool> ChangeReader::next(std::span<const ActorId> handles, Change& change) {
  assert(handles.size() == actors_.size());
  change = {};
  if (rest_.empty()) return false;
  ByteReader in(rest_);
  superseded_.clear();
  if (read_head(in, handles, change)) {
    const uint64_t count = in.count(kMinDotBytes);
    if (count == 0) in.reject();
    for (uint64_t i = 0; i < count && in.ok(); ++i) {
      superseded_.push_back(read_dot(in, handles));
      if (superseded_.back() == change.dot) in.reject();
    }
    change.superseded = superseded_;
  }
  read_body(in, change);
  if (!in.ok() || (is_translated(change.kind) && !translate(handles, change))) {
    rest_ = {};
    return runtime::fail("changes: malformed change");
  }
  rest_.remove_prefix(rest_.size() - in.remaining());
  return true;
}

bool ChangeReader::translate(std::span<const ActorId> handles, Change& change) {
  auto handle_of = [handles](ActorId actor) -> std::optional<ActorId> {
    const auto index = static_cast<std::size_t>(actor);
    return index < handles.size() ? std::optional(handles[index]) : std::nullopt;
  };
  scratch_.clear();
  if (is_flush(change.kind)) {
    const auto encoded = CausalContext::decode(change.payload);
    const auto context = encoded ? translated(*encoded, handle_of) : std::nullopt;
    if (!context) return false;
    if (change.kind == ChangeKind::flushes && !context->covers(change.dot)) return false;
    context->encode(scratch_);
  } else {
    auto encoded = Delta::decode(change.payload);
    const auto delta = encoded ? translated(*std::move(encoded), handle_of) : std::nullopt;
    if (!delta || !delta->dots.covers(change.dot)) return false;
    delta->encode(scratch_);
  }
  change.payload = scratch_;
  return true;
}

}  // namespace quorate::object
