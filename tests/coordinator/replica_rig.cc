#include "coordinator/replica_rig.h"

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <utility>

#include "quorate/storage/recovery.h"
#include "quorate/storage/stored_object.h"

namespace quorate::coordinator {
namespace {

std::string make_directory() {
  std::string pattern = std::filesystem::exists("/dev/shm")
                            ? "/dev/shm/quorate_replica_XXXXXX"
                            : testing::TempDir() + "quorate_replica_XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) std::abort();
  return pattern;
}

std::vector<object::ActorId> interned(const object::ChangeReader& reader,
                                      object::ActorTable& actors) {
  std::vector<object::ActorId> handles;
  for (const object::Actor& actor : reader.actors()) handles.push_back(actors.intern(actor));
  return handles;
}

}  // namespace

Replica::Replica(sim::SimWorld& world, unsigned index, storage::StoreSettings settings,
                 std::function<void(const std::string&)> sent)
    : world_(world),
      index_(index),
      settings_(settings),
      sent_(std::move(sent)),
      files_(index + 1),
      rows_directory_(make_directory()) {
  EXPECT_TRUE(files_.make_directory("/journal"));
  // Handles differ from replica to replica.
  for (unsigned i = 0; i < index; ++i) {
    object::Actor stranger;
    stranger.node.fill(static_cast<uint8_t>(200 + i));
    (void)actors_.intern(stranger);
  }
  start();
}

Replica::~Replica() {
  stop();
  std::filesystem::remove_all(rows_directory_);
}

void Replica::stop() {
  world_.crash(index_ + 1);
  keys_.reset();
  store_.reset();
  loop_.reset();
  cold_reader_.reset();
  rows_.reset();
  workers_.clear();
  files_.crash_process();
}

void Replica::start() {
  ++lives_;
  for (int i = 0; i < 3; ++i) workers_.push_back(world_.make_worker(index_ + 1));
  loop_ = world_.make_loop(index_ + 1);
  random_ = runtime::make_seeded_random(index_ * 1000 + lives_);
  rows_ = storage::RowStore::open({rows_directory_, 1ull << 26, false, 126}).value();
  cold_reader_ = std::make_unique<storage::ColdReader>(
      *rows_, std::vector<runtime::Executor*>{workers_[0].get()});
  storage::Journal::Options journal_options;
  journal_options.directory = "/journal";
  journal_options.generation = lives_;
  journal_options.segment_bytes = 1u << 16;
  auto journal = storage::Journal::open(files_, *loop_, *workers_[1], journal_options);
  ASSERT_TRUE(journal) << journal.error().message;
  object::Actor self;
  self.node.fill(static_cast<uint8_t>(index_ + 1));
  self.epoch = lives_;
  store_ = std::make_unique<storage::ShardStore>(
      storage::ShardStore::Parts{*loop_, *random_, *std::move(journal), *rows_, *cold_reader_,
                                 *workers_[2], actors_},
      storage::ShardStore::Shape{0, 1, 1, actors_.intern(self), kHashSeed}, settings_);
  store_->set_keeps_tombstones(true);
  store_->set_observer(this);
  keys_ = std::make_unique<KeySpace>(*store_, actors_);
  recover();
  loop_->set_turn_end([this] { end_turn(); });
}

void Replica::recover() {
  const auto fetch = [this](const std::vector<storage::RowKey>& wanted) {
    using Kind = storage::ColdResult::Kind;
    std::vector<storage::ColdResult> results;
    const auto reading = rows_->begin_read().value();
    for (const storage::RowKey& of : wanted) {
      const auto row = reading->get(of).value();
      results.push_back({of,
                         row ? Kind::found : Kind::absent,
                         row ? std::string(row->value) : std::string(),
                         {}});
    }
    return results;
  };
  storage::ShardStore* const stores[] = {store_.get()};
  const std::string directory = "/journal";
  const auto report =
      storage::recover({files_, directory, *rows_, fetch, stores, lives_, false, nullptr, 256});
  ASSERT_TRUE(report) << report.error().message;
}

void Replica::end_turn() {
  ASSERT_TRUE(store_->end_turn());
  if (writer_.empty()) return;
  std::string batch;
  writer_.finish(batch);
  sent_(batch);
}

void Replica::run(const std::function<bool()>& done) {
  ASSERT_TRUE(world_.run_until(done, world_.now_us() + sim::kPatienceUs));
}

void Replica::in_turn(const std::function<void()>& use) {
  bool used = false;
  const uint64_t turns = loop_->turns();
  loop_->post([&] {
    use();
    used = true;
  });
  run([&] { return used && loop_->turns() > turns; });
}

void Replica::with(const std::string& name, const std::function<void()>& use) {
  const object::Key of = key(name);
  bool used = false;
  loop_->post([&] {
    const auto go_on = [&](const runtime::Status& loaded) {
      EXPECT_TRUE(loaded);
      use();
      used = true;
    };
    if (!store_->needs_load(of)) return go_on({});
    store_->load(of, go_on);
  });
  run([&] { return used; });
  in_turn([] {});  // the one before has ended
}

void Replica::begin_checkpoint() {
  in_turn([this] { store_->checkpoint(nullptr); });
}

void Replica::finish_checkpoint() {
  bool done = false;
  in_turn([&] { store_->checkpoint([&done] { done = true; }); });
  run([&] { return done; });
  EXPECT_TRUE(storage::remove_journals_before(files_, "/journal", lives_));
}

void Replica::apply(const std::string& batch, const std::vector<std::string>& names) {
  auto reader = object::ChangeReader::open(batch).value();
  const auto handles = interned(reader, actors_);
  object::Change change;
  while (reader.next(handles, change).value()) {
    const auto take = [&] {
      const auto applied = store_->apply(change);
      EXPECT_TRUE(applied) << applied.error().message;
    };
    if (!object::is_flush(change.kind)) {
      with(std::string(change.key), take);
      continue;
    }
    for (const std::string& name : names) {
      if (object::key_slot(name) == change.slot) with(name, [] {});
    }
    in_turn(take);
  }
}

std::string Replica::state_of(const std::string& name) {
  std::string batch;
  with(name, [&] {
    std::string scratch;
    const auto state = store_->state_of(key(name), scratch);
    if (!state) return;
    object::ChangeWriter writer(actors_);
    writer.add(*state);
    writer.finish(batch);
  });
  return batch;
}

std::string Replica::flushes_of(uint16_t slot) {
  std::string batch;
  in_turn([&] {
    std::string scratch;
    const auto flushes = store_->flushes_of(slot, 0, scratch);
    if (!flushes) return;
    object::ChangeWriter writer(actors_);
    writer.add(*flushes);
    writer.finish(batch);
  });
  return batch;
}

ReplicaRig::ReplicaRig(uint64_t seed, unsigned count, storage::StoreSettings settings,
                       std::vector<std::string> names)
    : world(seed), controls(count), names_(std::move(names)) {
  for (unsigned i = 0; i < count; ++i) {
    replicas.push_back(std::make_unique<Replica>(
        world, i, settings, [this, i](const std::string& batch) { made(i, batch); }));
  }
}

std::vector<ReplicaRig::Made> ReplicaRig::read(const std::string& batch) {
  auto reader = object::ChangeReader::open(batch).value();
  const auto handles = interned(reader, actors);
  std::vector<Made> all_made;
  object::Change change;
  while (reader.next(handles, change).value()) {
    if (!object::is_flush(change.kind)) {
      all_made.push_back({std::string(change.key), object::delta_of(change).value()});
      continue;
    }
    object::Delta flush;
    flush.change.seen = object::CausalContext::decode(change.payload).value();
    for (const std::string& name : names_) {
      if (object::key_slot(name) == change.slot) all_made.push_back({name, flush});
    }
  }
  return all_made;
}

void ReplicaRig::made(unsigned by, const std::string& batch) {
  batches.push_back(batch);
  for (Made& one : read(batch)) {
    all[one.key] = object::merge(all[one.key], one.delta.change);
    for (const Made& before : history_) {
      for (const auto& run : before.delta.dots.runs()) {
        EXPECT_FALSE(one.delta.dots.covers(object::Dot{run.actor, run.first}) &&
                     object::key_slot(one.key) == object::key_slot(before.key))
            << "a dot was issued twice";
      }
    }
    history_.push_back(std::move(one));
  }
  learn(by, batch);
}

void ReplicaRig::learn(unsigned replica, const std::string& batch) {
  for (const Made& one : read(batch)) {
    object::Object& control = controls[replica][one.key];
    control = object::merge(control, one.delta.change);
  }
}

void ReplicaRig::deliver(size_t batch, unsigned to) {
  replicas[to]->apply(batches[batch], names_);
  learn(to, batches[batch]);
  for (const Made& one : read(batches[batch])) check(to, one.key);
}

void ReplicaRig::send_state(const std::string& name, unsigned from, unsigned to) {
  const std::string batch = replicas[from]->state_of(name);
  if (batch.empty()) return;
  replicas[to]->apply(batch, names_);
  controls[to][name] = object::merge(controls[to][name], controls[from][name]);
  check(to, name);
}

void ReplicaRig::send_flushes(uint16_t slot, unsigned from, unsigned to) {
  const std::string batch = replicas[from]->flushes_of(slot);
  if (batch.empty()) return;
  replicas[to]->apply(batch, names_);
  learn(to, batch);
  for (const Made& one : read(batch)) check(to, one.key);
}

std::optional<object::Object> ReplicaRig::object_of(unsigned index, const std::string& name) {
  check_entry(*replicas[index], name);
  const std::string batch = replicas[index]->state_of(name);
  if (batch.empty()) return std::nullopt;
  return read(batch).front().delta.change;
}

// What the entry says beside its object.
void ReplicaRig::check_entry(Replica& replica, const std::string& name) {
  replica.with(name, [&] {
    const storage::Entry* entry = replica.store().find(replica.key(name));
    if (entry == nullptr) return;
    const object::Object object = storage::object_of(entry->state());
    const auto expiry_ms = object::read_expiry(object, replica.actors());
    EXPECT_EQ(storage::is_visible(entry), expiry_ms.has_value()) << name;
    EXPECT_EQ(entry->expiry_ms(), expiry_ms.value_or(0)) << name;
    EXPECT_GE(entry->hlc(), object.highest_hlc()) << name;
    EXPECT_TRUE(replica.store().clocks().covers(object::key_slot(name), entry->dot())) << name;
  });
}

void ReplicaRig::check(unsigned index, const std::string& name) {
  SCOPED_TRACE("replica " + std::to_string(index) + ", key " + name);
  const auto object = object_of(index, name);
  const object::Object& control = controls[index][name];
  if (!object) {
    ASSERT_TRUE(control.elements.empty());
    return;
  }
  ASSERT_EQ(object->elements, control.elements);
  ASSERT_TRUE(object->seen.covers(control.seen)) << "forgot what it has seen";
  for (const Made& one : history_) {
    if (one.key != name || control.seen.covers(one.delta.dots)) continue;
    ASSERT_FALSE(object->seen.covers(one.delta.dots)) << "claims to have seen what it has not";
  }
}

void ReplicaRig::check_clock(unsigned index) {
  Replica& replica = *replicas[index];
  for (const Made& one : history_) {
    const uint16_t slot = object::key_slot(one.key);
    for (const auto& run : one.delta.dots.runs()) {
      const auto handle = replica.actors().find(*actors.actor(run.actor));
      if (!handle || !replica.store().clocks().covers(slot, object::Dot{*handle, run.first})) {
        continue;
      }
      const object::Object& control = controls[index][one.key];
      const object::Object again = object::merge(control, one.delta.change);
      ASSERT_EQ(again.elements, control.elements) << "the clock covers what is not here";
      ASSERT_EQ(again.seen, control.seen) << "the clock covers what is not here";
    }
  }
}

void ReplicaRig::check_counts(unsigned index) {
  Replica& replica = *replicas[index];
  uint64_t keys = 0, expiring = 0;
  const uint64_t counted = replica.store().keys(0);
  const uint64_t counted_expiring = replica.store().volatile_keys(0);
  for (const std::string& name : names_) {
    replica.with(name, [&] {
      const storage::Entry* entry = replica.store().find(replica.key(name));
      if (!storage::is_visible(entry)) return;
      ++keys;
      expiring += entry->expiry_ms() != 0 ? 1 : 0;
    });
  }
  EXPECT_EQ(counted, keys) << "replica " << index;
  EXPECT_EQ(counted_expiring, expiring) << "replica " << index;
  EXPECT_EQ(replica.store().cold_rows(), 0U) << "all are in memory now";
  EXPECT_EQ(replica.store().keys(0), keys) << "loading keys does not count them again";
}

}  // namespace quorate::coordinator
