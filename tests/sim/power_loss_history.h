// PowerLossHistory: several lives of one node under clients, faults and crashes, from one seed.
//
// Clients pipeline commands over a few hundred keys while disks fail, fill up and slow down, memory
// is taken away and clocks jump; the node crashes (power or process), or stops, and recovers. After
// each recovery it is checked that
//  - what had to survive did: under `always` what was acknowledged, under the other policies what
//    the journal knew synced, after the end of the process alone all that was written;
//  - each shard's changes survived as a prefix of its journal, and no dot was issued twice;
//  - every key reads as that prefix says.
// Meanwhile each reply is judged (operation.h), and whenever the faults have ended every command
// must get one. Thread: the simulator's one.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "sim/key_model.h"
#include "sim/operation.h"
#include "sim/sim_node.h"

namespace quorate::sim {

class PowerLossHistory {
 public:
  // What a checkpoint commits at once: all it has, in most histories, or in some of them little.
  enum class Batches : uint8_t { large, mixed };
  explicit PowerLossHistory(uint64_t seed, Batches batches = Batches::mixed);

  // What went wrong; empty: nothing.
  std::string run();

  struct Totals {
    uint64_t operations = 0, replies = 0, lives = 0, changes = 0, changes_lost = 0;
    uint64_t checkpoints = 0, demoted = 0, loaded = 0, refusals = 0;
  };
  const Totals& totals() const { return totals_; }

 private:
  enum class End : uint8_t { power_loss, process_kill, clean_stop };
  struct Client {
    std::shared_ptr<redis::Wire> wire;
    uint16_t db = 0;
    std::deque<Operation> outstanding;
  };

  uint64_t below(uint64_t bound) { return random_->below(bound); }
  bool chance(unsigned percent) { return below(100) < percent; }
  bool failed() const { return !violation_.empty(); }
  void fail(std::string violation);
  uint64_t wall_ms() const;

  void live();
  bool start();
  void draw_options();
  void work();
  void step();
  void make_trouble();
  void make_disk_trouble();
  void jump_clock();
  void end_trouble();
  void end_life();
  void settle();

  Client& connect();
  void send(Client& client, Operation operation);
  void send_pipeline();
  void fill_hot_slot();
  Operation draw_operation();
  std::string draw_key();
  std::string draw_value();
  void collect_replies();
  void judge(const Operation& operation, std::string_view reply);

  // What the crash leaves, to be held against what the next start recovers.
  void note_end(End end);
  void check_recovery();
  bool must_survive(unsigned shard, size_t index, const Change& change) const;
  std::string describe(unsigned shard, size_t index, const Change& change) const;
  void check_prefix(unsigned shard, KeyStates& expected);
  void check_counts();
  void check_dot(const Change& change);
  void check_contents();

  const uint64_t seed_;
  const Batches batches_;
  std::unique_ptr<runtime::Random> random_;
  SimWorld world_;
  SimNode node_;
  SimNode::Options options_;
  KeyModel model_;
  Totals totals_;
  std::string violation_;

  // The profile of this history.
  unsigned keys_ = 0;
  bool hot_slot_ = false;  // most keys share one
  uint64_t gap_us_ = 0;    // between pipelines
  unsigned trouble_percent_ = 0;

  std::vector<Client> clients_;
  uint64_t values_ = 0;
  bool reads_certain_ = true;
  bool verifying_ = false;

  // Of the life that ended last.
  struct Ended {
    End how = End::clean_stop;
    storage::SyncPolicy policy = storage::SyncPolicy::no;
    std::vector<std::vector<Change>> written, tentative;  // per shard
    std::vector<uint64_t> synced;
    std::vector<bool> sync_failed;  // only a checkpoint could go on: slot by slot
  };
  std::optional<Ended> ended_;
  std::set<std::tuple<uint32_t, uint16_t, uint64_t>> dots_;  // epoch, slot, n
};

}  // namespace quorate::sim
