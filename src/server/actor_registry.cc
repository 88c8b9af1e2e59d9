#include "server/actor_registry.h"

#include <utility>

namespace quorate::server {

ShardActors::ShardActors(ActorRegistry& registry, runtime::Executor& shard)
    : registry_(registry), shard_(shard), table_(registry.identity_.actors) {
  registry.copies_.push_back(this);
}

void ShardActors::intern(std::vector<object::Actor> actors, Done done) {
  std::vector<object::ActorId> handles;
  for (const object::Actor& actor : actors) {
    const auto known = table_.find(actor);
    if (!known) return registry_.intern(std::move(actors), *this, std::move(done));
    handles.push_back(*known);
  }
  done(std::move(handles));
}

void ActorRegistry::intern(std::vector<object::Actor> actors, ShardActors& asker,
                           coordinator::ActorDirectory::Done done) {
  control_.post([this, actors = std::move(actors), &asker, done = std::move(done)]() mutable {
    Handles handles = interned(actors);
    asker.shard_.post([handles = std::move(handles), done = std::move(done)]() mutable {
      done(std::move(handles));
    });
  });
}

ActorRegistry::Handles ActorRegistry::interned(const std::vector<object::Actor>& actors) {
  std::vector<object::ActorId> handles;
  handles.reserve(actors.size());
  for (const object::Actor& actor : actors) handles.push_back(identity_.actors.intern(actor));
  if (identity_.actors.size() == saved_) return handles;
  if (auto saved = cluster::save_identity(files_, path_, identity_); !saved) {
    return std::unexpected(saved.error());
  }
  std::vector<object::Actor> fresh;
  for (; saved_ < identity_.actors.size(); ++saved_) {
    fresh.push_back(*identity_.actors.actor(static_cast<object::ActorId>(saved_)));
  }
  for (ShardActors* const copy : copies_) {
    copy->shard_.post([copy, fresh] {
      for (const object::Actor& actor : fresh) copy->table_.intern(actor);
    });
  }
  return handles;
}

}  // namespace quorate::server
