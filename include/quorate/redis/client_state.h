// ClientState: what a connection has told the server about itself, and what the server counts of
// it.
//
// Thread: the shard the connection lives on. Times: Unix ms. Source: Redis 7.2 CLIENT LIST, HELLO.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "quorate/coordinator/quorum_choice.h"
#include "quorate/redis/written_slots.h"

namespace quorate::redis {

struct ClientState {
  uint64_t id = 0;
  uint16_t db = 0;
  int protocol = 2;
  bool authenticated = true;
  bool no_evict = false;
  bool no_touch = false;
  bool reads_replicas = false;        // READONLY
  bool asking = false;                // ASKING, until the next command with a key
  coordinator::QuorumChoice quorums;  // DYN.QUORUM
  WrittenSlots written;               // for WAIT
  bool close_after_reply = false;
  std::string name, library_name, library_version;
  std::string peer_address, local_address;
  uint64_t connected_ms = 0;
  uint64_t last_command_ms = 0;
  uint64_t commands = 0;
  const char* last_command = "NULL";  // full name of a CommandSpec
};

// A connection on its way to another server of this process: the socket, and what the client has
// said.
struct HandedOverClient {
  int descriptor = -1;
  std::optional<ClientState> client;  // nothing: it has not been met yet
};

}  // namespace quorate::redis
