#include "quorate/object/context_token.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <optional>

#include "quorate/object/codec.h"

namespace quorate::object {

namespace {

constexpr std::size_t kProofBytes = 16;
constexpr std::size_t kActorBytesMin = sizeof(NodeId) + 4;
constexpr std::size_t kRunBytesMin = 2;
constexpr std::string_view kPurpose = "quorate: contexts of clients";
constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string_view bytes_of(const auto& array) {
  return {reinterpret_cast<const char*>(array.data()), array.size()};
}

// RFC 4648 section 5, without padding.
std::string base64url(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  uint32_t bits = 0;
  int count = 0;
  for (const char byte : bytes) {
    bits = (bits << 8) | static_cast<uint8_t>(byte);
    for (count += 8; count >= 6; count -= 6) text += kDigits[(bits >> (count - 6)) & 63];
  }
  if (count > 0) text += kDigits[(bits << (6 - count)) & 63];
  return text;
}

// Empty if base64url() would not have written it.
std::optional<std::string> from_base64url(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int count = 0;
  for (const char digit : text) {
    const std::size_t value = kDigits.find(digit);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count);
  }
  const bool canonical = count < 6 && (bits & ((1U << count) - 1)) == 0;
  return canonical ? std::optional(std::move(bytes)) : std::nullopt;
}

void read_runs(ByteReader& in, const Actor& actor, std::vector<NamedContext::Run>& runs) {
  const uint64_t count = in.count(kRunBytesMin);
  if (count == 0) in.reject();
  uint64_t next = 1;  // the first dot that may come
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    const uint64_t gap = in.varint();
    const uint64_t more = in.varint();
    if (gap > Dot::kMaxN - next || more > Dot::kMaxN - next - gap) return in.reject();
    runs.push_back({actor, next + gap, next + gap + more});
    const uint64_t last = runs.back().last;
    if (i + 1 < count && last > Dot::kMaxN - 2) return in.reject();
    next = last + 2;
  }
}

}  // namespace

// ---- NamedContext

NamedContext NamedContext::of(const CausalContext& context, const ActorTable& actors) {
  NamedContext named;
  for (const CausalContext::Run& run : context.runs()) {
    const Actor* const actor = actors.actor(run.actor);
    assert(actor != nullptr);
    named.runs.push_back({*actor, run.first, run.last});
  }
  std::ranges::sort(named.runs);
  return named;
}

CausalContext NamedContext::known_to(const ActorTable& actors) const {
  std::vector<CausalContext::Run> known;
  for (const Run& run : runs) {
    const auto handle = actors.find(run.actor);
    if (handle) known.push_back({*handle, run.first, run.last});
  }
  std::ranges::sort(known, {}, [](const auto& run) { return Dot{run.actor, run.first}; });
  CausalContext context;
  for (const CausalContext::Run& run : known) context.add_run(run);
  return context;
}

void NamedContext::encode(std::string& out) const {
  ByteWriter writer(out);
  std::size_t actors = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (i == 0 || runs[i].actor != runs[i - 1].actor) ++actors;
  }
  writer.varint(actors);
  for (std::size_t i = 0; i < runs.size();) {
    const Actor& actor = runs[i].actor;
    std::size_t end = i;
    while (end < runs.size() && runs[end].actor == actor) ++end;
    writer.raw(bytes_of(actor.node));
    writer.varint(actor.epoch);
    writer.varint(end - i);
    for (uint64_t next = 1; i < end; ++i) {
      writer.varint(runs[i].first - next);
      writer.varint(runs[i].last - runs[i].first);
      next = runs[i].last + 2;
    }
  }
}

runtime::Result<NamedContext> NamedContext::decode(std::string_view bytes) {
  ByteReader in(bytes);
  NamedContext named;
  for (uint64_t left = in.count(kActorBytesMin); left > 0 && in.ok(); --left) {
    Actor actor;
    const std::string_view node = in.raw(actor.node.size());
    const uint64_t epoch = in.varint();
    if (!in.ok() || epoch > UINT32_MAX) return runtime::fail("context: malformed actor");
    std::memcpy(actor.node.data(), node.data(), node.size());
    actor.epoch = static_cast<uint32_t>(epoch);
    if (!named.runs.empty() && named.runs.back().actor >= actor) in.reject();
    read_runs(in, actor, named.runs);
  }
  if (!in.finished()) return runtime::fail("context: malformed");
  return named;
}

// ---- ContextSeal

ContextSeal::ContextSeal(uint64_t hash_seed) {
  std::string seed;
  ByteWriter(seed).fixed64(hash_seed);
  key_ = runtime::hmac_sha256(seed, kPurpose);
}

std::string ContextSeal::proof_of(std::string_view sealed, const Subject& of) const {
  std::string bytes;
  ByteWriter out(bytes);
  out.varint(of.db);
  out.sized(of.key);
  out.raw(sealed);
  const runtime::Sha256 proof = runtime::hmac_sha256(bytes_of(key_), bytes);
  return std::string(bytes_of(proof).substr(0, kProofBytes));
}

std::string ContextSeal::seal(const NamedContext& context, const Subject& of) const {
  std::string bytes(1, static_cast<char>(kFormat));
  context.encode(bytes);
  return base64url(bytes + proof_of(bytes, of));
}

runtime::Result<NamedContext> ContextSeal::open(std::string_view token, const Subject& of) const {
  if (token.empty()) return NamedContext{};
  const auto bytes = from_base64url(token);
  if (!bytes) return runtime::fail("invalid context: not what DYN.GET answers");
  const auto format = static_cast<uint8_t>(bytes->front());
  if (format > kFormat) {
    return runtime::fail("invalid context: it has format " + std::to_string(format) +
                         ", this node reads none newer than " + std::to_string(kFormat));
  }
  if (format != kFormat || bytes->size() <= 1 + kProofBytes) {
    return runtime::fail("invalid context: not what DYN.GET answers");
  }
  const std::string_view sealed = std::string_view(*bytes).substr(0, bytes->size() - kProofBytes);
  const std::string_view proof = std::string_view(*bytes).substr(sealed.size());
  if (!runtime::equal_in_constant_time(proof, proof_of(sealed, of))) {
    return runtime::fail(
        "invalid context: it was changed, or is of another key, database or "
        "cluster");
  }
  auto context = NamedContext::decode(sealed.substr(1));
  if (!context) return runtime::fail("invalid context: " + context.error().message);
  return context;
}

}  // namespace quorate::object
