// The configuration of a node: its values, where they are read from, and how they change while it
// runs.
//
// Config holds every directive that means something to Quorate as a plain value. Directives of
// Redis that mean nothing here are known, checked and kept as text in `ignored`, so that a stock
// redis.conf starts and CONFIG GET answers what client libraries ask for; an unknown directive is
// an error.
//
// Syntax, names, units, limits and error texts are those of redis.conf and redis-server 7.2. A
// Config is a value: published snapshots are immutable and may be read by any thread. Errors carry
// the whole text to print. Source: DESIGN sections 3, 4 and 10; Redis 7.0 and 7.2 (redis.conf,
// CONFIG SET).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/cluster/conflict_policies.h"
#include "quorate/redis/settings.h"
#include "quorate/runtime/error.h"

namespace quorate::server {

// The order of each enumeration's values is that of the words in config_directives.cc.
enum class LogLevel : uint8_t { debug, verbose, notice, warning, nothing };
enum class AppendFsync : uint8_t { everysec, always, no };
enum class DebugCommand : uint8_t { no, yes, local };
enum class MaxmemoryPolicy : uint8_t {
  volatile_lru,
  volatile_lfu,
  volatile_random,
  volatile_ttl,
  allkeys_lru,
  allkeys_lfu,
  allkeys_random,
  noeviction,
};

// A client is disconnected at once above `hard_bytes`, or when it stays above `soft_bytes` for
// `soft_s` seconds. 0 is no limit.
struct OutputBufferLimit {
  uint64_t hard_bytes = 0;
  uint64_t soft_bytes = 0;
  uint32_t soft_s = 0;

  bool operator==(const OutputBufferLimit&) const = default;
};

struct SavePoint {
  uint32_t after_s = 0;
  uint32_t changes = 0;

  bool operator==(const SavePoint&) const = default;
};

// The classes of client-output-buffer-limit, as indexes into Config::client_output_buffer_limits.
enum class ClientClass : uint8_t { normal, replica, pubsub };

struct Config {
  // Network
  std::vector<std::string> bind{"*",
                                "-::*"};  // a leading '-': no error if the address is not there
  uint16_t port = 6379;                   // 0: no TCP
  std::string unixsocket;                 // a path; empty: none
  uint32_t unixsocketperm = 0;            // mode bits; 0: as the umask says
  uint32_t tcp_backlog = 511;
  uint32_t timeout_s = 0;          // of an idle client; 0: never
  uint32_t tcp_keepalive_s = 300;  // 0: off
  uint32_t maxclients = 10000;
  bool protected_mode = true;

  // Access
  std::string requirepass;  // empty: no password
  DebugCommand enable_debug_command = DebugCommand::no;

  // Process
  bool daemonize = false;  // accepted; Quorate stays in the foreground
  std::string pidfile;
  std::string logfile;  // empty: standard output
  LogLevel loglevel = LogLevel::notice;
  uint32_t databases = 16;
  uint32_t threads = 0;  // 0: see shard_threads()
  uint32_t hz = 10;      // 1..500

  // Memory
  uint64_t maxmemory_bytes = 0;  // 0: no limit
  MaxmemoryPolicy maxmemory_policy = MaxmemoryPolicy::noeviction;
  uint32_t maxmemory_samples = 5;
  uint64_t max_disk_bytes = 0;  // 0: no limit
  uint32_t lfu_log_factor = 10;
  uint32_t lfu_decay_time_min = 1;
  uint32_t active_expire_effort = 1;  // 1..10
  bool lazyfree_lazy_eviction = false;
  bool lazyfree_lazy_expire = false;
  bool lazyfree_lazy_server_del = false;
  bool lazyfree_lazy_user_del = false;
  bool lazyfree_lazy_user_flush = false;

  // Durability
  std::string dir = "./";
  bool appendonly = true;  // accepted; the journal is always on
  AppendFsync appendfsync = AppendFsync::everysec;
  uint32_t auto_aof_rewrite_percentage = 100;  // 0: only SAVE and BGSAVE write a checkpoint
  uint64_t auto_aof_rewrite_min_size_bytes = uint64_t{64} << 20;
  std::vector<SavePoint> save;  // accepted; the journal makes save points pointless
  uint64_t journal_segment_size_bytes = uint64_t{64} << 20;
  bool repair_journal = false;
  uint32_t cold_read_threads = 2;

