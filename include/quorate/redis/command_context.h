// CommandContext: everything a command function has.
//
// A command function reads args, works on keys[i] through `space`, and writes exactly one reply.
// Data commands may run on another shard than their connection's: they must not use `client` (it is
// null there); node and cluster commands always run on the connection's own shard and may defer()
// their reply. Keys are resident and loaded when the function runs.
//
// A command that looks at all keys (CommandSpec::gather) may be asked for some slots of this node
// alone, by this node or another: then `slots` says which, `client` is null, and its reply is a
// part of the one that the client gets. Thread: the shard's.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "quorate/coordinator/key_space.h"
#include "quorate/object/key.h"
#include "quorate/object/slot_set.h"
#include "quorate/redis/client_state.h"
#include "quorate/redis/command.h"
#include "quorate/redis/reply_writer.h"
#include "quorate/redis/request_parser.h"

namespace quorate::redis {

class ShardEngine;

// Writes the reply of a deferred command. To be called once, on the connection's shard.
using Finish = std::move_only_function<void(const std::function<void(ReplyWriter&)>& write)>;

class CommandContext {
 public:
  const CommandSpec& spec;
  Args args;                          // args[0] is the command's name
  std::span<const object::Key> keys;  // the declared keys, in order
  ReplyWriter reply;
  coordinator::KeySpace& space;
  ShardEngine& engine;
  uint16_t db;
  ClientState* client;                    // null when run for another shard's connection
  bool no_touch;                          // CLIENT NO-TOUCH: reads leave no trace for eviction
  std::function<Finish()> make_deferred;  // set for node and cluster commands
  const object::SlotSet* slots;           // stays until the reply is finished; null: all

  // The i-th declared key, looked up.
  coordinator::KeyRef open(size_t i) {
    return space.open(
        keys[i], no_touch ? coordinator::KeySpace::Touch::no : coordinator::KeySpace::Touch::yes);
  }
  uint64_t now_ms() const { return space.now_ms(); }

  // The reply comes later: nothing may be written to `reply`. Later commands of the connection
  // wait.
  Finish defer() { return make_deferred(); }
};

}  // namespace quorate::redis
