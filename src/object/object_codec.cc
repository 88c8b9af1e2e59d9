// The bytes of objects and deltas. Format 1:
//
//   object   = format, seen, elements
//   delta    = format, dots, superseded, elements
//   elements = count, { id, count, version … } …
//   version  = actor, n, hlc (fixed 64), kind and flags, [expiry], payload, [baseline]
#include "quorate/object/baseline.h"
#include "quorate/object/object.h"

namespace quorate::object {

namespace {

constexpr uint8_t kObjectFormat = 1;
constexpr uint8_t kKindMask = 0x0f;
constexpr uint8_t kHasExpiry = 0x10;
constexpr uint8_t kHasBaseline = 0x20;
constexpr std::size_t kMinVersionBytes = 12;
constexpr std::size_t kMinElementBytes = 2 + kMinVersionBytes;

void write_version(const Version& version, ByteWriter& out) {
  unsigned kind = static_cast<uint8_t>(version.kind);
  if (version.expiry_ms != 0) kind |= kHasExpiry;
  if (!version.baseline.empty()) kind |= kHasBaseline;
  out.varint(static_cast<uint64_t>(version.dot.actor));
  out.varint(version.dot.n);
  out.fixed64(version.hlc);
  out.byte(static_cast<uint8_t>(kind));
  if (version.expiry_ms != 0) out.varint(version.expiry_ms);
  out.sized(version.payload.view());
  if (!version.baseline.empty()) out.sized(version.baseline.view());
}

bool is_valid(const Version& version) {
  if (version.dot.n == 0 || version.dot.n > Dot::kMaxN || version.hlc > kMaxHlc) return false;
  if (!version.baseline.empty() && !Baseline::decode(version.baseline.view())) return false;
  switch (version.kind) {
    case Kind::raw:
    case Kind::hyperloglog:
      return true;
    case Kind::counter:
      return version.baseline.empty() && version.expiry_ms == 0 &&
             decode_total(version.payload.view()).has_value();
    case Kind::reset:
      return version.payload.empty() && version.expiry_ms == 0 && !version.baseline.empty();
  }
  return false;
}

Version read_version(ByteReader& in) {
  Version version;
  const uint64_t actor = in.varint();
  version.dot = Dot{static_cast<ActorId>(actor), in.varint()};
  version.hlc = in.fixed64();
  const uint8_t kind = in.byte();
  version.kind = static_cast<Kind>(kind & kKindMask);
  if ((kind & kHasExpiry) != 0) version.expiry_ms = in.varint();
  version.payload = Blob::make(in.sized());
  if ((kind & kHasBaseline) != 0) version.baseline = Blob::make(in.sized());
  const bool flags_true = ((kind & kHasExpiry) != 0) == (version.expiry_ms != 0) &&
                          ((kind & kHasBaseline) != 0) == !version.baseline.empty() &&
                          (kind & ~(kKindMask | kHasExpiry | kHasBaseline)) == 0;
  if (!in.ok() || actor > UINT32_MAX || !flags_true || !is_valid(version)) in.reject();
  return version;
}

void write_elements(const Object::Elements& elements, ByteWriter& out) {
  out.varint(elements.size());
  for (const Element& element : elements) {
    out.sized(element.id);
    out.varint(element.versions.size());
    for (const Version& version : element.versions) write_version(version, out);
  }
}

Element read_element(ByteReader& in) {
  Element element;
  element.id = in.sized();
  const uint64_t count = in.count(kMinVersionBytes);
  if (count == 0) in.reject();
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    Version version = read_version(in);
    if (i > 0 && version.dot <= element.versions.back().dot) in.reject();
    element.versions.push_back(std::move(version));
  }
  return element;
}

Object::Elements read_elements(ByteReader& in) {
  Object::Elements elements;
  const uint64_t count = in.count(kMinElementBytes);
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    Element element = read_element(in);
    if (i > 0 && element.id <= elements.back().id) in.reject();
    elements.push_back(std::move(element));
  }
  return elements;
}

bool versions_have_own_dots(const Delta& delta) {
  for (const Element& element : delta.change.elements) {
    for (const Version& version : element.versions) {
      if (!delta.dots.covers(version.dot)) return false;
    }
  }
  return true;
}

}  // namespace

void Object::encode(std::string& out) const {
  ByteWriter writer(out);
  writer.byte(kObjectFormat);
  seen.write_to(writer);
  write_elements(elements, writer);
}

runtime::Result<Object> Object::decode(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.byte() != kObjectFormat) return runtime::fail("object: unknown format");
  Object object;
  object.seen = CausalContext::read_from(in);
  object.elements = read_elements(in);
  if (!in.finished()) return runtime::fail("object: malformed");
  return object;
}

void Delta::encode(std::string& out) const {
  ByteWriter writer(out);
  writer.byte(kObjectFormat);
  dots.write_to(writer);
  change.seen.without(dots).write_to(writer);
  write_elements(change.elements, writer);
}

runtime::Result<Delta> Delta::decode(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.byte() != kObjectFormat) return runtime::fail("delta: unknown format");
  Delta delta;
  delta.dots = CausalContext::read_from(in);
  const CausalContext superseded = CausalContext::read_from(in);
  delta.change.elements = read_elements(in);
  if (!in.finished()) return runtime::fail("delta: malformed");
  if (delta.dots.empty() || superseded.without(delta.dots) != superseded ||
      !versions_have_own_dots(delta)) {
    return runtime::fail("delta: its dots do not fit its versions");
  }
  delta.change.seen = superseded;
  delta.change.seen.join(delta.dots);
  return delta;
}

}  // namespace quorate::object