  // Limits of a client
  uint64_t proto_max_bulk_len_bytes = uint64_t{512} << 20;
  uint64_t client_query_buffer_limit_bytes = uint64_t{1} << 30;
  std::array<OutputBufferLimit, 3> client_output_buffer_limits{{
      // by ClientClass
      {},
      {uint64_t{256} << 20, uint64_t{64} << 20, 60},
      {uint64_t{32} << 20, uint64_t{8} << 20, 60},
  }};

  // Observation
  int64_t slowlog_log_slower_than_us = 10000;  // negative: off; 0: every command
  uint64_t slowlog_max_len = 128;
  uint64_t latency_monitor_threshold_ms = 0;  // 0: off
  bool latency_tracking = true;
  std::vector<double> latency_tracking_info_percentiles{50, 99, 99.9};

  // Cluster
  bool cluster_enabled = false;     // redirections, and what INFO says of a node that is alone
  uint16_t cluster_port = 0;        // 0: port + 10000
  std::string cluster_announce_ip;  // numeric; empty: as connections show it
  uint16_t cluster_announce_port = 0, cluster_announce_bus_port = 0;  // 0: those listened on
  std::vector<std::string> cluster_seeds;  // "host:port" or "host:port@bus-port"
  std::string cluster_name, cluster_secret;
  std::string zone;
  uint32_t weight = 1;
  uint32_t replicas = 3, read_quorum = 2, write_quorum = 2;
  uint32_t siblings_max = 64;
  std::vector<cluster::ConflictRule> conflict_rules;

  // Known directives without meaning here: name -> accepted value; absent: Redis's default.
  std::map<std::string, std::string, std::less<>> ignored;

  bool operator==(const Config&) const = default;
};

// The shard threads to start: `threads`, or for 0 half of the machine's cores, at least 1.
[[nodiscard]] uint32_t shard_threads(const Config& config, uint32_t cores);

// What the reader of a configuration needs from outside, so that tests and the fuzzer bring their
// own.
struct ConfigFiles {
  std::function<runtime::Result<std::string>(const std::string& path)> read;
  // The existing paths a pattern with *, ? or [ stands for, sorted; none is no error.
  std::function<std::vector<std::string>(const std::string& pattern)> expand;
  std::function<runtime::Result<std::string>()> read_stdin;
};

// The process's files and standard input. Relative paths start at the working directory, as in
// Redis.
[[nodiscard]] ConfigFiles process_config_files();

struct CommandLine {
  enum class Action : uint8_t { serve, show_version, show_help };

  Action action = Action::serve;
  Config config;
  std::string config_file;            // as given; empty: none
  std::vector<std::string> warnings;  // to be logged once at the start
};

// Reads redis-server's arguments, without the program's name:
//   [file] [--name value … | '--name value …'] … [-]     "-": also standard input
//   -v, --version, -h, --help                            only as the first argument
// Later values win: defaults, file, standard input, options. The first argument behind a --name is
// its value even when it begins with dashes. The error's message is complete, e.g.
//   *** FATAL CONFIG FILE ERROR (Quorate 0.1.0) ***
//   Reading the configuration file '/etc/quorate.conf', at line 12
//   >>> 'foo bar'
//   Bad directive or wrong number of arguments
[[nodiscard]] runtime::Result<CommandLine> read_command_line(
    std::span<const std::string_view> arguments, const ConfigFiles& files,
    std::string_view version);

// The text of --help.
[[nodiscard]] std::string command_line_help();

// The configuration of a running node behind CONFIG GET and CONFIG SET. Every successful set()
// publishes a new snapshot through `on_change` before it returns. Thread: the control thread only.
class ConfigStore final : public redis::Settings {
 public:
  using Snapshot = std::shared_ptr<const Config>;

  ConfigStore(Config config, std::function<void(const Snapshot&)> on_change);

  [[nodiscard]] const Snapshot& current() const { return current_; }

  void get(std::span<const std::string_view> patterns, const Sink& sink) const override;
  [[nodiscard]] runtime::Status set(std::span<const Change> changes) override;

 private:
  Snapshot current_;
  std::function<void(const Snapshot&)> on_change_;
};

}  // namespace quorate::server
