// What a client carries between DYN.GET and DYN.PUT: a causal context as an opaque, printable text.
//
//   token = base64url, unpadded, of: format u8 | context | HMAC-SHA256, its first 16 bytes
//   context = actors, { node id, epoch, runs, { gap, length } … } …
//
// Dots go by the names of their actors, because handles mean nothing on another node (dot.h), and
// stand in the order of those: one context of a key has one token, whoever made it. A token is of
// one key in one database and of nothing else. Its HMAC keeps a client from claiming to have seen
// what it was never shown, by mistake above all: who may write a key may delete it anyway. So its
// key comes from the hash seed, which is what all members of a cluster have in common and no client
// is told, and not from cluster-secret: to change that would void the tokens that clients hold.
//
// NamedContext is the part without the HMAC: what a decoder must look at with suspicion.
// Thread: values. Errors: open() says in a client's words why it refuses a token. Source: DESIGN
// sections 5 and 10.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/object/causal_context.h"
#include "quorate/object/dot.h"
#include "quorate/runtime/digest.h"
#include "quorate/runtime/error.h"

namespace quorate::object {

struct NamedContext {
  // All dots of `actor` from `first` to `last`, both included.
  struct Run {
    Actor actor;
    uint64_t first = 0;
    uint64_t last = 0;

    friend auto operator<=>(const Run&, const Run&) = default;
  };

  std::vector<Run> runs;  // ascending; those of one actor never touch

  static NamedContext of(const CausalContext& context, const ActorTable& actors);
  // In handles. Dots of actors that the table does not know are left out.
  [[nodiscard]] CausalContext known_to(const ActorTable& actors) const;

  void encode(std::string& out) const;
  // Refuses whatever encode() would not have written.
  static runtime::Result<NamedContext> decode(std::string_view bytes);

  friend bool operator==(const NamedContext&, const NamedContext&) = default;
};

class ContextSeal {
 public:
  static constexpr uint8_t kFormat = 1;

  struct Subject {  // what a context is of
    uint16_t db = 0;
    std::string_view key;
  };

  explicit ContextSeal(uint64_t hash_seed);

  [[nodiscard]] std::string seal(const NamedContext& context, const Subject& of) const;
  // The empty token is the context of who has seen nothing.
  [[nodiscard]] runtime::Result<NamedContext> open(std::string_view token, const Subject& of) const;

 private:
  [[nodiscard]] std::string proof_of(std::string_view sealed, const Subject& of) const;

  runtime::Sha256 key_{};
};

}  // namespace quorate::object
