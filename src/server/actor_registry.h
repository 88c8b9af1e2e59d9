// ActorRegistry: who has written data that is here, for all shards of the process.
//
// The node's identity holds the one table, in whose file a new actor is before anything is stored
// under its handle. Every shard thread has a copy of its own, so that nobody waits for another to
// read it; actors are added to all copies in the same order, so a handle is the same everywhere.
// Thread: the registry's is the control thread; each ShardActors belongs to its shard's.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "quorate/cluster/node_identity.h"
#include "quorate/coordinator/replicator.h"
#include "quorate/runtime/executor.h"
#include "quorate/runtime/files.h"

namespace quorate::server {

class ActorRegistry;

// The copy of one shard.
class ShardActors final : public coordinator::ActorDirectory {
 public:
  // Before the shard's thread runs.
  ShardActors(ActorRegistry& registry, runtime::Executor& shard);

  const object::ActorTable& table() const { return table_; }
  void intern(std::vector<object::Actor> actors, Done done) override;

 private:
  friend class ActorRegistry;

  ActorRegistry& registry_;
  runtime::Executor& shard_;
  object::ActorTable table_;
};

class ActorRegistry {
 public:
  // `identity` is loaded; the registry keeps it up to date and saved from now on.
  ActorRegistry(runtime::Executor& control, runtime::FileSystem& files, std::string path,
                cluster::NodeIdentity& identity)
      : control_(control),
        files_(files),
        path_(std::move(path)),
        identity_(identity),
        saved_(identity.actors.size()) {}

 private:
  friend class ShardActors;

  using Handles = runtime::Result<std::vector<object::ActorId>>;
  // From any thread.
  void intern(std::vector<object::Actor> actors, ShardActors& asker,
              coordinator::ActorDirectory::Done done);
  Handles interned(const std::vector<object::Actor>& actors);

  runtime::Executor& control_;
  runtime::FileSystem& files_;
  const std::string path_;
  cluster::NodeIdentity& identity_;
  size_t saved_;  // so many of its actors are in the file and in all copies
  std::vector<ShardActors*> copies_;
};

}  // namespace quorate::server
