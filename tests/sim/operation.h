// Operation: one command of a simulated client, and whether its reply can be true.
//
// A reply that acknowledges a change must be backed by a record that the journals already hold; one
// that tells a value must tell a state the key had between the sending of the command and the
// arrival of the reply. Values and suffixes are unique, so a record tells which command made it.
// Thread: the simulator's one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/key_model.h"

namespace quorate::sim {

struct Operation {
  enum class Kind : uint8_t {
    set,
    append,
    incr,
    del,
    expire,
    persist,
    mset,
    flush,
    get,
    mget,
    pttl,
    dbsize,
    checkpoint,
    select,
  };
  Kind kind = Kind::get;
  uint16_t db = 0;
  std::vector<std::string> keys;
  std::vector<std::string> values;  // per key: what it is set to, what is appended
  uint64_t sequence = 0;            // of the last change before it was sent
  // What the node's clock has shown since.
  uint64_t wall_ms_min = UINT64_MAX;
  uint64_t wall_ms_max = 0;

  void saw_wall(uint64_t wall_ms) {
    wall_ms_min = std::min(wall_ms_min, wall_ms);
    wall_ms_max = std::max(wall_ms_max, wall_ms);
  }

  std::string request() const;
};

// What replies are held against.
struct ReplyContext {
  const KeyModel& model;
  bool reads_certain;  // false: reads may tell what the journal could not yet take
  std::function<void(unsigned shard, size_t index)> acknowledge;  // the record behind a reply
};

// Why the reply cannot be true; empty: it can.
std::string judge_reply(const Operation& operation, std::string_view reply,
                        const ReplyContext& context);

}  // namespace quorate::sim
