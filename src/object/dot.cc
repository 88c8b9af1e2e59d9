#include "quorate/object/dot.h"

#include <cstring>

#include "quorate/object/codec.h"

namespace quorate::object {

namespace {

constexpr uint8_t kActorTableFormat = 1;
constexpr std::size_t kMinActorBytes = std::tuple_size_v<NodeId> + 1;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string node_id_text(const NodeId& id) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * id.size());
  for (const uint8_t byte : id) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 0xf]);
  }
  return text;
}

std::optional<NodeId> parse_node_id(std::string_view text) {
  NodeId id{};
  if (text.size() != 2 * id.size()) return std::nullopt;
  for (std::size_t i = 0; i < id.size(); ++i) {
    const int high = hex_digit(text[2 * i]);
    const int low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    id[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return id;
}

// Node ids are random: any eight of their bytes are a hash.
std::size_t hash_value(const Actor& actor) {
  uint64_t bytes = 0;
  std::memcpy(&bytes, actor.node.data(), sizeof bytes);
  return bytes ^ (actor.epoch * 0x9e3779b97f4a7c15U);
}

ActorId ActorTable::intern(const Actor& actor) {
  const auto [found, is_new] = ids_.try_emplace(actor, static_cast<ActorId>(actors_.size()));
  if (is_new) actors_.push_back(actor);
  return found->second;
}

std::optional<ActorId> ActorTable::find(const Actor& actor) const {
  const auto found = ids_.find(actor);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

const Actor* ActorTable::actor(ActorId id) const {
  const auto index = static_cast<std::size_t>(id);
  return index < actors_.size() ? &actors_[index] : nullptr;
}

std::strong_ordering ActorTable::compare(Dot a, Dot b) const {
  if (a.actor == b.actor) return a.n <=> b.n;
  const Actor* actor_a = actor(a.actor);
  const Actor* actor_b = actor(b.actor);
  if (actor_a == nullptr || actor_b == nullptr) return a.actor <=> b.actor;
  return *actor_a <=> *actor_b;
}

void ActorTable::encode(std::string& out) const {
  ByteWriter writer(out);
  writer.byte(kActorTableFormat);
  writer.varint(actors_.size());
  for (const Actor& actor : actors_) {
    writer.raw({reinterpret_cast<const char*>(actor.node.data()), actor.node.size()});
    writer.varint(actor.epoch);
  }
}

runtime::Result<ActorTable> ActorTable::decode(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.byte() != kActorTableFormat) return runtime::fail("actor table: unknown format");
  ActorTable table;
  const uint64_t count = in.count(kMinActorBytes);
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    Actor actor;
    const std::string_view node = in.raw(actor.node.size());
    const uint64_t epoch = in.varint();
    if (!in.ok() || epoch > UINT32_MAX) return runtime::fail("actor table: malformed actor");
    std::memcpy(actor.node.data(), node.data(), node.size());
    actor.epoch = static_cast<uint32_t>(epoch);
    table.intern(actor);
    if (table.size() != i + 1) return runtime::fail("actor table: an actor stands in it twice");
  }
  if (!in.finished()) return runtime::fail("actor table: malformed");
  return table;
}

}  // namespace quorate::object
