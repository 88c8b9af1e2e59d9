#include "sim/power_loss_history.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <utility>

#include "redis/command_harness.h"

namespace quorate::sim {
namespace {

constexpr std::array kGapsUs{uint64_t{300}, uint64_t{3'000}, uint64_t{30'000}};
constexpr unsigned kClientsMax = 4;
constexpr size_t kOutstandingMax = 400;
constexpr size_t kKeysPerCommandMax = 6;

}  // namespace

PowerLossHistory::PowerLossHistory(uint64_t seed, Batches batches)
    : seed_(seed),
      batches_(batches),
      random_(runtime::make_seeded_random(seed * 11 + 3)),
      world_(seed * 11 + 4),
      node_(world_, seed) {
  keys_ = static_cast<unsigned>(20 + below(200));
  hot_slot_ = chance(25);
  if (hot_slot_) keys_ += 300;
  gap_us_ = kGapsUs[below(kGapsUs.size())];
  trouble_percent_ = chance(60) ? static_cast<unsigned>(1 + below(10)) : 0;
}

void PowerLossHistory::fail(std::string violation) {
  if (!failed()) violation_ = std::move(violation);
}

uint64_t PowerLossHistory::wall_ms() const {
  return static_cast<uint64_t>(
      static_cast<int64_t>(SimWorld::kWallEpochMs + world_.now_us() / 1000) +
      world_.wall_offset_ms(node_.number()));
}

std::string PowerLossHistory::run() {
  for (uint64_t lives = 2 + below(3); lives > 0 && !failed(); --lives) {
    live();
    // What a shard had accepted when a sync failed goes to the rows without ever being in the
    // journal: beyond what must survive, nothing here can tell what a crash then leaves.
    if (ended_ && std::ranges::count(ended_->sync_failed, true) != 0) {
      if (!failed()) start();
      return violation_;
    }
  }
  if (!failed() && start()) check_contents();
  return violation_;
}

void PowerLossHistory::live() {
  draw_options();
  if (!start()) return;
  check_contents();
  if (failed()) return;
  ++totals_.lives;
  work();
  if (!failed()) end_life();
}

void PowerLossHistory::draw_options() {
  using storage::SyncPolicy;
  options_.shards = static_cast<unsigned>(1 + below(3));
  options_.policy = std::array{SyncPolicy::always, SyncPolicy::always, SyncPolicy::everysec,
                               SyncPolicy::no}[below(4)];
  options_.segment_bytes = uint64_t{8} << (10 + below(4));
  options_.store = {};
  options_.store.checkpoint_growth_percent = 0;
  if (chance(50)) options_.store.checkpoint_whole_slot_keys = 0;
  options_.store.checkpoint_bytes_min = uint64_t{4} << (10 + below(8));
  if (batches_ == Batches::mixed && chance(50))
    options_.store.checkpoint_batch_bytes = uint64_t{64} << below(10);
}

// Recovers, sometimes only after further crashes on the way.
bool PowerLossHistory::start() {
  world_.set_wall_offset_ms(node_.number(), static_cast<int64_t>(below(2'000'000)) - 1'000'000);
  for (unsigned tries = chance(30) ? 2 : 0;; --tries) {
    if (tries > 0) node_.disk().halt_after(below(60));
    auto started = node_.start(options_, [this](unsigned shard, size_t index) {
      const Change& change = node_.observer().changes(shard)[index];
      check_dot(change);
      model_.apply(shard, index, change);
      ++totals_.changes;
    });
    const bool halted = node_.disk().halted();
    if (started && !halted) break;
    if (!started && !halted) {
      fail("the start failed: " + started.error().message);
      return false;
    }
    if (ended_ && ended_->how == End::power_loss) {
      node_.lose_power();
    } else {
      node_.crash_process();
    }
  }
  node_.disk().halt_after(UINT64_MAX);
  check_recovery();
  return !failed();
}

// ---- the work of one life

void PowerLossHistory::work() {
  reads_certain_ = true;
  clients_.clear();
  if (hot_slot_ && chance(70)) fill_hot_slot();
  for (uint64_t steps = 5 + below(60); steps > 0 && !failed(); --steps) {
    step();
    if (node_.disk().halted()) break;
  }
}

void PowerLossHistory::step() {
  if (chance(trouble_percent_)) make_trouble();
  if (chance(trouble_percent_ * 2)) end_trouble();
  send_pipeline();
  world_.run_for(1 + below(gap_us_ * 2));
  if (chance(2)) world_.run_for(1'500'000);
  collect_replies();
  if (chance(1)) settle();
}

void PowerLossHistory::make_trouble() {
  switch (below(6)) {
    case 0: {  // memory: almost nothing that is clean may stay
      storage::StoreSettings settings = options_.store;
      settings.memory_bytes_max = 3 << 20;
      if (chance(20)) settings.eviction.policy = storage::EvictionPolicy::allkeys_random;
      settings.memory_bytes_max = chance(80) ? 1 << 16 : settings.memory_bytes_max;
      return node_.apply(settings);
    }
    case 1:
      return node_.apply(options_.store);
    case 2:
      return jump_clock();
    case 3: {
      const Delay slow{1'000, 10'000 + below(300'000)};
      auto* workers = std::array{&node_.sync_worker(), &node_.checkpoint_worker(),
                                 &node_.cold_worker()}[below(3)];
      return workers->set_duration(slow);
    }
    case 4:
      node_.rows().faults().commit_percent = static_cast<unsigned>(below(101));
      node_.rows().faults().commit_code = chance(50) ? ENOSPC : EIO;
      node_.rows().faults().read_percent = chance(30) ? 50 : 0;
      return;
    default:
      return make_disk_trouble();
  }
}

void PowerLossHistory::jump_clock() {
  const uint64_t before = wall_ms();
  world_.set_wall_offset_ms(node_.number(), static_cast<int64_t>(below(4'000'000)) - 2'000'000);
  for (Client& client : clients_) {
    for (Operation& operation : client.outstanding) {
      operation.saw_wall(before);
      operation.saw_wall(wall_ms());
    }
  }
}

void PowerLossHistory::make_disk_trouble() {
  SimFileSystem& disk = node_.disk();
  reads_certain_ = false;
  switch (below(6)) {
    case 0:
      return disk.fail_next(FileOperation::write, chance(50) ? EIO : ENOSPC, 1 + below(3));
    case 1:
      return disk.fail_next(FileOperation::sync_data, EIO, 1 + below(2), below(4));
    case 2:
      return disk.fail_next(FileOperation::allocate, ENOSPC, 1 + below(4));
    case 3:
      return disk.set_capacity(disk.used_bytes() + below(100'000));
    case 4:
      return disk.fail_randomly(FileOperation::remove, EIO, 0.5);
    default:
      return disk.halt_after(below(40));
  }
}

void PowerLossHistory::end_trouble() {
  node_.disk().heal();
  node_.disk().set_capacity(UINT64_MAX);
  node_.rows().faults() = {};
  for (SimWorker* worker :
       {&node_.sync_worker(), &node_.checkpoint_worker(), &node_.cold_worker()}) {
    worker->set_duration({10, 500});
  }
}

// Without faults every command must be answered.
void PowerLossHistory::settle() {
  if (node_.disk().halted()) return;
  end_trouble();
  const auto answered = [this] {
    collect_replies();
    return failed() || std::ranges::all_of(clients_, [](const Client& client) {
             return client.outstanding.empty() || client.wire->ended;
           });
  };
  if (!world_.run_until(answered, world_.now_us() + kPatienceUs) && !node_.disk().halted()) {
    fail("a command was never answered");
  }
}

void PowerLossHistory::end_life() {
  if (chance(30)) settle();
  if (chance(30)) world_.run_for(below(1'200'000));
  collect_replies();
  if (failed()) return;
  for (SimNode::Shard& shard : node_.shards()) {
    const storage::StoreStatistics& statistics = shard.store->statistics();
    totals_.checkpoints += statistics.checkpoints_completed;
    totals_.demoted += statistics.demoted_keys;
    totals_.loaded += statistics.loaded_keys;
  }
  const End end =
      std::array{End::power_loss, End::power_loss, End::process_kill, End::clean_stop}[below(4)];
  if (end == End::clean_stop && !node_.disk().halted()) {
    end_trouble();
    if (node_.stop_cleanly()) {
      if (chance(50)) node_.disk().lose_power();
      return note_end(End::clean_stop);
    }
    if (reads_certain_) fail("a stop without trouble was not clean");
    return note_end(End::process_kill);
  }
  note_end(end == End::process_kill ? End::process_kill : End::power_loss);
  if (end == End::process_kill) {
    node_.crash_process();
  } else {
    node_.lose_power();
  }
  node_.disk().heal();
  node_.disk().set_capacity(UINT64_MAX);
}

// ---- clients

PowerLossHistory::Client& PowerLossHistory::connect() {
  const auto shard = static_cast<unsigned>(below(options_.shards));
  Client& client = clients_.emplace_back();
  client.wire = node_.connect(shard);
  client.db = static_cast<uint16_t>(below(10) == 0 ? 1 : 0);
  return client;
}

void PowerLossHistory::send(Client& client, Operation operation) {
  operation.db = client.db;
  operation.sequence = model_.sequence();
  operation.saw_wall(wall_ms());
  SimNode::send(*client.wire, operation.request());
  client.outstanding.push_back(std::move(operation));
  ++totals_.operations;
}

void PowerLossHistory::send_pipeline() {
  std::erase_if(clients_, [](const Client& client) { return client.wire->ended; });
  if (clients_.size() < kClientsMax && (clients_.empty() || chance(20))) {
    Client& client = connect();
    if (client.db == 1) {
      Operation select;
      select.kind = Operation::Kind::select;
      select.keys = {"1"};
      send(client, std::move(select));
    }
  }
  Client& client = clients_[below(clients_.size())];
  if (client.outstanding.size() > kOutstandingMax) return;
  for (uint64_t count = 1 + below(30); count > 0; --count) {
    send(client, draw_operation());
  }
}

void PowerLossHistory::fill_hot_slot() {
  Client& client = connect();
  client.db = 0;
  Operation mset;
  mset.kind = Operation::Kind::mset;
  for (unsigned i = 0; i < 300; ++i) {
    mset.keys.push_back("{h}s" + std::to_string(i));
    mset.values.push_back(draw_value());
  }
  send(client, std::move(mset));
}

std::string PowerLossHistory::draw_key() {
  const std::string prefix = hot_slot_ && chance(85) ? "{h}" : "";
  return prefix + "s" + std::to_string(below(keys_));
}

std::string PowerLossHistory::draw_value() {
  std::string value = "v" + std::to_string(++values_) + ":";
  const uint64_t size = below(50) == 0 ? 4'000 + below(3'000) : below(60);
  return value + std::string(size, 'x') + std::to_string(values_);
}

Operation PowerLossHistory::draw_operation() {
  using Kind = Operation::Kind;
  static constexpr std::array kKinds{
      Kind::set,  Kind::set,  Kind::set, Kind::set, Kind::set,    Kind::append,  Kind::append,
      Kind::incr, Kind::incr, Kind::del, Kind::del, Kind::expire, Kind::persist, Kind::mset,
      Kind::mset, Kind::get,  Kind::get, Kind::get, Kind::get,    Kind::mget,    Kind::pttl};
  Operation operation;
  const uint64_t rare = below(600);
  operation.kind = rare == 0  ? Kind::flush
                   : rare < 4 ? Kind::checkpoint
                              : kKinds[below(kKinds.size())];
  if (rare < 4) return operation;
  const bool several = operation.kind == Kind::mset || operation.kind == Kind::mget;
  std::set<std::string> keys;
  for (uint64_t count = several ? 2 + below(kKeysPerCommandMax - 1) : 1; count > 0; --count) {
    keys.insert(draw_key());
  }
  operation.keys.assign(keys.begin(), keys.end());
  if (operation.kind == Kind::incr) operation.keys[0] = "c" + std::to_string(below(10));
  const bool sets = operation.kind == Kind::set || operation.kind == Kind::append;
  for (size_t i = 0; (sets || operation.kind == Kind::mset) && i < operation.keys.size(); ++i) {
    operation.values.push_back(draw_value());
  }
  if (operation.kind == Kind::expire) {
    operation.values = {std::to_string(chance(50) ? 1 + below(300) : 1 + below(10'000'000))};
  }
  const bool counters = operation.kind == Kind::get || operation.kind == Kind::del ||
                        operation.kind == Kind::expire || operation.kind == Kind::pttl;
  if (counters && chance(10)) operation.keys[0] = "c" + std::to_string(below(10));
  return operation;
}

void PowerLossHistory::collect_replies() {
  for (Client& client : clients_) {
    std::string& received = client.wire->to_client;
    size_t taken = 0;
    while (!failed()) {
      const std::string_view rest = std::string_view(received).substr(taken);
      const size_t size = redis::reply_bytes(rest);
      if (size == 0) break;
      if (client.outstanding.empty()) return fail("a reply too many");
      Operation operation = std::move(client.outstanding.front());
      operation.saw_wall(wall_ms());
      client.outstanding.pop_front();
      judge(operation, rest.substr(0, size));
      taken += size;
    }
    received.erase(0, taken);
  }
}

void PowerLossHistory::judge(const Operation& operation, std::string_view reply) {
  ++totals_.replies;
  if (reply.starts_with('-')) ++totals_.refusals;
  const ReplyContext context{model_, reads_certain_, [this](unsigned shard, size_t index) {
                               node_.observer().changes(shard)[index].acknowledged = true;
                             }};
  std::string verdict = judge_reply(operation, reply, context);
  if (verdict.empty() && verifying_ && reply.starts_with('-')) verdict = "an error without faults";
  if (verdict.empty()) return;
  std::string request = operation.request().substr(0, 120);
  std::erase(request, '\n');
  std::ranges::replace(request, '\r', ' ');
  fail(verdict + "; request: " + request +
       "; reply: " + std::string(reply.substr(0, std::min<size_t>(reply.find('\r'), 80))));
}

// ---- checks

void PowerLossHistory::note_end(End end) {
  Ended& ended = ended_.emplace();
  ended.how = end;
  ended.policy = options_.policy;
  JournalObserver& observer = node_.observer();
  for (unsigned shard = 0; shard < observer.shards(); ++shard) {
    ended.written.push_back(std::move(observer.changes(shard)));
    ended.tentative.push_back(observer.tentative(shard));
    if (!node_.running()) continue;
    const storage::Journal& journal = node_.shards()[shard].store->journal();
    ended.synced.push_back(journal.synced_position());
    ended.sync_failed.push_back(journal.statistics().sync_failures != 0 &&
                                !journal.accepts_writes());
  }
  ended.synced.resize(observer.shards(), UINT64_MAX);
  ended.sync_failed.resize(observer.shards());
}

void PowerLossHistory::check_dot(const Change& change) {
  const object::Actor* actor = node_.identity().actors.actor(change.dot.actor);
  if (actor == nullptr) return fail("a dot of an actor that is not known");
  if (!dots_.emplace(actor->epoch, change.slot, change.dot.n).second) {
    fail("the dot (epoch " + std::to_string(actor->epoch) + ", " + std::to_string(change.dot.n) +
         ") of slot " + std::to_string(change.slot) + " was issued twice");
  }
}

bool PowerLossHistory::must_survive(unsigned shard, size_t index, const Change& change) const {
  if (index >= ended_->written[shard].size()) return false;
  if (ended_->how != End::power_loss) return true;
  if (change.end_position <= ended_->synced[shard]) return true;
  return ended_->policy == storage::SyncPolicy::always && change.acknowledged;
}

std::string PowerLossHistory::describe(unsigned shard, size_t index, const Change& change) const {
  static constexpr std::array kEnds{"a power loss", "the end of the process", "a clean stop"};
  static constexpr std::array kPolicies{"always", "everysec", "no"};
  return fmt::format(
      "after {} under {}: change {} of {} of shard {} ({}, slot {}, dot {}, {}acknowledged, up to "
      "position {} of {} synced)",
      kEnds[static_cast<size_t>(ended_->how)], kPolicies[static_cast<size_t>(ended_->policy)],
      index, ended_->written[shard].size(), shard, change.key, change.slot, change.dot.n,
      change.acknowledged ? "" : "not ", change.end_position, ended_->synced[shard]);
}

// The shard's changes that recovery brought back must be the first ones, and enough of them.
void PowerLossHistory::check_prefix(unsigned shard, KeyStates& expected) {
  std::vector<Change> changes = std::move(ended_->written[shard]);
  const size_t written = changes.size();
  ended_->written[shard].resize(written);
  for (Change& change : ended_->tentative[shard]) changes.push_back(std::move(change));
  bool ended = false;
  std::set<uint16_t> ended_slots;
  for (size_t i = 0; i < changes.size(); ++i) {
    const Change& change = changes[i];
    if (!node_.store_of(change.slot).clocks().covers(change.slot, change.dot)) {
      ++totals_.changes_lost;
      if (must_survive(shard, i, change)) return fail(describe(shard, i, change) + " is lost");
      ended = true;
      ended_slots.insert(change.slot);
      continue;
    }
    if (ended_slots.contains(change.slot) || (ended && !ended_->sync_failed[shard])) {
      return fail(describe(shard, i, change) + " is there, but not all before it");
    }
    if (i >= written) check_dot(change);
    apply_change(expected, change);
  }
}

void PowerLossHistory::check_recovery() {
  KeyStates expected = model_.base();
  if (ended_) {
    for (unsigned shard = 0; shard < ended_->written.size() && !failed(); ++shard) {
      check_prefix(shard, expected);
    }
  }
  model_.begin(std::move(expected));
  const bool certain = !ended_ || std::ranges::count(ended_->sync_failed, true) == 0;
  if (certain) check_counts();
}

void PowerLossHistory::check_counts() {
  for (uint16_t db = 0; db < SimNode::kDatabases; ++db) {
    uint64_t keys = 0, expiring = 0;
    for (const auto& [key, state] : model_.base()) {
      if (key.db != db) continue;
      ++keys;
      if (state.expiry_ms != 0) ++expiring;
    }
    uint64_t counted = 0, counted_expiring = 0;
    for (const SimNode::Shard& shard : node_.shards()) {
      counted += shard.store->keys(db);
      counted_expiring += shard.store->volatile_keys(db);
    }
    if (keys == counted && expiring == counted_expiring) continue;
    fail(fmt::format("{} keys, {} with an expiry, are counted where there are {} and {}", counted,
                     counted_expiring, keys, expiring));
  }
}

void PowerLossHistory::check_contents() {
  verifying_ = true;
  reads_certain_ = true;
  clients_.clear();
  for (const uint16_t db : {uint16_t{0}, uint16_t{1}}) {
    Client& client = connect();
    client.db = db;
    std::set<std::string> names;
    for (unsigned i = 0; i < keys_; ++i) names.insert("s" + std::to_string(i));
    for (const auto& [key, state] : model_.base()) {
      if (key.db == db) names.insert(key.name);
    }
    if (db == 1) {
      Operation select;
      select.kind = Operation::Kind::select;
      select.keys = {"1"};
      send(client, std::move(select));
    }
    for (const std::string& name : names) {
      Operation operation;
      operation.kind = Operation::Kind::get;
      operation.keys = {name};
      send(client, operation);
      operation.kind = Operation::Kind::pttl;
      send(client, std::move(operation));
    }
    Operation size;
    size.kind = Operation::Kind::dbsize;
    send(client, std::move(size));
  }
  settle();
  verifying_ = false;
}

}  // namespace quorate::sim
