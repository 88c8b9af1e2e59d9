// NodeIdentity: who this node is, and which life of it this is.
//
// Kept in one small text file in the data directory, replaced atomically. At each start it is
// rewritten, synced, before anything is served: the start counter names the journal's generation,
// and the clean-stop mark is consumed. A node whose last life did not end cleanly, or whose row
// store is not the one it knows (lost, foreign, restored), takes a new epoch, so that no dot is
// ever issued twice. The table of actors gives dots in storage their meaning; handles in it never
// change. Errors: a damaged or foreign file is refused with a reason, never guessed at. Thread: the
// control thread. Source: DESIGN section 5.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "quorate/object/dot.h"
#include "quorate/runtime/error.h"
#include "quorate/runtime/files.h"
#include "quorate/runtime/random.h"

namespace quorate::cluster {

struct NodeIdentity {
  object::NodeId node{};
  uint32_t epoch = 1;
  uint64_t starts = 0;
  uint64_t hash_seed = 0;
  std::string store_id;  // 32 hex digits; the row store carries the same
  bool clean = false;
  object::ActorTable actors;

  static NodeIdentity make(runtime::Random& random);

  // Begins a new life. `store_known`: the row store is the one of this identity. Returns whether
  // the epoch is a new one.
  bool begin_life(bool store_known);
  object::Actor actor() const { return {node, epoch}; }

  std::string encode() const;
  static runtime::Result<NodeIdentity> decode(std::string_view text);
};

// Nothing if the file does not exist.
runtime::Result<std::optional<NodeIdentity>> load_identity(runtime::FileSystem& files,
                                                           const std::string& path);
runtime::Status save_identity(runtime::FileSystem& files, const std::string& path,
                              const NodeIdentity& identity);

// `count` random bytes as hex digits.
std::string random_hex(runtime::Random& random, size_t count);

}  // namespace quorate::cluster
