// Actors and dots: who wrote, and the how-manieth of his writes in a slot it was (DESIGN 5).
//
// An Actor is one life of one node: (node id, epoch). A process interns each actor once, as an
// ActorId of 32 bits; the handle means something only beside its ActorTable, so the table is
// persisted with the data that uses it and peers translate handles at their border. Handles are
// dense from 0 in order of interning and never change or go away. Anything that must come out the
// same on every node (the tie between siblings) compares Actors, not handles.
//
// A Dot names one change of state: n counts from 1 per slot and actor, and no dot is ever issued
// twice.
//
// Thread: ActorTable is not synchronised; the request path needs no look-up in it.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/runtime/error.h"

namespace quorate::object {

// As in Redis Cluster: 20 bytes, shown as 40 lower-case hexadecimal digits.
using NodeId = std::array<uint8_t, 20>;

[[nodiscard]] std::string node_id_text(const NodeId& id);
[[nodiscard]] std::optional<NodeId> parse_node_id(std::string_view text);

struct Actor {
  NodeId node{};
  uint32_t epoch = 0;

  friend auto operator<=>(const Actor&, const Actor&) = default;
};

std::size_t hash_value(const Actor& actor);

enum class ActorId : uint32_t {};

struct Dot {
  // Leaves room above every valid n, so that n + 1 never overflows.
  static constexpr uint64_t kMaxN = UINT64_MAX / 2;

  ActorId actor{};
  uint64_t n = 0;

  friend auto operator<=>(const Dot&, const Dot&) = default;
};

inline std::size_t hash_value(const Dot& dot) {
  return (dot.n * 0x9e3779b97f4a7c15U) ^ (static_cast<uint64_t>(dot.actor) * 0xc2b2ae3d27d4eb4fU);
}

class ActorTable {
 public:
  // The handle of `actor`, new if it was never seen.
  ActorId intern(const Actor& actor);

  [[nodiscard]] std::optional<ActorId> find(const Actor& actor) const;

  // Null if the handle is not of this table.
  [[nodiscard]] const Actor* actor(ActorId id) const;

  [[nodiscard]] std::size_t size() const { return actors_.size(); }

  // The order of dots that is the same on every node: by actor, then n. Handles this table does not
  // know come last.
  [[nodiscard]] std::strong_ordering compare(Dot a, Dot b) const;

  // Format byte, count, actors in order of their handles.
  void encode(std::string& out) const;
  static runtime::Result<ActorTable> decode(std::string_view bytes);

 private:
  std::vector<Actor> actors_;
  boost::unordered_flat_map<Actor, ActorId> ids_;
};

}  // namespace quorate::object

template <>
struct std::hash<quorate::object::Dot> {
  std::size_t operator()(const quorate::object::Dot& dot) const {
    return quorate::object::hash_value(dot);
  }
};
