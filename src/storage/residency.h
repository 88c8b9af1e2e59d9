// Residency: which keys of a shard are in memory.
//
// Loads cold keys when a command needs them, demotes clean entries under memory pressure (a clock
// hand with a second chance), really evicts where a cache policy says so, and warms memory after a
// start while there is room. Work per turn is bounded. Thread: the shard's. Source: DESIGN
// section 4.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "quorate/storage/shard_store.h"

namespace quorate::storage {

class Residency {
 public:
  explicit Residency(ShardStore& store) : store_(store) {}

  using Done = std::move_only_function<void(runtime::Status)>;
  void load(const object::Key& key, Done done);
  bool loading() const { return !loading_.empty(); }  // anything
  bool loading(const object::Key& key) const {
    return !loading_.empty() && loading_.contains({key.slot, key.db, key.hash});
  }
  // For recovery, which has read the row itself.
  runtime::Status load_to_replay(const ColdResult& row);
  // … and whose keys are wanted only if they saw what their slot's clock does not say.
  runtime::Status load_ahead(const RowStore::Row& row);
  void end_turn();
  void start_warming();
  bool out_of_memory() const { return out_of_memory_; }

 private:
  struct RowKeyHash {
    size_t operator()(const RowKey& key) const {
      return key.hash ^ key.slot ^ size_t { key.db } << 32;
    }
  };

  void read_wanted();
  void take_arrived();
  void loaded(const ColdResult& result);
  runtime::Status admit(const RowKey& key, std::string_view row);
  bool over_limit() const;
  uint64_t memory_limit() const;
  void demote_some();
  bool demote_slot(uint16_t db, uint16_t slot, size_t& budget);
  bool evicts_for_memory() const;
  bool demotable(const Entry* entry, uint16_t db, uint16_t slot) const;
  void evict_some();
  bool evict_one();
  void relieve_disk();
  void warm();

  ShardStore& store_;
  boost::unordered_flat_map<RowKey, std::vector<Done>, RowKeyHash> loading_;
  std::vector<RowKey> wanted_;
  struct Arrived {
    std::vector<ColdResult> results;
    uint64_t flushes;  // when they were asked for
    size_t taken = 0;
  };
  std::deque<Arrived> arrived_;  // and not yet taken
  bool out_of_memory_ = false;

  uint64_t relief_checkpoint_ = UINT64_MAX;
  uint64_t relief_bytes_ = 0;

  // The clock hand.
  unsigned hand_slot_ = 0;
  uint64_t hand_hash_ = 0;
  uint16_t hand_db_ = 0;
  uint64_t hand_until_us_ = 0;  // of the turn
  std::vector<std::pair<uint64_t, Entry*>> victims_;

  // Warming.
  bool warming_ = false;
  RowKey warm_from_;
};

}  // namespace quorate::storage
