// ServerControl: what commands may ask of the process as a whole.
//
// Implemented by the server room. Thread: executor() is the control thread; settings(),
// cluster() and shutdown() are for that thread only; everything else is safe from any. Units:
// bytes, Unix ms.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "quorate/redis/cluster_admin.h"
#include "quorate/redis/settings.h"
#include "quorate/runtime/error.h"
#include "quorate/runtime/executor.h"

namespace quorate::redis {

// Facts that do not change while the server runs.
struct ServerFacts {
  std::string version;        // Quorate's own
  std::string redis_version;  // the one it answers for
  std::string node_id;        // 40 hex digits
  std::string run_id;         // 40 hex digits, new at each start
  std::string executable, config_file, data_directory, build;
  uint64_t started_ms = 0;
  int process_id = 0;
  uint16_t tcp_port = 0;
  bool cluster_enabled = false;  // to be taken for a cluster by clients also when it is alone
  unsigned threads = 1;
  uint64_t recovered_keys = 0;
  uint64_t recovery_ms = 0;
};

struct MemoryFacts {
  uint64_t allocated = 0;  // what the program holds
  uint64_t resident = 0;   // what the allocator holds of the system
  uint64_t peak = 0;
  uint64_t limit = 0;  // maxmemory
  std::string policy;
};

struct CpuFacts {
  double system_s = 0, user_s = 0;
};

struct ConnectionFacts {
  uint64_t connected = 0, received = 0, rejected = 0, limit = 0;
};

enum class ShutdownMode : uint8_t { normal, save, nosave };

class ServerControl {
 public:
  virtual ~ServerControl() = default;
  virtual runtime::Executor& executor() = 0;
  virtual Settings& settings() = 0;
  virtual ClusterAdmin& cluster() = 0;
  virtual const ServerFacts& facts() const = 0;
  virtual MemoryFacts memory() const = 0;
  virtual CpuFacts cpu() const = 0;
  virtual ConnectionFacts connections() const = 0;
  // Stops the server; connections are closed. `refused` is called (on the control thread) if it
  // cannot.
  virtual void shutdown(ShutdownMode mode, std::function<void(std::string)> refused) = 0;
  // A connection of some shard has ended.
  virtual void connection_closed() = 0;
};

}  // namespace quorate::redis
