#include "sim/key_model.h"

#include <cstdlib>
#include <utility>

namespace quorate::sim {
namespace {

// Calls `visit` for each key of the (db, slot) that `map` has.
template <class Map, class Visit>
void visit_slot(Map& map, uint16_t db, uint16_t slot, Visit&& visit) {
  for (auto at = map.lower_bound(KeyId{db, slot, ""});
       at != map.end() && at->first.db == db && at->first.slot == slot;) {
    at = visit(at);
  }
}

}  // namespace

void apply_change(KeyStates& states, const Change& change) {
  const KeyId key{change.db, change.slot, change.key};
  switch (change.type) {
    case storage::RecordType::put:
      states[key] = {change.text, change.expiry_ms};
      break;
    case storage::RecordType::remove:
      states.erase(key);
      break;
    case storage::RecordType::flush:
      visit_slot(states, change.db, change.slot, [&](auto at) { return states.erase(at); });
      break;
    case storage::RecordType::merged:
    case storage::RecordType::joined:
    case storage::RecordType::flushed:
    case storage::RecordType::clock:
      std::abort();  // a lone node writes none of these
  }
}

void KeyModel::begin(KeyStates base) {
  base_ = std::move(base);
  versions_.clear();
  sequence_ = 0;
  for (const auto& [key, state] : base_) versions_[key].push_back({0, state, 0, 0});
}

void KeyModel::apply(unsigned shard, size_t index, const Change& change) {
  ++sequence_;
  const KeyId key{change.db, change.slot, change.key};
  switch (change.type) {
    case storage::RecordType::put:
      versions_[key].push_back({sequence_, KeyState{change.text, change.expiry_ms}, shard, index});
      break;
    case storage::RecordType::remove:
      versions_[key].push_back({sequence_, std::nullopt, shard, index});
      break;
    case storage::RecordType::flush:
      visit_slot(versions_, change.db, change.slot, [&](auto at) {
        if (at->second.back().state) at->second.push_back({sequence_, std::nullopt, shard, index});
        return ++at;
      });
      break;
    case storage::RecordType::merged:
    case storage::RecordType::joined:
    case storage::RecordType::flushed:
    case storage::RecordType::clock:
      std::abort();  // a lone node writes none of these
  }
}

std::vector<KeyModel::Version> KeyModel::versions(const KeyId& key, uint64_t since) const {
  std::vector<Version> found;
  const auto at = versions_.find(key);
  if (at == versions_.end()) return {Version{}};
  if (at->second.front().sequence > since) found.push_back({});  // absent until then
  for (const Version& version : at->second) {
    if (version.sequence <= since) found.clear();
    found.push_back(version);
  }
  return found;
}

std::vector<KeyId> KeyModel::existing(uint16_t db, uint64_t since) const {
  std::vector<KeyId> keys;
  for (auto at = versions_.lower_bound(KeyId{db, 0, ""});
       at != versions_.end() && at->first.db == db; ++at) {
    if (versions(at->first, since).front().state) keys.push_back(at->first);
  }
  return keys;
}

}  // namespace quorate::sim
