// ReplicaAccess: what repair needs of the room above it, which applies changes of other nodes.
//
// Thread: the shard's.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "quorate/object/dot.h"
#include "quorate/runtime/error.h"
#include "quorate/runtime/executor.h"

namespace quorate::repair {

class ReplicaAccess {
 public:
  virtual ~ReplicaAccess() = default;

  enum class Applied : uint8_t {
    yes,        // and the journal has all of it
    malformed,  // and never will be
    later,      // not now: something could not be read or saved
  };
  // Applies a batch of another node's changes (object/change.h), each with its own merge.
  virtual void apply(const object::NodeId& from, std::string_view batch,
                     std::move_only_function<void(Applied)> done) = 0;
  // Handles for actors that another node named, persisted if they are new.
  using Interned = std::move_only_function<void(runtime::Result<std::vector<object::ActorId>>)>;
  virtual void intern(std::vector<object::Actor> actors, Interned done) = 0;
  // Calls `task` when the journal has everything the shard has changed so far.
  virtual void after_journal(runtime::Task task) = 0;
};

}  // namespace quorate::repair
