// Replicas of one shard's data on virtual time, each a store with a disk, rows and an actor of its
// own per life, and nothing between them: what a replica changes is kept as encoded batches, which
// the test delivers as it likes.
//
// Beside each replica stands a control: per key the whole object that merging every delta and state
// it was given comes to, with nothing ever stripped. check() compares. Handles in controls are
// those of `actors`; replicas have tables of their own. Thread: the simulator's one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quorate/coordinator/key_space.h"
#include "quorate/object/change.h"
#include "quorate/object/string_object.h"

#include "sim/sim_file_system.h"
#include "sim/sim_loop.h"

namespace quorate::coordinator {

class Replica final : public storage::ChangeObserver {
 public:
  static constexpr uint64_t kHashSeed = 42;

  // `sent` gets each batch of changes once the journal has it.
  Replica(sim::SimWorld& world, unsigned index, storage::StoreSettings settings,
          std::function<void(const std::string&)> sent);
  ~Replica() override;

  void start();
  // As by SIGKILL, between turns.
  void stop();
  void restart() {
    stop();
    start();
  }

  object::Key key(std::string_view name) const { return object::Key::of(name, 0, kHashSeed); }
  // Runs `use` in a turn of its own, the key being resident or absent, and ends the turn.
  void with(const std::string& name, const std::function<void()>& use);
  void in_turn(const std::function<void()>& use);
  void begin_checkpoint();
  // The journals of earlier lives then go.
  void finish_checkpoint();

  // Applies a batch of another replica, whose actors become known here. A flush first loads those
  // of `names` that it may concern.
  void apply(const std::string& batch, const std::vector<std::string>& names);
  // Null when the key is absent. It is loaded.
  std::string state_of(const std::string& name);
  // Empty if there never was a flush.
  std::string flushes_of(uint16_t slot);

  storage::ShardStore& store() { return *store_; }
  KeySpace& keys() { return *keys_; }
  object::ActorTable& actors() { return actors_; }

  void changed(const object::Change& change) override { writer_.add(change); }

 private:
  void run(const std::function<bool()>& done);
  void recover();
  void end_turn();

  sim::SimWorld& world_;
  const unsigned index_;
  storage::StoreSettings settings_;
  std::function<void(const std::string&)> sent_;
  uint32_t lives_ = 0;
  object::ActorTable actors_;
  sim::SimFileSystem files_;
  std::string rows_directory_;
  object::ChangeWriter writer_{actors_};

  std::vector<std::unique_ptr<sim::SimWorker>> workers_;
  std::unique_ptr<storage::RowStore> rows_;
  std::unique_ptr<storage::ColdReader> cold_reader_;
  std::unique_ptr<sim::SimLoop> loop_;
  std::unique_ptr<runtime::Random> random_;
  std::unique_ptr<storage::ShardStore> store_;
  std::unique_ptr<KeySpace> keys_;
};

class ReplicaRig {
 public:
  using Objects = std::map<std::string, object::Object>;

  // `names`: all keys there will be.
  ReplicaRig(uint64_t seed, unsigned replicas, storage::StoreSettings settings,
             std::vector<std::string> names);

  void deliver(size_t batch, unsigned to);
  void send_state(const std::string& name, unsigned from, unsigned to);
  void send_flushes(uint16_t slot, unsigned from, unsigned to);
  // The key's versions and context.
  void check(unsigned replica, const std::string& name);
  // What the clock covers is wholly in the control.
  void check_clock(unsigned replica);
  void check_counts(unsigned replica);

  sim::SimWorld world;
  std::vector<std::unique_ptr<Replica>> replicas;
  std::vector<std::string> batches;  // of all replicas, in the order they were made
  object::ActorTable actors;
  std::vector<Objects> controls;
  Objects all;  // what all changes ever made come to

  // What state_of() gives, in the handles of `actors`; nothing for an absent key.
  std::optional<object::Object> object_of(unsigned replica, const std::string& name);
  const std::vector<std::string>& names() const { return names_; }

 private:
  struct Made {
    std::string key;
    object::Delta delta;
  };

  void made(unsigned by, const std::string& batch);
  void learn(unsigned replica, const std::string& batch);
  std::vector<Made> read(const std::string& batch);

  void check_entry(Replica& replica, const std::string& name);

  std::vector<std::string> names_;
  std::vector<Made> history_;
};

}  // namespace quorate::coordinator
